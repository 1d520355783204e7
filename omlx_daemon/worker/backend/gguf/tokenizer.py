"""`tokenizer.json`, `tokenizer_config.json` and the chat template, rebuilt from a GGUF file's metadata."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Tokenizer, processors

from omlx_daemon.worker.backend.gguf import bytebpe, sentencepiece, vocabulary
from omlx_daemon.worker.backend.gguf.errors import damaged, unsupported
from omlx_daemon.worker.backend.gguf.metadata import Metadata
from omlx_daemon.worker.backend.gguf.vocabulary import TokenKind, Vocabulary

MAX_TEMPLATE_CHARACTERS = 1 << 20
END_OF_TURN = frozenset({
    "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
})  # fmt: skip
"""Control tokens that end an answer, whatever the file's own end token is."""

_KINDS = {"gpt2": bytebpe.build, "llama": sentencepiece.build}
_ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


@dataclass(frozen=True, slots=True)
class Built:
    """What the files of a tokenizer hold."""

    tokenizer: Tokenizer
    config: dict[str, object]
    template: str
    bos_id: int | None
    eos_ids: list[int]


def build(metadata: Metadata, vocabulary_limit: int) -> Built:
    """Return the tokenizer of a file whose embedding has `vocabulary_limit` rows. Raises OmlxError."""
    kind = metadata.text("tokenizer.ggml.model")
    if kind not in _KINDS:
        raise unsupported(f"its tokenizer is of the kind {kind!r}", f"these can be: {', '.join(_KINDS)}")
    words = vocabulary.read(metadata, vocabulary_limit)
    tokenizer, bos_by_kind = _KINDS[kind](metadata, words)
    added = words.added()
    tokenizer.add_special_tokens([token for token in added if token.special])
    tokenizer.add_tokens([token for token in added if not token.special])
    roles = {role: _role(metadata, key, words) for role, key in _ROLES.items()}
    bos_id = roles["bos_token"]
    if bos_id is not None and metadata.flag("tokenizer.ggml.add_bos_token", bos_by_kind):
        tokenizer.post_processor = _bos_first(words.tokens[bos_id], bos_id)
    config: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata.integer(".context_length"),
        **{role: words.tokens[index] for role, index in roles.items() if index is not None},
    }
    return Built(tokenizer, config, _template(metadata), bos_id, _eos_ids(metadata, words))


def _role(metadata: Metadata, key: str, words: Vocabulary) -> int | None:
    full = f"tokenizer.ggml.{key}_token_id"
    if not metadata.has(full):
        return None
    index = metadata.integer(full)
    if index >= len(words.tokens):
        raise damaged(f"metadata {full!r} is {index}, beyond the {len(words.tokens)} tokens")
    return index


def _eos_ids(metadata: Metadata, words: Vocabulary) -> list[int]:
    """Return the ids that end an answer, the file's own end token first."""
    named = [_role(metadata, key, words) for key in ("eos", "eot", "eom")]
    by_text = [
        index
        for index, (token, kind) in enumerate(zip(words.tokens, words.kinds, strict=True))
        if kind == TokenKind.CONTROL and token in END_OF_TURN
    ]
    return list(dict.fromkeys(index for index in (*named, *by_text) if index is not None))


def _bos_first(token: str, index: int) -> processors.PostProcessor:
    mark = token.replace(":", "")
    return processors.TemplateProcessing(
        single=[mark, "$A:0"], pair=[mark, "$A:0", f"{mark}:1", "$B:1"], special_tokens=[(mark, index)]
    )


def _template(metadata: Metadata) -> str:
    template = metadata.text("tokenizer.chat_template", "")
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise damaged(f"a chat template of {len(template)} characters")
    return template

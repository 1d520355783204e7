"""Byte-level BPE tokenizers (`gpt2` in GGUF), and the ways in which they split text before merging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

from omlx_daemon.worker.backend.gguf.errors import damaged, unsupported
from omlx_daemon.worker.backend.gguf.metadata import Metadata
from omlx_daemon.worker.backend.gguf.vocabulary import Vocabulary

_TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
_LLAMA3 = _CONTRACTIONS + _WORDS + r"|\p{N}{1,3}" + _SIGNS + _TAIL
_QWEN2 = _CONTRACTIONS + _WORDS + r"|\p{N}" + _SIGNS + _TAIL
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _TAIL
)
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")


@dataclass(frozen=True, slots=True)
class _Split:
    """One way to split; `whole_words` takes a word that is a token as it is, without merging."""

    build: Callable[[], PreTokenizer]
    whole_words: bool = False
    compose: bool = False
    bos: bool = False


def _by(*patterns: str) -> Callable[[], PreTokenizer]:
    def build() -> PreTokenizer:
        splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
        return pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])

    return build


def _gpt2() -> PreTokenizer:
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def _digits_apart() -> PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


_LLAMA3_SPLIT = _Split(_by(_LLAMA3), whole_words=True, bos=True)
_SPLITS = {
    **dict.fromkeys(("gpt-2", "phi-2", "mpt", "olmo"), _Split(_gpt2)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), _Split(_digits_apart)),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"), _LLAMA3_SPLIT),
    **dict.fromkeys(("dbrx", "smaug-bpe"), _Split(_by(_LLAMA3))),
    **dict.fromkeys(("stablelm2", "deepseek-r1-qwen", "megrez"), _Split(_by(_QWEN2))),
    "qwen2": _Split(_by(_QWEN2), compose=True),
    "tekken": _Split(_by(_TEKKEN), whole_words=True, bos=True),
    "default": _Split(_by(*_DEFAULT)),
}


def build(metadata: Metadata, vocabulary: Vocabulary) -> tuple[Tokenizer, bool]:
    """Return the tokenizer, and whether its kind puts the start token first.

    Raises OmlxError(UNSUPPORTED_MODEL) that names an unknown pre-tokenizer.
    """
    name = metadata.text("tokenizer.ggml.pre", "default")
    split = _SPLITS.get(name)
    if split is None:
        raise unsupported(f"its pre-tokenizer is {name!r}", f"these can be: {', '.join(sorted(_SPLITS))}")
    merges = [_pair(line) for line in metadata.texts("tokenizer.ggml.merges")]
    try:
        model = models.BPE(vocab=vocabulary.ids(), merges=merges, ignore_merges=split.whole_words)
    except Exception as error:
        raise damaged(f"its merges do not fit its tokens ({error})") from error
    tokenizer = Tokenizer(model)
    if split.compose:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = split.build()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, split.bos


def _pair(line: str) -> tuple[str, str]:
    left, _, right = line.partition(" ")
    if not left or not right:
        raise damaged(f"a merge reads {line[:40]!r}")
    return left, right

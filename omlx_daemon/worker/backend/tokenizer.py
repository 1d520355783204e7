"""A model's tokenizer: chats and texts to token ids, token ids to bytes and text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mlx_lm.tokenizer_utils import BPEStreamingDetokenizer, TokenizerWrapper

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import ChatPrompt
from omlx_daemon.core.templates import TemplateTraits, read_template
from omlx_daemon.worker.backend.turns import turns
from omlx_daemon.worker.engine.detokenize import ByteDetokenizer, Detokenizer, WindowDetokenizer
from omlx_daemon.worker.parsing.foreign import ForeignTools

_OURS = frozenset(
    {
        "conversation",
        "tools",
        "chat_template",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
        "processor_kwargs",
    }
)
"""Arguments of the rendering call itself, which no request may set."""
_MAX_REASON = 300
"""Characters of a template's complaint; some quote the whole conversation."""
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "\u2581"
_MARKER = re.compile(r"<[^\s<>]+>|\[/?[A-Z_]+\]")
"""How added tokens are written that stand for something else than their letters."""


class ModelTokenizer:
    """Encodes on one thread while another detokenises: nothing here changes after construction but a cache."""

    def __init__(self, tokenizer: TokenizerWrapper) -> None:
        self._tokenizer = tokenizer
        self._by_bytes = isinstance(tokenizer.detokenizer, BPEStreamingDetokenizer)
        self._size = len(tokenizer)
        self.traits = traits_of(tokenizer)
        self._added = {token: str(added) for token, added in tokenizer.added_tokens_decoder.items()}
        """Tokens beside the vocabulary proper, which are written as they are."""
        self._bytes: dict[int, bytes] = {}

    def encode_chat(self, prompt: ChatPrompt) -> list[int]:
        """Return the rendered chat's tokens. Raises OmlxError(INVALID_REQUEST) where the template refuses it."""
        if not self._tokenizer.has_chat_template:
            hint = "send a plain prompt to /v1/completions"
            raise OmlxError(Code.INVALID_REQUEST, "the model has no chat template", hint, param="messages")
        if refused := sorted(_OURS & prompt.template_kwargs.keys()):
            raise OmlxError(Code.INVALID_REQUEST, f"the chat template takes no {refused[0]}", param=refused[0])
        try:
            text = self._rendered(prompt)
        except Exception as error:
            reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
            message = f"the model's chat template refuses these messages: {reason}"
            raise OmlxError(Code.INVALID_REQUEST, message, param="messages") from error
        return self._encode(text, special=False)

    def _rendered(self, prompt: ChatPrompt) -> str:
        try:
            return self._render(prompt, turns(prompt.messages, self.traits))
        except TypeError:
            # Most templates iterate over a call's arguments; some write them as the text that they are.
            if not any(message.tool_calls for message in prompt.messages):
                raise
            return self._render(prompt, turns(prompt.messages, self.traits, parsed=False))

    def _render(self, prompt: ChatPrompt, messages: list[dict[str, object]]) -> str:
        render: Callable[..., str] = self._tokenizer.apply_chat_template
        return render(
            messages,
            tools=list(prompt.tools) or None,
            tokenize=False,
            **{**_ending(prompt), **prompt.template_kwargs},
        )

    def encode_text(self, text: str) -> list[int]:
        """Return the tokens of a bare prompt; its beginning is marked as the model expects, once."""
        bos = self._tokenizer.bos_token
        return self._encode(text, special=bos is None or not text.startswith(bos))

    @property
    def markers(self) -> dict[str, int]:
        """The added tokens that mark something, by how they are written: ends of turns, calls, reasoning."""
        added = self._tokenizer.added_tokens_decoder
        return {str(t): token for token, t in added.items() if t.special or _MARKER.fullmatch(str(t))}

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of `token_ids`, special tokens included."""
        return str(self._tokenizer.decode(list(token_ids), clean_up_tokenization_spaces=False))

    def detokenizer(self) -> Detokenizer:
        """Return a fresh detokenizer of one answer."""
        return ByteDetokenizer(self.bytes_of) if self._by_bytes else WindowDetokenizer(self.decode)

    def bytes_of(self, token: int) -> bytes:
        """Return the bytes of a token; none for ids that pad the model's vocabulary."""
        known = self._bytes.get(token)
        if known is None:
            known = self._bytes[token] = self._find_bytes(token)
        return known

    def _find_bytes(self, token: int) -> bytes:
        if token in self._added:
            return self._added[token].encode()
        piece = self._tokenizer.convert_ids_to_tokens(token) if token < self._size else None
        if not piece:
            return b""
        if self._by_bytes:
            return byte_level(piece)
        if escaped := _BYTE_PIECE.fullmatch(piece):
            return bytes([int(escaped[1], 16)])
        return str(piece).replace(_SPACE, " ").encode()

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=special))


def traits_of(tokenizer: TokenizerWrapper) -> TemplateTraits:
    """Return what a tokenizer's template and vocabulary tell."""
    template = tokenizer.chat_template
    texts = template.values() if isinstance(template, dict) else [template or ""]
    settings = tokenizer.init_kwargs
    return read_template(
        "".join(map(str, texts)),
        tokenizer.get_vocab(),
        str(settings.get("tool_parser_type") or ""),
        str(settings.get("chat_template_type") or ""),
    )


def foreign_tools(tokenizer: TokenizerWrapper) -> ForeignTools | None:
    """Return what mlx-lm reads this model's tool calls with; None where it knows no way."""
    if tokenizer.tool_parser is None:
        return None
    start, end = str(tokenizer.tool_call_start), str(tokenizer.tool_call_end or "")
    return ForeignTools(str(tokenizer.init_kwargs.get("tool_parser_type", "mlx_lm")), start, end, tokenizer.tool_parser)


def byte_level(piece: str) -> bytes:
    """Return the bytes of a byte-level BPE piece, where each byte is written as one printable character."""
    try:
        return bytes(_BYTE_OF[character] for character in piece)
    except KeyError:
        return piece.encode()


def _printable() -> dict[str, int]:
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = [byte for byte in range(0x100) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + n): byte for n, byte in enumerate(shifted)}


_BYTE_OF = _printable()


def _ending(prompt: ChatPrompt) -> dict[str, object]:
    """Return how the rendered chat ends: before an answer, or in its middle."""
    if prompt.continues:
        return {"add_generation_prompt": False, "continue_final_message": True}
    return {"add_generation_prompt": True}

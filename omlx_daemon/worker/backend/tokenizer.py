"""A model's tokenizer: chats and texts to token ids, token ids to bytes and text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from mlx_lm.tokenizer_utils import BPEStreamingDetokenizer, TokenizerWrapper

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import ChatPrompt, Message
from omlx_daemon.worker.engine.detokenize import ByteDetokenizer, Detokenizer, WindowDetokenizer

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
        self._bytes: dict[int, bytes] = {}

    def encode_chat(self, prompt: ChatPrompt) -> list[int]:
        """Return the rendered chat's tokens. Raises OmlxError(INVALID_REQUEST) where the template refuses it."""
        if not self._tokenizer.has_chat_template:
            hint = "send a plain prompt to /v1/completions"
            raise OmlxError(Code.INVALID_REQUEST, "the model has no chat template", hint, param="messages")
        if refused := sorted(_OURS & prompt.template_kwargs.keys()):
            raise OmlxError(Code.INVALID_REQUEST, f"the chat template takes no {refused[0]}", param=refused[0])
        render: Callable[..., str] = self._tokenizer.apply_chat_template
        try:
            text = render(
                [_turn(message) for message in prompt.messages],
                tools=list(prompt.tools) or None,
                tokenize=False,
                **{**_ending(prompt), **prompt.template_kwargs},
            )
        except Exception as error:
            reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
            message = f"the model's chat template refuses these messages: {reason}"
            raise OmlxError(Code.INVALID_REQUEST, message, param="messages") from error
        return self._encode(text, special=False)

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


def _turn(message: Message) -> dict[str, object]:
    """Return a message as chat templates know it; what it lacks is left out."""
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    if message.name:
        turn["name"] = message.name
    if message.reasoning:
        turn["reasoning_content"] = message.reasoning
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _call(call: dict[str, object]) -> dict[str, object]:
    """Return a tool call with its arguments as an object: templates iterate over them."""
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except ValueError:
        return call
    return {**call, "function": {**function, "arguments": arguments}}

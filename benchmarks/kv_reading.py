"""A model that reads on from KV rows which went through the cache's codec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

from omlx_daemon.coldstore.names import BLOCK_TOKENS, Part
from omlx_daemon.worker.backend import device, precision
from omlx_daemon.worker.backend.kv.codec import KvCodec
from omlx_daemon.worker.backend.kv.leaves import layout
from omlx_daemon.worker.backend.kv.payloads import KvPayload
from omlx_daemon.worker.backend.kv.rows import Source
from omlx_daemon.worker.cache.payload import Span

READ_ON = 128
"""Tokens after each prompt whose predictions are compared."""


@dataclass(frozen=True)
class Window:
    """A prompt, what follows it, and what exact rows make of it."""

    prompt: list[int]
    following: list[int]
    logits: mx.array
    greedy: list[int]


class Reading:
    """One model."""

    def __init__(self, folder: Path, greedy: int) -> None:
        self.model: Any
        self.model, _ = load_model(folder, lazy=True)
        if device.backend() == "cpu":
            precision.widen(self.model, 1 << 60)
        mx.eval(self.model.parameters())
        self.layout, self.greedy_tokens = layout(self.model), greedy

    def fill(self, prompt: list[int]) -> list[Any]:
        """Return a model cache that holds `prompt`."""
        caches = make_prompt_cache(self.model)
        for start in range(0, len(prompt), BLOCK_TOKENS):
            self.model(mx.array([prompt[start : start + BLOCK_TOKENS]]), cache=caches)
            mx.eval([one.state for one in caches])
        return caches

    def stored(self, prompt: list[int], bits: int) -> tuple[Any, int]:
        """Return the model cache as it comes back from blocks of `bits`, and the bytes of the blocks."""
        codec, source, end = KvCodec(self.layout, store_bits=bits), Source(self.fill(prompt)), len(prompt)
        assembly, needs, size_bytes = codec.assembly(end + BLOCK_TOKENS), codec.needs, 0

        def take(part: Part, start: int, upto: int) -> KvPayload:
            nonlocal size_bytes
            payload = codec.capture(source, part, start, upto)
            codec.settle([payload])
            codec.seal(all_of_them=True)
            size_bytes += payload.nbytes
            return payload

        for start in range(0, end if needs.tokens else 0, BLOCK_TOKENS):
            upto = min(start + BLOCK_TOKENS, end)
            assembly.place(take(Part.TOKENS, start, upto), upto - start, start)
            assembly.settle()
        first = max(0, end - needs.windows[0]) if needs.windows else end
        spans = [Span(take(Part.WINDOW, first, end), end, end)] if needs.windows else []
        state = take(Part.STATE, 0, end) if needs.state else None
        return assembly.finish(end, spans, state), size_bytes

    def read_on(self, caches: Any, tokens: list[int]) -> mx.array:
        """Return the log probabilities after each of `tokens`."""
        logits: mx.array = self.model(mx.array([tokens]), cache=caches)[0].astype(mx.float32)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        mx.eval(logprobs)
        return logprobs

    def greedy(self, caches: Any, token: int) -> list[int]:
        """Return the greedy answer after `token`."""
        answer = []
        for _ in range(self.greedy_tokens):
            token = int(mx.argmax(self.model(mx.array([[token]]), cache=caches)[0, -1]))
            answer.append(token)
        return answer

    def window(self, tokens: list[int], prompt_tokens: int) -> Window:
        """Return a window with what exact rows make of it."""
        prompt, following = tokens[:prompt_tokens], tokens[prompt_tokens:]
        return Window(
            prompt,
            following,
            self.read_on(self.stored(prompt, 16)[0], following),
            self.greedy(self.stored(prompt, 16)[0], following[0]),
        )

    def compare(self, windows: list[Window], bits: int) -> Iterator[dict[str, float]]:
        """Yield what `bits` make of each window, against exact rows."""
        for one in windows:
            caches, size_bytes = self.stored(one.prompt, bits)
            _, exact_bytes = self.stored(one.prompt, 16)
            logprobs = self.read_on(caches, one.following)
            agree = mx.argmax(logprobs, axis=-1) == mx.argmax(one.logits, axis=-1)
            divergence = (mx.exp(one.logits) * (one.logits - logprobs)).sum(axis=-1)
            answer = self.greedy(self.stored(one.prompt, bits)[0], one.following[0])
            pairs = enumerate(zip(answer, one.greedy, strict=True))
            yield {
                "size": size_bytes / exact_bytes,
                "top1_agreement": float(agree.astype(mx.float32).mean()),
                "mean_kl": float(divergence.mean()),
                "greedy_same_tokens": float(next((n for n, (a, b) in pairs if a != b), len(answer))),
            }

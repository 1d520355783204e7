"""From a request to a sequence that the engine can run: template, tokens, limits, sampling."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.errors import prompt_too_long
from omlx_daemon.core.requests import (
    ChatPrompt,
    GenerationRequest,
    Message,
    Prompt,
    Sampling,
    SystemPrompt,
    TextPrompt,
)
from omlx_daemon.worker.engine.answers import Answers
from omlx_daemon.worker.engine.boundaries import Boundaries
from omlx_daemon.worker.engine.plan import decide
from omlx_daemon.worker.engine.ports import Encoder, Grammars, ModelFacts, Vocabulary
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.systems import RULE as SYSTEM_RULE
from omlx_daemon.worker.engine.systems import SystemTurns
from omlx_daemon.worker.engine.tickets import Ticket
from omlx_daemon.worker.grammar.answers import wanted
from omlx_daemon.worker.parsing.style import AnswerStyle


class Preparer:
    """Checks a request against the model and makes it a sequence. Called on the tokenising thread alone."""

    def __init__(
        self,
        encoder: Encoder,
        vocabulary: Vocabulary,
        facts: ModelFacts,
        *,
        marks_boundaries: bool = False,
        bound: Callable[[Sequence], None] = lambda sequence: None,
        grammars: Grammars | None = None,
    ) -> None:
        """Prepare for one model; `marks_boundaries` where its cache can be resumed at chosen positions alone.

        `bound` fits a sequence into memory, or raises OmlxError where it never fits. Without `grammars`, answers are
        free.
        """
        self._grammars = grammars
        self._bound = bound
        self._encoder = encoder
        self._facts = facts
        self._answers = Answers(encoder, vocabulary, facts)
        self._boundaries = Boundaries(encoder)
        self._systems = SystemTurns(encoder)
        self._marks_boundaries = marks_boundaries

    def prepare(self, ticket: Ticket, request: GenerationRequest) -> Sequence:
        """Return the sequence of `request`. Raises OmlxError (invalid request, prompt too long for model or memory)."""
        request, rules = self._placed(self._answers.directed(request))
        sampling = request.sampling
        plan = decide(sampling, self._facts.defaults)
        self._check_ids("logit_bias", tuple(plan.logit_bias))
        prompt = self._encode(request.prompt)
        sequence = Sequence(
            ticket=ticket,
            prompt=prompt,
            plan=plan,
            answer=self._answers.begin(request, prompt),
            max_tokens=self._max_tokens(sampling, len(prompt)),
            stop_ids=frozenset(sampling.stop_token_ids) | (frozenset() if sampling.ignore_eos else self._facts.eos_ids),
            echo_text=self._echo(request.prompt, prompt) if request.echo else "",
            cache=request.cache,
            client=request.client,
            rules=rules,
            boundaries=self._shared(request.prompt, prompt),
            grammar=self._grammar(request, prompt),
        )
        self._bound(sequence)
        return sequence

    def _grammar(self, request: GenerationRequest, prompt: list[int]) -> object | None:
        if self._grammars is None:
            return None
        style = self._facts.style if isinstance(request.prompt, ChatPrompt) else AnswerStyle()
        inside = self._answers.opens_reasoning(request, prompt)
        found = wanted(request, style, self._grammars.markers, inside=inside)
        return found and self._grammars.compile(*found)

    def count(self, request: GenerationRequest) -> int:
        """Return how many tokens the prompt of `request` has, however long it may be. Raises OmlxError as `prepare`."""
        return len(self._encode(self._placed(self._answers.directed(request))[0].prompt))

    def _encode(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, ChatPrompt):
            return self._encoder.encode_chat(prompt)
        if isinstance(prompt, TextPrompt):
            return self._encoder.encode_text(prompt.text)
        if isinstance(prompt, SystemPrompt):
            system = Message(role="system", content=prompt.system)
            head = ChatPrompt(messages=(system,), template_kwargs=prompt.template_kwargs)
            return self._boundaries.prefix(head)
        self._check_ids("prompt", prompt.token_ids)
        return list(prompt.token_ids)

    @property
    def encoder(self) -> Encoder:
        """What makes tokens of text, and text of tokens."""
        return self._encoder

    def _placed(self, request: GenerationRequest) -> tuple[GenerationRequest, tuple[str, ...]]:
        """Return `request` with its system messages where the template takes them, and the rules that took."""
        prompt = self._systems.placed(request.prompt)
        if prompt is request.prompt:
            return request, ()
        return msgspec.structs.replace(request, prompt=prompt), (SYSTEM_RULE,)

    def _shared(self, prompt: Prompt, token_ids: list[int]) -> tuple[int, ...]:
        if not self._marks_boundaries or not isinstance(prompt, ChatPrompt):
            return ()
        return self._boundaries.of(prompt, token_ids)

    def _max_tokens(self, sampling: Sampling, prompt_tokens: int) -> int:
        """Return how long the answer may get: what was asked for, and no more than the context leaves."""
        if prompt_tokens == 0:
            raise OmlxError(Code.INVALID_REQUEST, "the prompt has no tokens", param="prompt")
        context = self._facts.context_tokens or math.inf
        if prompt_tokens >= context:
            raise prompt_too_long(prompt_tokens, int(context))
        if sampling.max_tokens is not None and sampling.max_tokens < 0:
            raise OmlxError(Code.INVALID_REQUEST, "max_tokens is negative", param="max_tokens")
        asked = math.inf if sampling.max_tokens is None else sampling.max_tokens
        allowed = min(asked, context - prompt_tokens)
        return _UNKNOWN_CONTEXT_TOKENS if math.isinf(allowed) else int(allowed)

    def _echo(self, prompt: Prompt, token_ids: list[int]) -> str:
        return prompt.text if isinstance(prompt, TextPrompt) else self._encoder.decode(token_ids)

    def _check_ids(self, name: str, token_ids: tuple[int, ...]) -> None:
        limit = self._facts.vocabulary_tokens
        for token in token_ids:
            if not 0 <= token < limit:
                message = f"token {token} is not in the vocabulary, which ends at {limit - 1}"
                raise OmlxError(Code.INVALID_REQUEST, message, param=name)


_UNKNOWN_CONTEXT_TOKENS = 1 << 17
"""The longest answer of a model that tells no context length, where the caller sets no limit either."""

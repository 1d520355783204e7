"""The numbers that decide how one request's tokens are chosen: the caller's, else the model's, else neutral."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TypeVar

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import Sampling

T = TypeVar("T", bound=float)


@dataclass(frozen=True, slots=True)
class SamplingDefaults:
    """A model's own advice; None where it gives none."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """Every value decided. `top_k` 0, `top_p` 1, `min_p` 0 and `repetition_penalty` 1 are off."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = field(default_factory=dict)
    seed: int | None = None
    logprobs: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always chosen."""
        return self.temperature == 0.0 or self.top_k == 1


def decide(asked: Sampling, defaults: SamplingDefaults) -> SamplingPlan:
    """Return the plan for a request. Raises OmlxError(INVALID_REQUEST) naming a value out of its range."""
    plan = SamplingPlan(
        temperature=_first(asked.temperature, defaults.temperature, 1.0),
        top_p=_first(asked.top_p, defaults.top_p, 1.0),
        top_k=_first(asked.top_k, defaults.top_k, 0),
        min_p=_first(asked.min_p, defaults.min_p, 0.0),
        repetition_penalty=_first(asked.repetition_penalty, defaults.repetition_penalty, 1.0),
        presence_penalty=asked.presence_penalty or 0.0,
        frequency_penalty=asked.frequency_penalty or 0.0,
        logit_bias=dict(asked.logit_bias),
        seed=asked.seed,
        logprobs=asked.logprobs,
    )
    _check(plan)
    return plan


def _first(asked: T | None, default: T | None, neutral: T) -> T:
    return next(value for value in (asked, default, neutral) if value is not None)


def _check(plan: SamplingPlan) -> None:
    ranges = {
        "temperature": (plan.temperature, 0.0, 100.0),
        "top_p": (plan.top_p, 0.0, 1.0),
        "top_k": (plan.top_k, 0, math.inf),
        "min_p": (plan.min_p, 0.0, 1.0),
        "repetition_penalty": (plan.repetition_penalty, 0.01, 100.0),
        "presence_penalty": (plan.presence_penalty, -100.0, 100.0),
        "frequency_penalty": (plan.frequency_penalty, -100.0, 100.0),
        "logprobs": (plan.logprobs or 0, 0, 1000),
    }
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise _refuse(name, f"{name} is {value}, which is not between {low} and {high}")
    for token, bias in plan.logit_bias.items():
        if not math.isfinite(bias):
            raise _refuse("logit_bias", f"the logit_bias of token {token} is not a finite number")


def _refuse(name: str, message: str) -> OmlxError:
    return OmlxError(Code.INVALID_REQUEST, message, param=name)

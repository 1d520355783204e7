"""Joins neighbouring events of one kind, so that a slow reader holds up nobody. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby

from omlx_daemon.core.events import Event, Prefill, Queued, Reasoning, Text, ToolCall


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """Yield `events` in order, runs of text and of reasoning as one event, of progress as its last."""
    for _, run in groupby(events, key=type):
        yield from _join(list(run))


def _join(run: list[Event]) -> list[Event]:
    match run[0]:
        case Prefill() | Queued():
            return run[-1:]
        case Text():
            return [_join_text([event for event in run if isinstance(event, Text)])]
        case Reasoning():
            return [_join_reasoning([event for event in run if isinstance(event, Reasoning)])]
        case ToolCall():
            return list(_join_calls([event for event in run if isinstance(event, ToolCall)]))
        case _:
            return run


def _join_text(run: list[Text]) -> Text:
    return Text(
        text="".join(event.text for event in run),
        token_ids=tuple(chain.from_iterable(event.token_ids for event in run)),
        logprobs=tuple(chain.from_iterable(event.logprobs for event in run)),
    )


def _join_reasoning(run: list[Reasoning]) -> Reasoning:
    return Reasoning(
        text="".join(event.text for event in run),
        token_ids=tuple(chain.from_iterable(event.token_ids for event in run)),
    )


def _join_calls(run: list[ToolCall]) -> Iterator[ToolCall]:
    """Yield the pieces of each call as one; that a call is void stays a piece of its own."""
    for _, same in groupby(run, key=lambda event: (event.index, event.void)):
        pieces = list(same)
        yield ToolCall(
            id=pieces[0].id,
            name=pieces[0].name,
            arguments="".join(piece.arguments for piece in pieces),
            index=pieces[0].index,
            token_ids=tuple(chain.from_iterable(piece.token_ids for piece in pieces)),
            void=pieces[0].void,
        )

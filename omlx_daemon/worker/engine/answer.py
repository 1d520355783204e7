"""One answer: detokenised, split into text, reasoning and calls, its text watched for stop strings."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from omlx_daemon.core.events import Alternative, Reasoning, Text, TokenLogprob, ToolCall
from omlx_daemon.worker.engine.ports import Scores, Vocabulary
from omlx_daemon.worker.engine.stops import StopText
from omlx_daemon.worker.parsing.segments import Kind, PlainSplitter, Segment, Splitter

Piece = Text | Reasoning | ToolCall
"""What an answer is given as."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A token whose text is characters `start` to `end` of the answer."""

    token: int
    scores: Scores | None
    start: int
    end: int


class Answer:
    """Turns tokens into pieces. Tokens travel with what they are a part of, so a held piece holds its tokens too;
    a marker's tokens go with what it marks. Tokens that lie wholly inside a stop string are never given.

    Stop strings are looked for in visible text alone.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        stops: tuple[str, ...] = (),
        splitter: Splitter | None = None,
        *,
        most_calls: int = 0,
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Split with `splitter`; without one, all is text. The answer ends with its `most_calls`-th call, 0 is never.

        `warnings` are known already.
        """
        self.stop_text = ""
        self.calls = 0
        """Calls that are complete."""
        self.reasoning_tokens = 0
        self._vocabulary = vocabulary
        self._detokenizer = vocabulary.detokenizer()
        self._stops = StopText(stops)
        self._splitter = splitter or PlainSplitter()
        self._most_calls = most_calls
        self._warnings = warnings
        self._ids: dict[int, str] = {}
        self._pending: list[_Pending] = []
        self._seen_characters = 0
        self._split_characters = 0
        self._given_characters = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more may follow: a stop string was found, or the last call was made that is allowed."""
        return bool(self.stop_text) or 0 < self._most_calls <= self.calls

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without harm to the answer."""
        return self._warnings + self._splitter.warnings

    def add(self, token: int, scores: Scores | None = None) -> list[Piece]:
        """Return the next pieces, none where all is held back. `ended` is set where the answer ends here."""
        piece = self._detokenizer.add(token)
        start = self._seen_characters
        self._seen_characters += len(piece)
        self._pending.append(_Pending(token, scores, start, self._seen_characters))
        return self._pieces(self._splitter.feed(piece))

    def end(self) -> list[Piece]:
        """Return all that is held back. `stop_text` is set where its last characters complete a stop string."""
        if self.ended:
            return []
        rest = self._detokenizer.flush()
        self._seen_characters += len(rest)
        pieces = self._pieces([*self._splitter.feed(rest), *self._splitter.finish()])
        if not self.stop_text:
            text = self._flush_stops()
            last = self._text(text, len(self._pending))
            pieces += [last] if last else []
        return _joined(pieces)

    def _pieces(self, segments: list[Segment]) -> list[Piece]:
        pieces: list[Piece] = []
        for segment in segments:
            made = [self._say(segment)] if segment.kind is Kind.TEXT else self._mark(segment)
            pieces += [piece for piece in made if piece]
            if self.ended:
                return pieces
        if rest := self._silent():
            pieces.append(rest)
        return _joined(pieces)

    def _mark(self, segment: Segment) -> list[Piece | None]:
        """Return reasoning, or a piece of a call, after the text that was held back before it."""
        held = self._flush_stops()
        before = self._text(held, self._ready()) if held else None
        self._split_characters += segment.size
        self._given_characters = self._split_characters
        return [before, self._think(segment) if segment.kind is Kind.REASONING else self._call(segment)]

    def _say(self, segment: Segment) -> Text | None:
        """Return visible text, as far as no stop string may begin in it."""
        self._split_characters += segment.size
        if segment.literal or not segment.text:
            # The text of a call that cannot be read is longer than what is new of it; a marker has none.
            held = self._flush_stops()
            self._given_characters = self._split_characters
            return self._text(held + segment.text, self._ready(), scored=bool(held or segment.text))
        passed = self._stops.feed(segment.text)
        self._given_characters += len(passed.text)
        self.stop_text = passed.stop
        return self._text(passed.text, self._ready())

    def _flush_stops(self) -> str:
        held = self._stops.flush()
        self._given_characters += len(held)
        return held

    def _think(self, segment: Segment) -> Piece | None:
        tokens = self._taken(self._ready())
        self.reasoning_tokens += len(tokens)
        return Reasoning(text=segment.text, token_ids=tokens) if segment.text or tokens else None

    def _call(self, segment: Segment) -> Piece | None:
        tokens, identity = self._taken(self._ready()), ""
        if segment.name:
            identity = self._ids[segment.index] = f"call_{uuid4().hex[:24]}"
        self.calls += segment.done
        if not (segment.name or segment.text or segment.void or tokens):
            return None
        index = segment.index
        return ToolCall(
            id=identity, name=segment.name, arguments=segment.text, index=index, token_ids=tokens, void=segment.void
        )

    def _silent(self) -> Piece | None:
        """Return tokens that stand for no text of their own, such as half a character."""
        count = self._ready()
        if not count or self._splitter.kind is Kind.CALL:
            return None
        if self._splitter.kind is Kind.TEXT:
            return self._text("", count)
        self.reasoning_tokens += count
        return Reasoning(text="", token_ids=self._taken(count))

    def _text(self, text: str, count: int, *, scored: bool = True) -> Text | None:
        """Return a piece of text with the next `count` tokens; a marker's are not `scored`."""
        taken, self._pending = self._pending[:count], self._pending[count:]
        ids = tuple(entry.token for entry in taken)
        logprobs = tuple(self._logprob(entry.token, entry.scores) for entry in taken if scored and entry.scores)
        return Text(text=text, token_ids=ids, logprobs=logprobs) if text or ids else None

    def _ready(self) -> int:
        """Return how many tokens lie in what was given."""
        given = self._given_characters
        if self.stop_text:
            return sum(entry.start < given for entry in self._pending)
        return next((n for n, entry in enumerate(self._pending) if entry.end > given), len(self._pending))

    def _taken(self, count: int) -> tuple[int, ...]:
        taken, self._pending = self._pending[:count], self._pending[count:]
        return tuple(entry.token for entry in taken)

    def _logprob(self, token: int, scores: Scores) -> TokenLogprob:
        top = tuple(self._alternative(other, logprob) for other, logprob in scores.top)
        return TokenLogprob(chosen=self._alternative(token, scores.chosen), top=top)

    def _alternative(self, token: int, logprob: float) -> Alternative:
        piece = self._vocabulary.bytes_of(token)
        return Alternative(text=piece.decode("utf-8", "replace"), logprob=logprob, token_bytes=piece, token_id=token)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Return `pieces` with neighbouring texts and neighbouring reasoning as one."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, Text) and isinstance(last, Text):
            logprobs = last.logprobs + piece.logprobs
            joined[-1] = Text(
                text=last.text + piece.text, token_ids=last.token_ids + piece.token_ids, logprobs=logprobs
            )
        elif isinstance(piece, Reasoning) and isinstance(last, Reasoning):
            joined[-1] = Reasoning(text=last.text + piece.text, token_ids=last.token_ids + piece.token_ids)
        else:
            joined.append(piece)
    return joined

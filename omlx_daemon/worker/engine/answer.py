"""One answer's text: detokenised, watched for stop strings, with the tokens that belong to each piece.

Reasoning and tool-call markers would be told apart here, between the detokenizer and the stop strings.
"""

from __future__ import annotations

from dataclasses import dataclass

from omlx_daemon.core.events import Alternative, Text, TokenLogprob
from omlx_daemon.worker.engine.ports import Scores, Vocabulary
from omlx_daemon.worker.engine.stops import StopText


@dataclass(frozen=True, slots=True)
class _Pending:
    """A token whose text is characters `start` to `end` of the answer."""

    token: int
    scores: Scores | None
    start: int
    end: int


class Answer:
    """Turns tokens into `Text` events. Tokens travel with their text, so a held piece holds its tokens too;
    tokens that lie wholly inside a stop string are never given."""

    def __init__(self, vocabulary: Vocabulary, stops: tuple[str, ...] = ()) -> None:
        self.stop_text = ""
        self._vocabulary = vocabulary
        self._detokenizer = vocabulary.detokenizer()
        self._stops = StopText(stops)
        self._pending: list[_Pending] = []
        self._seen_characters = 0
        self._given_characters = 0

    def add(self, token: int, scores: Scores | None = None) -> Text | None:
        """Return the next piece, None where all is held back. `stop_text` is set where the answer ends here."""
        piece = self._detokenizer.add(token)
        start = self._seen_characters
        self._pending.append(_Pending(token, scores, start, start + len(piece)))
        return self._pass(piece)

    def end(self) -> Text | None:
        """Return all that is held back. `stop_text` is set where its last characters complete a stop string."""
        text = self._pass(self._detokenizer.flush())
        if self.stop_text:
            return text
        rest = self._stops.flush()
        self._given_characters += len(rest)
        return self._piece((text.text if text else "") + rest, self._taken(len(self._pending)), text)

    def _pass(self, piece: str) -> Text | None:
        passed = self._stops.feed(piece)
        self._seen_characters += len(piece)
        self._given_characters += len(passed.text)
        self.stop_text = passed.stop
        return self._piece(passed.text, self._taken(self._ready()))

    def _ready(self) -> int:
        given = self._given_characters
        if self.stop_text:
            return sum(entry.start < given for entry in self._pending)
        return next((n for n, entry in enumerate(self._pending) if entry.end > given), len(self._pending))

    def _taken(self, count: int) -> list[_Pending]:
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken

    def _piece(self, text: str, tokens: list[_Pending], before: Text | None = None) -> Text | None:
        ids = tuple(entry.token for entry in tokens)
        logprobs = tuple(self._logprob(entry.token, entry.scores) for entry in tokens if entry.scores)
        if before is not None:
            ids, logprobs = before.token_ids + ids, before.logprobs + logprobs
        return Text(text=text, token_ids=ids, logprobs=logprobs) if text or ids else None

    def _logprob(self, token: int, scores: Scores) -> TokenLogprob:
        top = tuple(self._alternative(other, logprob) for other, logprob in scores.top)
        return TokenLogprob(chosen=self._alternative(token, scores.chosen), top=top)

    def _alternative(self, token: int, logprob: float) -> Alternative:
        piece = self._vocabulary.bytes_of(token)
        return Alternative(text=piece.decode("utf-8", "replace"), logprob=logprob, token_bytes=piece, token_id=token)

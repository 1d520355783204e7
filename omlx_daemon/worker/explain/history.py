"""The prompts of late: what a new one is compared with. In memory alone, and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from omlx_cli.contract.misses import MissCause
from omlx_daemon.coldstore.metadata import unpacked
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Prompt, TextPrompt
from omlx_daemon.worker.cache.hashing import ID_BYTES, common_tokens, packed
from omlx_daemon.worker.explain.chats import Finding, Window, compare
from omlx_daemon.worker.explain.lines import Lines, likeness

MAX_RECORDS = 64
MAX_BYTES = 32 << 20
BEFORE_TOKENS = 16
AFTER_TOKENS = 32
_LINE_TOKENS = 48
"""How far to each side a line is looked for in prompts that have no turns."""

Owner = tuple[str, str]
"""A cache salt and a client: prompts are compared with those of the same owner alone."""


@dataclass(slots=True, eq=False)
class Record:
    """One request's tokens and turns. Made on the tokenising thread; the engine's tells of its end."""

    id: str
    owner: Owner
    ids: bytes
    """The prompt's token ids, packed."""
    prompt: Prompt
    stored: bool
    """Whether what it computes is kept."""
    said: bytes = b""
    is_done: bool = False
    saying: Sequence[int] = ()
    """The answer as it grows, until it ends; the engine's thread adds to it."""
    parts: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = frozenset(map(hash, _parts(self.prompt)))

    @property
    def whole(self) -> bytes:
        """The packed ids of prompt and answer."""
        return self.ids + (self.said if self.is_done else packed(self.saying))

    @property
    def nbytes(self) -> int:
        """What it takes, about."""
        text = sum(map(len, _parts(self.prompt)))
        return len(self.ids) + len(self.said) + 2 * text + 64 * len(self.parts)

    def end(self, tokens: Sequence[int], prompt_tokens: int) -> None:
        """Take note of all of the sequence's tokens, now that it ends."""
        self.said, self.is_done = packed(tokens[prompt_tokens:]), True


@dataclass(frozen=True, slots=True)
class Kin:
    """How a prompt and the most alike of the earlier ones part."""

    record: Record
    at_tokens: int
    """Leading tokens that they share, the earlier one's answer included."""
    lost_tokens: int
    """Tokens after that place which both have in some other form, about."""
    finding: Finding
    window: Window


class History:
    """Records by owner, the latest last. Tokenising thread only."""

    def __init__(
        self, decode: Callable[[Sequence[int]], str], max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES
    ) -> None:
        """Compare texts as `decode` gives them; keep no more than `max_records` and `max_bytes`, but for the last."""
        self.decode = decode
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records: deque[Record] = deque()

    def __len__(self) -> int:
        return len(self._records)

    def meet(self, request: GenerationRequest, tokens: Sequence[int]) -> tuple[Record, Kin | None]:
        """Keep a record of a prompt; return it, and how it differs from the earlier one most like it."""
        policy = request.cache
        made = Record(
            request.id, (policy.salt, request.client), packed(tokens), request.prompt, stored=not policy.no_store
        )
        nearest = self._nearest(made)
        kin = self._kin(made, nearest) if nearest is not None else None
        self._keep(made)
        return made, kin

    def _nearest(self, made: Record) -> Record | None:
        def likeness_of(record: Record) -> tuple[int, int]:
            return len(record.parts & made.parts), common_tokens(record.whole, made.ids)

        own = [record for record in self._records if record.owner == made.owner]
        return max(reversed(own), key=likeness_of, default=None)

    def _kin(self, made: Record, other: Record) -> Kin:
        whole = other.whole
        at = common_tokens(whole, made.ids)
        ours, theirs = len(made.ids) // ID_BYTES, len(whole) // ID_BYTES
        window = self._window(made.ids, whole, at)
        parts = at < min(ours, theirs)
        finding = self._finding(made, other, window, at) if parts else (MissCause.NONE, "")
        lost = min(ours, theirs) - at if finding[0].is_miss else 0
        return Kin(other, at, lost, finding, window)

    def _finding(self, made: Record, other: Record, window: Window, at: int) -> Finding:
        if isinstance(made.prompt, ChatPrompt) and isinstance(other.prompt, ChatPrompt):
            return compare(made.prompt, other.prompt, window)
        return self._finding_in_text(made.ids, other.ids, at)

    def _finding_in_text(self, now: bytes, earlier: bytes, at: int) -> Finding:
        """Judge by the texts alone, where there are no turns."""
        line = Lines(self._line(now, at), self._line(earlier, at))
        rest = self._text(now, at, at + 8 * _LINE_TOKENS), self._text(earlier, at, at + 8 * _LINE_TOKENS)
        goes_on = likeness(*rest) > 0 and bool(rest[0] and rest[1])
        found = line.volatile(certain=goes_on)
        return found or ((MissCause.HISTORY_CHANGED, "the text") if goes_on else (MissCause.NONE, ""))

    def _line(self, ids: bytes, at: int) -> str:
        before, after = self._text(ids, at - _LINE_TOKENS, at), self._text(ids, at, at + _LINE_TOKENS)
        return before.rpartition("\n")[2] + after.partition("\n")[0]

    def _window(self, now: bytes, earlier: bytes, at: int) -> Window:
        return Window(
            self._text(now, at - BEFORE_TOKENS, at),
            self._text(now, at, at + AFTER_TOKENS),
            self._text(earlier, at, at + AFTER_TOKENS),
        )

    def _text(self, ids: bytes, start: int, end: int) -> str:
        part = unpacked(ids[max(0, start) * ID_BYTES : max(0, end) * ID_BYTES])
        return self.decode(part) if part else ""

    def _keep(self, made: Record) -> None:
        """Keep `made` in place of ended prompts that it goes on from, and of the oldest where there are too many."""
        stale = [record for record in self._records if record.is_done and _continues(made, record)]
        for record in stale:
            self._records.remove(record)
        self._records.append(made)
        total = sum(record.nbytes for record in self._records)
        while len(self._records) > 1 and (len(self._records) > self._max_records or total > self._max_bytes):
            total -= self._records.popleft().nbytes


def _continues(made: Record, record: Record) -> bool:
    return made.owner == record.owner and made.stored >= record.stored and made.ids.startswith(record.ids)


def _parts(prompt: Prompt) -> list[str]:
    """Return the texts by which prompts are told apart or found alike."""
    if isinstance(prompt, ChatPrompt):
        return [f"{message.role}\0{message.content}" for message in prompt.messages]
    return prompt.text.splitlines() if isinstance(prompt, TextPrompt) else []

"""The daemon in one short line, for the bars of tmux, xbar and SwiftBar, and for shell prompts. Pure."""

from __future__ import annotations

from omlx_cli.contract.api import DaemonState, MemoryLevel, SlotState, Status

YELLOW_SHARE, RED_SHARE = 0.80, 0.95

_TMUX = {"gray": "#[fg=colour244]{}#[default]", "yellow": "#[fg=yellow]{}#[default]", "red": "#[fg=red]{}#[default]"}


def line(status: Status | None, style: str) -> str:
    """Return the line in the syntax of `style`: `plain`, `tmux` or `xbar`. No status is a daemon that is not there."""
    text, colour = ("omlx off", "gray") if status is None else (_text(status), _colour(status))
    if style == "tmux":
        return _TMUX.get(colour, "{}").format(text.replace("#", "##"))
    if style == "xbar":
        return f"{text.replace('|', '/')} | color={colour}" if colour else text.replace("|", "/")
    return text


def share(status: Status) -> float:
    """Return what the models take of what they may take, 0 to 1."""
    return status.memory_used_bytes / status.memory_limit_bytes if status.memory_limit_bytes else 0.0


def _text(status: Status) -> str:
    """Return for example `omlx 41% 2 models 3+1 req 56 tok/s`; what is nothing is left out."""
    states = [row.state for row in status.models]
    parts = ["omlx", f"{share(status):.0%}"]
    if status.daemon.state is not DaemonState.READY:
        parts.append(str(status.daemon.state))
    loaded = sum(state in (SlotState.IDLE, SlotState.BUSY, SlotState.STUCK) for state in states)
    parts += _count(loaded, "model")
    parts += [f"{states.count(SlotState.LOADING)} loading"] if SlotState.LOADING in states else []
    parts += [f"{states.count(SlotState.CRASHED)} crashed"] if SlotState.CRASHED in states else []
    if status.running or status.queued:
        parts.append(f"{status.running}{f'+{status.queued}' if status.queued else ''} req")
    pace = sum(row.decode_tokens_per_s for row in status.models)
    parts += [f"{pace:.0f} tok/s"] if pace >= 0.5 else []
    return " ".join(parts)


def _count(number: int, noun: str) -> list[str]:
    return [f"{number} {noun}{'s' if number > 1 else ''}"] if number else []


def _colour(status: Status) -> str:
    used, level = share(status), status.memory.level
    if used > RED_SHARE or level is MemoryLevel.RED:
        return "red"
    return "yellow" if used > YELLOW_SHARE or level is MemoryLevel.YELLOW else ""

"""A chat's turns, and what its slash commands do to them; knows no terminal."""

from __future__ import annotations

from difflib import get_close_matches

from omlx_cli.completion import Message

HELP = """\
/help         this list
/clear        forget the chat so far
/system TEXT  give instructions that come before the chat; without TEXT, show them
/exit, /bye   leave; so does Ctrl-D

Enter sends. Alt-Enter, or \\ at a line's end, begins a new line; \"\"\" opens and closes a block of lines.
Ctrl-C stops the answer, not the chat. The arrow keys bring back earlier lines."""

_FENCE = '"""'
_COMMANDS = ("/help", "/clear", "/system", "/exit", "/bye")


class Left(Exception):
    """The user has left the chat."""


class Conversation:
    """The turns so far and the instructions before them."""

    def __init__(self, system: str = "") -> None:
        self._system = system
        self._turns: list[Message] = []

    def messages(self, question: str) -> list[Message]:
        """Return the whole chat with `question` at its end; it is kept once `keep` is told its answer."""
        head = [Message("system", self._system)] if self._system else []
        return [*head, *self._turns, Message("user", question)]

    def keep(self, question: str, answer: str) -> None:
        """Add a turn; one without any answer is forgotten, so that it can be asked again."""
        if answer:
            self._turns += [Message("user", question), Message("assistant", answer)]

    def command(self, line: str) -> str:
        """Obey a slash command and return what to tell the user. Raises Left."""
        word, _, rest = line.strip().partition(" ")
        match word:
            case "/help" | "/?":
                return HELP
            case "/clear":
                self._turns.clear()
                return "the chat is forgotten"
            case "/system":
                return self._instruct(rest.strip())
            case "/exit" | "/bye" | "/quit":
                raise Left
        near = get_close_matches(word, _COMMANDS, n=1)
        return f"there is no {word}; {f'did you mean {near[0]}?' if near else '/help  lists the commands'}"

    def _instruct(self, text: str) -> str:
        if not text:
            return self._system or "there are no instructions"
        self._system = text
        return "the instructions are set"


def is_command(text: str) -> bool:
    """Tell whether a line is a slash command; a path such as `/usr/bin` is none."""
    words = text.split()
    return bool(words) and words[0].startswith("/") and "/" not in words[0][1:]


def is_open(text: str) -> bool:
    """Tell whether the text goes on in the next line."""
    if text.lstrip().startswith(_FENCE):
        return text.count(_FENCE) < 2
    return text.endswith("\\")


def unwrap(text: str) -> str:
    """Return what the user means, without the marks that held its lines together."""
    stripped = text.strip()
    if stripped.startswith(_FENCE):
        return stripped.removeprefix(_FENCE).removesuffix(_FENCE).strip("\n")
    return text.replace("\\\n", "\n").strip()

"""A unit file as systemd reads it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Unit:
    """Every assignment by section and key, in order; `data` is the file as it was read."""

    name: str
    data: bytes
    values: dict[str, list[str]]

    @classmethod
    def read(cls, path: Path) -> Unit:
        """Return the unit. Raises FileNotFoundError; ValueError where a line is no assignment."""
        data, section = path.read_bytes(), ""
        values: dict[str, list[str]] = {}
        for line in data.decode().splitlines():
            if not line.strip() or line[0] in "#;":
                continue
            header = re.fullmatch(r"\[(\w+)\]", line)
            key, equals, value = line.partition("=")
            if header:
                section = header[1]
            elif equals and section:
                values.setdefault(f"{section}.{key.strip()}", []).append(value.strip())
            else:
                raise ValueError(line)
        return cls(path.name, data, values)

    def one(self, key: str, default: str = "") -> str:
        """Return the last value of a key."""
        return self.values.get(key, [default])[-1]

    def number(self, key: str, default: float) -> float:
        """Return a number, which systemd takes for seconds where it is a time."""
        return float(self.one(key, str(default)))

    def words(self, key: str) -> list[str]:
        """Return a command line or an assignment as words, specifiers and variables undone."""
        joined = " ".join(self.values.get(key, []))
        return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(joined)]

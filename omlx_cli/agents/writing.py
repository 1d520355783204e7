"""Values into an agent's own settings: merged, with a copy of what was there."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from omlx_cli.agents.agent import Configuration
from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE

Written = tuple[Path, Path | None]
"""The file, and the copy of what was there before, if anything was."""


def write(configuration: Configuration) -> Written | None:
    """Merge the values into the file; None where they are there already.

    Raises OmlxError: INVALID_CONFIG for a file that cannot be read, HOME_UNUSABLE for one that cannot be written.
    """
    path = configuration.path.resolve()
    try:
        before = files.read_text(path) if path.exists() else ""
        after = _merged(configuration, before)
        if after == before:
            return None
        files.check_replaceable(path)
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        copy = _copied(path) if before else None
        _replace(path, after, is_private=configuration.holds_key)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise OmlxError(Code.HOME_UNUSABLE, message, "omlx env  prints the same for the shell") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is not UTF-8") from error
    return path, copy


def _merged(configuration: Configuration, before: str) -> str:
    read, written = _FORMATS[configuration.path.suffix]
    try:
        found = read(before)
    except (ValueError, TOMLKitError) as error:
        raise _unreadable(configuration.path, str(error)) from error
    if not isinstance(found, MutableMapping):
        raise _unreadable(configuration.path, "it is no table of settings")
    return written(found) if _merge(found, configuration.values, configuration.path) else before


def _merge(into: MutableMapping[str, Any], values: Mapping[str, Any], path: Path) -> bool:
    """Put `values` into the settings; return whether that changed anything."""
    changed = False
    for name, value in values.items():
        there = into.get(name)
        if isinstance(value, Mapping):
            if there is None:
                there = into[name] = {}
                # tomlkit keeps a copy of what is put in.
                there = into[name]
                changed = True
            if not isinstance(there, MutableMapping):
                raise _unreadable(path, f"{name} is no table")
            changed |= _merge(there, value, path)
        else:
            wanted = _joined(there, value)
            changed |= there != wanted
            into[name] = wanted
    return changed


def _joined(there: object, value: object) -> object:
    """Return `value`; of lists of named things, those that are there beside ours."""
    if not isinstance(value, list) or not isinstance(there, list):
        return value
    ours = {one["id"] for one in value}
    return [*(one for one in there if not (isinstance(one, Mapping) and one.get("id") in ours)), *value]


def _copied(path: Path) -> Path:
    copy = path.with_name(f"{path.name}.before-omlx-{datetime.now():%Y%m%d-%H%M%S}")
    shutil.copy2(path, copy)
    return copy


def _replace(path: Path, text: str, *, is_private: bool) -> None:
    """Write `path` whole or not at all, with the permissions that it had; a new or private one for its owner alone."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".omlx-", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            if path.exists() and not is_private:
                shutil.copymode(path, temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _unreadable(path: Path, reason: str) -> OmlxError:
    hint = "mend it, or use omlx env, which changes no file"
    return OmlxError(Code.INVALID_CONFIG, f"{path} is left as it is: {reason}", hint)


def _json_text(found: Mapping[str, object]) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


Format = tuple[Callable[[str], Any], Callable[[Any], str]]
_FORMATS: dict[str, Format] = {
    ".json": (lambda text: json.loads(text or "{}"), _json_text),
    ".toml": (tomlkit.parse, tomlkit.dumps),
}

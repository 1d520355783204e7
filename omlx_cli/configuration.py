"""The settings by their dotted names: read, print, change."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from omlx_cli.contract import files, settings
from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE
from omlx_cli.contract.settings import Settings

Value = str | int | float | bool | list[str]

_SECRETS = ("server.api_key",)
_HIDDEN = "(set)"
_BY_HAND = "mend the file by hand first"
_KWARGS = ".chat_template_kwargs."


class ConfigReply(Reply, frozen=True, kw_only=True):
    """What `omlx config get --json` prints."""

    config: dict[str, Value]


def flatten(values: Settings) -> dict[str, Value]:
    """Return every setting by its dotted name, in the order of the file's sections; of a key of the API its name."""
    return dict(_walk((), msgspec.to_builtins(values)))


def _walk(path: tuple[str, ...], part: object) -> Iterator[tuple[str, Value]]:
    if isinstance(part, dict):
        for name, inner in part.items():
            yield from _walk((*path, name), inner)
    elif isinstance(part, list | tuple):
        yield ".".join(path), [one["name"] if isinstance(one, dict) else one for one in part]
    elif part is not None:
        yield ".".join(path), msgspec.convert(part, Value)


def value_of(values: Mapping[str, Value], key: str) -> Value:
    """Return one setting. Raises OmlxError(INVALID_CONFIG) for a key that does not exist, naming near ones."""
    if key not in values:
        raise _unknown(key, values)
    return values[key]


def document(values: Mapping[str, Value], show_secrets: bool) -> ConfigReply:
    """Return the settings as a JSON document; secrets are hidden unless asked for by name."""
    return ConfigReply(config={key: value if show_secrets else _masked(key, value) for key, value in values.items()})


def listing(values: Mapping[str, Value]) -> list[str]:
    """Return one `key = value` line for each setting, secrets hidden."""
    return [f"{key} = {tomlkit.item(_masked(key, value)).as_string()}" for key, value in values.items()]


def plain(value: Value) -> str:
    """Return a value as `config set` takes it."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def change(path: Path, key: str, text: str) -> None:
    """Set `key` in the file at `path` to `text`, if the whole file is valid then.

    Raises OmlxError(INVALID_CONFIG); OSError where the file cannot be written.
    """
    *sections, name = parts = _split(key)
    value = _convert(key, parts, text)
    try:
        parsed = tomlkit.parse(_read(path))
    except TOMLKitError as error:
        raise OmlxError(Code.INVALID_CONFIG, f"{path}: {error}", _BY_HAND) from error
    table: MutableMapping[str, object] = parsed
    for section in sections:
        inner = table.setdefault(section, tomlkit.table())
        if not isinstance(inner, MutableMapping):
            raise OmlxError(Code.INVALID_CONFIG, f"{path}: {section} is no table", _BY_HAND)
        table = inner
    table[name] = value
    after = tomlkit.dumps(parsed)
    settings.parse(after, str(path))
    _replace(path, after)


def _split(key: str) -> list[str]:
    """Return a dotted name as tables and key of the file; a model's name may hold dots of its own, and quotes."""
    section, _, rest = key.partition(".")
    if section != "models":
        return [section, rest]
    model, kwargs, name = rest.rpartition(_KWARGS)
    if kwargs:
        return [section, model.strip("\"'"), kwargs.strip("."), name]
    model, _, name = rest.rpartition(".")
    return [section, model.strip("\"'"), name]


def _convert(key: str, parts: Sequence[str], text: str) -> Value:
    """Return `text` as the setting's own type. Raises OmlxError(INVALID_CONFIG)."""
    errors = []
    for candidate in _json_readings(text) if _KWARGS in key else _readings(text):
        nested: object = candidate
        for part in reversed(parts):
            nested = {part: nested}
        try:
            found: Any = msgspec.to_builtins(msgspec.convert(nested, Settings, strict=False))
        except msgspec.ValidationError as error:
            errors.append(str(error).partition(" - at ")[0])
            continue
        for part in parts:
            found = found[part]
        value: Value = msgspec.convert(found, Value)
        return value
    if "unknown field" in errors[0]:
        raise _unknown(key, flatten(Settings()))
    raise OmlxError(Code.INVALID_CONFIG, f"{key}: {errors[0][:1].lower()}{errors[0][1:]}", param=key)


def _readings(text: str) -> Iterator[Value]:
    """Yield what `text` may mean, likeliest first: the setting's type takes the first that fits."""
    yield text
    if text.isdecimal():
        yield int(text)
    yield [part.strip() for part in text.split(",") if part.strip()]


def _json_readings(text: str) -> Iterator[Value]:
    """Yield what `text` may mean where any value fits: JSON's own reading, else the text."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        yield msgspec.json.decode(text, type=bool | int | float)
    yield text


def _unknown(key: str, known: Iterable[str]) -> OmlxError:
    near = get_close_matches(key, known, n=2, cutoff=0.7)
    hint = f"did you mean {' or '.join(near)}?" if near else "omlx config get  lists the keys"
    return OmlxError(Code.INVALID_CONFIG, f"there is no setting {key!r}", hint, param=key)


def _read(path: Path) -> str:
    try:
        return files.read_text(path)
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise OmlxError(Code.INVALID_CONFIG, f"{path} is not UTF-8 text", _BY_HAND) from error


def _replace(path: Path, text: str) -> None:
    """Write `path` whole or not at all, readable by its owner alone; a symbolic link stays one."""
    files.check_replaceable(path)
    target = path.resolve()
    target.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, prefix=".config-", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _masked(key: str, value: Value) -> Value:
    return _HIDDEN if key in _SECRETS and value else value

"""The settings by their dotted names: read, print, change."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, MutableMapping
from difflib import get_close_matches
from pathlib import Path

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError

from omlx_cli.contract import settings
from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE
from omlx_cli.contract.settings import ModelOptions, Settings

Value = str | int | tuple[str, ...]

_SECRETS = ("server.api_key",)
_HIDDEN = "(set)"


class ConfigReply(Reply, frozen=True, kw_only=True):
    """What `omlx config get --json` prints."""

    config: dict[str, Value]


def flatten(values: Settings) -> dict[str, Value]:
    """Return every setting by its dotted name, in the order of the file's sections."""
    sections = {section: getattr(values, section) for section in values.__struct_fields__ if section != "models"}
    sections |= {f"models.{model}": options for model, options in values.models.items()}
    return {f"{section}.{name}": getattr(part, name) for section, part in sections.items() for name in _names(part)}


def split(key: str) -> list[str]:
    """Return a dotted name as the tables and the key of the file; a model's name may hold dots and quotes."""
    section, _, rest = key.partition(".")
    if section != "models":
        return [section, rest]
    model, _, name = rest.rpartition(".")
    return [section, model.strip("\"'"), name]


def _names(part: msgspec.Struct) -> tuple[str, ...]:
    return part.__struct_fields__


def value_of(values: Mapping[str, Value], key: str) -> Value:
    """Return one setting. Raises OmlxError(INVALID_CONFIG) for a key that does not exist, naming near ones."""
    if key not in values:
        near = get_close_matches(key, values, n=2, cutoff=0.7)
        hint = f"did you mean {' or '.join(near)}?" if near else "omlx config get  lists the keys"
        raise OmlxError(Code.INVALID_CONFIG, f"there is no setting {key!r}", hint, param=key)
    return values[key]


def document(values: Mapping[str, Value], show_secrets: bool) -> ConfigReply:
    """Return the settings as a JSON document; secrets are hidden unless asked for by name."""
    return ConfigReply(config={key: value if show_secrets else _masked(key, value) for key, value in values.items()})


def listing(values: Mapping[str, Value]) -> list[str]:
    """Return one `key = value` line for each setting, secrets hidden."""
    return [f"{key} = {tomlkit.item(_toml(_masked(key, value))).as_string()}" for key, value in values.items()]


def plain(value: Value) -> str:
    """Return a value as `config set` takes it."""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def change(path: Path, key: str, text: str) -> None:
    """Set `key` in the file at `path` to `text`, if the whole file is valid then.

    Raises OmlxError(INVALID_CONFIG); OSError where the file cannot be written.
    """
    value = _convert(key, text)
    before = _read(path)
    try:
        parsed = tomlkit.parse(before)
    except TOMLKitError as error:
        raise OmlxError(Code.INVALID_CONFIG, f"{path}: {error}", "mend the file by hand first") from error
    *tables, name = split(key)
    _table(parsed, tables, path)[name] = value
    after = tomlkit.dumps(parsed)
    settings.parse(after, str(path))
    _replace(path, after)


def _convert(key: str, text: str) -> object:
    """Return `text` as the setting's own type. Raises OmlxError(INVALID_CONFIG)."""
    default = value_of(_defaults(key), key)
    if isinstance(default, tuple):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return msgspec.convert(text, type(default), strict=False)
    except msgspec.ValidationError as error:
        raise OmlxError(Code.INVALID_CONFIG, f"{key} takes a whole number, not {text!r}", param=key) from error


def _table(parsed: MutableMapping[str, object], names: list[str], path: Path) -> MutableMapping[str, object]:
    """Return the table at `names`, made where it is missing. Raises OmlxError(INVALID_CONFIG) where it is none."""
    table = parsed
    for name in names:
        found = table.setdefault(name, tomlkit.table())
        if not isinstance(found, MutableMapping):
            raise OmlxError(Code.INVALID_CONFIG, f"{path}: {name} is not a table", "mend the file by hand first")
        table = found
    return table


def _defaults(key: str) -> dict[str, Value]:
    """Return the settings that exist, those of the model that `key` names among them."""
    known = Settings()
    if key.startswith("models."):
        known = Settings(models={key.removeprefix("models.").rpartition(".")[0]: ModelOptions()})
    return flatten(known)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise OmlxError(Code.INVALID_CONFIG, f"{path} is not UTF-8 text", "mend the file by hand first") from error


def _replace(path: Path, text: str) -> None:
    """Write `path` whole or not at all, readable by its owner alone; a symbolic link stays one."""
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


def _toml(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value

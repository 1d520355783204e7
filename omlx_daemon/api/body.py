"""Request bodies: JSON decoded strictly by msgspec, so that `"0.5"` is no number and errors name their field."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from omlx_cli.contract.errors import Code, OmlxError

T = TypeVar("T")

_AT_PATH = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


class StrictBody(AbstractDTO[T], Generic[T]):
    """Decodes a body into the struct it is narrowed with, without Litestar's lenient conversions."""

    refused: ClassVar[frozenset[str]] = frozenset()
    """Fields that admit only what changes nothing, because the rest is not supported yet."""

    def decode_bytes(self, value: bytes) -> Any:
        """Return the struct in JSON `value`. Raises OmlxError(INVALID_REQUEST)."""
        return decode(value, self.model_type, self.refused)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Build nothing: the struct is both the wire form and the model."""

    @classmethod
    def create_openapi_schema(cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any) -> Any:
        """Return the struct's own schema."""
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """Yield nothing: no transfer model is built."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Return False: no transfer model is built."""
        return False


def decode(body: bytes, model: type[T], refused: frozenset[str] = frozenset()) -> T:
    """Return the `model` in JSON `body`. Raises OmlxError(INVALID_REQUEST) that names the field at fault."""
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), refused) from error
    except msgspec.DecodeError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"the body is no JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise OmlxError(Code.INVALID_REQUEST, "the body is no JSON: it is not UTF-8") from error
    except RecursionError as error:
        raise OmlxError(Code.INVALID_REQUEST, "the body is nested too deeply") from error


def _invalid(text: str, refused: frozenset[str]) -> OmlxError:
    """Return the error for msgspec's `text`, such as "Expected `int`, got `str` - at `$.n`"."""
    place = _AT_PATH.search(text)
    path = place[1].replace("[...]", "") if place else ""
    problem = text[: place.start()] if place else text
    missing = _MISSING.search(problem)
    if missing:
        path = f"{path}.{missing[1]}".lstrip(".")
        problem = "this field is required"
    names = path.split(".")
    for count, name in enumerate(names, start=1):
        if name.partition("[")[0] in refused:
            path, problem = ".".join(names[:count]), "not supported yet"
    problem = problem[:1].lower() + problem[1:].replace("`", "")
    return OmlxError(Code.INVALID_REQUEST, f"{path or 'body'}: {problem}", param=path)

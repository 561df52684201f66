"""What is wrong with a setting, in words: its path, the value, and what is allowed there."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from customdomains.settings.schema import Settings
from customdomains.settings.values import Duration, Suffix

_FIELD = re.compile(r"(missing required|unknown) field `(.+)`$")
_STEP = re.compile(r"[^.\[\]]+")
_MISSING = object()


def in_words(error: msgspec.ValidationError, body: Any) -> tuple[str, str]:
    """The path that `error` is about, and what to say of it."""
    if " - at `key" in str(error):
        return "", "every key has to be a text"
    message, _, where = str(error).partition(" - at `$")
    path = where.rstrip("`").removeprefix(".")
    kind = _kind_at(path)
    field = _FIELD.search(message)
    if field is not None and isinstance(kind, inspect.StructType):
        name = field[2]
        inner = f"{path}.{name}" if path else name
        if field[1] == "unknown":
            return inner, f"there is no such setting; {path or 'the file'} may have {_names(kind)}"
        return inner, f"it is missing; it has to be {_allowed(_kind_at(inner))}"
    value = _value_at(body, path)
    if value is _MISSING:
        return path, message[:1].lower() + message[1:]
    return path, f"{_shown(value)} is not possible; it has to be {_allowed(kind)}"


def _kind_at(path: str) -> inspect.Type:
    kind = inspect.type_info(Settings)
    for step in _STEP.findall(path):
        kind = _bare(kind)
        if isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, inspect.StructType):
            fields = {field.encode_name: field.type for field in kind.fields}
            kind = fields.get(step, inspect.AnyType())
    return kind if isinstance(kind, inspect.Metadata) else _bare(kind)


def _bare(kind: inspect.Type) -> inspect.Type:
    """Without the None of what may be left out."""
    if isinstance(kind, inspect.UnionType):
        return next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind


def _allowed(kind: inspect.Type) -> str:
    kind = _bare(kind)
    match kind:
        case inspect.Metadata(extra_json_schema={"description": str(description)}):
            return description
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.VarTupleType(item_type=item):
            return f"a list, each entry {_allowed(item)}"
        case inspect.StructType():
            return f"a mapping that may have {_names(kind)}"
        case inspect.CustomType(cls=cls) if issubclass(cls, Duration | Suffix):
            return cls.ALLOWED
        case inspect.BoolType():
            return "true or false"
        case _:
            return "a text"


def _names(kind: inspect.StructType) -> str:
    return ", ".join(field.encode_name for field in kind.fields)


def _value_at(body: Any, path: str) -> Any:
    for step in _STEP.findall(path):
        try:
            body = body[int(step)] if isinstance(body, list) else body[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return _MISSING
    return body


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return repr(value)

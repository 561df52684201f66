"""What a schema has found, in one sentence that names the field, the value and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Sized
from typing import Any, cast

import jsonschema_rs

_SHOWN = 80  # characters of what somebody sent

_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
}

_COUNTED = {
    "maxLength": ("characters", "at most {} are allowed"),
    "minLength": ("characters", "at least {} are needed"),
    "maxItems": ("entries", "at most {} are allowed"),
    "minItems": ("entries", "at least {} are needed"),
    "maxProperties": ("entries", "at most {} are allowed"),
    "minProperties": ("entries", "at least {} are needed"),
}


def said(error: jsonschema_rs.ValidationError, schema: Mapping[str, Any], noun: str) -> str:
    """The sentence. `schema` is the one with the keyword that failed, `noun` what its properties
    are called: fields of a body, parameters of a query.
    """
    kind, where = error.kind.name, _place(error.instance_path)
    detail = error.kind.as_dict()
    if kind == "required":
        missing = _place([*error.instance_path, detail["property"]])
        wanted = schema.get("properties", {}).get(detail["property"], {})
        return f"{missing} is missing; it has to be {_wanted(wanted)}"
    if kind == "additionalProperties":
        known = ", ".join(sorted(schema["properties"]))
        return f"there is no {noun} {shown(sorted(detail['unexpected'])[0])}; there are {known}"
    if kind == "propertyNames":
        key = shown(detail["error"].instance)
        return f"{where} has the key {key}; it has to be {_wanted(schema)}"
    if kind in _COUNTED:
        what, limit = _COUNTED[kind]
        count = limit.format(detail["limit"])
        size = len(cast("Sized", error.instance))
        return f"{where} has {size} {what}; {count}"
    if kind == "type" and noun != "parameter":  # a parameter is always text to its sender
        return f"{where} is {kind_of(error.instance)}, not {_wanted_type(schema)}"
    return f"{where} is {shown(error.instance)}; it has to be {_wanted(schema)}"


def kind_of(value: object) -> str:
    """What JSON calls a value of this type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def shown(value: object) -> str:
    """Somebody's value, to be quoted in a sentence: in ASCII, and bounded."""
    if isinstance(value, list | dict):
        return kind_of(value)
    text = json.dumps(value[:_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= 2 * _SHOWN else f"{text[: 2 * _SHOWN]}..."


def _place(path: Sequence[str | int]) -> str:
    """`labels["team"]` for `["labels", "team"]`; the body itself for none."""
    if not path:
        return "the body"
    first, *rest = path
    return str(first) + "".join(f"[{shown(step)}]" for step in rest)


def _wanted(schema: Mapping[str, Any]) -> str:
    if "x-wants" in schema:
        return str(schema["x-wants"])
    if "enum" in schema:
        return "one of " + ", ".join(str(each) for each in schema["enum"])
    if "const" in schema:
        return shown(schema["const"])
    wanted = _wanted_type(schema)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{wanted} from {low} to {high}"
    if low is not None:
        return f"{wanted} of at least {low}"
    return wanted if high is None else f"{wanted} of at most {high}"


def _wanted_type(schema: Mapping[str, Any]) -> str:
    """Null is left out: who means nothing can as well leave out the field."""
    types = schema.get("type", ())
    several = [types] if isinstance(types, str) else types
    return " or ".join(_TYPES[each] for each in several if each != "null") or "something else"

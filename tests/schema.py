"""A structural schema as the API server applies it: what it refuses, and what it would prune."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

CRDS = Path(__file__).parents[1] / "crds"
_TYPES: dict[str, type] = {"string": str, "boolean": bool, "array": list, "object": dict}


def load(kind: str) -> Any:
    """The CustomResourceDefinition of `kind`."""
    for path in CRDS.iterdir():
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        if crd["spec"]["names"]["kind"] == kind:
            return crd
    raise LookupError(kind)


def schema_of(kind: str) -> Any:
    """The schema of its only version."""
    return load(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def faults(schema: Any, value: Any, path: str = "") -> Iterator[str]:
    """What is wrong with `value`; a field the schema does not have is a fault: it would be lost."""
    kind = schema["type"]
    if kind == "integer":
        if isinstance(value, bool) or not isinstance(value, int):
            yield f"{path}: {value!r} is no integer"
        return
    if not isinstance(value, _TYPES[kind]):
        yield f"{path}: {value!r} is no {kind}"
    elif kind == "string":
        yield from _string_faults(schema, value, path)
    elif kind == "array":
        if len(value) > schema.get("maxItems", len(value)):
            yield f"{path}: {len(value)} items"
        for number, item in enumerate(value):
            yield from faults(schema["items"], item, f"{path}[{number}]")
    elif kind == "object":
        yield from _object_faults(schema, value, path)


def _object_faults(schema: Any, value: Any, path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    yield from (f"{path}.{n} is missing" for n in schema.get("required", ()) if n not in value)
    for name, item in value.items():
        if name not in properties:
            yield f"{path}.{name} is not in the schema"
        else:
            yield from faults(properties[name], item, f"{path}.{name}")


def _string_faults(schema: Any, value: str, path: str) -> Iterator[str]:
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{path}: {len(value)} characters"
    if len(value) < schema.get("minLength", 0):
        yield f"{path}: only {len(value)} characters"
    if value not in schema.get("enum", (value,)):
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if schema.get("format") == "date-time" and not datetime.fromisoformat(value).tzinfo:
        yield f"{path}: {value!r} has no time zone"

"""Whether an answer is one that the OpenAPI document promises."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import msgspec

from customdomains.api.document import DocumentedOperation, load


def faults(
    method: str, url: str, status: int, headers: Mapping[str, str], text: str
) -> Iterator[str]:
    """What is wrong with the answer to a request for `url`, of which the host does not matter."""
    response = promised(method, urlsplit(url).path, status)
    if response is None:
        yield f"{status} is not in the document"
        return
    for name, header in response.get("headers", {}).items():
        yield from header_faults(name, load().resolve(header), headers.get(name))
    content = response.get("content", {})
    kind = headers.get("Content-Type", "").partition(";")[0]
    if method == "HEAD" or not (content or text):
        return
    if kind not in content:
        yield f"the content type {kind} is not in the document"
    elif kind == "application/json":
        yield from mismatches(content[kind]["schema"], msgspec.json.decode(text))


def header_faults(name: str, header: Mapping[str, Any], value: str | None) -> Iterator[str]:
    """What is wrong with one header."""
    if value is not None:
        number = header["schema"].get("type") == "integer" and value.isdecimal()
        yield from mismatches(header["schema"], int(value) if number else value)
    elif header.get("required"):
        yield f"the header {name} is missing"


def promised(method: str, path: str, status: int) -> Any:
    """The response that the document has for this status; None where it has none."""
    operations = at(path)
    operation = operations.get(method.lower())
    if operation is None and method == "HEAD" and not path.endswith("/events"):
        operation = operations.get("get")
    if operation is not None:
        return load().resolve(operation.content["responses"].get(str(status)))
    if status != (405 if operations else 404):
        return None
    return load().resolve(load().content["x-elsewhere"][str(status)])


def at(path: str) -> dict[str, DocumentedOperation]:
    """The operations of a path, by method."""
    for pattern, operations in _paths().items():
        if pattern.fullmatch(path):
            return operations
    return {}


def mismatches(schema: Any, value: Any) -> Iterator[str]:
    """What the schema has against `value`, fields that are not documented included."""
    for error in _validator(msgspec.json.encode(schema)).iter_errors(value):
        yield f"{error.instance_path}: {error.message}"


@cache
def _paths() -> dict[re.Pattern[str], dict[str, DocumentedOperation]]:
    found: dict[re.Pattern[str], dict[str, DocumentedOperation]] = {}
    for each in load().operations():
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(each.path)))
        found.setdefault(pattern, {})[each.method] = each
    return found


@cache
def _validator(schema: bytes) -> Any:
    whole = {**msgspec.json.decode(schema), "components": load().content["components"]}
    return jsonschema_rs.validator_for(strict(whole), validate_formats=True)


def strict(node: Any) -> Any:
    """The schema with no room for fields that it does not name."""
    if isinstance(node, dict):
        node = {word: strict(value) for word, value in node.items()}
        if node.get("type") == "object" and isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
    return [strict(each) for each in node] if isinstance(node, list) else node

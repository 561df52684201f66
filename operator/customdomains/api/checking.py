"""Bodies and queries, checked by the schemas of the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
from multidict import MultiMapping

from customdomains.api import document
from customdomains.api.document import Document, DocumentedOperation
from customdomains.api.errors import Refused
from customdomains.api.wording import kind_of, said

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")


class Checked:
    """The checks of one operation."""

    def __init__(self, whole: Document, operation: DocumentedOperation) -> None:
        self._parameters = {
            each["name"]: whole.resolve(each["schema"])
            for each in operation.parameters
            if each["in"] == "query"
        }
        required = [
            each["name"]
            for each in operation.parameters
            if each["in"] == "query" and each.get("required")
        ]
        self._defaults = {
            name: schema["default"]
            for name, schema in self._parameters.items()
            if "default" in schema
        }
        query = {
            "type": "object",
            "properties": self._parameters,
            "required": required,
            "x-code": "invalid_query",
        }
        self._query = _Schema(whole, query, "parameter")
        self._strict_query = _Schema(whole, {**query, "additionalProperties": False}, "parameter")
        body = whole.resolve(operation.content.get("requestBody"))
        schema = body["content"]["application/json"]["schema"] if body else True
        self._body = _Schema(whole, schema, "field")

    def body(self, raw: bytes) -> dict[str, Any]:
        """The JSON object that `raw` is. Raises `Refused` with what is wrong."""
        try:
            parsed = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused("malformed_json", f"the body is not JSON: {error}") from error
        return self.object(parsed)

    def object(self, parsed: Any) -> dict[str, Any]:
        """The same for a body that is read already."""
        self._body.check(parsed)
        if not isinstance(parsed, dict):  # whatever the schema lets through, callers get an object
            raise Refused("malformed_json", f"the body is {kind_of(parsed)}, not an object")
        return parsed

    def query(self, query: MultiMapping[str], *, strict: bool = False) -> dict[str, Any]:
        """The parameters as their schemas have them: numbers, lists, and what is the default.

        Raises `Refused`, if `strict` for one that is unknown, too: a misspelled filter must not let
        everything pass.
        """
        values = dict(self._defaults)
        for name in set(query):
            schema, given = self._parameters.get(name, {}), query.getall(name)
            if schema.get("type") == "array":
                values[name] = given
            elif len(given) > 1 and schema:
                code = schema.get("x-code", "invalid_query")
                raise Refused(code, f"{name} is given {len(given)} times; only one can count")
            else:
                values[name] = _value(given[0], schema)
        (self._strict_query if strict else self._query).check(values)
        return values


@cache
def of(operation_id: str) -> Checked:
    """The checks of the operation of this operationId. Raises LookupError."""
    whole = document.load()
    return next(Checked(whole, each) for each in whole.operations() if each.id == operation_id)


class _Schema:
    """A schema to check by; `noun` is what its properties are to a caller."""

    def __init__(self, whole: Document, schema: Any, noun: str) -> None:
        self._root = {**whole.content, "x-checked": schema}
        self._noun = noun
        # Without look-arounds and back references, so in linear time whatever is sent.
        self._validator = jsonschema_rs.validator_for(
            {"$ref": "#/x-checked", **{k: self._root[k] for k in ("x-checked", "components")}},
            pattern_options=jsonschema_rs.RegexOptions(),
        )

    def check(self, value: Any) -> None:
        """Raises `Refused` with the first thing that is wrong."""
        if self._validator.is_valid(value):
            return
        error = next(self._validator.iter_errors(value))
        schemas = self._on_the_way(error.evaluation_path)
        code = next((s["x-code"] for s in reversed(schemas) if "x-code" in s), "invalid_request")
        if error.kind.name == "required":
            missing = _property(schemas[-1], error.kind.as_dict()["property"])
            code = missing.get("x-code", code)
        raise Refused(code, said(error, schemas[-1], self._noun))

    def _on_the_way(self, path: list[str | int]) -> list[Mapping[str, Any]]:
        """The schemas from the outermost to the one whose keyword is the last step of `path`."""
        node: Any = {"$ref": "#/x-checked"}
        found = []
        for step in path[:-1]:
            node = _at(self._root, node["$ref"]) if step == "$ref" else node[step]
            if isinstance(node, Mapping):
                found.append(node)
        return found


def _at(root: Any, reference: str) -> Any:
    for step in reference.removeprefix("#/").split("/"):
        root = root[step]
    return root


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema.get("properties", {}).get(name, {})
    return found


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    """A parameter as JSON would have it; as it is where that is not possible."""
    if schema.get("type") == "integer" and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return text

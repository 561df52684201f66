"""The OpenAPI document: what is served, and what requests are checked by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_FILE = Path(__file__).with_name("openapi.yaml")


class Document:
    """An OpenAPI 3.1 document, whose references are all to places in itself."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """`content` is not to be changed any more."""
        self.content = content
        self.json = msgspec.json.encode(content)

    def resolve(self, node: Any) -> Any:
        """What `node` refers to, if it is a reference; words beside the reference go on top."""
        while isinstance(node, Mapping) and "$ref" in node:
            beside = {word: value for word, value in node.items() if word != "$ref"}
            node = {**self.at(node["$ref"]), **beside}
        return node

    def at(self, reference: str) -> Any:
        """What is at `#/a/b/c`. Raises LookupError."""
        node: Any = self.content
        for step in reference.removeprefix("#/").split("/"):
            node = node[step.replace("~1", "/").replace("~0", "~")]
        return node

    def operations(self) -> Iterator[DocumentedOperation]:
        """All of them, in the document's order."""
        for path, item in self.content["paths"].items():
            for method in METHODS:
                if method in item:
                    shared = item.get("parameters", ())
                    parameters = (*shared, *item[method].get("parameters", ()))
                    resolved = tuple(self.resolve(each) for each in parameters)
                    yield DocumentedOperation(path, method, item[method], resolved)


@dataclass(frozen=True, slots=True)
class DocumentedOperation:
    """A method (lower case) of a path: its own part of the document, and its parameters."""

    path: str
    method: str
    content: Mapping[str, Any]
    parameters: tuple[Mapping[str, Any], ...]

    @property
    def id(self) -> str:
        """The operationId."""
        return str(self.content["operationId"])


@cache
def load() -> Document:
    """The document of this API; read once."""
    # The loader in C reads it in a tenth of the time, and is in all wheels of PyYAML.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Document(yaml.load(_FILE.read_bytes(), Loader=loader))  # noqa: S506 - both are safe

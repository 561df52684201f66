"""The OpenAPI document as a page for people: HTML without scripts, light or dark, of any width.

Everything on it comes from the document; all text is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from customdomains.api.document import Document, DocumentedOperation

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
* { box-sizing: border-box }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 54rem; margin: 0 auto; padding: 1rem }
h1, h2, h3 { line-height: 1.25; overflow-wrap: anywhere }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
section { margin: 2rem 0 }
code, pre { font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; border-radius: .4rem }
nav ul { list-style: none; padding: 0 }
nav li { margin: .4rem 0 }
dt { margin-top: .6rem; overflow-wrap: anywhere }
dd { margin-left: 1.25rem }
details { margin: .5rem 0; padding: .5rem .75rem; border: 1px solid var(--line);
  border-radius: .4rem }
summary { cursor: pointer }
b.method { font: 700 .8em ui-monospace, monospace; border: 1px solid; border-radius: .3rem;
  padding: .1rem .4rem }
.kind { opacity: .8 }
""".strip()

STYLE_SOURCE = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
"""What Content-Security-Policy calls this style."""

_CODE = re.compile(r"`([^`]+)`")
_SCHEMAS = "#/components/schemas/"
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "maxProperties": "at most {}",
    "pattern": "pattern {}",
    "default": "default {}",
}


def render(document: Document) -> str:
    """The whole page."""
    info = document.content["info"]
    operations = list(document.operations())
    parts = [
        f"<h1>{escape(info['title'])}</h1>",
        _text(info["summary"]),
        _text(info["description"]),
        *_responses(document, document.content["x-elsewhere"]),
        _contents(document, operations),
    ]
    for tag in document.content["tags"]:
        parts.append(f'<h2 id="{_anchor(tag["name"])}">{escape(tag["name"])}</h2>')
        parts.append(_text(tag["description"]))
        parts += [
            _operation(document, each)
            for each in operations
            if each.content["tags"] == [tag["name"]]
        ]
    parts.append('<h2 id="schemas">Schemas</h2>')
    for name, schema in document.content["components"]["schemas"].items():
        heading = f'<h3 id="{_anchor(name)}">{escape(name)}</h3>'
        parts.append(f"<section>{heading}{_schema(schema)}</section>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}: HTTP API</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _contents(document: Document, operations: Iterable[DocumentedOperation]) -> str:
    links = "".join(
        f'<li><a href="#{_anchor(each.id)}">{_call(each)}</a> '
        f"{_inline(each.content['summary'])}</li>"
        for each in operations
    )
    return (
        f'<nav aria-label="Contents"><ul>{links}<li><a href="#schemas">Schemas</a></li>'
        '<li><a href="openapi.json">The document for programs</a> '
        f"(OpenAPI {escape(document.content['openapi'])})</li></ul></nav>"
    )


def _operation(document: Document, operation: DocumentedOperation) -> str:
    content = operation.content
    parts = [
        f'<h3 id="{_anchor(operation.id)}">{_call(operation)}</h3>',
        _text(content["summary"]),
        _text(content.get("description", "")),
    ]
    if content.get("security") == []:
        parts.append("<p>Needs no credentials.</p>")
    if operation.parameters:
        entries = "".join(_parameter(each) for each in operation.parameters)
        parts.append(f"<h4>Parameters</h4><dl>{entries}</dl>")
    body = document.resolve(content.get("requestBody"))
    if body:
        parts += ["<h4>Body</h4>", _media(body["content"])]
    parts.append("<h4>Answers</h4>")
    parts += _responses(document, content["responses"])
    return f"<section>{''.join(parts)}</section>"


def _responses(document: Document, responses: Mapping[str, Any]) -> list[str]:
    return [
        _response(document, status, document.resolve(response))
        for status, response in responses.items()
    ]


def _response(document: Document, status: str, response: Mapping[str, Any]) -> str:
    headers = {
        name: document.resolve(header) for name, header in response.get("headers", {}).items()
    }
    entries = "".join(
        f"<dt><code>{escape(name)}</code> {_kind(header['schema'])}</dt>"
        f"<dd>{_text(header.get('description', ''))}</dd>"
        for name, header in headers.items()
    )
    listed = f"<h5>Headers</h5><dl>{entries}</dl>" if entries else ""
    said = _inline(response["description"].strip())
    media = _media(response.get("content", {}))
    return f"<details><summary><b>{status}</b> {said}</summary>{listed}{media}</details>"


def _media(content: Mapping[str, Any]) -> str:
    parts = []
    for kind, media in content.items():
        parts.append(f"<p><code>{escape(kind)}</code> {_kind(media['schema'])}</p>")
        schema = media["schema"]
        parts.append(_properties(schema))
        for example in media.get("examples", {}).values():
            text = json.dumps(example["value"], indent=2, ensure_ascii=False)
            parts.append(f'<pre tabindex="0"><code>{escape(text)}</code></pre>')
    return "".join(parts)


def _parameter(parameter: Mapping[str, Any]) -> str:
    place = f"{parameter['in']}, required" if parameter.get("required") else parameter["in"]
    return (
        f"<dt><code>{escape(parameter['name'])}</code> "
        f'<span class="kind">in {place},</span> {_kind(parameter["schema"])}</dt>'
        f"<dd>{_text(parameter.get('description', ''))}{_limits(parameter['schema'])}</dd>"
    )


def _schema(schema: Mapping[str, Any]) -> str:
    described = _text(schema.get("description", ""))
    return f"<p>{_kind(schema)}</p>{described}{_limits(schema)}{_properties(schema)}"


def _properties(schema: Mapping[str, Any]) -> str:
    entries = "".join(
        f"<dt><code>{escape(name)}</code> {_kind(value)}"
        f"{', required' if name in schema.get('required', ()) else ''}</dt>"
        f"<dd>{_text(value.get('description', ''))}{_limits(value)}</dd>"
        for name, value in schema.get("properties", {}).items()
    )
    return f"<dl>{entries}</dl>" if entries else ""


def _kind(schema: Mapping[str, Any]) -> str:
    """Of what type a value is, with a link to the schema where that has a name."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return f'<a href="#{_anchor(name)}">{escape(name)}</a>'
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " · ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    types = schema.get("type", "any")
    kind = types if isinstance(types, str) else " or ".join(types)
    if schema.get("format") == "date-time":
        kind = "time"
    return f'<span class="kind">{escape(kind)}</span>'


def _limits(schema: Mapping[str, Any]) -> str:
    if "x-wants" in schema:
        return f"<p>Has to be {_inline(schema['x-wants'])}.</p>"
    said = [text.format(schema[word]) for word, text in _BOUNDS.items() if word in schema]
    return f"<p>{escape(', '.join(said))}</p>" if said else ""


def _call(operation: DocumentedOperation) -> str:
    return f'<b class="method">{operation.method.upper()}</b> <code>{escape(operation.path)}</code>'


def _text(text: str) -> str:
    paragraphs = (part.strip() for part in text.split("\n\n"))
    return "".join(f"<p>{_inline(part)}</p>" for part in paragraphs if part)


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _anchor(name: str) -> str:
    return escape(name, quote=True)

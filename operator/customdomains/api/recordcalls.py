"""What callers may send about DNS records; the OpenAPI document checks what it can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multidict import MultiMapping

from customdomains.api import checking
from customdomains.api.errors import Refused
from customdomains.model.dnsvalues import (
    RecordType,
    canonical_value,
    owner_name,
    value_or_as_it_is,
)
from customdomains.model.names import NameRefusedError, a_labels


@dataclass(frozen=True, slots=True)
class Wanted:
    """Records at one name and of one type, all canonical; `ttl` (seconds) None for as it is.

    Without `values` all of them are meant.
    """

    name: str
    type: RecordType
    values: tuple[str, ...] = ()
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted; None for all."""

    name: str | None = None
    type: RecordType | None = None


def added(body: bytes) -> Wanted:
    """The body of an addition. Raises `Refused` with the value that is wrong."""
    parsed = checking.of("addDnsRecords").body(body)
    kind, texts = _type(parsed["type"]), _values(parsed)
    if not texts:
        raise Refused("invalid_record_value", "value is missing; give value, or a list values")
    values = []
    for text in texts:
        try:
            values.append(canonical_value(kind, text))
        except ValueError as error:
            raise Refused("invalid_record_value", str(error)) from error
    ttl = parsed.get("ttl")
    seconds = None if ttl is None else int(ttl)  # a whole number in JSON may be written 60.0
    return Wanted(_name(parsed["name"]), kind, tuple(dict.fromkeys(values)), seconds)


def removed(body: bytes, query: MultiMapping[str]) -> Wanted:
    """What is to be deleted, by the body or by the query. Raises `Refused`."""
    checks = checking.of("deleteDnsRecords")
    sent = bool(body.strip())
    if sent and query:  # whichever was left aside would have something deleted that is not meant
        raise Refused("invalid_query", "there are a body and a query; say what to delete by one")
    parsed = checks.body(body) if sent else checks.object(checks.query(query, strict=True))
    kind = _type(parsed["type"])
    values = tuple(value_or_as_it_is(kind, text) for text in _values(parsed))
    return Wanted(_name(parsed["name"]), kind, values)


def record_filter(query: MultiMapping[str]) -> Filter:
    """The query of a listing. Raises `Refused`; a misspelled filter must not list everything."""
    wanted = checking.of("listDnsRecords").query(query, strict=True)
    name, kind = wanted.get("name"), wanted.get("type")
    return Filter(
        None if name is None else _name(name),
        None if kind is None else _type(kind),
    )


def resolved_name(query: MultiMapping[str]) -> str:
    """The name to resolve. Raises `Refused` where there is none."""
    text: str = checking.of("resolveName").query(query, strict=True)["name"].strip()
    try:
        return a_labels(text)
    except NameRefusedError as refusal:
        try:
            if text.startswith("_") or "._" in text:  # the only names that IDNA does not take
                return owner_name(text)
        except ValueError:
            pass
        raise Refused("invalid_name", refusal.message) from refusal


def _name(text: str) -> str:
    try:
        return owner_name(text)
    except ValueError as error:
        raise Refused("invalid_record_name", str(error)) from error


def _type(text: str) -> RecordType:
    return RecordType(text.upper())


def _values(parsed: Mapping[str, Any]) -> list[str]:
    one, several = parsed.get("value"), parsed.get("values")
    if one is not None and several is not None:
        raise Refused("invalid_record_value", "value and values are both there; one is enough")
    return [one] if one is not None else several or []

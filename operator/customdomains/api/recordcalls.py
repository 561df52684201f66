"""What callers may send about DNS records, checked before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from customdomains.api.errors import Refused
from customdomains.model.dnsrecord import MAX_TTL
from customdomains.model.dnsvalues import (
    MAX_VALUES,
    RecordType,
    canonical_value,
    owner_name,
    quoted,
    value_or_as_it_is,
)
from customdomains.model.names import NameRefusedError, a_labels

_FILTERS = frozenset({"name", "type"})
_REMOVED = _FILTERS | {"value"}


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
    parsed = _json_object(body)
    kind, texts = _type(parsed.get("type")), _values(parsed)
    if not texts:
        raise Refused("invalid_record_value", "value is missing; give value, or a list values")
    values = []
    for text in texts:
        try:
            values.append(canonical_value(kind, text))
        except ValueError as error:
            raise Refused("invalid_record_value", str(error)) from error
    name = _name(parsed.get("name"))
    return Wanted(name, kind, tuple(dict.fromkeys(values)), _ttl(parsed.get("ttl")))


def removed(body: bytes, query: Mapping[str, str]) -> Wanted:
    """What is to be deleted, by the body where there is one, else by the query. `Refused`."""
    if body.strip():
        parsed = _json_object(body)
    else:
        _known(query, _REMOVED)
        parsed = dict(query)
    kind = _type(parsed.get("type"))
    values = tuple(value_or_as_it_is(kind, text) for text in _values(parsed))
    return Wanted(_name(parsed.get("name")), kind, values)


def record_filter(query: Mapping[str, str]) -> Filter:
    """The query of a listing. Raises `Refused`; a misspelled filter must not list everything."""
    _known(query, _FILTERS)
    name, kind = query.get("name"), query.get("type")
    return Filter(
        None if name is None else _name(name),
        None if kind is None else _type(kind),
    )


def resolved_name(query: Mapping[str, str]) -> str:
    """The name to resolve. Raises `Refused` where there is none."""
    _known(query, frozenset({"name"}))
    text = query.get("name", "").strip()
    if not text:
        raise Refused("missing_name", "name is missing, as in /dns/resolve?name=www.example.com")
    try:
        return a_labels(text)
    except NameRefusedError as refusal:
        try:
            if text.startswith("_") or "._" in text:  # the only names that IDNA does not take
                return owner_name(text)
        except ValueError:
            pass
        raise Refused("invalid_name", refusal.message) from refusal


def _known(query: Mapping[str, str], possible: frozenset[str]) -> None:
    unknown = sorted(set(query) - possible)
    if unknown:
        known = ", ".join(sorted(possible))
        raise Refused(
            "invalid_query", f"there is no parameter {quoted(unknown[0])}; there is {known}"
        )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("malformed_json", f"the body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise Refused("malformed_json", "the body is not a JSON object")
    return parsed


def _name(value: object) -> str:
    if not isinstance(value, str):
        given = "is missing" if value is None else "is no string"
        raise Refused(
            "invalid_record_name", f"name {given}; it has to be a full name such as www.example.com"
        )
    try:
        return owner_name(value)
    except ValueError as error:
        raise Refused("invalid_record_name", str(error)) from error


def _type(value: object) -> RecordType:
    try:
        return RecordType(value.upper() if isinstance(value, str) else "")
    except ValueError:
        given = f"{quoted(value)} is not possible" if isinstance(value, str) else "is missing"
        allowed = ", ".join(RecordType)
        raise Refused(
            "invalid_record_type", f"type: {given}; it has to be one of {allowed}"
        ) from None


def _values(parsed: Mapping[str, Any]) -> list[str]:
    one, several = parsed.get("value"), parsed.get("values")
    if one is not None and several is not None:
        raise Refused("invalid_record_value", "value and values are both there; one is enough")
    found = [one] if one is not None else several if several is not None else []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Refused(
            "invalid_record_value", "value has to be a string, and values a list of strings"
        )
    if len(found) > MAX_VALUES:
        raise Refused(
            "invalid_record_value", f"there are {len(found)} values; at most {MAX_VALUES} can be"
        )
    return found


def _ttl(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TTL:
        raise Refused("invalid_ttl", f"ttl has to be a whole number of seconds from 0 to {MAX_TTL}")
    return value

"""Names and values of DNS records as people write them, and their one canonical form.

Names are in lower case; as an owner's name without, in a value with the dot of the root at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address

MAX_VALUE = 1024
"""Bytes of one value."""

MAX_VALUES = 32
"""Values of all records at one name and of one type: with these a set fits any DNS message."""

_LABEL = re.compile(r"[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?")
_MAX_NAME = 253  # characters without the root's dot (RFC 1035 section 2.3.4)
_NUMBER = re.compile(r"[0-9]{1,5}")
_SHOWN = 80  # characters of a value in a message


class RecordType(StrEnum):
    """The types of which the platform may have records."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    TXT = "TXT"
    MX = "MX"
    SRV = "SRV"


def owner_name(text: str) -> str:
    """The canonical form of a name, without the root's dot. Raises ValueError that says why."""
    name = text.strip().lower().removesuffix(".")
    if not name:
        raise ValueError("the name is empty; it has to be a full name such as www.example.com")
    if "*" in name:
        raise ValueError(
            f"{quoted(text)} has a wildcard; wildcards are not served, so write every name out"
        )
    if len(name) > _MAX_NAME:
        raise ValueError(f"the name has {len(name)} characters; at most {_MAX_NAME} are possible")
    for label in name.split("."):
        if not _LABEL.fullmatch(label):
            raise ValueError(
                f"{quoted(text)} is no name of a record: its label {quoted(label)} has to be 1 to "
                "63 letters, digits, hyphens and underscores, with no hyphen at its ends (letters "
                "beyond ASCII in their xn-- form)"
            )
    return name


def canonical_value(kind: RecordType, text: str) -> str:
    """The canonical form of a record's value. Raises ValueError: which value, and what may be."""
    if not text or len(text.encode("utf-8", "replace")) > MAX_VALUE:
        raise ValueError(f"the value {quoted(text)} is not possible; it has 1 to {MAX_VALUE} bytes")
    try:
        return _CANONICAL[kind](text)
    except ValueError as error:
        told = error.args[0] if isinstance(error, _SaidError) else ""
        raise ValueError(
            f"the value {quoted(text)} of {kind} is not possible; it has to be {_ALLOWED[kind]}"
            f"{told}"
        ) from None


def value_or_as_it_is(kind: RecordType, text: str) -> str:
    """Like `canonical_value`; what is none stays as it is."""
    try:
        return canonical_value(kind, text)
    except ValueError:
        return text


def quoted(text: str) -> str:
    """`text` for a message: printable, and cut where it is long."""
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


class _SaidError(ValueError):
    """With what else there is to say behind what is allowed."""


def _ipv4(text: str) -> str:
    return str(IPv4Address(text))


def _ipv6(text: str) -> str:
    address = IPv6Address(text)
    if address.scope_id is not None or address.ipv4_mapped is not None:
        raise AddressValueError("it means nothing to others")
    return str(address)


def _host(text: str) -> str:
    try:
        return f"{owner_name(text)}."
    except ValueError as error:
        raise _SaidError(f": {error}") from error


def _text(text: str) -> str:
    text.encode()  # lone surrogates are no text
    return text


def _mx(text: str) -> str:
    preference, host = _fields(text, 2)
    if host == "." and int(preference) != 0:
        raise ValueError("RFC 7505")
    return f"{_number(preference)} {_host_or_none(host)}"


def _srv(text: str) -> str:
    *numbers, target = _fields(text, 4)
    return " ".join((*map(_number, numbers), _host_or_none(target)))


def _host_or_none(text: str) -> str:
    """A single dot says that there is no such service (RFC 7505, RFC 2782)."""
    return "." if text == "." else _host(text)


def _fields(text: str, number: int) -> list[str]:
    fields = text.split()
    if len(fields) != number:
        raise ValueError(f"{len(fields)} fields")
    return fields


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text) or int(text) > 65535:
        raise ValueError("no 16 bits")
    return str(int(text))


_CANONICAL: Mapping[RecordType, Callable[[str], str]] = {
    RecordType.A: _ipv4,
    RecordType.AAAA: _ipv6,
    RecordType.CNAME: _host,
    RecordType.TXT: _text,
    RecordType.MX: _mx,
    RecordType.SRV: _srv,
}

_ALLOWED: Mapping[RecordType, str] = {
    RecordType.A: "an IPv4 address such as 192.0.2.10",
    RecordType.AAAA: "an IPv6 address such as 2001:db8::10",
    RecordType.CNAME: "a full domain name such as www.example.com",
    RecordType.TXT: "a text in UTF-8",
    RecordType.MX: "a preference from 0 to 65535 and a host, such as 10 mail.example.com, or 0 . "
    "for no mail at all",
    RecordType.SRV: "priority, weight and port, each from 0 to 65535, and a target, such as "
    "0 5 443 www.example.com",
}

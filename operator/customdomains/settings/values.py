"""What values in the settings may be, and in words."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import msgspec

from customdomains.model.names import a_labels

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_LONGEST = timedelta(days=3650)


class Duration:
    """A length of time as written in settings: `90s`, `1h30m`, `7d`."""

    ALLOWED = "a duration such as 500ms, 30s, 15m, 1h30m or 7d, at most 3650d"

    __slots__ = ("delta",)

    def __init__(self, text: str) -> None:
        parts = _DURATION.findall(text)
        if not parts or "".join(map("".join, parts)) != text:
            raise ValueError(f"{text!r} is no duration")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if seconds > _LONGEST.total_seconds():
            raise ValueError(f"{text!r} is too long")
        self.delta = timedelta(seconds=seconds)

    @property
    def seconds(self) -> float:
        """In seconds."""
        return self.delta.total_seconds()


class Suffix(str):
    """The end of domain names, in the canonical form whatever spelling it is written in."""

    ALLOWED = (
        "a domain name such as platform.example.net or com, without a dot or an asterisk in "
        "front; it stands for itself and all names below it"
    )

    __slots__ = ()

    def __new__(cls, text: str) -> Suffix:
        return super().__new__(cls, a_labels(text))


_PORT = r"(0|[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

Listen = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]*):{_PORT}$",
        description="address:port with a port up to 65535, an IPv6 address in brackets, no address "
        "for all of them, such as :8080, 127.0.0.1:8080 or [::1]:8080",
    ),
]
HostPort = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):(?!0$){_PORT}$",
        description="host:port with a port from 1 to 65535, an IPv6 address in brackets, such as "
        "192.0.2.53:53 or [2001:db8::53]:53",
    ),
]
_URL_HOST = r"(\[[0-9a-fA-F:]+\]|[^\s/:\[\]@?#]+)"

Resolver = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^((\[[0-9a-fA-F:]+\]|[0-9]+(\.[0-9]+){{3}}):(?!0$){_PORT}"
        rf"|tls://{_URL_HOST}(:(?!0$){_PORT})?"
        rf"|https://{_URL_HOST}(:(?!0/){_PORT})?/[^\s?#{{}}]*)$",
        description="address:port with a port from 1 to 65535, tls://host:port for DNS over TLS, "
        "or https://host/path for DNS over HTTPS, such as 192.0.2.53:53, "
        "tls://dns.example.net:853 or https://dns.example.net/dns-query",
    ),
]
DnsName = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(?=.{{1,200}}$){_LABEL}(\.{_LABEL})+$",
        description="a domain name of at most 200 characters in lower case with at least two "
        "labels and no dot at its end, such as delegated.example.net",
    ),
]
ObjectName = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^{_LABEL}$",
        description="a name of at most 63 lower-case letters, digits and hyphens with a letter or "
        "digit at both ends, such as letsencrypt",
    ),
]
Url = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^https?://(\[[0-9a-fA-F:]+\]|[^\s/:\[\]]+)(:{_PORT})?(/\S*)?$",
        description="a URL with a port up to 65535, such as https://acme-v02.api.letsencrypt.org/directory",
    ),
]
Contact = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^mailto:[^\s@]+@[^\s@]+$",
        description="an address such as mailto:hostmaster@example.net",
    ),
]
Text = Annotated[
    str, msgspec.Meta(min_length=1, max_length=1024, description="a text that is not empty")
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A mapping in the file."""

"""Which addresses a webhook may be posted to."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address is at its end
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # likewise, RFC 4291 section 2.5.5.1

_PRIVATE_TOO = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # RFC 6890 section 2.1
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # RFC 8215
    ipaddress.IPv6Network("fec0::/10"),  # RFC 3879
)
"""What the standard library does not take for private, or not in all versions."""


def refusal(text: str) -> str | None:
    """Why nothing is posted to an address that is not public; None where it is.

    An IPv6 address that only stands for an IPv4 address (mapped, 6to4, Teredo, NAT64) is what that
    is. What is public is as the IANA's registries of special-purpose addresses have it (RFC 6890).
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return f"{text} is no address"
    for each in (address, *_meant(address)):
        if (kind := _kind(each)) is not None:
            meant = "" if each == address else f", which stands for {each}"
            return f"{text}{meant} is {kind}"
    return None


def _meant(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that packets to this one end at."""
    if isinstance(address, IPv4Address):
        return ()
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _TRANSLATED or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return (last,)
    found = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    return tuple(each for each in found if each is not None)


def _kind(address: IPv4Address | IPv6Address) -> str | None:
    """What is not public about an address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return None  # what it stands for decides
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_private or any(address in network for network in _PRIVATE_TOO):
        return "a private address"
    return None if address.is_global else "not a public address"

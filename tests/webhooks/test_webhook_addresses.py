"""Which addresses webhooks may be posted to: the IANA's special-purpose ones they may not."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customdomains.webhooks.addresses import refusal

REFUSED = {
    "0.0.0.0": "the unspecified address",
    "0.1.2.3": "a private address",
    "10.1.2.3": "a private address",
    "100.64.0.1": "not a public address",  # carrier-grade NAT, RFC 6598
    "100.127.255.254": "not a public address",
    "127.0.0.1": "a loopback address",
    "127.255.255.254": "a loopback address",
    "169.254.169.254": "a link-local address",  # where clouds tell instances their credentials
    "172.16.0.1": "a private address",
    "172.31.255.254": "a private address",
    "192.0.0.8": "a private address",
    "192.0.2.1": "a private address",
    "192.168.1.1": "a private address",
    "198.18.0.1": "a private address",
    "198.51.100.1": "a private address",
    "203.0.113.1": "a private address",
    "224.0.0.1": "a multicast address",
    "239.255.255.250": "a multicast address",
    "240.0.0.1": "a private address",
    "255.255.255.255": "a private address",
    "::": "the unspecified address",
    "::1": "a loopback address",
    "::1%lo": "a loopback address",
    "::127.0.0.1": "127.0.0.1 is a loopback address",
    "::ffff:127.0.0.1": "127.0.0.1 is a loopback address",
    "::ffff:10.0.0.1": "10.0.0.1 is a private address",
    "::ffff:169.254.169.254": "169.254.169.254 is a link-local address",
    "64:ff9b::10.0.0.1": "10.0.0.1 is a private address",
    "64:ff9b:1::1": "a private address",
    "100::1": "a private address",
    "2001:db8::1": "a private address",
    "2002:7f00:1::": "127.0.0.1 is a loopback address",
    "2002:a00:1::1": "10.0.0.1 is a private address",
    "fc00::1": "a private address",
    "fd12:3456::1": "a private address",
    "fe80::1": "a link-local address",
    "fe80::1%eth0": "a link-local address",
    "fec0::1": "a private address",
    "ff02::1": "a multicast address",
    "localhost": "no address",
    "": "no address",
}
ALLOWED = (
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::8",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
)


@pytest.mark.parametrize(("address", "why"), REFUSED.items())
def test_what_is_not_public_is_refused_with_the_reason(address: str, why: str) -> None:
    assert (refusal(address) or "").endswith(why)


@pytest.mark.parametrize("address", ALLOWED)
def test_what_is_public_is_not(address: str) -> None:
    assert refusal(address) is None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_in_every_dress(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    dresses = (
        ipaddress.IPv6Address(0xFFFF << 32 | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address(0x2002 << 112 | number << 80),
    )
    plain = refusal(str(address)) is None
    assert {refusal(str(dress)) is None for dress in dresses} == {plain}


@given(st.ip_addresses())
def test_nothing_that_is_allowed_is_of_a_special_kind(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if refusal(str(address)) is None:
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast
        assert not address.is_unspecified

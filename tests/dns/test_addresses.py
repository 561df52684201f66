"""Server addresses as text, and names that stand for several of them."""

import asyncio
import socket

import pytest

from customdomains.dns.addresses import join_server, resolve_servers, split_server


@pytest.mark.parametrize(
    ("server", "parts"),
    [
        ("192.0.2.1:53", ("192.0.2.1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
        ("dns.acme.svc:53", ("dns.acme.svc", 53)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_splits_and_joins(server, parts):
    assert split_server(server) == parts
    assert join_server(*parts) == server


@pytest.mark.parametrize(
    "server",
    [
        *("", "53", ":53", "host", "host:", "host:x", "host:-1", "host:+1", "host:65536"),
        *("host: 53", "host:5_3", "host:\u0663", "[]:53", "2001:db8::1:53", "[192.0.2.1]:53"),
        "[2001:db8::1]",
    ],
)
def test_refuses_what_is_no_server(server):
    with pytest.raises(ValueError, match=r"form|brackets"):
        split_server(server)


async def test_a_name_stands_for_all_its_addresses_each_once(monkeypatch):
    async def both(host, port, *, type):  # noqa: A002 - the loop calls it so
        assert (host, type) == ("dns.acme.svc", socket.SOCK_DGRAM)
        return [
            (socket.AF_INET, type, 17, "", ("192.0.2.1", port)),
            (socket.AF_INET6, type, 17, "", ("2001:db8::1", port, 0, 0)),
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    assert await resolve_servers(["192.0.2.9:53", "dns.acme.svc:53", "192.0.2.1:53"]) == (
        "192.0.2.9:53",
        "192.0.2.1:53",
        "[2001:db8::1]:53",
    )


async def test_a_name_that_cannot_be_resolved_is_an_error(monkeypatch):
    async def unknown(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(OSError, match="not known"):
        await resolve_servers(["192.0.2.9:53", "nowhere.acme.svc:53"])

"""Dynamic updates against Knot and BIND: with the right key, and with everything that is wrong."""

import asyncio
import base64
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest
from programs.debian import SERVERS, why_not

from customdomains.devcluster.rundir import free_port
from customdomains.dns.updates import UpdatedZone, ZoneUpdates
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason
from realdns.processes import Bind, Knot, UpdateKey

ZONE = "customers.example"
NAME = f"_acme-challenge.shop.{ZONE}"
KEY = UpdateKey("customdomains", base64.b64encode(b"k" * 32).decode())
OTHER_SECRET = base64.b64encode(b"o" * 32).decode()
FILE = f"""$ORIGIN {ZONE}.
@ 300 SOA ns hostmaster 1 3600 600 86400 60
@ 300 NS ns
ns 300 A 127.0.0.1
_acme-challenge.shop 300 TXT "the token"
"""


@pytest.fixture(scope="module", params=[Knot, Bind])
def server(request: pytest.FixtureRequest, run_dir: Path) -> Iterator[Knot | Bind]:
    """One that serves ZONE and takes updates with KEY."""
    if (reason := why_not(SERVERS, "DNS servers")) is not None:
        pytest.skip(reason)
    server = request.param(run_dir / f"updates-{request.param.program}", ["127.0.0.1"], free_port())
    try:
        server.configure({ZONE: FILE}, key=KEY)
        server.launch()
        server.wait([ZONE])
        yield server
    finally:
        server.stop()


@pytest.fixture
def target(server: Knot | Bind, tmp_path: Path) -> UpdatedZone:
    """The zone as the settings would name it."""
    file = tmp_path / "tsig"
    file.write_text(f"{KEY.secret}\n")
    return UpdatedZone(ZONE, server.address, KEY.name, "hmac-sha256", file)


def texts(server: Knot | Bind) -> set[str]:
    query = dns.message.make_query(NAME, "TXT")
    response = dns.query.tcp(query, server.addresses[0], 5.0, server.port)
    return {
        rdata.strings[0].decode()
        for rrset in response.answer
        if rrset.rdtype == dns.rdatatype.TXT
        for rdata in rrset
    }


async def test_what_is_put_is_served_and_only_that_is_removed(server, target):
    updates = ZoneUpdates([target])
    await updates.put(NAME, ["one", "two"])
    assert texts(server) == {"the token", "one", "two"}
    await updates.put(NAME, ["two"])
    assert texts(server) == {"the token", "one", "two"}
    await updates.remove(NAME, ["one", "two"])
    assert texts(server) == {"the token"}
    await updates.remove(NAME, ["one", "two"])
    assert texts(server) == {"the token"}


async def test_many_at_once(server, target):
    updates = ZoneUpdates([target])
    values = [f"value {number}" for number in range(30)]
    await asyncio.gather(*(updates.put(NAME, [value]) for value in values))
    assert texts(server) == {"the token", *values}
    await asyncio.gather(*(updates.remove(NAME, [value]) for value in values))
    assert texts(server) == {"the token"}


async def test_the_zone_that_is_nearest_to_the_name_is_updated(server, target):
    above = replace(target, zone="example", server="127.0.0.1:1")
    await ZoneUpdates([above, target]).put(NAME, ["nearest"])
    assert "nearest" in texts(server)
    await ZoneUpdates([target, above]).remove(NAME, ["nearest"])
    assert texts(server) == {"the token"}


async def failure(target: UpdatedZone, **others: float) -> str:
    with pytest.raises(OrderError) as caught:
        await ZoneUpdates([target], **others).put(NAME, ["never"])
    assert caught.value.reason is Reason.UPDATE_FAILED
    assert not caught.value.order_lost
    assert KEY.secret not in caught.value.message
    return caught.value.message


async def test_an_unknown_key(server, target):
    message = await failure(replace(target, key_name="somebody-else"))
    assert f"the zone {ZONE}: its server {server.address} does not know the TSIG key" in message
    assert texts(server) == {"the token"}


async def test_another_secret(server, target):
    target.key_file.write_text(OTHER_SECRET)
    assert "does not accept the signature" in await failure(target)
    assert texts(server) == {"the token"}


async def test_a_zone_that_is_not_there(target):
    message = await failure(replace(target, zone="shop.customers.example"))
    assert "does not run the zone" in message


async def test_a_key_is_read_anew_each_time(server, target):
    updates = ZoneUpdates([target])
    target.key_file.write_text("not base64!")
    with pytest.raises(OrderError, match="is not in base64"):
        await updates.put(NAME, ["never"])
    target.key_file.write_text(KEY.secret)
    await updates.put(NAME, ["now"])
    await updates.remove(NAME, ["now"])
    assert texts(server) == {"the token"}


async def test_nobody_listens(target):
    message = await failure(replace(target, server=f"127.0.0.1:{free_port()}"))
    assert "can't be reached" in message


async def test_who_says_nothing_is_not_waited_for_for_ever(target):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        message = await failure(replace(target, server=f"127.0.0.1:{port}"), timeout=0.2)
    assert "did not answer within 0.2 s" in message


async def test_a_name_in_none_of_the_zones(target):
    with pytest.raises(ValueError, match="in no zone that takes updates"):
        await ZoneUpdates([target]).put("_acme-challenge.shop.mycustomers.example", ["never"])


def test_a_key_that_is_none_stops_the_start(target):
    target.key_file.write_text("not base64!")
    with pytest.raises(ValueError, match="is not in base64"):
        ZoneUpdates([target])
    target.key_file.unlink()
    with pytest.raises(OSError, match="tsig"):
        ZoneUpdates([target])

"""One try to deliver, against real receivers on loopback."""

import asyncio
import base64
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import WebhookVerificationError
from webhooks.receiver import HANG, Answer, Receiver

from customdomains.devcluster import certificates
from customdomains.webhooks import HttpSender, parse_secrets
from customdomains.webhooks import sender as module

SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()
NEXT = "whsec_" + base64.b64encode(b"n" * 32).decode()
STRANGER = "whsec_" + base64.b64encode(b"x" * 24).decode()
BODY = '{"type":"domain.active","data":{"domain_name":"bücher.example"}}'.encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    """One that may post to loopback, with a deadline that a test can wait for."""
    sender = HttpSender(lambda: parse_secrets(SECRET), allow_private=True, timeout=1.0)
    yield sender
    await sender.close()


async def test_what_is_posted_is_verified_by_another_implementation(sender, receiver):
    receipt = await sender.post(receiver.url, "msg_1", BODY)
    assert (receipt.status, receipt.trouble, receipt.rest) == (204, "", None)
    (got,) = receiver.got
    assert got.body == BODY
    assert got.path == "/hook"
    assert got.id == "msg_1"
    assert got.headers["content-type"] == "application/json"
    assert got.verified(SECRET)["type"] == "domain.active"
    with pytest.raises(WebhookVerificationError):
        got.verified(STRANGER)


@pytest.mark.parametrize("held", [SECRET, NEXT])
async def test_while_secrets_are_replaced_either_verifies(receiver, held):
    sender = HttpSender(lambda: parse_secrets(f"{SECRET}\n\n{NEXT}\n"), allow_private=True)
    try:
        await sender.post(receiver.url, "msg_1", BODY)
    finally:
        await sender.close()
    assert len(receiver.got[0].headers["webhook-signature"].split()) == 2
    assert receiver.got[0].verified(held)


async def test_secrets_are_asked_for_at_each_try(receiver):
    secrets = [SECRET, NEXT]
    sender = HttpSender(lambda: parse_secrets(secrets.pop(0)), allow_private=True)
    try:
        await sender.post(receiver.url, "msg_1", BODY)
        await sender.post(receiver.url, "msg_1", BODY)
    finally:
        await sender.close()
    receiver.got[0].verified(SECRET)
    receiver.got[1].verified(NEXT)


@pytest.mark.parametrize("status", [200, 201, 301, 400, 410, 500, 503])
async def test_the_status_is_told_as_it_is(sender, receiver, status):
    receiver.answer = Answer(status, body=b"whatever")
    assert (await sender.post(receiver.url, "msg_1", BODY)).status == status


async def test_redirects_are_not_followed(sender, receiver):
    with Receiver() as elsewhere:
        receiver.answer = Answer(307, {"location": elsewhere.url})
        assert (await sender.post(receiver.url, "msg_1", BODY)).status == 307
        assert elsewhere.got == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), ("in a while", None), ("-5", None), ("9" * 30, None), ("", None)],
)
async def test_retry_after_is_read(sender, receiver, value, seconds):
    receiver.answer = Answer(429, {"retry-after": value})
    rest = (await sender.post(receiver.url, "msg_1", BODY)).rest
    assert rest == (None if seconds is None else timedelta(seconds=seconds))


async def test_retry_after_may_be_a_date(sender, receiver):
    later = datetime.now(UTC) + timedelta(hours=1)
    receiver.answer = Answer(503, {"retry-after": format_datetime(later, usegmt=True)})
    rest = (await sender.post(receiver.url, "msg_1", BODY)).rest
    assert timedelta(minutes=59) < rest <= timedelta(hours=1)
    receiver.answer = Answer(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert (await sender.post(receiver.url, "msg_1", BODY)).rest == timedelta(0)


async def test_one_that_hangs_is_left_in_time(sender, receiver):
    receiver.answer = Answer(HANG)
    receipt = await sender.post(receiver.url, "msg_1", BODY)
    assert receipt.status is None
    assert receipt.trouble == "there was no answer within 1 s"


async def test_an_answer_that_never_ends_counts_by_its_status(sender, receiver):
    receiver.answer = Answer(200, {"content-length": "1000000000000"}, b"x" * 1_000_000)
    assert (await sender.post(receiver.url, "msg_1", BODY)).status == 200


async def test_one_that_is_not_there_is_told(sender):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    receipt = await sender.post(f"http://127.0.0.1:{port}/secret-path", "msg_1", BODY)
    assert receipt.status is None
    assert "could not be connected to" in receipt.trouble
    assert "secret-path" not in receipt.trouble


async def test_no_http_is_told_without_the_url(sender):
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        receipt = await sender.post(f"http://127.0.0.1:{port}/secret-path", "msg_1", BODY)
    assert receipt.status is None
    assert receipt.trouble
    assert "secret-path" not in receipt.trouble


async def test_a_certificate_that_nobody_vouches_for_is_refused(sender, tmp_path: Path):
    files = certificates.server(certificates.authority("stranger")).write(tmp_path, "receiver")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    with Receiver(context) as receiver:
        receipt = await sender.post(receiver.url, "msg_1", BODY)
        assert receipt.status is None
        assert "its certificate is not valid" in receipt.trouble
        assert receiver.got == []


# --- where nothing is posted to -------------------------------------------------------------------


class Resolving(AbstractResolver):
    """Gives other addresses at each question, as a name server that rebinds. A fake: the resolver
    of a test's machine can't be made to lie."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def guarded() -> AsyncIterator[HttpSender]:
    """One that posts to public addresses only."""
    sender = HttpSender(lambda: parse_secrets(SECRET), allow_private=False, timeout=1.0)
    yield sender
    await sender.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_loopback_is_refused_however_it_is_written(guarded, receiver, host):
    url = receiver.url.replace("127.0.0.1", host)
    receipt = await guarded.post(url, "msg_1", BODY)
    assert receipt.status is None
    assert "a loopback address" in receipt.trouble
    assert "webhooks.allowPrivateAddresses" in receipt.trouble
    assert receiver.got == []


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001"])
async def test_an_address_that_is_not_written_as_one_is_no_way_in(guarded, receiver, host):
    receipt = await guarded.post(receiver.url.replace("127.0.0.1", host), "msg_1", BODY)
    assert receipt.status is None
    assert receiver.got == []


async def test_a_name_that_is_rebound_is_refused_when_it_is_connected_to(receiver):
    """What it was when it was looked up before counts for nothing, and nothing is kept of it."""
    resolver = Resolving(["192.0.2.1"], ["127.0.0.1"], ["127.0.0.1"])
    sender = HttpSender(lambda: parse_secrets(SECRET), allow_private=False, resolver=resolver)
    url = f"http://rebinding.example.com:{receiver.port}/hook"
    try:
        for _ in range(3):
            assert "could not be connected to" in (await sender.post(url, "msg_1", BODY)).trouble
    finally:
        await sender.close()
    assert resolver.answers == []
    assert receiver.got == []


async def test_of_several_addresses_only_public_ones_are_taken(monkeypatch, receiver):
    """One of loopback passes for public here, which is bent: there is no other to listen at."""
    private = "127.0.0.2"
    monkeypatch.setattr(
        module, "refusal", lambda address: "it is private" if address == private else None
    )
    resolver = Resolving([private, "127.0.0.1"], [private])
    sender = HttpSender(lambda: parse_secrets(SECRET), allow_private=False, resolver=resolver)
    url = f"http://both.example.com:{receiver.port}/hook"
    try:
        assert (await sender.post(url, "msg_1", BODY)).status == 204
        await sender.close()
        again = HttpSender(lambda: parse_secrets(SECRET), allow_private=False, resolver=resolver)
        assert "it is private" in (await again.post(url, "msg_1", BODY)).trouble
        await again.close()
    finally:
        await sender.close()


async def test_closing_leaves_nothing_open(receiver):
    sender = HttpSender(lambda: parse_secrets(SECRET), allow_private=True)
    await sender.post(receiver.url, "msg_1", BODY)
    await sender.close()
    del sender
    gc.collect()  # an open session would warn

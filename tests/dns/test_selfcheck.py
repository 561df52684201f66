"""The self-check: every replica has to answer with everything, else it is not served."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import build
import dns.flags
import dns.rcode
import pytest
from delegation import ONE, ORIGIN, TOKEN, UNKNOWN
from liar import closed_port, lying, reply

from customdomains.dns.selfcheck import ResponderSelfCheck, texts_at
from customdomains.dns.source import ClaimTexts
from customdomains.model.evidence import Outcome, ServerAnswer

NAME = "0123456789abcdef0123456789abcdef.delegated.example.net"
WANTED = ("digest-one", "digest-two")


def answering(*texts: str):
    records = [f'{NAME}. 5 TXT "{text}"' for text in texts]
    return lambda query, _: [reply(query, *records)]


@pytest.fixture
async def replicas():
    """Starts responders that answer as told; gives their addresses."""
    async with AsyncExitStack() as stack:

        async def start(*answers):
            return [(await stack.enter_async_context(lying(each))).address for each in answers]

        yield start


async def test_served_where_every_replica_has_all_and_more(replicas):
    addresses = await replicas(answering(*WANTED), answering("token", *WANTED))
    assert await ResponderSelfCheck(addresses).serves(NAME, WANTED)


@pytest.mark.parametrize(
    "other",
    [
        answering("digest-one"),
        answering(),
        lambda query, _: [reply(query, rcode=dns.rcode.SERVFAIL)],
        lambda *_: [],
    ],
)
async def test_not_served_where_one_replica_lacks_something(replicas, other):
    addresses = await replicas(answering(*WANTED), other)
    assert not await ResponderSelfCheck(addresses, deadline=0.3).serves(NAME, WANTED)


async def test_a_replica_that_is_down_is_not_served():
    assert not await ResponderSelfCheck([closed_port()], deadline=0.1).serves(NAME, WANTED)


@pytest.mark.parametrize("responders", [[], ["no-such-host.invalid:53"]])
async def test_no_replica_at_all_is_not_every_replica(responders):
    assert not await ResponderSelfCheck(responders, deadline=0.1).serves(NAME, WANTED)


async def test_it_waits_for_what_is_about_to_be_served(replicas):
    held: list[str] = []
    asked = asyncio.Event()

    def answer(query, _):
        asked.set()
        return answering(*held)(query, _)

    [address] = await replicas(answer)
    check = asyncio.create_task(ResponderSelfCheck([address]).serves(NAME, WANTED))
    await asked.wait()
    held.extend(WANTED)
    assert await check


def test_the_texts_follow_the_claims():

    texts, claim, ordered = (
        ClaimTexts(lambda: True),
        build.claim(),
        build.claim(order=build.order()),
    )
    assert texts.synced
    assert texts.texts(claim.id) is None
    texts.changed(claim.domain, None, claim)
    assert texts.texts(claim.id) == (build.TOKEN,)
    texts.changed(claim.domain, claim, ordered)
    assert texts.texts(claim.id) == (build.TOKEN, build.DIGEST)
    another = build.claim(id="f" * 32)
    texts.changed(claim.domain, ordered, another)
    assert (texts.texts(claim.id), len(texts)) == (None, 1)
    texts.changed(claim.domain, another, None)
    assert len(texts) == 0


async def test_asks_our_own_responder(server, texts):
    (address,) = server.addresses

    async def found(name):
        return replace(await texts_at(address, name, 5.0), milliseconds=0)

    assert await found(f"{ONE}.{ORIGIN}") == ServerAnswer(
        address, Outcome.ANSWERED, (), (TOKEN, "digest-of-a-challenge"), 5
    )
    missing = ServerAnswer(address, Outcome.NO_SUCH_NAME, negative_ttl=5)
    assert await found(f"{UNKNOWN}.{ORIGIN}") == missing
    assert await found("elsewhere.example") == ServerAnswer(address, Outcome.REFUSED)
    texts.synced = False
    assert await found(f"{ONE}.{ORIGIN}") == ServerAnswer(address, Outcome.SERVER_FAILURE)


async def test_a_responder_answers_for_itself():
    async with lying(answering()) as liar:
        await texts_at(liar.address, NAME, 5.0)
    (query,) = liar.queries
    assert not query.flags & dns.flags.RD, "it is not to ask others"

"""Waiting for a status: how each wait ends, and what those who wait cost others."""

import asyncio

import pytest
from api.calling import api_process, api_server, fresh_name
from api.phases import FACTS, put_phase, until_waiting

from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

pytestmark = pytest.mark.cluster


def begin(api, made, query):
    """A wait that goes on in a task."""
    return asyncio.ensure_future(api("GET", f"/domains/{made['id']}?{query}"))


def outcome(answer):
    assert answer.status == 200, answer
    return answer.body["status"], answer.headers["Customdomains-Wait"]


@pytest.mark.parametrize(
    ("wanted", "comes", "ending"),
    [
        ("verified", "verified", "reached"),
        ("certificate_pending", "certificate_pending", "reached"),
        ("active", "active", "reached"),
        ("failed", "failed", "reached"),
        ("verified", "active", "passed"),
        ("verified", "certificate_pending", "passed"),
        ("active", "failed", "failed"),
    ],
)
async def test_a_wait_ends_with_what_it_is_for_or_what_makes_it_vain(
    api, client, namespace, wanted, comes, ending
):
    made = await api.register(fresh_name())
    waiting = begin(api, made, f"wait={wanted}&timeout=2m")
    await until_waiting(api, 1)
    await put_phase(client, made, namespace, comes)
    answer = await waiting
    assert outcome(answer) == (comes, ending)
    assert answer.body == (await api("GET", f"/domains/{made['id']}")).body
    again = await begin(api, made, f"wait={wanted}")
    assert outcome(again) == (comes, ending)
    await until_waiting(api, 0)


async def test_a_domain_on_its_way_is_waited_for(api, client, namespace):
    made = await api.register(fresh_name())
    assert outcome(await begin(api, made, "wait=pending")) == ("pending", "reached")
    waiting = begin(api, made, "wait=active")
    for phase in ("verified", "certificate_pending", "verified", "pending"):
        await put_phase(client, made, namespace, phase)
    await until_waiting(api, 1)
    assert not waiting.done()
    await put_phase(client, made, namespace, "active")
    answer = await waiting
    assert outcome(answer) == ("active", "reached")
    assert answer.body["certificate"]["secret_name"] == "shop-tls"


async def test_a_status_that_nothing_stands_behind_ends_no_wait(api, client, namespace):
    """A tenant may write it, and the watches of claims and resources are not of one speed."""
    made = await api.register(fresh_name())
    name = made["domain_name"]
    await client.patch_status(CUSTOM_DOMAINS, name, {"status": {"phase": "active"}}, namespace)
    answer = await begin(api, made, "wait=active&timeout=1s")
    assert outcome(answer) == ("active", "timed-out")
    waiting = begin(api, made, "wait=active")
    await until_waiting(api, 1)
    await client.patch(DOMAIN_CLAIMS, name, {"status": FACTS["active"]})
    assert outcome(await waiting) == ("active", "reached")


async def test_the_time_is_over(api):
    made = await api.register(fresh_name())
    answer = await begin(api, made, "wait=active&timeout=1s")
    assert outcome(answer) == ("pending", "timed-out")
    plain = await api("GET", f"/domains/{made['id']}")
    assert plain.body == answer.body
    assert "Customdomains-Wait" not in plain.headers


@pytest.mark.parametrize("replica", ["the same", "another"])
async def test_a_domain_that_is_deleted_is_not_found(api, client, namespace, replica):
    made = await api.register(fresh_name())
    waiting = begin(api, made, "wait=active")
    await until_waiting(api, 1)
    async with api_server(client, namespace) as other:
        deleting = api if replica == "the same" else other
        assert (await deleting("DELETE", f"/domains/{made['id']}")).status == 204
        answer = await waiting
        assert (answer.status, answer.code) == (404, "domain_not_found")


async def test_a_domain_deleted_by_kubectl_is_not_found(api, client, namespace):
    made = await api.register(fresh_name())
    waiting = begin(api, made, "wait=active")
    await until_waiting(api, 1)
    await client.delete(CUSTOM_DOMAINS, made["domain_name"], namespace)
    assert (await waiting).code == "domain_not_found"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("wait=ready", "invalid_wait"),
        ("wait=", "invalid_wait"),
        ("wait=Active", "invalid_wait"),
        ("wait=active&timeout=0s", "invalid_timeout"),
        ("wait=active&timeout=121s", "invalid_timeout"),
        ("wait=active&timeout=2m1s", "invalid_timeout"),
        ("wait=active&timeout=60", "invalid_timeout"),
        ("wait=active&timeout=", "invalid_timeout"),
        ("wait=active&timeout=1.5s", "invalid_timeout"),
        ("wait=active&timeout=-1s", "invalid_timeout"),
        ("wait=active&timeout=9999999999999s", "invalid_timeout"),
        ("wait=active&timeout=%D9%A1s", "invalid_timeout"),
        ("timeout=10s", "invalid_timeout"),
    ],
)
async def test_what_can_t_be_waited_for_is_said(api, query, code):
    made = await api.register(fresh_name())
    answer = await begin(api, made, query)
    assert (answer.status, answer.code) == (400, code)
    if code == "invalid_wait":
        assert "pending, verified, certificate_pending, active, failed" in answer.body["error"]
    elif "wait=" in query:
        assert "from 1s to 120s" in answer.body["error"]


async def test_a_domain_that_is_not_there_is_not_waited_for(api):
    answer = await api("GET", f"/domains/{'0' * 32}?wait=active")
    assert (answer.status, answer.code) == (404, "domain_not_found")


async def test_those_who_wait_shed_nobody_and_are_bounded(client, namespace, monkeypatch):
    monkeypatch.setattr("customdomains.api.load.MAX_IN_FLIGHT", 2)
    monkeypatch.setattr("customdomains.api.rooms.MAX_WAITS", 6)
    monkeypatch.setattr("customdomains.api.rooms.MAX_WAITS_FOR_ONE", 4)
    async with api_server(client, namespace) as api:
        made, other = await api.register(fresh_name()), await api.register(fresh_name())
        waiting = []
        for each, number in ((made, 4), (other, 2)):
            for _ in range(number):
                waiting.append(begin(api, each, "wait=active"))
                await until_waiting(api, len(waiting))
            if each is made:
                full = await begin(api, made, "wait=active")
                assert (full.status, full.code) == (503, "too_many_waiting")
        full = await begin(api, other, "wait=active")
        assert (full.status, full.code) == (503, "too_many_waiting")
        assert full.headers["Retry-After"] == "5"
        # What has no need to wait is answered, and so is everything else.
        assert outcome(await begin(api, made, "wait=pending")) == ("pending", "reached")
        third = await api.register(fresh_name())
        assert (await api("DELETE", f"/domains/{third['id']}")).status == 204
        for each in (made, other):
            await put_phase(client, each, namespace, "failed")
        assert {outcome(answer) for answer in await asyncio.gather(*waiting)} == {
            ("failed", "failed")
        }
        await until_waiting(api, 0)


async def test_who_has_left_leaves_the_place(api, monkeypatch):
    monkeypatch.setattr("customdomains.api.waiting._LOOK", 0.05)
    made = await api.register(fresh_name())
    waiting = begin(api, made, "wait=active")
    await until_waiting(api, 1)
    waiting.cancel()
    await until_waiting(api, 0)


async def test_at_the_end_of_the_process_waits_end_with_what_is_known(client, namespace):
    async with api_process(client, namespace) as process:
        api = process.caller
        made = await api.register(fresh_name())
        waiting = begin(api, made, "wait=active&timeout=2m")
        await until_waiting(api, 1)
        process.stop.set()
        assert outcome(await waiting) == ("pending", "interrupted")

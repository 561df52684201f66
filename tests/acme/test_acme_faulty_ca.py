"""Every step of a certificate's way through every fault of a CA: Pebble behind a proxy that errs.

Whatever goes wrong, once it is right again the same order comes to its one certificate.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from acme_support import CertificateKey, MemoryKeyStore
from faulty_ca import CUT_OFF, HANG_UP, SILENCE, Fault, FaultyCa, Reply, engines_for, running

from customdomains.acme import AcmeEngine
from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.tenantdns.handle import TenantDns
from customdomains.model.certificate import OrderError, PlacedOrder
from customdomains.model.reasons import Reason

pytestmark = pytest.mark.acme

PLACING = ("dir", "nonce-plz", "sign-me-up", "order-plz", "authZ")
COMPLETING = ("chalZ", "my-order", "finalize-order", "certZ")
PATIENCE = 4
"""More failures in a row than one call of the engine takes."""


def problem(kind: str, status: int, detail: str = "as the test says", **headers: str) -> Reply:
    """A problem document of RFC 8555 section 6.7."""
    document = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {"Content-Type": "application/problem+json"}
    return Reply(status, json.dumps(document).encode(), content | given)


@pytest_asyncio.fixture
async def faulty(pebble: Pebble, tmp_path) -> AsyncIterator[FaultyCa]:
    """The proxy."""
    async with running(FaultyCa(pebble.directory_url, pebble.ca_file, tmp_path)) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def make(faulty: FaultyCa) -> AsyncIterator[Callable[[MemoryKeyStore], AcmeEngine]]:
    """Makes engines that talk to the proxy and hardly wait between two requests."""
    async with engines_for(faulty, request_timeout=1.0) as make:
        yield make


@pytest.fixture
def engine(make: Callable[[MemoryKeyStore], AcmeEngine]) -> AcmeEngine:
    """One of them."""
    return make(MemoryKeyStore())


@pytest.fixture
def names() -> tuple[str, ...]:
    return (f"{secrets.token_hex(6)}.example.com",)


async def answer(dns: TenantDns, names: tuple[str, ...], placed: PlacedOrder) -> None:
    await asyncio.to_thread(dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)


async def persist(attempt: Callable[[], object]) -> tuple[object, list[OrderError]]:
    """What `attempt` comes to in the end, and its failures on the way there."""
    failures: list[OrderError] = []
    for _ in range(PATIENCE):
        try:
            return await attempt(), failures
        except OrderError as error:
            failures.append(error)
    raise AssertionError([error.message for error in failures])


FAULTS = {
    "hang up": HANG_UP,
    "cut off": CUT_OFF,
    "silence": SILENCE,
    "500": Reply(500, b"<html>oops</html>", {"Content-Type": "text/html"}),
    "502": Reply(502),
    "503": Reply(503),
    "serverInternal": problem("serverInternal", 500),
    "badNonce": problem("badNonce", 400),
}


CASES = [
    (step, fault)
    for step in (*PLACING, *COMPLETING)
    for fault in FAULTS
    if fault != "silence" or step in {"order-plz", "chalZ", "finalize-order"}
]


@pytest.mark.parametrize("heard", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("case", CASES, ids="-".join)
async def test_one_fault_at_one_step_costs_nothing(case, heard, faulty, engine, tenant_dns, names):
    step, fault = case
    key = CertificateKey()
    faulty.faults.append(Fault(step, FAULTS[fault], heard=heard))
    placed, unplaced = await persist(lambda: engine.place(names))
    await answer(tenant_dns, names, placed)
    issued, failures = await persist(lambda: engine.complete(placed.url, names, key))
    assert not faulty.faults
    assert issued.facts.serial_number
    assert faulty.counts["finalize-order"] == 1
    assert faulty.counts["sign-me-up"] <= 2
    # Only an order whose answer got lost may be placed twice: nobody knows it.
    assert faulty.counts["order-plz"] <= (2 if step == "order-plz" else 1)
    assert [error.order_lost for error in (*unplaced, *failures)] == [False] * (
        len(unplaced) + len(failures)
    )


@pytest.mark.parametrize("fault", ["hang up", "cut off", "503", "serverInternal"])
@pytest.mark.parametrize("step", COMPLETING)
async def test_a_fault_that_lasts_ends_the_call_and_not_the_order(
    step, fault, faulty, engine, tenant_dns, names
):
    key = CertificateKey()
    placed = await engine.place(names)
    await answer(tenant_dns, names, placed)
    faulty.faults.append(Fault(step, FAULTS[fault], times=PATIENCE))
    with pytest.raises(OrderError) as caught:
        await engine.complete(placed.url, names, key)
    assert caught.value.reason is Reason.CA_UNREACHABLE
    assert not caught.value.order_lost
    assert "'faulty'" in caught.value.message
    issued = await engine.complete(placed.url, names, key)
    assert issued.facts.serial_number
    assert faulty.counts["finalize-order"] == 1


@pytest.mark.parametrize("step", [*PLACING[1:], *COMPLETING])
async def test_a_rate_limit_names_its_end_and_is_not_tried_again(
    step, faulty, engine, tenant_dns, names
):
    key = CertificateKey()
    limit = problem("rateLimited", 429, "too many of these", Retry_After="3600")
    before = datetime.now(UTC)

    async def run() -> None:
        placed = await engine.place(names)
        await answer(tenant_dns, names, placed)
        await engine.complete(placed.url, names, key)

    faulty.faults.append(Fault(step, limit))
    with pytest.raises(OrderError) as caught:
        await run()
    assert caught.value.reason is Reason.CA_RATE_LIMITED
    assert not caught.value.order_lost
    assert step == "nonce-plz" or "too many of these" in caught.value.message  # HEAD has no body
    assert caught.value.retry_at >= before + timedelta(seconds=3600)
    assert not faulty.faults  # it was asked once
    await run()


@pytest.mark.parametrize("step", [*PLACING, *COMPLETING])
async def test_a_busy_ca_that_names_a_time_is_left_alone_until_then(
    step, faulty, engine, tenant_dns, names
):
    key = CertificateKey()
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    busy = Reply(503, headers={"Retry-After": until.strftime("%a, %d %b %Y %H:%M:%S GMT")})
    faulty.faults.append(Fault(step, busy))

    async def run() -> None:
        placed = await engine.place(names)
        await answer(tenant_dns, names, placed)
        await engine.complete(placed.url, names, key)

    with pytest.raises(OrderError) as caught:
        await run()
    assert caught.value.reason is Reason.CA_UNREACHABLE
    assert caught.value.retry_at == until
    assert not caught.value.order_lost


@pytest.mark.parametrize("heard", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [*PLACING[2:], *COMPLETING])
async def test_another_process_goes_on_where_one_was_broken_off(
    step, heard, faulty, make, tenant_dns, names
):
    store, key = MemoryKeyStore(), CertificateKey()
    first, second = make(store), make(store)
    faulty.faults.append(Fault(step, HANG_UP, heard=heard, times=PATIENCE))
    placed = None
    with contextlib.suppress(OrderError):
        placed = await first.place(names)
        await answer(tenant_dns, names, placed)
        await first.complete(placed.url, names, key)
    faulty.faults.clear()
    if placed is None:
        placed = await second.place(names)
        await answer(tenant_dns, names, placed)
    issued = await second.complete(placed.url, names, key)
    assert issued.facts.serial_number
    assert faulty.counts["finalize-order"] == 1
    assert store.made == 1


async def test_a_directory_that_moves_is_looked_at_again(faulty, engine, tenant_dns, names):
    def elsewhere(body: bytes) -> bytes:
        return body.replace(b"order-plz", b"order-once").replace(b"nonce-plz", b"nonce-once")

    faulty.faults.append(Fault("dir", elsewhere))
    placed, failures = await persist(lambda: engine.place(names))
    assert [error.reason for error in failures] == [Reason.CA_UNREACHABLE]
    assert "has it moved?" in failures[0].message
    await answer(tenant_dns, names, placed)
    assert await engine.complete(placed.url, names, CertificateKey())


async def test_an_order_that_goes_on_processing_is_taken_up_again(
    faulty, engine, tenant_dns, names
):
    def processing(body: bytes) -> bytes:
        order = json.loads(body)
        if order["status"] in {"valid", "processing"}:
            order["status"] = "processing"
            order.pop("certificate", None)
        return json.dumps(order).encode()

    key = CertificateKey()
    placed = await engine.place(names)
    await answer(tenant_dns, names, placed)
    faulty.faults += [
        Fault("my-order", processing, times=10_000),
        Fault("finalize-order", processing),
    ]
    with pytest.raises(OrderError) as caught:
        await engine.complete(placed.url, names, key)
    assert caught.value.reason is Reason.CA_UNREACHABLE
    assert not caught.value.order_lost
    faulty.faults.clear()
    assert await engine.complete(placed.url, names, key)
    assert faulty.counts["finalize-order"] == 1


async def test_a_certificate_of_another_order_is_refused(faulty, engine, tenant_dns, names):
    other, key = (f"other-{names[0]}",), CertificateKey()
    placed = await engine.place(other)
    await answer(tenant_dns, other, placed)
    foreign = await engine.complete(placed.url, other, CertificateKey())
    placed = await engine.place(names)
    await answer(tenant_dns, names, placed)
    faulty.faults.append(Fault("certZ", lambda _: foreign.chain_pem.encode()))
    with pytest.raises(OrderError) as caught:
        await engine.complete(placed.url, names, key)
    assert caught.value.reason is Reason.CERTIFICATE_UNUSABLE


@pytest.mark.parametrize("word", ["expired", "deactivated", "revoked"])
async def test_an_authorization_that_ended_needs_a_new_order(word, faulty, make, tenant_dns, names):
    def ended(body: bytes) -> bytes:
        return json.dumps(json.loads(body) | {"status": word}).encode()

    store = MemoryKeyStore()
    placed = await make(store).place(names)
    await answer(tenant_dns, names, placed)
    faulty.faults.append(Fault("authZ", ended))
    with pytest.raises(OrderError) as caught:
        await make(store).complete(placed.url, names, CertificateKey())
    assert caught.value.reason is Reason.ORDER_INVALID
    assert caught.value.order_lost
    assert word in caught.value.message

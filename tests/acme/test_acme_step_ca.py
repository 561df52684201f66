"""The same ways with step-ca, whose reading of RFC 8555 differs from Pebble's in places."""

import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from acme_support import CertificateKey, MemoryKeyStore, place
from cryptography import x509
from faulty_ca import CUT_OFF, HANG_UP, Fault, FaultyCa, Reply, engines_for, running

from customdomains.acme import AcmeEngine
from customdomains.devcluster.binaries import find_step_ca
from customdomains.devcluster.stepca import StepCa
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

pytestmark = pytest.mark.acme

STEPS = ("new-order", "authz", "challenge", "finalize", "certificate")
"""It validates and issues within the request, so an order is never polled."""
FAULTS = {"hang up": HANG_UP, "cut off": CUT_OFF, "502": Reply(502)}


def step_of(path: str) -> str:
    """`/acme/acme/order/<id>/finalize` is `finalize`, `/acme/acme/order/<id>` is `order`."""
    parts = path.split("/")
    return parts[-1] if parts[-1] == "finalize" else parts[3]


def issued_by(ca: FaultyCa) -> int:
    """How many certificates there are. Who finalizes an order again is shown the same one."""
    return len({json.loads(body)["certificate"] for body in ca.bodies["finalize"]})


@pytest.fixture(scope="module")
def step_ca(run_dir, tenant_dns) -> Iterator[StepCa]:
    """A step-ca that validates by `tenant_dns`."""
    server = StepCa(find_step_ca(), run_dir / "step-ca", resolver=tenant_dns.address)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest_asyncio.fixture
async def faulty(step_ca: StepCa, tmp_path) -> AsyncIterator[FaultyCa]:
    """A proxy in front of it."""
    async with running(
        FaultyCa(step_ca.directory_url, step_ca.ca_file, tmp_path, step_of)
    ) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def make(faulty: FaultyCa) -> AsyncIterator[Callable[[MemoryKeyStore], AcmeEngine]]:
    """Makes engines that talk to the proxy."""
    async with engines_for(faulty) as make:
        yield make


@pytest.fixture
def names() -> tuple[str, ...]:
    return (f"{secrets.token_hex(6)}.example.com",)


async def test_a_name_and_its_wildcard(step_ca, make, tenant_dns, names):
    both, key = (names[0], f"*.{names[0]}"), CertificateKey()
    engine = make(MemoryKeyStore())
    url = await place(engine, tenant_dns, both)
    issued = await engine.complete(url, both, key)
    leaf, intermediate = x509.load_pem_x509_certificates(issued.chain_pem.encode())
    root = x509.load_pem_x509_certificate(step_ca.ca_file.read_bytes())
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)


async def test_one_after_the_other_authorizes_anew(faulty, make, tenant_dns, names):
    engine = make(MemoryKeyStore())
    for _ in range(2):
        url = await place(engine, tenant_dns, names)
        await engine.complete(url, names, CertificateKey())
    assert faulty.counts["challenge"] >= 2


@pytest.mark.parametrize("heard", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("case", [*itertools.product(STEPS, FAULTS)], ids="-".join)
async def test_one_fault_costs_no_second_certificate(case, heard, faulty, make, tenant_dns, names):
    step, fault = case
    engine, key = make(MemoryKeyStore()), CertificateKey()
    faulty.faults.append(Fault(step, FAULTS[fault], heard=heard))
    url = await place(engine, tenant_dns, names)
    assert await engine.complete(url, names, key)
    assert not faulty.faults
    assert issued_by(faulty) == 1


@pytest.mark.parametrize("step", STEPS[2:])
async def test_another_process_goes_on_where_one_was_broken_off(
    step, faulty, make, tenant_dns, names
):
    store, key = MemoryKeyStore(), CertificateKey()
    engine = make(store)
    url = await place(engine, tenant_dns, names)
    faulty.faults.append(Fault(step, HANG_UP, heard=True, times=4))
    with pytest.raises(OrderError) as caught:
        await engine.complete(url, names, key)
    assert caught.value.reason is Reason.CA_UNREACHABLE
    faulty.faults.clear()
    assert await make(store).complete(url, names, key)
    assert issued_by(faulty) == 1


async def test_a_record_that_comes_late_is_looked_at_again(make, tenant_dns, names):
    """It lets a failed validation stand as pending, and looks again when it is asked."""
    engine = make(MemoryKeyStore())
    placed = await engine.place(names)
    record = f"_acme-challenge.{names[0]}"
    await asyncio.to_thread(tenant_dns.set_txt, record, "wrong")
    with pytest.raises(OrderError) as caught:
        await engine.complete(placed.url, names, CertificateKey())
    assert caught.value.reason is Reason.CHALLENGE_FAILED
    assert not caught.value.order_lost
    await asyncio.to_thread(tenant_dns.set_txt, record, *placed.digests)
    assert await engine.complete(placed.url, names, CertificateKey())


async def test_an_order_that_it_does_not_know_is_lost(faulty, make, names):
    url = faulty.directory_url.replace("directory", "order/none-such")
    with pytest.raises(OrderError) as caught:
        await make(MemoryKeyStore()).complete(url, names, CertificateKey())
    assert caught.value.order_lost


async def test_an_order_of_another_account_is_lost(make, tenant_dns, names):
    url = await place(make(MemoryKeyStore()), tenant_dns, names)
    with pytest.raises(OrderError) as caught:
        await make(MemoryKeyStore()).complete(url, names, CertificateKey())
    assert caught.value.order_lost

"""Renewal information and replacements (RFC 9773): a CA that does what it is told, and Pebble."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from acme_support import placing
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from scripted_ca import NAMES, Reply, problem

from customdomains.acme.exchange import Answer
from customdomains.acme.renewal import ari_id, read_renewal_info
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason
from customdomains.model.renewal import RenewalInfo

# Section 4.1 makes this id of the certificate in the RFC's appendix A.
ID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
WINDOW = {"start": "2021-01-03T00:00:00Z", "end": "2021-01-07T00:00:00Z"}
START, END = datetime(2021, 1, 3, tzinfo=UTC), datetime(2021, 1, 7, tzinfo=UTC)
PATH = f"/renewals/{ID}"


@pytest.fixture
def offering(ca):
    """The scripted CA with renewal information."""
    ca.entries["renewalInfo"] = "renewals"
    return ca


def certificate(*extensions):
    """One with the serial number of the RFC's example."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .serial_number(0x87654321)
        .public_key(key.public_key())
        .not_valid_before(START)
        .not_valid_after(END)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())


def test_the_id_of_the_example():
    authority = bytes.fromhex("69885B6B87464041E1B37B847BA0AE2CDE01C8D4")
    named = x509.AuthorityKeyIdentifier(authority, None, None)
    assert ari_id(certificate(named)) == ID


def test_no_id_without_an_authority():
    elsewhere = x509.AuthorityKeyIdentifier(None, [x509.DNSName("ca.example")], 7)
    assert ari_id(certificate()) is None
    assert ari_id(certificate(elsewhere)) is None


def answer(document, retry_at=None):
    """An answer of a CA; any text as its body."""
    body = document if isinstance(document, bytes) else repr(document).replace("'", '"').encode()
    return Answer(200, "application/json", body, None, None, retry_at)


@pytest.mark.parametrize(
    ("document", "info"),
    [
        ({"suggestedWindow": WINDOW}, RenewalInfo(START, END)),
        (
            {"suggestedWindow": WINDOW, "explanationURL": "https://ca.example/why?a=b"},
            RenewalInfo(START, END, "https://ca.example/why?a=b"),
        ),
        (
            {"suggestedWindow": {**WINDOW, "start": "2021-01-03T02:00:00.5+02:00"}},
            RenewalInfo(START, END),
        ),
        *(
            ({"suggestedWindow": WINDOW, "explanationURL": page}, RenewalInfo(START, END))
            for page in ("javascript:alert(1)", "https://a b", "https://" + "x" * 300, 7)
        ),
    ],
    ids=str,
)
def test_what_is_read(document, info):
    assert read_renewal_info(answer(document)) == info


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        {},
        {"suggestedWindow": []},
        {"suggestedWindow": {"start": WINDOW["start"]}},
        {"suggestedWindow": {**WINDOW, "end": "2021-01-07"}},
        {"suggestedWindow": {**WINDOW, "end": 7}},
        {"suggestedWindow": {**WINDOW, "end": "soon"}},
        {"suggestedWindow": {**WINDOW, "end": "0001-01-01T00:00:00+14:00"}},
        {"suggestedWindow": {"start": WINDOW["end"], "end": WINDOW["start"]}},
        {"suggestedWindow": {"start": WINDOW["end"], "end": WINDOW["end"]}},
    ],
    ids=str,
)
def test_what_is_none(document):
    with pytest.raises(ValueError, match=r"."):
        read_renewal_info(answer(document))


async def test_asking_is_one_unsigned_request(engine, offering, clock):
    body = {"suggestedWindow": WINDOW, "explanationURL": "https://ca.example/why"}
    offering.script(PATH, Reply(body=body, headers={"Retry-After": "21600"}))
    info = await engine.renewal_info(ID)
    again_at = clock.now() + timedelta(hours=6)
    assert info == RenewalInfo(START, END, "https://ca.example/why", again_at)
    assert offering.seen == ["/directory", PATH]


@pytest.mark.parametrize(
    "reply",
    [
        problem("malformed", 404),
        problem("malformed"),
        Reply(body={"suggestedWindow": {}}),
        Reply(body=b"[" * 100_000),
    ],
    ids=["unknown", "refused", "no window", "no JSON"],
)
async def test_an_answer_that_says_nothing_is_none(engine, offering, reply):
    offering.script(PATH, reply)
    assert await engine.renewal_info(ID) is None
    assert offering.counts[PATH] == 1


async def test_an_outage_is_told_with_its_end(engine, offering, clock):
    offering.stick(PATH, Reply(503, headers={"Retry-After": "600"}))
    with pytest.raises(OrderError) as caught:
        await engine.renewal_info(ID)
    assert caught.value.reason is Reason.CA_UNREACHABLE
    assert caught.value.retry_at == clock.now() + timedelta(seconds=600)


async def test_what_may_pass_is_tried_a_few_times(engine, offering):
    offering.stick(PATH, Reply(500))
    with pytest.raises(OrderError) as caught:
        await engine.renewal_info(ID)
    assert caught.value.reason is Reason.CA_UNREACHABLE
    assert offering.counts[PATH] == 4


@pytest.mark.parametrize("entry", ["none", "elsewhere"])
async def test_a_ca_without_it_is_asked_nothing(engine, ca, key, entry):
    if entry == "elsewhere":
        directory = {name: f"{ca.base}/{path}" for name, path in ca.entries.items()}
        directory["renewalInfo"] = "https://elsewhere.example/renewals"
        ca.stick("/directory", Reply(body=directory))
    placed = await engine.place(NAMES, replaces=ID)
    issued = await engine.complete(placed.url, NAMES, key)
    assert await engine.renewal_info(ID) is None
    assert placed.replaces is None
    assert issued.facts.ari_id is None
    assert all("replaces" not in (payload or {}) for _, payload in ca.payloads)
    assert not any(path.startswith("/renewals") for path in ca.seen)


async def test_the_certificate_that_is_replaced_is_named(engine, offering):
    placed = await engine.place(NAMES, replaces=ID)
    assert placed.replaces == ID
    assert [payload["replaces"] for path, payload in offering.payloads if path == "/orders"] == [ID]


@pytest.mark.parametrize(
    "refusal",
    [
        problem("alreadyReplaced", 409),
        problem("conflict", 409),
        problem("malformed", 404),
        problem("unauthorized", 403),
    ],
    ids=["replaced", "conflict", "unknown", "another account's"],
)
async def test_without_the_name_where_the_ca_does_not_take_it(engine, offering, refusal):
    offering.script("/orders", refusal)
    placed = await engine.place(NAMES, replaces=ID)
    assert placed.replaces is None
    assert offering.counts["/orders"] == 2
    ((_, taken),) = [item for item in offering.payloads if item[0] == "/orders"]
    assert "replaces" not in taken


async def test_once_without_the_name_and_no_more(engine, offering):
    offering.stick("/orders", problem("alreadyReplaced", 409))
    with pytest.raises(OrderError) as caught:
        await engine.place(NAMES, replaces=ID)
    assert caught.value.reason is Reason.CA_REFUSED
    assert offering.counts["/orders"] == 2


async def test_without_the_name_where_the_ca_fails_over_it(engine, offering):
    offering.script("/orders", *[problem("serverInternal", 500)] * 4)
    placed = await engine.place(NAMES, replaces=ID)
    assert placed.replaces is None
    assert offering.counts["/orders"] == 5


async def test_a_ca_that_is_down_is_asked_once_more_without_the_name_and_no_more(engine, offering):
    offering.stick("/orders", problem("serverInternal", 500))
    with pytest.raises(OrderError) as caught:
        await engine.place(NAMES, replaces=ID)
    assert caught.value.reason is Reason.CA_UNREACHABLE
    assert offering.counts["/orders"] == 8


async def test_other_refusals_are_not_about_the_name(engine, offering):
    offering.stick("/orders", problem("rejectedIdentifier", 403))
    with pytest.raises(OrderError):
        await engine.place(NAMES, replaces=ID)
    assert offering.counts["/orders"] == 1


async def test_a_refusal_of_an_order_that_names_nothing_is_final(engine, ca):
    ca.stick("/orders", problem("unauthorized", 403))
    error = await placing(engine)
    assert error.reason is Reason.CA_REFUSED
    assert ca.counts["/orders"] == 1


# --- Pebble --------------------------------------------------------------------------------------


async def issue(engine, dns, names, key, replaces=None):
    """A certificate."""
    placed = await engine.place(names, replaces=replaces)
    await asyncio.to_thread(dns.set_txt, f"_acme-challenge.{names[0]}", *placed.digests)
    return placed, await engine.complete(placed.url, names, key)


@pytest.mark.acme
async def test_pebble_suggests_a_window_and_takes_a_replacement_once(
    pebble, pebble_engine, tenant_dns, key
):
    names = (f"{secrets.token_hex(6)}.example.com",)
    engine = pebble_engine()
    _, first = await issue(engine, tenant_dns, names, key)
    facts = first.facts
    assert facts.ari_id
    info = await engine.renewal_info(facts.ari_id)
    assert info is not None
    assert facts.not_before < info.start < info.end < facts.not_after
    assert info.again_at is not None

    why = "https://ca.example/incident"
    past = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    said = {"suggestedWindow": past, "explanationURL": why}
    await asyncio.to_thread(pebble.advise, first.chain_pem, said)
    info = await engine.renewal_info(facts.ari_id)
    assert (info.end, info.explanation) == (datetime(2026, 1, 2, tzinfo=UTC), why)
    await asyncio.to_thread(pebble.advise, first.chain_pem, "{}")
    assert await engine.renewal_info(facts.ari_id) is None

    placed, second = await issue(engine, tenant_dns, names, key, facts.ari_id)
    assert placed.replaces == facts.ari_id
    assert second.facts.ari_id not in {None, facts.ari_id}
    again, _ = await issue(engine, tenant_dns, names, key, facts.ari_id)
    assert again.replaces is None, "Pebble lets a certificate be replaced twice"


@pytest.mark.acme
async def test_pebble_refuses_the_certificate_of_another_account(pebble_engine, tenant_dns, key):
    names = (f"{secrets.token_hex(6)}.example.com",)
    _, issued = await issue(pebble_engine(), tenant_dns, names, key)
    placed = await pebble_engine().place(names, replaces=issued.facts.ari_id)
    assert placed.replaces is None

"""Objects keep their meaning through the API server's JSON."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import build
import pytest
from build import DAY, NOW
from hypothesis import given
from hypothesis import strategies as st
from schema import faults, schema_of

from customdomains.model.certificate import CertificateFacts, Challenge, Fallback, Method, Way
from customdomains.model.claim import (
    NOBODY,
    CertificateRecord,
    Claim,
    Contender,
    Failure,
    Holder,
    Order,
    Standing,
    Verification,
    parse_claim,
    render_claim,
)
from customdomains.model.compromise import Compromise, Ending
from customdomains.model.domain import Issuance, Key, default_secret_name, parse_domain
from customdomains.model.evidence import Outcome, Seen
from customdomains.model.handover import Fault, Handover, IssuerRef
from customdomains.model.identity import mint_identity
from customdomains.model.kept import Kept, Loss
from customdomains.model.keys import SIZES, Algorithm, KeyType
from customdomains.model.reasons import Phase, Reason
from customdomains.model.renewal import RenewalWindow
from customdomains.model.scope import Scope, ScopeKind
from customdomains.model.status import Checks, Status, mark_of
from customdomains.model.times import format_optional, format_time, parse_time
from customdomains.model.webhook import Message

STATUS = schema_of("DomainClaim")["properties"]["status"]

moments = st.integers(1, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
words = st.text(min_size=1, max_size=40)
methods = st.sampled_from(Method)
holders = st.builds(Holder, st.builds(Key, words, words), words, st.none() | words)
sights = st.builds(
    Seen,
    words,
    st.sampled_from(Outcome),
    st.lists(words, max_size=4).map(tuple),
    st.booleans(),
    st.none() | st.integers(0, 2**31 - 1),
    st.integers(0, 10**6),
)
proofs = st.builds(
    Verification,
    st.sampled_from([Method.DELEGATED, Method.MANUAL]),
    moments,
    st.lists(sights, max_size=4).map(tuple),
    st.none() | moments,
    st.none() | words,
)
fallbacks = st.none() | st.builds(Fallback, words, st.sampled_from(Reason))
orders = st.builds(
    Order,
    words,
    words,
    st.lists(words, min_size=1, max_size=2).map(tuple),
    methods,
    st.lists(words, max_size=2).map(tuple),
    moments,
    st.none() | moments,
    st.sampled_from(Challenge),
    st.none() | words,
    st.lists(words, max_size=2).map(tuple),
    fallback=fallbacks,
)
key_types = st.sampled_from([KeyType(kind, size) for kind in Algorithm for size in SIZES[kind]])
losses = st.builds(
    Loss,
    st.sampled_from([Reason.SECRET_DAMAGED, Reason.SECRET_CONFLICT]),
    st.text(max_size=300),
    moments,
)
secrets_kept = st.builds(
    Kept,
    st.none() | st.integers(0, 2**63 - 1),
    st.none() | losses,
    st.none() | moments,
    st.integers(0, 9),
    st.booleans(),
)
compromises = st.builds(
    Compromise,
    words,
    st.sampled_from(Ending),
    words | st.just(""),
    words | st.just(""),
    words | st.just(""),
    st.none() | moments,
    st.integers(0, 9),
    st.none() | moments,
    words | st.just(""),
)
certificates = st.builds(
    CertificateRecord,
    words,
    words,
    st.lists(words, min_size=1, max_size=2).map(tuple),
    moments,
    st.builds(
        CertificateFacts, words, moments, moments, words, st.none() | key_types, st.none() | words
    ),
    st.none() | moments,
    st.builds(Way, methods, st.sampled_from(Challenge)),
    st.none() | words,
    fallback=fallbacks,
    renewal=st.none() | st.builds(RenewalWindow, moments, moments, moments, st.none() | words),
    late=st.integers(0, 2),
    kept=secrets_kept,
)
failures = st.builds(
    Failure,
    st.sampled_from(Reason),
    st.text(max_size=500),
    moments,
    st.integers(1, 10**6),
    moments,
    st.none() | moments,
    st.text(max_size=200),
    st.booleans(),
    words,
    st.none()
    | st.builds(Scope, st.sampled_from(ScopeKind), st.lists(words, max_size=3).map(tuple)),
)
standings = st.builds(
    Standing,
    since=st.none() | moments,
    vacant_since=st.none() | moments,
    expired_at=st.none() | moments,
    asked=st.none() | words,
    lost_at=st.none() | moments,
    release=st.booleans(),
    told=st.none() | st.sampled_from(Phase),
)
messages = st.builds(
    Message,
    id=words,
    type=words,
    at=moments,
    subject=st.text("0123456789abcdef", min_size=32, max_size=32),
    key=st.builds(Key, words, words),
    status=st.none() | st.sampled_from(Phase),
    previous=st.none() | st.sampled_from(Phase),
    reason=words,
    text=st.text(max_size=500),
    done=st.lists(st.text("0123456789abcdef", min_size=8, max_size=8), max_size=3).map(tuple),
)
ids = st.text("0123456789abcdef", min_size=32, max_size=32)
tokens = st.text("0123456789abcdef", min_size=64, max_size=64)
handovers = st.builds(
    Handover,
    words,
    st.builds(IssuerRef, words, words, words),
    words,
    st.lists(words, min_size=1, max_size=2).map(tuple),
    moments,
    st.booleans(),
    words | st.just(""),
    words | st.just(""),
    st.none() | moments,
    st.none() | moments,
    st.none() | moments,
    st.none() | st.builds(Fault, st.sampled_from(Reason), words, moments),
)
contenders = st.builds(
    Contender,
    ids,
    tokens,
    holders,
    standings,
    certificate=st.none() | certificates,
    handed=st.none() | handovers,
)
kept = st.dictionaries(words, words, min_size=1, max_size=2)
metadata = st.fixed_dictionaries({}, optional={"labels": kept, "annotations": kept})
held = st.builds(
    Claim,
    domain=words,
    id=ids,
    token=tokens,
    holder=holders,
    uid=words,
    resource_version=words,
    created=moments,
    verification=st.none() | proofs,
    order=st.none() | orders,
    certificate=st.none() | certificates,
    failure=st.none() | failures,
    issue_handled=st.none() | words,
    compromise=st.none() | compromises,
    standing=standings,
    contenders=st.lists(contenders, max_size=3).map(tuple),
    reserved_for=st.none() | words,
    outbox=st.lists(messages, max_size=3).map(tuple),
    handed=st.none() | handovers,
    metadata=metadata.map(lambda kept: kept or None),
)
reserved = st.builds(
    Claim,
    domain=words,
    id=st.just(""),
    token=st.just(""),
    holder=st.just(NOBODY),
    uid=words,
    resource_version=words,
    created=moments,
    contenders=st.lists(contenders, max_size=3).map(tuple),
    reserved_for=words,
)


def stored(claim: Claim) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(render_claim(claim)))
    body["metadata"]["creationTimestamp"] = format_time(claim.created)
    return body


@given(held | reserved)
def test_a_claim_is_the_same_after_reading_it_back(claim: Claim) -> None:
    body = stored(claim)
    assert parse_claim(body) == claim
    assert list(faults(STATUS, body.get("status", {}))) == []


@given(held)
def test_each_seat_sees_the_claim_as_its_own(claim: Claim) -> None:
    """What one seat sees has nothing of another's."""
    assert [seat.id for seat in claim.seats] == [claim.id, *(s.id for s in claim.contenders)]
    assert set(claim.keys) == {seat.holder.key for seat in claim.seats}
    for seat in claim.contenders:
        view = claim.seen_by(seat)
        assert view.seats == (replace(seat, standing=replace(seat.standing, since=view.since)),)
        assert (view.verification, view.order, view.failure) == (None, None, None)
        assert view.texts == (seat.token,)


def test_a_claim_that_nobody_holds_has_no_seats() -> None:
    claim = build.claim(id="", token="", holder=NOBODY, reserved_for="tenant")
    assert (claim.seats, claim.keys, claim.holder_seat) == ((), (), None)
    assert stored(claim)["spec"] == {"reservedFor": "tenant"}


def test_a_new_claim_has_no_uid_and_no_status() -> None:
    body = render_claim(build.claim(uid="", resource_version=""))
    assert body["metadata"] == {
        "name": build.DOMAIN,
    }
    assert "status" not in body
    assert (
        "uid" not in render_claim(build.claim(holder=build.holder(uid=None)))["spec"]["holderRef"]
    )


@pytest.mark.parametrize("path", [("spec", "token"), ("spec", "holderRef"), ("spec",)])
def test_a_broken_claim_is_a_value_error(path: tuple[str, ...]) -> None:
    body = stored(build.claim())
    place = body
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(ValueError, match=path[-1]):
        parse_claim(body)


def test_secrets_are_not_in_the_representation() -> None:
    claim = build.claim(order=build.order())
    assert build.TOKEN not in repr(claim)
    assert claim.texts == (build.TOKEN, build.DIGEST)
    assert build.without_progress(claim) == build.claim()


@pytest.mark.parametrize(
    ("lifetime", "issued", "renewal"),
    [
        (90 * DAY, NOW, NOW + 60 * DAY),
        (timedelta(minutes=3), NOW, NOW + timedelta(minutes=2)),
        (90 * DAY, NOW + 80 * DAY, NOW + 80 * DAY + timedelta(hours=1)),
    ],
)
def test_renewal_time(lifetime: timedelta, issued: datetime, renewal: datetime) -> None:
    record = build.certificate(issued_at=issued, facts=build.facts(NOW, lifetime))
    assert record.renewal_time == renewal


def test_an_identity_is_drawn_as_the_contract_says() -> None:
    drawn: list[int] = []

    def random_bytes(count: int) -> bytes:
        drawn.append(count)
        return bytes(range(count))

    identity = mint_identity(random_bytes)
    assert drawn == [16, 32]
    assert identity.id == bytes(range(16)).hex()
    assert identity.token == hashlib.sha256(bytes(range(32))).hexdigest()
    assert identity.token not in repr(identity)


RESOURCE: dict[str, Any] = {
    "metadata": {
        "name": "shop",
        "namespace": "tenant",
        "uid": "u",
        "resourceVersion": "1",
        "generation": 3,
        "creationTimestamp": "2026-03-01T12:00:00Z",
    },
    "spec": {"domainName": "Shop.Example.COM."},
}


def test_a_resource_with_defaults() -> None:
    domain = parse_domain(RESOURCE)
    assert (domain.domain, domain.domain_name) == ("shop.example.com", "Shop.Example.COM.")
    assert (domain.issuance, domain.issuer, domain.secret_name) == (
        Issuance.AUTOMATIC,
        None,
        "shop-tls",
    )
    assert domain.created == NOW
    assert domain.generation == 3
    assert not domain.release


def test_a_resource_with_everything() -> None:
    certificate = {"issuance": "Never", "issuer": "le", "secretName": "s"}
    annotations = {
        "customdomains.dev/check-requested-at": "x" * 100,
        "customdomains.dev/issue-requested-at": "",
        "customdomains.dev/release-on-delete": "true",
    }
    domain = parse_domain(
        {
            "metadata": {**RESOURCE["metadata"], "annotations": annotations},
            "spec": {"domainName": "com", "wildcard": True, "suspend": True,
                     "certificate": certificate},
            "status": {"phase": "active"},
        }
    )  # fmt: skip
    assert domain.refusal is not None
    assert domain.domain is None
    assert (domain.wildcard, domain.suspend) == (True, True)
    assert (domain.issuance, domain.issuer, domain.secret_name) == (Issuance.NEVER, "le", "s")
    assert domain.check_requested == "x" * 64
    assert domain.issue_requested is None
    assert domain.release
    assert domain.status.phase == "active"


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,60}[a-z0-9])?(\.[a-z0-9]{1,60}){0,4}", fullmatch=True))
def test_the_default_secret_leaves_room_for_the_next_key(name: str) -> None:
    secret = default_secret_name(name)
    assert len(f"{secret}-next") <= 253
    assert secret.endswith("-tls")
    assert not secret.startswith(("-", "."))
    assert ".-" not in secret


def test_default_secrets_of_long_names_differ() -> None:
    assert default_secret_name("a" * 244) == "a" * 244 + "-tls"
    one, other = default_secret_name("a" * 252 + "b"), default_secret_name("a" * 252 + "c")
    assert one != other
    assert len(one) <= 248


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)


@given(st.dictionaries(st.sampled_from(["phase", "verification", "records", "x"]), values))
def test_any_status_somebody_wrote_has_a_mark(status: dict[str, Any]) -> None:
    assert mark_of(status) == mark_of(json.loads(json.dumps(status)))


def test_a_mark_is_of_the_meaning() -> None:
    meaning = {"phase": "active", "verification": {"method": "Manual"}}
    status = Status("active", meaning, Checks(NOW, NOW + DAY, 7), Reason.READY)  # type: ignore[arg-type]
    assert mark_of(status.render()) == status.mark
    assert status.render()["verification"] == {
        "method": "Manual",
        "lastCheckedAt": "2026-03-01T12:00:00Z",
        "nextCheckAt": "2026-03-02T12:00:00Z",
        "attempts": 7,
    }
    assert mark_of({**status.render(), "phase": "failed"}) != status.mark


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-03-01", "2026-03-01T12:00:00", "12:00", 5, None, [],
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)  # fmt: skip
def test_no_time(text: object) -> None:
    assert parse_time(text) is None


def test_times() -> None:
    east = datetime(2026, 3, 1, 14, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(east) == "2026-03-01T12:00:00Z"
    assert parse_time("2026-03-01T14:00:00+02:00") == NOW
    assert parse_time("2026-03-01T12:00:00.000000000Z") == NOW
    assert format_optional(None) is None
    assert format_time(datetime(999, 1, 1, tzinfo=UTC)) == "0999-01-01T00:00:00Z"

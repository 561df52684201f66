"""The DomainClaim CRD on a real API server: the lock, and the operator's own record."""

import json
import urllib.error
from dataclasses import replace
from typing import Any

import build
import pytest
from build import DAY, NOW
from crds.posting import refusal
from scenes import SCENES

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.model.certificate import Method
from customdomains.model.claim import (
    NOBODY,
    Claim,
    Contender,
    Failure,
    Holder,
    Standing,
    parse_claim,
    render_claim,
)
from customdomains.model.compromise import Compromise, Ending
from customdomains.model.domain import Key
from customdomains.model.kept import Kept, Loss
from customdomains.model.reasons import Phase, Reason
from customdomains.model.scope import Scope, ScopeKind
from customdomains.model.webhook import Message
from customdomains.policy.telling import OUTBOX, TEXT_LENGTH

pytestmark = pytest.mark.cluster

CLAIMS = "/apis/customdomains.dev/v1/domainclaims"

FULL = build.claim(
    verification=build.proof(Method.MANUAL, gone_since=NOW, digest=build.DIGEST),
    order=build.order(Method.MANUAL, digests=(build.DIGEST, build.OTHER_DIGEST)),
    certificate=build.certificate(
        serving_since=NOW - DAY,
        kept=Kept(2**63 - 1, Loss(Reason.SECRET_CONFLICT, "x" * 500, NOW), NOW, 4, revoke=True),
    ),
    failure=build.failure(message="x" * 500, heard="9" * 150, unplaced=True),
    issue_handled="a" * 64,
    compromise=Compromise(
        "a" * 64, Ending.PENDING, "f" * 40, "x" * 63, "A" * 8192, NOW, 9, NOW, "x" * 300
    ),
    standing=Standing(
        since=NOW,
        vacant_since=NOW,
        expired_at=NOW,
        asked="a" * 64,
        lost_at=NOW,
        release=True,
        told=Phase.CERTIFICATE_PENDING,
    ),
    contenders=tuple(
        Contender(
            f"{number:032x}",
            f"{number:064x}",
            Holder(Key(f"tenant-{number}", "x" * 253), f"uid-{number}", None),
            Standing(since=NOW, lost_at=NOW),
            build.certificate(serving_since=NOW - DAY),
        )
        for number in range(33)  # as many as the settings allow, and who makes way
    ),
    reserved_for="tenant",
    outbox=tuple(
        Message(
            f"msg_{number:024x}",
            "domain.certificate_renewed",
            NOW,
            build.ID,
            Key("x" * 63, "x" * 253),
            Phase.CERTIFICATE_PENDING,
            Phase.CERTIFICATE_PENDING,
            "AwaitingChallengeRecord",
            "x" * TEXT_LENGTH,
            tuple(f"{place:08x}" for place in range(8)),
        )
        for number in range(OUTBOX)
    ),
)
HELD = {
    name: world.claim
    for name, world in SCENES.items()
    if world.claim is not None and world.claim.holder != NOBODY
}
KEPT = HELD | {"full": FULL}


def send(plane: ControlPlane, method: str, claim: Claim, path: str = CLAIMS) -> Claim:
    body = json.loads(json.dumps(render_claim(claim)))
    return parse_claim(plane.request(method, f"{path}?fieldValidation=Strict", body))


def code(attempt: Any) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        attempt()
    return caught.value.code


@pytest.mark.parametrize("name", KEPT)
def test_a_claim_is_read_back_as_it_was_written(
    control_plane: ControlPlane, namespace: str, name: str
) -> None:
    wanted = replace(
        KEPT[name],
        uid="",
        resource_version="",
        holder=replace(KEPT[name].holder, key=Key(namespace, "shop")),
    )
    created = send(control_plane, "POST", build.without_progress(wanted))
    path = f"{CLAIMS}/{wanted.domain}"
    mine = replace(
        wanted,
        uid=created.uid,
        resource_version=created.resource_version,
        created=created.created,
    )
    stored = send(control_plane, "PUT", mine, path)
    assert replace(stored, resource_version=mine.resource_version) == mine


def test_creating_is_the_lock(control_plane: ControlPlane, namespace: str) -> None:
    mine = build.claim(uid="", holder=build.holder(key=Key(namespace, "shop")))
    created = send(control_plane, "POST", mine)
    other = replace(mine, id="f" * 32)
    assert code(lambda: send(control_plane, "POST", other)) == 409
    path = f"{CLAIMS}/{mine.domain}"
    newer = send(control_plane, "PUT", replace(created, issue_handled="a"), path)
    assert (
        code(lambda: send(control_plane, "PUT", replace(created, issue_handled="b"), path)) == 409
    )
    assert (
        send(control_plane, "PUT", replace(newer, issue_handled=None), path).issue_handled is None
    )


@pytest.mark.parametrize(
    "changed",
    [{"id": "F" * 32}, {"id": "f" * 31}, {"token": "f" * 63}, {"token": ""}],
)
def test_a_malformed_identity_is_refused(
    control_plane: ControlPlane, namespace: str, changed: dict[str, Any]
) -> None:
    wrong = build.claim(uid="", holder=build.holder(key=Key(namespace, "shop")), **changed)
    assert code(lambda: send(control_plane, "POST", wrong)) == 422


RESERVED = Claim("kept.example.com", "", "", NOBODY, reserved_for="tenant")


def test_a_name_is_reserved_by_a_claim_that_has_nothing_else(control_plane: ControlPlane) -> None:
    manifest = (
        "apiVersion: customdomains.dev/v1\n"
        "kind: DomainClaim\n"
        "metadata: {name: kept.example.com, annotations: {customdomains.dev/note: by hand}}\n"
        "spec: {reservedFor: tenant}\n"
    )
    control_plane.run_kubectl("apply", "-f", "-", stdin=manifest)
    shown = control_plane.run_kubectl("get", "domainclaim", "kept.example.com", "-o", "wide")
    assert shown.splitlines()[1].split()[-1] == "tenant"
    path = f"{CLAIMS}/kept.example.com"
    kept = parse_claim(control_plane.request("GET", path))
    assert replace(kept, uid="", resource_version="", created=RESERVED.created) == replace(
        RESERVED, metadata=kept.metadata
    )
    taken = replace(kept, id=build.ID, token=build.TOKEN, holder=build.holder())
    stored = send(control_plane, "PUT", taken, path)
    assert (stored.id, stored.reserved_for) == (build.ID, "tenant")
    assert (stored.metadata or {})["annotations"]["customdomains.dev/note"] == "by hand"
    again = send(
        control_plane, "PUT", replace(kept, resource_version=stored.resource_version), path
    )
    assert again.holder == NOBODY


def test_a_claim_may_do_nothing_but_remember_a_failure(control_plane: ControlPlane) -> None:
    failure = Failure(Reason.CHALLENGE_FAILED, "no", NOW, 2, NOW + DAY, issuer="main")
    scoped = replace(failure, scope=Scope(ScopeKind.DOMAIN, ("example.com",)))
    body = Claim("failed.example.com", "", "", NOBODY, failure=scoped)
    kept = send(control_plane, "POST", body)
    assert (kept.holder, kept.id, kept.failure) == (NOBODY, "", scoped)


def test_a_claim_that_is_given_up_stays_for_what_is_still_to_be_told(
    control_plane: ControlPlane,
) -> None:
    message = Message(
        "msg_1", "domain.deleted", build.NOW, build.ID, build.KEY, None, Phase.ACTIVE, "Deleted", ""
    )
    left = Claim("left.example.com", "", "", NOBODY, outbox=(message,))
    stored = send(control_plane, "POST", left)
    assert (stored.holder, stored.seats, stored.outbox) == (NOBODY, (), (message,))
    path = f"{CLAIMS}/left.example.com"
    said = refusal(lambda: send(control_plane, "PUT", replace(stored, outbox=()), path))
    assert "a holderRef, or only reserves" in said


SPECS: list[tuple[str, dict[str, Any], str]] = [
    ("nothing", {}, "a holderRef, or only reserves"),
    ("an id alone", {"reservedFor": "tenant", "id": build.ID}, "come together"),
    ("a token alone", {"reservedFor": "tenant", "token": build.TOKEN}, "come together"),
    ("a holder alone", {"reservedFor": "tenant", "holderRef": {
        "namespace": "tenant", "namespaceUID": "u", "name": "shop"}}, "come together"),
    ("a holder without a token", {"id": build.ID, "holderRef": {
        "namespace": "tenant", "namespaceUID": "u", "name": "shop"}}, "come together"),
    ("a holder without a name", {"id": build.ID, "token": build.TOKEN, "holderRef": {
        "namespace": "tenant", "namespaceUID": "u"}}, "holderRef.name"),
    ("reserved for nobody", {"reservedFor": ""}, "reservedFor"),
    ("reserved for too much", {"reservedFor": "x" * 64}, "reservedFor"),
    ("reserved for what is no namespace", {"reservedFor": "Shop_team"}, "reservedFor"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spec", "said"), SPECS, ids=[row[0] for row in SPECS])
def test_a_claim_that_is_neither_held_nor_reserved_is_refused(
    control_plane: ControlPlane, name: str, spec: dict[str, Any], said: str
) -> None:
    body = render_claim(replace(RESERVED, domain="refused.example.com")) | {"spec": spec}
    path = f"{CLAIMS}?fieldValidation=Strict"
    assert said in refusal(lambda: control_plane.request("POST", path, body))


@pytest.mark.parametrize(
    "changed",
    [{"id": "F" * 32}, {"token": "f" * 63}, {"holder": Holder(Key("", "shop"), "u", None)}],
)
def test_a_malformed_contender_is_refused(
    control_plane: ControlPlane, namespace: str, changed: dict[str, Any]
) -> None:
    wrong = replace(build.seat(), **changed)
    claim = build.claim(
        uid="", holder=build.holder(key=Key(namespace, "shop")), contenders=(wrong,)
    )
    assert code(lambda: send(control_plane, "POST", claim)) == 422


def test_what_kubectl_prints(control_plane: ControlPlane, namespace: str) -> None:
    claim = replace(FULL, uid="", holder=build.holder(key=Key(namespace, "shop")))
    send(control_plane, "POST", claim)
    lines = control_plane.run_kubectl("get", "domainclaims").splitlines()
    titles = ["NAME", "NAMESPACE", "HOLDER", "RESERVED", "VERIFIED", "EXPIRES", "AGE"]
    assert lines[0].split() == titles
    assert [build.DOMAIN, namespace, "shop"] in [line.split()[:3] for line in lines[1:]]

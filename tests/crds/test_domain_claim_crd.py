"""The DomainClaim CRD on a real API server: the lock, and the operator's own record."""

import json
import urllib.error
from dataclasses import replace
from typing import Any

import build
import pytest
from build import DAY, NOW
from scenes import SCENES

from customdomains.devcluster.controlplane import ControlPlane
from customdomains.model.certificate import Method
from customdomains.model.claim import Claim, parse_claim, render_claim
from customdomains.model.domain import Key

pytestmark = pytest.mark.cluster

CLAIMS = "/apis/customdomains.dev/v1/domainclaims"

FULL = build.claim(
    verification=build.proof(Method.MANUAL, gone_since=NOW, digest=build.DIGEST),
    order=build.order(Method.MANUAL, digests=(build.DIGEST, build.OTHER_DIGEST)),
    certificate=build.certificate(serving_since=NOW - DAY),
    failure=build.failure(message="x" * 500, heard="9" * 150, unplaced=True),
    issue_handled="a" * 64,
)
KEPT = {name: world.claim for name, world in SCENES.items() if world.claim} | {"full": FULL}


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


def test_what_kubectl_prints(control_plane: ControlPlane, namespace: str) -> None:
    claim = replace(FULL, uid="", holder=build.holder(key=Key(namespace, "shop")))
    send(control_plane, "POST", claim)
    lines = control_plane.run_kubectl("get", "domainclaims").splitlines()
    assert lines[0].split() == ["NAME", "NAMESPACE", "HOLDER", "VERIFIED", "EXPIRES", "AGE"]
    assert [build.DOMAIN, namespace, "shop"] in [line.split()[:3] for line in lines[1:]]

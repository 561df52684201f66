"""What is written into cert-manager's Certificates: only what is ours, only what differs.

On the real API server with cert-manager's own definition of the kind.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import build
import pytest
from build import UID
from e2e.certmanager import remove_crds

from customdomains.cluster import ApiClient, load_connection
from customdomains.cluster.certmanager import HandedCertificates
from customdomains.cluster.errors import NotFound
from customdomains.cluster.kinds import CERTIFICATES, SECRETS
from customdomains.devcluster.binaries import find_cert_manager
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.model.handover import (
    CertificateState,
    HandoverRefusedError,
    IssuerRef,
    WantedCertificate,
)
from customdomains.model.keys import Algorithm, KeyType
from customdomains.model.reasons import Reason

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def kinds(control_plane: ControlPlane) -> Iterator[None]:
    """cert-manager's, without its controllers."""
    control_plane.apply_crds(find_cert_manager() / "crds")
    yield
    remove_crds(control_plane)


@pytest.fixture
def store(client: ApiClient) -> HandedCertificates:
    return HandedCertificates(client)


@pytest.fixture
def wanted(namespace: str) -> WantedCertificate:
    ref = IssuerRef("lets", "ClusterIssuer")
    return WantedCertificate(
        namespace, "shop", UID, build.ID, ref, "shop-cm", (build.DOMAIN,), None
    )


async def stored(client: ApiClient, wanted: WantedCertificate) -> dict[str, Any]:
    return await client.get(CERTIFICATES, wanted.name, wanted.namespace)


async def put_secret(client: ApiClient, wanted: WantedCertificate, **meta: Any) -> None:
    meta = {"name": wanted.secret_name, "namespace": wanted.namespace, **meta}
    await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta})


async def refusal(store: HandedCertificates, wanted: WantedCertificate) -> Reason:
    with pytest.raises(HandoverRefusedError) as refused:
        await store.apply(wanted, write=True)
    return refused.value.reason


# First, as long as the kind is not there.
async def test_without_the_kind_it_says_so(store, wanted):
    assert await refusal(store, wanted) is Reason.CERT_MANAGER_MISSING
    await store.remove(wanted.namespace, wanted.name, wanted.id)


@pytest.mark.usefixtures("kinds")
async def test_it_is_created_once_and_then_left_alone(store, client, wanted):
    assert await store.apply(wanted, write=False) is None
    assert await store.apply(wanted, write=True) == CertificateState(ready=False)
    before = await stored(client, wanted)
    assert await store.apply(wanted, write=True) == CertificateState(ready=False)
    assert (await stored(client, wanted))["metadata"] == before["metadata"]


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize(
    "change",
    [
        {"names": (build.DOMAIN, f"*.{build.DOMAIN}")},
        {"issuer": IssuerRef("own", "Issuer", "example.com")},
        {"secret_name": "another"},
        {"key_type": KeyType(Algorithm.RSA, 4096)},
        {"owner": "made-anew"},
    ],
)
async def test_what_is_wanted_otherwise_is_changed_if_it_may_be(store, client, wanted, change):
    await store.apply(wanted, write=True)
    beside = {"spec": {"duration": "720h0m0s"}, "metadata": {"labels": {"team": "blue"}}}
    await client.patch(CERTIFICATES, wanted.name, beside, wanted.namespace)
    other = replace(wanted, **change)
    assert await store.apply(other, write=False) is None
    assert await store.apply(other, write=True) is not None
    assert await store.apply(other, write=False) is not None
    after = await stored(client, wanted)
    assert after["spec"]["duration"] == "720h0m0s"
    assert after["metadata"]["labels"]["team"] == "blue"
    assert len(after["metadata"]["ownerReferences"]) == 1


@pytest.mark.usefixtures("kinds")
async def test_a_kind_of_key_is_taken_back_to_the_default(store, client, wanted):
    await store.apply(replace(wanted, key_type=KeyType(Algorithm.RSA, 4096)), write=True)
    await store.apply(wanted, write=True)
    assert (await stored(client, wanted))["spec"]["privateKey"] == {"rotationPolicy": "Always"}


@pytest.mark.usefixtures("kinds")
async def test_one_of_another_seat_is_neither_changed_nor_deleted(store, client, wanted):
    await store.apply(replace(wanted, id="f" * 32), write=True)
    assert await refusal(store, wanted) is Reason.CERTIFICATE_CONFLICT
    await store.remove(wanted.namespace, wanted.name, wanted.id)
    assert await stored(client, wanted)


@pytest.mark.usefixtures("kinds")
async def test_our_own_is_deleted_once(store, client, wanted):
    await store.apply(wanted, write=True)
    await store.remove(wanted.namespace, wanted.name, wanted.id)
    await store.remove(wanted.namespace, wanted.name, wanted.id)
    with pytest.raises(NotFound):
        await stored(client, wanted)


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize(
    ("meta", "is_refused"),
    [
        ({}, True),
        ({"annotations": {"cert-manager.io/certificate-name": "another"}}, True),
        ({"annotations": {"cert-manager.io/certificate-name": "shop"}}, False),
        (
            {
                "labels": {
                    "app.kubernetes.io/managed-by": "customdomain-operator",
                    "customdomains.dev/id": build.ID,
                },
                "annotations": {"cert-manager.io/certificate-name": "shop"},
            },
            True,
        ),
    ],
)
async def test_whose_secret_it_would_be(store, client, wanted, meta, is_refused):
    await put_secret(client, wanted, **meta)
    if not is_refused:
        assert await store.apply(wanted, write=True) is not None
        return
    assert await refusal(store, wanted) is Reason.SECRET_CONFLICT
    with pytest.raises(NotFound):
        await stored(client, wanted)


@pytest.mark.usefixtures("kinds")
async def test_what_the_api_server_does_not_take_is_told(store, wanted):
    assert await refusal(store, replace(wanted, name="No_Name")) is Reason.CERT_MANAGER_REFUSED


@pytest.mark.usefixtures("kinds")
async def test_a_right_that_lacks_is_told(control_plane, wanted):
    nobody = await load_connection(str(control_plane.user_kubeconfig("nobody")))
    async with ApiClient(nobody) as client:
        with pytest.raises(HandoverRefusedError, match="cannot get resource") as refused:
            await HandedCertificates(client).apply(wanted, write=True)
    assert refused.value.reason is Reason.CERT_MANAGER_REFUSED


@pytest.mark.usefixtures("kinds")
async def test_what_is_said_of_a_former_version_does_not_count(store, client, wanted):
    await store.apply(wanted, write=True)
    generation = (await stored(client, wanted))["metadata"]["generation"]
    since = "2026-03-01T12:00:00Z"
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": "fine"}
    body = {
        "status": {
            "notAfter": since,
            "conditions": [
                {**condition, "lastTransitionTime": since, "observedGeneration": generation}
            ],
        }
    }
    await client.patch_status(CERTIFICATES, wanted.name, body, wanted.namespace)
    state = await store.apply(wanted, write=False)
    assert state is not None
    assert (state.ready, state.since) == (True, build.NOW)
    state = await store.apply(replace(wanted, names=(f"*.{build.DOMAIN}",)), write=True)
    assert state is not None
    assert not state.ready

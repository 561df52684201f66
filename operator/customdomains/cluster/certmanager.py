"""Certificates of cert-manager's that are handed over for a domain, and what it says of them.

https://cert-manager.io/docs/reference/api-docs/ (cert-manager.io/v1, Certificate).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.errors import AlreadyExists, ApiError, NotFound
from customdomains.cluster.kinds import CERTIFICATES, SECRETS
from customdomains.cluster.secretforms import MANAGED_BY, MANAGER, annotation, owner_of
from customdomains.model.claim import ID_LABEL
from customdomains.model.domain import API_VERSION, GROUP
from customdomains.model.handover import (
    CertificateState,
    HandoverRefusedError,
    WantedCertificate,
)
from customdomains.model.reasons import Reason
from customdomains.model.times import parse_time

CERTIFICATE_NAME = "cert-manager.io/certificate-name"

Body = Mapping[str, Any]

_REFUSALS = frozenset({400, 403, 422})


class HandedCertificates:
    """What is made, changed and deleted is only what has our labels for the same seat.

    All methods raise `ApiError`, and `HandoverRefusedError` where somebody has to do something.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def apply(self, wanted: WantedCertificate, *, write: bool) -> CertificateState | None:
        """Make the Certificate what is wanted and tell how it stands; without `write` only tell,
        None where it is another one, or not there."""
        with _refusals_in_words():
            stored = await self._read(wanted.namespace, wanted.name)
            if stored is not None:
                _refuse_foreign(stored, wanted)
                changes = _changes(stored, wanted)
                if not changes:
                    return _state(stored)
            if not write:
                return None
            await self._refuse_secret(wanted)
            if stored is None:
                return _state(await self._create(wanted))
            meta = stored["metadata"]
            # What is in our way of this version is a conflict, and looked at anew.
            changes.setdefault("metadata", {})["resourceVersion"] = meta["resourceVersion"]
            name, namespace = wanted.name, wanted.namespace
            return _state(await self._client.patch(CERTIFICATES, name, changes, namespace))

    async def remove(self, namespace: str, name: str, seat: str) -> None:
        """Delete the Certificate, if it is there and was made for this seat; its Secret stays."""
        try:
            stored = await self._client.get(CERTIFICATES, name, namespace)
            if _seat_of(stored) != seat:
                return
            meta = stored["metadata"]
            await self._client.delete(
                CERTIFICATES,
                name,
                namespace,
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
            )
        except NotFound:  # without the kind there is none either
            return

    async def _read(self, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._client.get(CERTIFICATES, name, namespace)
        except NotFound as error:
            if error.reason == "NotFound":
                return None
            # The API server's plain "404 page not found": it does not know the kind.
            raise HandoverRefusedError(
                Reason.CERT_MANAGER_MISSING,
                "cert-manager is not installed in this cluster: it does not have the kind "
                "Certificate of cert-manager.io/v1; ask the operator of this platform",
            ) from error

    async def _create(self, wanted: WantedCertificate) -> Body:
        try:
            return await self._client.create(CERTIFICATES, _body(wanted))
        except AlreadyExists:  # ours, and the answer was lost, or somebody else's
            stored = await self._client.get(CERTIFICATES, wanted.name, wanted.namespace)
            _refuse_foreign(stored, wanted)
            return stored

    async def _refuse_secret(self, wanted: WantedCertificate) -> None:
        """cert-manager writes into whatever Secret it is told: so look what that is first."""
        name = wanted.secret_name
        try:
            body = await self._client.get(SECRETS, name, wanted.namespace)
        except NotFound:
            return
        if owner_of(body) is not None:
            raise HandoverRefusedError(
                Reason.SECRET_CONFLICT,
                f"the Secret {name} has a certificate in it that the operator has stored, and is "
                "not given away; choose another name in spec.certificate.secretName",
            )
        if annotation(body, CERTIFICATE_NAME) != wanted.name:
            raise HandoverRefusedError(
                Reason.SECRET_CONFLICT,
                f"the Secret {name} is there already and was not made by cert-manager for the "
                f"Certificate {wanted.name}, so it is not touched; delete it, or choose another "
                "name in spec.certificate.secretName",
            )


@contextmanager
def _refusals_in_words() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.status not in _REFUSALS:
            raise
        raise HandoverRefusedError(
            Reason.CERT_MANAGER_REFUSED,
            f"the API server does not take the Certificate for cert-manager: {error.message}",
        ) from error


def _refuse_foreign(stored: Body, wanted: WantedCertificate) -> None:
    if _seat_of(stored) != wanted.id:
        raise HandoverRefusedError(
            Reason.CERTIFICATE_CONFLICT,
            f"there is a Certificate {wanted.name} already that was not made for this domain, so "
            "it is not touched; delete it, or register the domain under another name",
        )


def _seat_of(stored: Body) -> str | None:
    labels = stored["metadata"].get("labels") or {}
    seat: str | None = labels.get(ID_LABEL) if labels.get(MANAGED_BY) == MANAGER else None
    return seat


# --- what it is to say ----------------------------------------------------------------------------


def _body(wanted: WantedCertificate) -> dict[str, Any]:
    return {
        "apiVersion": CERTIFICATES.api_version,
        "kind": "Certificate",
        "metadata": {
            "name": wanted.name,
            "namespace": wanted.namespace,
            "labels": {MANAGED_BY: MANAGER, ID_LABEL: wanted.id},
            "ownerReferences": [_owner(wanted)],
        },
        "spec": {
            "secretName": wanted.secret_name,
            "dnsNames": list(wanted.names),
            "issuerRef": _issuer(wanted),
            "privateKey": {k: v for k, v in _key(wanted).items() if v is not None},
        },
    }


def _owner(wanted: WantedCertificate) -> dict[str, Any]:
    """With the CustomDomain the Certificate goes too, by Kubernetes' own garbage collection."""
    return {
        "apiVersion": API_VERSION,
        "kind": "CustomDomain",
        "name": wanted.name,
        "uid": wanted.owner,
        "controller": False,
    }


def _issuer(wanted: WantedCertificate) -> dict[str, str]:
    ref = wanted.issuer
    return {"name": ref.name, "kind": ref.kind, "group": ref.group}


def _key(wanted: WantedCertificate) -> dict[str, Any]:
    kind = wanted.key_type
    return {
        "algorithm": str(kind.algorithm) if kind else None,
        "size": kind.size if kind else None,
        "rotationPolicy": "Always",
    }


def _changes(stored: Body, wanted: WantedCertificate) -> dict[str, Any]:
    """What to merge into it; what others have set beside stays."""
    spec = stored.get("spec") or {}
    changed: dict[str, Any] = {}
    if spec.get("secretName") != wanted.secret_name:
        changed["secretName"] = wanted.secret_name
    if set(spec.get("dnsNames") or ()) != set(wanted.names):
        changed["dnsNames"] = list(wanted.names)
    ref = {"kind": "Issuer", "group": "cert-manager.io", **(spec.get("issuerRef") or {})}
    if ref != _issuer(wanted):
        changed["issuerRef"] = _issuer(wanted)
    key = spec.get("privateKey") or {}
    if any(key.get(each) != value for each, value in _key(wanted).items()):
        changed["privateKey"] = _key(wanted)
    changes: dict[str, Any] = {"spec": changed} if changed else {}
    owners = stored["metadata"].get("ownerReferences") or []
    if wanted.owner not in {each["uid"] for each in owners}:
        others = [each for each in owners if not _is_domain(each)]
        changes["metadata"] = {"ownerReferences": [*others, _owner(wanted)]}
    return changes


def _is_domain(owner: Body) -> bool:
    of_ours = str(owner.get("apiVersion", "")).startswith(f"{GROUP}/")
    return of_ours and owner.get("kind") == "CustomDomain"


# --- what is said of it ---------------------------------------------------------------------------


def _state(stored: Body) -> CertificateState:
    status = stored.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready, issuing = conditions.get("Ready", {}), conditions.get("Issuing", {})
    current = _is_current(ready, stored)
    told = ready if current else {}
    is_ready = told.get("status") == "True"
    if not is_ready and issuing.get("status") == "False" and issuing.get("reason") == "Failed":
        told = {**issuing, "lastTransitionTime": told.get("lastTransitionTime")}
    return CertificateState(
        ready=is_ready,
        since=parse_time(told.get("lastTransitionTime")),
        reason=str(told.get("reason") or ""),
        message=str(told.get("message") or ""),
        not_before=parse_time(status.get("notBefore")),
        not_after=parse_time(status.get("notAfter")),
        renewal_time=parse_time(status.get("renewalTime")),
    )


def _is_current(condition: Body, stored: Body) -> bool:
    """Whether it is about the Certificate as it is now; one that does not say is believed."""
    about = condition.get("observedGeneration")
    return about is None or about >= stored["metadata"].get("generation", 0)

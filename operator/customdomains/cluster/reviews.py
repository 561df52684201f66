"""Asking the API server who a bearer token is of, and what somebody may do.

Sources: the Kubernetes API's TokenReview (authentication.k8s.io/v1) and SubjectAccessReview
(authorization.k8s.io/v1). Neither is stored anywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from customdomains.cluster.client import ApiClient
from customdomains.cluster.kinds import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS
from customdomains.cluster.resource import Resource


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody whom the API server knows: what a review says of them, as canonical JSON with the
    fields that a SubjectAccessReview has for it.
    """

    fields: bytes


async def review_token(client: ApiClient, token: str, audiences: tuple[str, ...]) -> Subject | None:
    """Who `token` is of; None where it is no (longer a) token that the API server takes.

    With `audiences` it has to be meant for one of them, else for the API server itself. Raises
    `ApiError`.
    """
    spec: dict[str, object] = {"token": token}
    if audiences:
        spec["audiences"] = audiences
    body = _review(TOKEN_REVIEWS, "TokenReview", spec)
    answer = await client.create(TOKEN_REVIEWS, body)
    status = answer.get("status") or {}
    user = status.get("user") or {}
    if status.get("authenticated") is not True or not user.get("username"):
        return None
    # An authenticator that knows nothing of audiences leaves them out: then nobody has checked.
    if audiences and not set(audiences) & set(status.get("audiences") or ()):
        return None
    fields = {"user": user["username"]}
    fields |= {field: user[field] for field in ("uid", "groups", "extra") if user.get(field)}
    return Subject(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode())


async def review_access(
    client: ApiClient,
    subject: Subject,
    verb: str,
    resource: Resource,
    namespace: str,
) -> bool:
    """Whether `subject` may do `verb` with all of `resource` in `namespace`. Raises `ApiError`."""
    asked = {
        "namespace": namespace,
        "verb": verb,
        "group": resource.group,
        "version": resource.version,
        "resource": resource.plural,
    }
    spec = {**json.loads(subject.fields), "resourceAttributes": asked}
    body = _review(SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview", spec)
    answer = await client.create(SUBJECT_ACCESS_REVIEWS, body)
    return (answer.get("status") or {}).get("allowed") is True


def _review(resource: Resource, kind: str, spec: dict[str, object]) -> dict[str, object]:
    return {"apiVersion": resource.api_version, "kind": kind, "metadata": {}, "spec": spec}

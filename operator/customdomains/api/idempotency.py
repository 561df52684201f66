"""`Idempotency-Key`, and what of it is kept (draft-ietf-httpapi-idempotency-key-header).

The CustomDomain that a call has made says by which key, as a label, so that it can be selected,
and by which request, as an annotation: so both are forgotten with it. Between the two writes of a
registration a seat on a claim has no CustomDomain yet; until then an annotation of the claim says
the same, so that who calls again can go on where the first call was broken off.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from customdomains.api.errors import Refused
from customdomains.model.claim import Claim
from customdomains.model.domain import GROUP

KEY_LABEL = f"{GROUP}/idempotency-key"
REQUEST = f"{GROUP}/idempotent-request"

_MARK = f"registering.{GROUP}/"  # before a seat's id
_LONGEST = 255  # characters of a key
_PRINTABLE = re.compile(r"[ -~]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')  # a String of RFC 9651
_LENGTH = 32  # hexadecimal digits of a hash: labels may have 63 characters


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call that can be made again: hashes of its key, and of what it asks for."""

    key: str
    request: str

    def made(self, body: Mapping[str, Any]) -> bool:
        """Whether the CustomDomain `body` was made by this call, or by one like it."""
        metadata = body["metadata"]
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        return labels.get(KEY_LABEL) == self.key and annotations.get(REQUEST) == self.request

    def has_begun(self, claim: Claim, seat_id: str) -> bool:
        """Whether this call, or one like it, has taken the seat."""
        return (mark_of(claim, seat_id) or "").startswith(f"{self.key}.{self.request}.")

    def mark(self, *, fresh: bool) -> str:
        """For the claim; no two are the same, so it tells who has taken the seat last."""
        kind = "fresh" if fresh else "kept"
        return f"{self.key}.{self.request}.{kind}.{secrets.token_hex(8)}"


def given_key(values: Sequence[str]) -> str | None:
    """The key that the header's values give, None without any. Raises `Refused`.

    It is a quoted string, by the draft; most clients leave the quotes away.
    """
    if not values:
        return None
    key = values[0].strip()
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    if len(values) > 1 or not _PRINTABLE.fullmatch(key) or len(key) > _LONGEST:
        raise Refused(
            "invalid_idempotency_key",
            f"Idempotency-Key has to be given once, with 1 to {_LONGEST} printable ASCII "
            "characters, such as a UUID",
        )
    return key


def attempt(namespace: str, key: str, request: bytes) -> Attempt:
    """`request` is what is asked for, in one form. Keys of other namespaces are other keys."""
    return Attempt(_hash(f"{namespace}/{key}".encode()), _hash(request))


def mark_of(claim: Claim, seat_id: str) -> str | None:
    """By which attempt the seat was taken last."""
    found: str | None = _annotations(claim).get(f"{_MARK}{seat_id}")
    return found


def was_fresh(claim: Claim, seat_id: str) -> bool:
    """Whether the seat was not there before the attempt that it is marked for."""
    return ".fresh." in (mark_of(claim, seat_id) or "")


def with_mark(claim: Claim, seat_id: str, mark: str | None) -> Claim:
    """The claim with this mark for the seat (None: with none), and none for seats that are gone."""
    before = _annotations(claim)
    kept = {f"{_MARK}{seat.id}" for seat in claim.seats if seat.id != seat_id}
    after = {k: v for k, v in before.items() if not k.startswith(_MARK) or k in kept}
    if mark is not None:
        after[f"{_MARK}{seat_id}"] = mark
    if after == before:
        return claim
    return replace(claim, metadata={**(claim.metadata or {}), "annotations": after})


def _annotations(claim: Claim) -> dict[str, Any]:
    return (claim.metadata or {}).get("annotations") or {}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_LENGTH]

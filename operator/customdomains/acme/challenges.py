"""The kinds of challenges and what answers each: RFC 8555 section 8, and drafts named below."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from acme import challenges, messages
from josepy.errors import DeserializationError
from josepy.json_util import decode_b64jose
from josepy.jwk import JWKEC

from customdomains.acme.errors import bounded
from customdomains.acme.registration import Identity
from customdomains.model.certificate import Challenge, OrderError
from customdomains.model.challengerecords import persistent_value
from customdomains.model.reasons import Reason

_KINDS = {kind.value: kind for kind in Challenge}
_LABEL_BYTES = 10
_MOST_ISSUERS = 10


@dataclass(frozen=True, slots=True)
class Answers:
    """What has to be in place before the CA looks; as in `PlacedOrder`."""

    digests: tuple[str, ...] = ()
    label: str | None = None
    responses: tuple[str, ...] = field(default=(), repr=False)


def account_label(account: str) -> str:
    """The label that stands in front of `_acme-challenge` for the account with this URL
    (draft-ietf-acme-dns-account-label section 3.1)."""
    digest = hashlib.sha256(account.encode()).digest()
    return "_" + base64.b32encode(digest[:_LABEL_BYTES]).decode().lower()


def kind_of(challenge: messages.ChallengeBody) -> Challenge | None:
    """Its kind; None for one that is not answered here."""
    return _KINDS.get(str(_field(challenge, "type")))


def find(authorization: messages.Authorization, kind: Challenge) -> messages.ChallengeBody | None:
    """The authorization's challenge of `kind`, if it has one."""
    return next((each for each in authorization.challenges if kind_of(each) is kind), None)


def token_of(challenge: messages.ChallengeBody) -> str:
    """The challenge's token; "" where it has none."""
    return str(_field(challenge, "token") or "")


def pick(wanted: Sequence[Challenge], pending: Sequence[messages.Authorization]) -> Challenge:
    """The first of the kinds `wanted` that all `pending` authorizations offer.

    Raises OrderError(CA_REFUSED), order lost, where there is none.
    """
    kinds = [{kind_of(each) for each in authorization.challenges} for authorization in pending]
    for kind in wanted:
        if all(kind in offered for offered in kinds):
            return kind
    lacking = next(
        (each for each, offered in zip(pending, kinds, strict=True) if not offered & set(wanted)),
        pending[0],
    )
    # CAs shuffle them; the same fact is to be the same text.
    offered = ", ".join(sorted(str(_field(each, "type")) for each in lacking.challenges))
    raise OrderError(
        Reason.CA_REFUSED,
        bounded(
            f"The CA offers no {' or '.join(wanted)} challenge for "
            f"{lacking.identifier.value}, only {offered}"
        ),
        order_lost=True,
    )


def answer_of(challenge: messages.ChallengeBody, key: JWKEC) -> str | None:
    """What the CA will look for: the TXT value, for http-01 the key authorization. None for
    dns-persist-01, whose record hangs on the account alone, and for a token that is none."""
    kind = kind_of(challenge)
    if kind is Challenge.DNS_PERSIST:
        return None
    try:
        token = decode_b64jose(token_of(challenge))
    except DeserializationError:
        return None
    if kind is Challenge.HTTP:
        return str(challenges.HTTP01(token=token).key_authorization(key))
    return str(challenges.DNS01(token=token).validation(key))


def answers(
    kind: Challenge, pending: Sequence[messages.Authorization], signer: Identity
) -> Answers:
    """What answers the challenges of `kind` in all `pending` authorizations.

    Raises OrderError(CA_REFUSED), order lost, for a challenge that can't be answered.
    """
    found = [each for each in (find(one, kind) for one in pending) if each is not None]
    if kind is Challenge.DNS_PERSIST:
        wildcard = any(_is_wildcard(each) for each in pending)
        return Answers(responses=(_persistent(found, signer.url, wildcard=wildcard),))
    values = tuple(value for value in (answer_of(each, signer.key) for each in found) if value)
    if kind is Challenge.HTTP:
        return Answers(responses=values)
    label = account_label(signer.url) if kind is Challenge.DNS_ACCOUNT else None
    return Answers(digests=values, label=label)


def _persistent(found: Sequence[messages.ChallengeBody], account: str, *, wildcard: bool) -> str:
    """The value for the first of the CA's names (draft-ietf-acme-dns-persist section 3.1: one to
    ten of them, others are malformed)."""
    names = _field(found[0], "issuer-domain-names")
    if not isinstance(names, list) or not 0 < len(names) <= _MOST_ISSUERS:
        raise OrderError(
            Reason.CA_REFUSED,
            "The CA's dns-persist-01 challenge does not say by what name the CA goes",
            order_lost=True,
        )
    return persistent_value(bounded(str(names[0])), account, wildcard=wildcard)


def _is_wildcard(authorization: messages.Authorization) -> bool:
    """RFC 8555 section 7.1.4; Pebble has the asterisk in the identifier as well."""
    return bool(authorization.wildcard) or authorization.identifier.value.startswith("*.")


def _field(challenge: messages.ChallengeBody, name: str) -> object:
    """A field as the CA sent it, whether or not the library knows this kind of challenge."""
    return challenge.to_partial_json().get(name)

"""What a CA's problem documents mean for an order (RFC 8555 section 6.7, RFC 7807)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime

from acme import messages
from josepy.errors import Error as JoseError

from customdomains.acme.reach import reach_of
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

_LONGEST_MESSAGE = 300
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class ProblemError(Exception):
    """The CA answered a request with an error (never a rate limit or an outage).

    `status` is the HTTP status, `error` the problem document (type `about:blank` where the
    answer held none), `retry_at` what the answer's Retry-After named.
    """

    def __init__(
        self, status: int, error: messages.Error, *, retry_at: datetime | None = None
    ) -> None:
        super().__init__(f"{status} {error.typ}")
        self.status = status
        self.error = error
        self.retry_at = retry_at

    @property
    def kind(self) -> str:
        """The ACME error type without its prefix, `""` for a type that is not ACME's."""
        return problem_kind(self.error)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one problem type means: the reason, a sentence's start, whether the order is lost."""

    reason: Reason
    words: str
    order_lost: bool = False


MEANINGS: dict[str, Meaning] = {
    "accountDoesNotExist": Meaning(Reason.CA_REFUSED, "The CA does not know our account"),
    "alreadyReplaced": Meaning(
        Reason.CA_REFUSED, "The CA says that another order replaces the certificate already"
    ),
    "alreadyRevoked": Meaning(Reason.CA_REFUSED, "The certificate is already revoked"),
    "badCSR": Meaning(Reason.CA_REFUSED, "The CA does not accept the certificate request", True),
    "badNonce": Meaning(Reason.CA_UNREACHABLE, "The CA keeps rejecting its own nonces"),
    "badPublicKey": Meaning(Reason.CA_REFUSED, "The CA does not accept the public key", True),
    "badRevocationReason": Meaning(
        Reason.CA_REFUSED, "The CA does not accept the reason of the revocation"
    ),
    "badSignatureAlgorithm": Meaning(
        Reason.CA_REFUSED, "The CA does not accept signatures with ES256"
    ),
    "caa": Meaning(
        Reason.CAA_FORBIDS,
        "A CAA record of the domain forbids this CA to issue; add one that allows it",
        True,
    ),
    "compound": Meaning(Reason.CA_REFUSED, "The CA refuses for several reasons"),
    "connection": Meaning(
        Reason.CHALLENGE_FAILED, "The CA could not connect to check the domain", True
    ),
    "dns": Meaning(
        Reason.CHALLENGE_FAILED, "The CA could not look up the challenge's TXT record", True
    ),
    "externalAccountRequired": Meaning(
        Reason.ISSUER_MISCONFIGURED,
        "The CA takes only accounts that are bound to one of its customers; the issuer's settings "
        "need its externalAccountBinding",
    ),
    "incorrectResponse": Meaning(
        Reason.CHALLENGE_FAILED, "The CA did not find the expected answer to its challenge", True
    ),
    "invalidContact": Meaning(
        Reason.ISSUER_MISCONFIGURED, "The CA does not accept the contact in the issuer's settings"
    ),
    "invalidProfile": Meaning(
        Reason.ISSUER_MISCONFIGURED,
        "The CA does not accept the profile in the issuer's settings",
        True,
    ),
    "malformed": Meaning(Reason.CA_REFUSED, "The CA does not understand the request"),
    "orderNotReady": Meaning(Reason.CA_REFUSED, "The CA says that the order is not ready yet"),
    "rateLimited": Meaning(Reason.CA_RATE_LIMITED, "The CA's rate limit is reached"),
    "rejectedIdentifier": Meaning(
        Reason.CA_REFUSED, "The CA does not issue certificates for this domain", True
    ),
    "serverInternal": Meaning(Reason.CA_UNREACHABLE, "The CA has an internal error"),
    "tls": Meaning(
        Reason.CHALLENGE_FAILED, "The CA met a TLS error when it checked the domain", True
    ),
    "unauthorized": Meaning(Reason.CA_REFUSED, "The CA says that we are not authorized"),
    "unsupportedContact": Meaning(
        Reason.ISSUER_MISCONFIGURED, "The CA does not support the contact in the issuer's settings"
    ),
    "unsupportedIdentifier": Meaning(
        Reason.CA_REFUSED, "The CA does not support names of this kind", True
    ),
    "userActionRequired": Meaning(
        Reason.CA_REFUSED, "The CA wants the account's owner to act, often to agree to new terms"
    ),
}
"""Every type of RFC 8555 section 6.7, and those of RFC 9773 section 7.4 and of
draft-ietf-acme-profiles section 5."""

_CHALLENGE_WORDS = {
    "caa": MEANINGS["caa"].words,
    "connection": MEANINGS["connection"].words,
    "dns": MEANINGS["dns"].words,
    "tls": MEANINGS["tls"].words,
    "unauthorized": MEANINGS["incorrectResponse"].words,
    "incorrectResponse": MEANINGS["incorrectResponse"].words,
}


def problem_kind(error: messages.Error) -> str:
    """The ACME error type of `error` without its prefix, `""` for one that is not ACME's."""
    typ = str(error.typ)
    return typ.removeprefix(messages.ERROR_PREFIX) if messages.is_acme_error(error) else ""


def read_problem(body: bytes) -> messages.Error:
    """The problem document in `body`, or an empty one: an error's body may be anything."""
    try:
        error: messages.Error = messages.Error.from_json(json.loads(body))
    except (ValueError, TypeError, AttributeError, RecursionError, JoseError):
        return messages.Error()
    return error


def bounded(text: str) -> str:
    """`text` on one line and at most 300 characters long."""
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"


def _detail(error: messages.Error) -> str:
    """The CA's own words, those of the subproblems (section 6.7.1) included."""
    parts = [str(error.detail or error.title or "")]
    for sub in error.subproblems or ():
        name = f"{sub.identifier.value}: " if sub.identifier is not None else ""
        parts.append(f"{name}{sub.detail or problem_kind(sub)}")
    return "; ".join(part for part in parts if part)


def _sentence(words: str, error: messages.Error, *, secret: str | None = None) -> str:
    detail, kind = _detail(error), problem_kind(error)
    if secret:
        detail = detail.replace(secret, "…")
    return bounded(words + (f": {detail}" if detail else "") + (f" ({kind})" if kind else ""))


def _meaning(status: int, error: messages.Error) -> Meaning:
    kind = problem_kind(error)
    if status == 429:
        return MEANINGS["rateLimited"]
    if kind == "compound" and error.subproblems:
        # The order's fate is decided by the first of them; the message names them all.
        first = MEANINGS.get(problem_kind(error.subproblems[0]), MEANINGS["compound"])
        return Meaning(first.reason, MEANINGS["compound"].words, first.order_lost)
    if kind in MEANINGS:
        return MEANINGS[kind]
    if status >= 500:
        return Meaning(Reason.CA_UNREACHABLE, f"The CA answers with HTTP status {status}")
    return Meaning(Reason.CA_REFUSED, f"The CA refuses the request with HTTP status {status}")


def request_error(problem: ProblemError) -> OrderError:
    """What a problem means that answered a request which is not about an existing order."""
    meaning = _meaning(problem.status, problem.error)
    limited = meaning.reason is Reason.CA_RATE_LIMITED
    scope = reach_of(problem.status, problem.error) if limited else None
    return OrderError(
        meaning.reason,
        _sentence(meaning.words, problem.error),
        order_lost=meaning.order_lost,
        retry_at=problem.retry_at,
        scope=scope,
    )


def order_error(problem: ProblemError) -> OrderError:
    """What a problem means that answered a request about an existing order."""
    if problem.status in {404, 410}:
        words = "The CA does not know the order any more"
        return OrderError(Reason.ORDER_EXPIRED, _sentence(words, problem.error), order_lost=True)
    if problem.kind == "unauthorized":
        words = "The order is not one of our account"
        return OrderError(Reason.ORDER_FOREIGN, _sentence(words, problem.error), order_lost=True)
    return request_error(problem)


def unknown_profile(issuer: str, profile: str, offered: tuple[str, ...]) -> OrderError:
    """A profile that the directory of the CA `issuer` does not have."""
    there = f"it offers: {', '.join(offered)}" if offered else "it offers none"
    return OrderError(
        Reason.ISSUER_MISCONFIGURED,
        bounded(f"The CA '{issuer}' does not offer the profile '{profile}'; {there}"),
    )


def invalid_order_error(error: messages.Error | None) -> OrderError:
    """An order that the CA made invalid for a reason of its own (section 7.1.6)."""
    words = "The CA has made the order invalid"
    kind = problem_kind(error) if error is not None else ""
    if kind in MEANINGS and MEANINGS[kind].reason is not Reason.CA_UNREACHABLE:
        words = f"{words}. {MEANINGS[kind].words}"
    message = _sentence(words, error) if error is not None else words
    reason = Reason.CAA_FORBIDS if kind == "caa" else Reason.ORDER_INVALID
    return OrderError(reason, message, order_lost=True)


def challenge_error(
    name: str, error: messages.Error | None, *, secret: str, order_lost: bool
) -> OrderError:
    """A challenge that failed for `name` (section 8); `secret` is kept out of the message.

    CAs quote the key authorization that they expected, and so the challenge's token.
    """
    problem = error if error is not None else messages.Error()
    kind = problem_kind(problem)
    words = _CHALLENGE_WORDS.get(kind, "The CA could not check the domain")
    message = _sentence(f"{words} ({name})", problem, secret=secret)
    reason = Reason.CAA_FORBIDS if kind == "caa" else Reason.CHALLENGE_FAILED
    return OrderError(reason, message, order_lost=order_lost)

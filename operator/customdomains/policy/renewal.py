"""When a certificate is to be renewed, as far as its CA has a say in that (RFC 9773)."""

from __future__ import annotations

from customdomains.model.claim import Claim

TRIES_AS_REPLACEMENT = 2


def replaced(claim: Claim, issuer: str) -> str | None:
    """The `ari_id` to name in a new order at `issuer`: that of the certificate that it replaces.

    Where orders could not be placed a few times, the next ones don't name it: a CA that has lost
    its records may fail over that alone.
    """
    have, failure = claim.certificate, claim.failure
    if have is None or have.issuer != issuer:
        return None
    if failure is not None and failure.unplaced and failure.count >= TRIES_AS_REPLACEMENT:
        return None
    return have.facts.ari_id

"""Revoking a certificate by the account that it was issued to (RFC 8555 section 7.6)."""

from __future__ import annotations

import base64
import json

from customdomains.acme.account import Account
from customdomains.acme.errors import ProblemError, request_error
from customdomains.acme.transport import Transport
from customdomains.model.certificate import OrderError, RevocationReason
from customdomains.model.reasons import Reason


async def revoke(
    account: Account, transport: Transport, certificate: str, reason: RevocationReason
) -> None:
    """Revoke `certificate` (DER in base64). One that is revoked already is fine: whoever did that
    may have been killed before it could be told.

    Raises OrderError, and what the store of the account's key raises.
    """
    directory = await transport.directory()
    if directory.revoke_cert is None:
        raise OrderError(Reason.CA_REFUSED, "The CA's directory has no URL to revoke at")
    der = base64.urlsafe_b64encode(base64.b64decode(certificate)).rstrip(b"=").decode()
    payload = json.dumps({"certificate": der, "reason": int(reason)}).encode()
    try:
        await account.post(directory.revoke_cert, payload, accept=None)
    except ProblemError as problem:
        if problem.kind == "alreadyRevoked":
            return
        raise transport.moved(directory, problem) or request_error(problem) from problem

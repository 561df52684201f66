"""Which account a key has at the CA (RFC 8555 sections 7.3.1 to 7.3.4)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from josepy.jwk import JWKEC

from customdomains.acme import signing
from customdomains.acme.errors import ProblemError, request_error
from customdomains.acme.exchange import Answer
from customdomains.acme.keys import account_key
from customdomains.acme.options import ExternalAccount, IssuerOptions
from customdomains.acme.reach import EVERYTHING
from customdomains.acme.transport import Transport
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

_NO_ACCOUNT = frozenset({"accountDoesNotExist", "externalAccountRequired"})


@dataclass(frozen=True, slots=True)
class Identity:
    """The key, as it is stored and as it signs, and the account's URL, which signs as `kid`.

    `made` tells that the account is new, `contact` what the CA has, where it shows that.
    """

    pem: str = field(repr=False)
    key: JWKEC = field(repr=False)
    url: str
    made: bool
    contact: tuple[str, ...] | None = None


class Registration:
    """Finds and makes accounts. What it raises is an OrderError: whoever asked was on the way to
    something else."""

    def __init__(self, options: IssuerOptions, transport: Transport) -> None:
        self._options = options
        self._transport = transport

    async def find(self, pem: str) -> Identity | None:
        """The account that the key `pem` has; None where it has none."""
        key = self._read(pem)
        try:
            return await self._ask(pem, key, {"onlyReturnExisting": True})
        except ProblemError as problem:
            if problem.kind in _NO_ACCOUNT:
                return None
            raise request_error(problem) from problem

    async def find_or_make(self, pem: str) -> Identity:
        """The account that the key `pem` has, or a new one."""
        key = self._read(pem)
        wanted: dict[str, Any] = {
            "contact": list(self._options.contact),
            "termsOfServiceAgreed": True,
        }
        if self._options.external_account is not None:
            # CAs take a binding once: it goes along only where there is no account yet.
            found = await self.find(pem)
            if found is not None:
                return found
            binding = await self._binding(key, self._options.external_account)
            wanted["externalAccountBinding"] = binding
        try:
            return await self._ask(pem, key, wanted)
        except ProblemError as problem:
            raise request_error(problem) from problem

    async def _ask(self, pem: str, key: JWKEC, wanted: dict[str, Any]) -> Identity:
        directory = await self._transport.directory()
        sign = signing.by_key(key, json.dumps(wanted).encode())
        try:
            answer = await self._transport.post(directory.new_account, sign)
        except ProblemError as problem:
            raise self._transport.moved(directory, problem) or problem from None
        except OrderError as refused:
            if refused.reason is Reason.CA_RATE_LIMITED:
                refused.scope = EVERYTHING  # without an account there is no order at all
            raise
        if answer.location is None or not self._transport.owns(answer.location):
            raise OrderError(
                Reason.CA_REFUSED,
                f"The CA '{self._options.name}' does not say where the account is",
            )
        # 200 is one that was there already (section 7.3.1).
        made = answer.status != 200
        return Identity(pem, key, answer.location, made, None if made else _contact(answer))

    async def _binding(self, key: JWKEC, account: ExternalAccount) -> dict[str, Any]:
        directory = await self._transport.directory()
        try:
            mac_key = signing.read_mac_key(account.key_file)
        except (OSError, ValueError) as error:
            raise OrderError(
                Reason.ISSUER_MISCONFIGURED,
                f"The HMAC key that binds the account at '{self._options.name}' can't be read: "
                f"{error}",
            ) from None
        return signing.binding(key, account.key_id, mac_key, directory.new_account)

    def _read(self, pem: str) -> JWKEC:
        try:
            return account_key(pem)
        except ValueError as error:
            raise OrderError(
                Reason.STORAGE_FAILED,
                f"What is stored as account key of the CA '{self._options.name}' is {error}",
            ) from None


def _contact(answer: Answer) -> tuple[str, ...] | None:
    """What the CA keeps as the account's contact; None where that can't be read."""
    try:
        kept = answer.json().get("contact") or ()
    except (ValueError, RecursionError):
        return None
    return tuple(str(each) for each in kept) if isinstance(kept, list | tuple) else None

"""How a claim is minted: one function for every way of registering."""

from __future__ import annotations

from customdomains.model.claim import Claim, Holder
from customdomains.model.identity import Identity


def new_claim(domain: str, holder: Holder, identity: Identity) -> Claim:
    """The claim to create for the canonical name `domain`; its create is the lock."""
    return Claim(domain=domain, id=identity.id, token=identity.token, holder=holder)


def instructions(domain: str, token: str) -> str:
    """The sentence of the HTTP contract that tells the tenant what to set."""
    return f"Create a TXT record for _acme-challenge.{domain}. with value: {token}"

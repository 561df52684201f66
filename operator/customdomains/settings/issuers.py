"""What can be set of an issuer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from customdomains.settings.limits import Limits
from customdomains.settings.values import Contact, ObjectName, Section, Text, Url

KeySize = Annotated[
    int,
    msgspec.Meta(ge=256, le=4096, description="256 or 384 for ECDSA; 2048, 3072 or 4096 for RSA"),
]


ChallengeKind = Literal["dns-01", "dns-account-01", "dns-persist-01", "http-01"]


class ExternalAccountBinding(Section, frozen=True):
    """What binds the ACME account to a customer of the CA (RFC 8555 section 7.3.4).

    `keyFile` holds the HMAC key as the CA shows it, in base64url.
    """

    key_id: Text = msgspec.field(name="keyID")
    key_file: Text


class PrivateKey(Section, frozen=True):
    """The certificates' keys; `rotation` tells whether each certificate gets a new one."""

    algorithm: Literal["ECDSA", "RSA"] = "ECDSA"
    size: KeySize | None = None
    rotation: Literal["Always", "Reuse"] = "Always"


class Issuer(Section, frozen=True):
    """An ACME CA.

    `caBundle` (a PEM file) replaces the system's trust for the CA's own TLS. `profile` is one of
    those that the CA's directory offers. `preferredChain` is the common name of the root that the
    chain should lead to, where the CA offers several. `fallback` names the issuer to use where this
    one can't be. `challenges` are the kinds that are used; without it the two of RFC 8555, dns-01
    and http-01 (where `api.challengeListen` is set). `limits` replaces what is known of the CA's;
    an empty one has none.
    """

    name: ObjectName
    directory_url: Url = msgspec.field(name="directoryURL")
    contact: tuple[Contact, ...] = ()
    ca_bundle: Text | None = None
    external_account_binding: ExternalAccountBinding | None = None
    profile: Text | None = None
    private_key: PrivateKey = PrivateKey()
    preferred_chain: Text | None = None
    challenges: tuple[ChallengeKind, ...] | None = None
    limits: Limits | None = None
    fallback: ObjectName | None = None


def fallback_fault(issuer: Issuer, issuers: tuple[Issuer, ...]) -> str | None:
    """What is wrong with the issuer's fallback, which has to be one of `issuers`: whoever goes on
    from one to the next has to come to an end."""
    fallbacks = {each.name: each.fallback for each in issuers}
    if issuer.fallback is not None and issuer.fallback not in fallbacks:
        others = ", ".join(name for name in fallbacks if name != issuer.name)
        allowed = f"it has to be one of {others}" if others else "there is no other one"
        return f"there is no issuer {issuer.fallback!r}; {allowed}"
    way = [issuer.name]
    while (following := fallbacks.get(way[-1])) is not None:
        if following in way:
            return (
                f"{' -> '.join([*way, following])} goes round in a circle; the last issuer of the "
                "way has to be without a fallback"
            )
        way.append(following)
    return None

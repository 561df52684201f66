"""Domain names: from what a person types to the one canonical form, or a refusal that says why.

The canonical form is IDNA 2008 A-labels after UTS 46 mapping, lower case, without the root's
trailing dot (RFC 5890, RFC 5891; UTS 46 non-transitional).
"""

from __future__ import annotations

import ipaddress
import re
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

from customdomains.model.reasons import Reason

CHALLENGE_LABEL = "_acme-challenge"
"""RFC 8555 section 8.4."""

_FULL_STOPS = re.compile("[\u3002\uff0e\uff61]")
"""What UTS 46 reads as a dot between labels."""

_URL_PARTS = re.compile(r"[/:?#@\\]")
_CODEPOINT = re.compile(r"[Cc]odepoint U\+([0-9A-F]{4,6})\b")

MAX_LENGTH = 253 - len(CHALLENGE_LABEL) - 1
"""RFC 1035 section 2.3.4 allows 253 characters; the challenge's label has to fit in front."""

SPECIAL_USE_SUFFIXES = (
    "alt",
    "arpa",
    "example",
    "internal",
    "invalid",
    "local",
    "localhost",
    "onion",
    "test",
)
"""RFC 6761 and its registry, without example.com, .net and .org: they resolve, and every
introduction uses them."""


class NameRefusedError(ValueError):
    """A name that can't be registered; `reason` is from the closed list."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def canonical_name(text: str) -> str:
    """The canonical form of `text`.

    Raises `NameRefusedError` for anything that is not a domain name somebody can own: bad syntax,
    an IP address, a single label, a special-use name (RFC 6761) or a public suffix of the Public
    Suffix List's ICANN part.
    """
    name = _to_a_labels(text.strip())
    _refuse_addresses(name)
    labels = name.split(".")
    if len(labels) < 2:
        raise NameRefusedError(
            Reason.INVALID_NAME,
            f"{_quoted(text)} is a single label; a domain name has at least two, "
            "such as www.example.com",
        )
    if len(name) > MAX_LENGTH:
        raise NameRefusedError(
            Reason.INVALID_NAME,
            f"the name has {len(name)} characters; at most {MAX_LENGTH} are possible because "
            f"{CHALLENGE_LABEL}. has to fit in front of it",
        )
    for suffix in SPECIAL_USE_SUFFIXES:
        if labels[-1] == suffix:
            raise NameRefusedError(
                Reason.SPECIAL_USE_NAME,
                f"{name} ends in .{suffix}, which is reserved for special use (RFC 6761) and "
                "can't be owned",
            )
    if is_public_suffix(name):
        raise NameRefusedError(
            Reason.PUBLIC_SUFFIX,
            f"{name} is a public suffix, under which others register their domains; "
            f"register a name below it, such as shop.{name}",
        )
    return name


def _to_a_labels(text: str) -> str:
    bare = _FULL_STOPS.sub(".", text).removesuffix(".")
    if not bare:
        raise NameRefusedError(Reason.INVALID_NAME, "the domain name is empty")
    if "*" in bare:
        raise NameRefusedError(
            Reason.INVALID_NAME,
            f"{_quoted(text)} has a wildcard; register the domain itself and set spec.wildcard",
        )
    if bare.endswith("."):
        raise NameRefusedError(
            Reason.INVALID_NAME, f"{_quoted(text)} has an empty label: two dots in a row"
        )
    if _URL_PARTS.search(bare):
        raise NameRefusedError(
            Reason.INVALID_NAME,
            f"{_quoted(text)} is more than a domain name; give the name alone, without scheme, "
            "port or path, such as www.example.com",
        )
    try:
        encoded = idna.encode(bare, uts46=True, std3_rules=True, transitional=False)
    except (idna.IDNAError, UnicodeError) as error:
        raise NameRefusedError(
            Reason.INVALID_NAME, f"{_quoted(text)} is not a domain name: {_cause(error)}"
        ) from error
    return encoded.decode("ascii")


def _refuse_addresses(name: str) -> None:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if not name.rsplit(".", 1)[-1].isdigit():
            return
    raise NameRefusedError(
        Reason.INVALID_NAME,
        f"{name} is an IP address or ends in a number; only domain names can be registered",
    )


def _cause(error: Exception) -> str:
    """What idna says, with the character itself beside its number."""
    text = _CODEPOINT.sub(_named, str(error)) or "it breaks the rules of IDNA 2008 (RFC 5891)"
    return text[:1].lower() + text[1:200]


def _named(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return f"the character {character!a}" if character.isascii() else match[0]


def _quoted(text: str) -> str:
    shown = text if len(text) <= 80 else text[:77] + "..."
    return ascii(shown)


def is_public_suffix(name: str) -> bool:
    """Whether others register their domains directly below `name` (canonical, or a single label).

    By the ICANN part of the Public Suffix List; its default rule makes every single label one.
    """
    return bool(_suffixes(only_icann=True).is_public(name))


def is_private_suffix(name: str) -> bool:
    """Whether a company lets others have names directly below `name`, as with github.io.

    By the private part of the Public Suffix List.
    """
    return not is_public_suffix(name) and bool(_suffixes(only_icann=False).is_public(name))


@cache
def _suffixes(*, only_icann: bool) -> PublicSuffixList:
    """The list bundled with the package; loading it takes some 20 ms and 3 MiB."""
    return PublicSuffixList(only_icann=only_icann)


def challenge_name(domain: str) -> str:
    """Where `domain` (canonical) proves itself: `_acme-challenge.<domain>`, no trailing dot."""
    return f"{CHALLENGE_LABEL}.{domain}"


def certificate_names(domain: str, *, wildcard: bool) -> tuple[str, ...]:
    """The DNS names that the certificate of `domain` carries."""
    return (domain, f"*.{domain}") if wildcard else (domain,)

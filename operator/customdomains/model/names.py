"""Domain names: from what a person types to the one canonical form, or a refusal that says why.

The canonical form is IDNA 2008 A-labels after UTS 46 mapping, lower case, without the root's
trailing dot (RFC 5890, RFC 5891; UTS 46 non-transitional).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

from customdomains.model.reasons import Reason

CHALLENGE_LABEL = "_acme-challenge"
"""RFC 8555 section 8.4."""

MAX_TYPED = 1024
"""Nobody types more than this; UTS 46 would take out soft hyphens and the like without end."""

_URL_PARTS = re.compile(r"[/:?#@\\]")
_CODEPOINT = re.compile(r"[Cc]odepoint U\+([0-9A-F]{4,6})\b")

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes browsers and resolvers read the whole as an IPv4 address, such as
127.1 or 0x7f.0x1 (WHATWG URL, "ends in a number")."""

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})

MAX_LENGTH = 253 - len(CHALLENGE_LABEL) - 1
"""RFC 1035 section 2.3.4 allows 253 characters; the challenge's label has to fit in front."""

SPECIAL_USE_SUFFIXES = {
    "alt": "RFC 9476",
    "arpa": "for the Internet's own infrastructure, RFC 3172",
    "example": "RFC 6761",
    "internal": "by ICANN for private networks",
    "invalid": "RFC 6761",
    "local": "RFC 6762",
    "localhost": "RFC 6761",
    "onion": "RFC 7686",
    "test": "RFC 6761",
}
"""Which names are reserved by whom: the registry of RFC 6761, without example.com, .net and .org:
they resolve, and every introduction uses them."""


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
    name = a_labels(text)
    labels = name.split(".")
    if len(labels) < 2:
        raise _invalid(
            f"{_quoted(text.strip())} is a single label; a domain name has at least two, "
            "such as www.example.com"
        )
    if len(name) > MAX_LENGTH:
        raise _invalid(
            f"the name has {len(name)} characters; at most {MAX_LENGTH} are possible because "
            f"{CHALLENGE_LABEL}. has to fit in front of it"
        )
    if labels[-1] in SPECIAL_USE_SUFFIXES:
        raise NameRefusedError(
            Reason.SPECIAL_USE_NAME,
            f"{name} ends in .{labels[-1]}, which is reserved for special use "
            f"({SPECIAL_USE_SUFFIXES[labels[-1]]}) and can't be owned",
        )
    if is_public_suffix(name):
        raise NameRefusedError(
            Reason.PUBLIC_SUFFIX,
            f"{name} is a public suffix, under which others register their domains; "
            f"register a name below it, such as shop.{name}",
        )
    return name


def a_labels(text: str) -> str:
    """`text` in the canonical form, whether it can be owned or not, such as `com`.

    Raises `NameRefusedError` for what is no domain name.
    """
    typed = text.strip()
    if len(typed) > MAX_TYPED:
        raise _invalid(
            f"the name has {len(typed)} characters; a domain name has at most 253 (RFC 1035)"
        )
    if "*" in typed:
        raise _invalid(
            f"{_quoted(typed)} has a wildcard; register the domain itself (what is below it can be "
            "covered by spec.wildcard of a CustomDomain)"
        )
    if _URL_PARTS.search(typed):
        raise _invalid(
            f"{_quoted(typed)} is more than a domain name; give the name alone, without scheme, "
            "port or path, such as www.example.com"
        )
    try:
        # What the mapping takes out may leave the root's dot at the end.
        mapped = idna.uts46_remap(typed, std3_rules=True).removesuffix(".")
        if not mapped:
            raise _invalid("the domain name is empty")
        if "" in mapped.split("."):
            raise _invalid(
                f"{_quoted(typed)} has an empty label: two dots in a row, or a dot in front"
            )
        name = idna.encode(mapped, strict=True).decode("ascii")
        _check_directions(name)
    except idna.IDNAError as error:
        raise _invalid(f"{_quoted(typed)} is not a domain name: {_cause(error)}") from error
    if _NUMBER.fullmatch(name.rsplit(".", 1)[-1]):
        raise _invalid(
            f"{name} is an IP address or ends in a number; only domain names can be registered"
        )
    return name


def _check_directions(name: str) -> None:
    """RFC 5893 section 2: a label that runs from right to left binds all the others as well."""
    labels = [idna.ulabel(label) for label in name.split(".")]
    if any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in "".join(labels)):
        for label in labels:
            idna.check_bidi(label, check_ltr=True)


def _invalid(message: str) -> NameRefusedError:
    return NameRefusedError(Reason.INVALID_NAME, message)


def _cause(error: idna.IDNAError) -> str:
    """What idna says, with the character itself beside its number."""
    match error.code:
        case "label_too_long":
            return "a label has at most 63 characters in its ASCII form (RFC 1035)"
        case "domain_too_long":
            return "it has at most 253 characters in its ASCII form (RFC 1035)"
    text = _CODEPOINT.sub(_named, str(error))
    return f"{text[:1].lower()}{text[1:200]} (IDNA 2008, RFC 5891)"


def _named(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return f"the character {character!a}" if character.isascii() else match[0]


def _quoted(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 100 else f"{shown[:96]}...{shown[0]}"


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


def registrable_domain(name: str) -> str | None:
    """The part of `name` (canonical) that is registered at a registry: one label below a public
    suffix, by the ICANN part of the Public Suffix List. None where `name` has none.
    """
    found: str | None = _suffixes(only_icann=True).privatesuffix(name)
    return found


def u_labels(name: str) -> str:
    """`name` (canonical) as people read it (RFC 5890 section 2.3.2.1)."""
    labels = name.split(".")
    return ".".join(idna.ulabel(label) if label.startswith("xn--") else label for label in labels)


def is_registry_zone(zone: str) -> bool:
    """Whether the list's ICANN part names `zone` (lower case, no trailing dot; "" is the root).

    Unlike for `is_public_suffix`, a single label that is not on the list is none: it may be a
    private network's own zone.
    """
    return zone == "" or _suffixes(only_icann=True).publicsuffix(zone, accept_unknown=False) == zone


def registered_domain(name: str) -> str:
    """What somebody registers to have `name` (canonical): one label below a public suffix, private
    ones included; the name itself where it is such a suffix."""
    return _suffixes(only_icann=False).privatesuffix(name) or name


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

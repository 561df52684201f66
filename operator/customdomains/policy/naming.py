"""Which names may be registered here: the settings' rules, beyond what makes a domain name."""

from __future__ import annotations

from collections.abc import Iterable

from customdomains.model.names import NameRefusedError, is_private_suffix
from customdomains.model.reasons import Reason
from customdomains.policy.rules import NameRules

SHOWN = 5
"""How many allowed suffixes a message names."""


def refuse(domain: str, rules: NameRules) -> NameRefusedError | None:
    """Why `domain` (canonical) may not be registered under `rules`; None where it may."""
    denied = _match(domain, rules.denied)
    if denied is not None:
        return NameRefusedError(
            Reason.NAME_NOT_ALLOWED,
            f"{domain} can't be registered: the platform keeps {denied} and all names below it "
            "for itself; register a domain of your own",
        )
    if rules.allowed and _match(domain, rules.allowed) is None:
        return NameRefusedError(
            Reason.NAME_NOT_ALLOWED,
            f"{domain} can't be registered: here only names that end in "
            f"{_listed(rules.allowed)} can be",
        )
    if not rules.private_suffixes and is_private_suffix(domain):
        return NameRefusedError(
            Reason.PUBLIC_SUFFIX,
            f"{domain} is a public suffix (of the private part of the Public Suffix List), under "
            f"which others have their names; register a name below it, such as shop.{domain}",
        )
    return None


def _match(domain: str, suffixes: Iterable[str]) -> str | None:
    """The first of `suffixes` that is `domain` or a domain above it."""
    return next((s for s in suffixes if domain == s or domain.endswith(f".{s}")), None)


def _listed(suffixes: tuple[str, ...]) -> str:
    shown, more = suffixes[:SHOWN], len(suffixes) - SHOWN
    if more > 0:
        return f"{', '.join(shown)} or one of {more} others"
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)

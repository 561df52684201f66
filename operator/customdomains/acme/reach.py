"""How far a CA's refusal for having had too much reaches (RFC 8555 sections 6.6 and 6.7).

A problem document has no field for that: what there is are sentences, and links to the CA's pages.
Those of Let's Encrypt's software, Boulder, are known; what is not known is about the one order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from acme import messages

from customdomains.model.scope import Scope, ScopeKind

EVERYTHING = Scope(ScopeKind.ISSUER)

_ACCOUNT = re.compile(r"#new-orders-per-account\b|\btoo many new orders\b", re.IGNORECASE)
_EVERYTHING = re.compile(
    r"#new-registrations-per-|\btoo many new registrations\b|\bservice busy\b", re.IGNORECASE
)
_DOMAIN = re.compile(
    r'\btoo many certificates\b[^"]* issued for "(?P<name>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)"',
    re.IGNORECASE,
)
_LONGEST_TEXT = 2000


def reach_of(status: int, error: messages.Error) -> Scope | None:
    """What a rate limit stops beside the order that met it; None where that is nothing.

    Without a problem document it is not ACME's server that has had enough, but what stands in front
    of it, and that of everything.
    """
    if status == 503 or not messages.is_acme_error(error):
        return EVERYTHING
    texts = list(_texts(error))
    if any(_EVERYTHING.search(text) for text in texts):
        return EVERYTHING
    if any(_ACCOUNT.search(text) for text in texts):
        return Scope(ScopeKind.ACCOUNT)
    found = (_DOMAIN.search(text) for text in texts)
    names = dict.fromkeys(match["name"].lower() for match in found if match is not None)
    return Scope(ScopeKind.DOMAIN, tuple(names)) if names else None


def _texts(error: messages.Error) -> Iterator[str]:
    for each in (error, *(error.subproblems or ())):
        yield str(each.detail or each.title or "")[:_LONGEST_TEXT]

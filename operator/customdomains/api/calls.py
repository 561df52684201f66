"""What callers may send, in the room's own words; the OpenAPI document checks what it can say."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from multidict import MultiMapping

from customdomains.api import checking
from customdomains.api.directory import Directory
from customdomains.api.errors import Refused
from customdomains.api.registration import NewDomain
from customdomains.api.resources import DomainView, Registration
from customdomains.model.names import NameRefusedError, canonical_name
from customdomains.model.reasons import Phase


def new_domain(body: bytes) -> NewDomain:
    """The body of a registration. Raises `Refused`. Fields that are unknown are left alone."""
    parsed = checking.of("registerDomain").body(body)
    name: str = parsed["domain_name"]
    return NewDomain(name, parsed.get("external_id"), parsed.get("labels") or {})


@dataclass(frozen=True, slots=True)
class Selection:
    """Which page of the domains is wanted: those after `after`, in the order of their names.

    `status`, `domain` (canonical) and `external_id` filter where they are not None; of `labels`
    (key and value) a domain has to carry all.
    """

    limit: int
    after: str = ""
    status: Phase | None = None
    domain: str | None = None
    external_id: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    def matches(self, view: DomainView) -> bool:
        """Whether this domain is wanted, its name and place apart."""
        return (
            (self.status is None or view.phase == self.status)
            and (self.external_id is None or view.external_id == self.external_id)
            and all(view.labels.get(key) == value for key, value in self.labels)
        )


def selection(query: MultiMapping[str]) -> Selection:
    """The query of a listing. Raises `Refused`."""
    wanted = checking.of("listDomains").query(query, strict=True)
    after, status, name = (wanted.get(each) for each in ("continue", "status", "domain_name"))
    return Selection(
        limit=wanted["limit"],
        after="" if after is None else _after(after),
        status=None if status is None else Phase(status),
        domain=None if name is None else _canonical(name),
        external_id=wanted.get("external_id"),
        labels=tuple(_label(text) for text in wanted.get("label", ())),
    )


def select(directory: Directory, wanted: Selection) -> tuple[list[Registration], str | None]:
    """The page, and the continue token for the next where there is one."""
    several: Iterable[Registration]
    if wanted.domain is not None:
        found = directory.registration(wanted.domain)
        several = [] if found is None or wanted.domain <= wanted.after else [found]
    else:
        several = directory.after(wanted.after)
    matching = (each for each in several if wanted.matches(each.domain))
    some = list(islice(matching, wanted.limit + 1))
    if len(some) <= wanted.limit:
        return some, None
    return some[: wanted.limit], _continue(some[wanted.limit - 1].claim.domain)


def _continue(domain: str) -> str:
    return base64.urlsafe_b64encode(domain.encode()).decode().rstrip("=")


def _after(token: str) -> str:
    try:
        padded = token + "=" * (-len(token) % 4)
        name = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError):
        name = ""
    if not name or _continue(name) != token:
        raise Refused("invalid_continue", "continue has to be a token from an earlier answer")
    return name


def _label(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _canonical(text: str) -> str:
    try:
        return canonical_name(text)
    except NameRefusedError as refusal:
        raise Refused("invalid_domain_name", refusal.message) from refusal

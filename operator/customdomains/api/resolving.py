"""GET /dns/resolve: the addresses of a name, by the platform's own records, else by resolvers."""

from __future__ import annotations

from typing import Protocol

from customdomains.api.errors import NotThere
from customdomains.api.records import Records
from customdomains.model.dnsvalues import RecordType

MAX_CHAIN = 8
"""CNAMEs followed in our own zones, as the dns process does."""

_ADDRESSES = (RecordType.A, RecordType.AAAA)


class Hosts(Protocol):
    """Whoever knows the addresses of names that are not ours."""

    async def addresses(self, name: str) -> tuple[str, ...]:
        """IPv4 addresses first; none where the name has none or could not be asked for.

        `name` has no dot at its end. Ends in time, and never raises.
        """


class Resolving:
    """Looks in the records first: the zones are ours, so what is not there is nowhere."""

    def __init__(self, records: Records, hosts: Hosts | None) -> None:
        self._records = records
        self._hosts = hosts

    async def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of `name`. Raises `NotThere` where there are none."""
        here, seen = name, {name}
        while self._records.zones.zone_of(here) is not None:
            served = [shown.record for shown in self._records.at(here) if shown.refusal is None]
            found = [v for kind in _ADDRESSES for r in served if r.type is kind for v in r.values]
            if found:
                return tuple(dict.fromkeys(found))
            alias = next((r.values[0] for r in served if r.type is RecordType.CNAME), None)
            if alias is None:
                raise _nothing(name, f"{here} is in a zone of ours and has no A or AAAA record")
            here = alias.removesuffix(".")
            if here in seen or len(seen) > MAX_CHAIN:
                raise _nothing(name, "its CNAMEs go round, or there are too many")
            seen.add(here)
        elsewhere = () if self._hosts is None else await self._hosts.addresses(here)
        if not elsewhere:
            raise _nothing(name, "no resolver has an A or AAAA record for it")
        return elsewhere


def _nothing(name: str, why: str) -> NotThere:
    return NotThere("name_not_resolved", f"{name} does not resolve: {why}")

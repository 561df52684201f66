"""From a domain to what is found about it: look it up, hold it against its claim."""

from datetime import UTC, datetime
from typing import Any, Protocol

from build import ZONE, claim

from customdomains.model.evidence import Evidence
from customdomains.model.names import challenge_name
from customdomains.policy.findings import Finding, judge


class Lookup(Protocol):
    """Any of the three modes."""

    async def look_up(self, name: str, *, nearby: bool = False) -> Evidence:
        """See `customdomains.dns`."""
        ...


async def evidence_of(lookup: Lookup, domain: str, *, nearby: bool = True) -> Evidence:
    """What the servers say about the challenge name of `domain`."""
    return await lookup.look_up(challenge_name(domain), nearby=nearby)


def finding_of(evidence: Evidence, domain: str, zone: str = ZONE, **changed: Any) -> Finding:
    """What that means for the claim of `domain`."""
    return judge(evidence, claim(domain=domain, **changed), zone, datetime.now(UTC))


async def found(lookup: Lookup, domain: str, zone: str = ZONE) -> Finding:
    """Both."""
    return finding_of(await evidence_of(lookup, domain), domain, zone)

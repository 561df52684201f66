"""Whether cert-manager is to have a domain's certificates made, and how that stands.

A Certificate of it is our record, like an order: it is written into the claim before it is
created, so that it is found again, and taken back, whatever happens between.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from customdomains.model.claim import Claim
from customdomains.model.domain import CustomDomain, Issuance
from customdomains.model.handover import Handover
from customdomains.model.reasons import Phase, Reason
from customdomains.policy import certificates, schedule
from customdomains.policy.ownership import proof_current
from customdomains.policy.world import Looked, World

LOOK = timedelta(hours=1)
"""How often a Certificate is looked at that is ready."""

SPREAD = timedelta(minutes=5)
"""Over how long a process that starts spreads its looks at the others."""

RENEWED_BY = timedelta(minutes=2)
"""How long after its renewal began a certificate is looked at."""

_WHOLE_SECONDS = timedelta(seconds=1)
"""What is written down of a moment has lost its fraction."""

LEAST_FAULT_DELAY = timedelta(minutes=1)
MISSING_DELAY = timedelta(minutes=10)


def wants(domain: CustomDomain) -> bool:
    """Whether cert-manager is to have certificates made, and our own engine none."""
    return domain.handed_to is not None and domain.issuance is not Issuance.NEVER


def serves(claim: Claim, now: datetime) -> bool:
    """Whether cert-manager says that there is a certificate, and that has not expired."""
    have = claim.handed
    return have is not None and have.ready and (have.not_after is None or now < have.not_after)


def needs_proof(world: World, domain: CustomDomain, claim: Claim, now: datetime) -> bool:
    """Whether a Certificate would be written now if the proof were fresh enough."""
    memory = world.memory
    if not wants(domain) or domain.suspend or not proof_current(claim) or memory.handing:
        return False
    if claim.handed is None:
        asked = certificates.asked_for(domain, claim)
        return asked or domain.issuance is Issuance.AUTOMATIC
    return now >= next_look(world, domain, claim, now) and is_changed(domain, claim, memory.looked)


def is_changed(domain: CustomDomain, claim: Claim, looked: Looked | None) -> bool:
    """Whether the Certificate is another one than is wanted, as far as is known."""
    have = claim.handed
    if have is None or (looked is not None and looked.off):
        return True
    names = certificates.names_of(domain, claim)
    is_same = (have.issuer, have.secret_name, set(have.names)) == (
        domain.handed_to,
        domain.secret_name,
        set(names),
    )
    return not is_same or have.fault is not None


def next_look(world: World, domain: CustomDomain, claim: Claim, now: datetime) -> datetime:
    """When the Certificate is to be looked at again; now or earlier means at once."""
    have, looked = claim.handed, world.memory.looked
    if have is None:
        return now
    if looked is None:
        if have.since + _WHOLE_SECONDS >= world.started:
            return now
        interval = LOOK if have.ready and have.fault is None else SPREAD
        return schedule.first_recheck(world.started, interval, claim.id)
    if looked.at > now or looked.off or looked.heard != certificates.heard(domain):
        return now
    moment = looked.at + schedule.jittered(_delay(have, looked.at), claim.id, 0)
    renewed = have.renewal_time and have.renewal_time + RENEWED_BY
    if have.ready and renewed is not None and looked.at < renewed:
        return min(moment, renewed)
    return moment


def _delay(have: Handover, at: datetime) -> timedelta:
    fault = have.fault
    if fault is not None:
        least = LEAST_FAULT_DELAY
        if fault.reason is Reason.CERT_MANAGER_MISSING:
            least = MISSING_DELAY
        return min(max((at - fault.at) / 5, least), LOOK)
    if have.ready:
        return LOOK
    return min(schedule.waiting_delay(max(at - have.since, timedelta(0))), LOOK)


def phase_of(claim: Claim) -> Phase:
    """The phase of a verified domain that is cert-manager's, as long as no certificate serves."""
    if claim.handed is None:
        return Phase.VERIFIED
    return Phase.FAILED if claim.handed.fault is not None else Phase.CERTIFICATE_PENDING

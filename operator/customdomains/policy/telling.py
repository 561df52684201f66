"""What is told by webhooks: messages are put into the claim's outbox by the very write that brings
about what they tell.

Where nothing else is written, because only time has passed, the message is a reason to write: a
seat knows the phase that was told last (`Standing.told`). One from before webhooks were wanted
knows none: it is told about from its next write on, and not written to for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from customdomains.model.claim import CertificateRecord, Claim, Contender
from customdomains.model.domain import CustomDomain
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import Status
from customdomains.model.webhook import Message
from customdomains.policy.findings import judge
from customdomains.policy.projection import Scene, project
from customdomains.policy.standing import contends, sleeps
from customdomains.policy.succession import is_asleep, unheld, with_seat
from customdomains.policy.wording import shown
from customdomains.policy.world import Announcement, Plan, ReplaceClaim, World

OUTBOX = 16
"""How many messages wait in a claim; the oldest make room for more, which an Event tells."""

TEXT_LENGTH = 500

DROPPED = "WebhookDropped"


@dataclass(frozen=True, slots=True)
class _News:
    """A message before it is one: what happened, why, and the phases."""

    what: str
    reason: str
    text: str
    status: Phase | None
    previous: Phase | None


# --- what a decision brings -----------------------------------------------------------------------


def tell(world: World, plan: Plan, now: datetime) -> Plan:
    """The plan that also tells what it brings about for the world's domain.

    Others with a seat on the claim are told about by their own next decision.
    """
    domain, stored = world.domain, world.claim
    if domain is None or stored is None:
        return plan
    if isinstance(plan.claim, ReplaceClaim):
        after, status = plan.claim.claim, None
    elif plan.claim is None and plan.status is not None:
        after, status = stored, plan.status
    else:
        return plan
    seat = next((seat for seat in after.seats if seat.holder.uid == domain.uid), None)
    if seat is None:
        return plan
    status = status or _status(world, domain, after, seat, now)
    before = _same_seat(stored, seat)
    if before is not None and before.standing.told is None:
        if plan.claim is None:
            return plan
        before = _with_phase(before, _status(world, domain, stored, before, now).phase)
    told = _appended(after, seat, _news(stored, before, after, seat, status), status.phase, now)
    if told == stored:
        return plan
    announcements = (*plan.announcements, *dropped(after, told))
    return Plan(claim=ReplaceClaim(told), announcements=announcements)


def opened(world: World, claim: Claim, seat_id: str, now: datetime) -> Claim:
    """The claim that is about to be written with a new seat for the world's domain, with that
    told."""
    domain = world.domain
    seat = next((seat for seat in claim.seats if seat.id == seat_id), None)
    if domain is None or seat is None or not world.rules.claims.webhooks:
        return claim
    status = _status(world, domain, claim, seat, now)
    return _appended(claim, seat, _news(claim, None, claim, seat, status), status.phase, now)


def parted(claim: Claim, seat: Contender, after: Claim | None, now: datetime) -> Claim | None:
    """`after`, which is to be written in place of `claim` since the CustomDomain of `seat` is gone,
    with that told. Where the claim was to be deleted (None) it stays, unheld, until all is told."""
    was_there = seat.holder.uid is not None and seat.standing.vacant_since is None
    if after is None and not was_there and not claim.outbox:
        return None
    left = after or replace(unheld(claim), contenders=(), metadata=None)
    if not was_there:
        return left
    text = f"the CustomDomain {seat.holder.key.name} is deleted"
    news = _News("deleted", "Deleted", text, None, seat.standing.told)
    return _appended(left, seat, (news,), None, now)


def dropped(before: Claim, after: Claim) -> tuple[Announcement, ...]:
    """What to say of the messages of `before` that had to make room for others in `after`."""
    kept = {message.id for message in after.outbox}
    return tuple(
        Announcement(
            DROPPED,
            f"the webhook {message.type} ({message.id}) was never delivered: {OUTBOX} later ones "
            "wait",
            warning=True,
            to=message.key,
        )
        for message in before.outbox
        if message.id not in kept
    )


# --- what is delivered ----------------------------------------------------------------------------


def digest_of(url: str) -> str:
    """How a receiver is named in claims: its URL may have a password in it."""
    return hashlib.sha256(url.encode()).hexdigest()[:8]


def settled(claim: Claim, done: Mapping[str, frozenset[str]], receivers: frozenset[str]) -> Claim:
    """The claim without the messages that all `receivers` have; `done` says who has which, by the
    messages' ids, beyond what is written in the claim."""
    if not claim.outbox:
        return claim
    outbox = []
    for message in claim.outbox:
        have = receivers & {*message.done, *done.get(message.id, ())}
        if have != receivers:
            outbox.append(replace(message, done=tuple(sorted(have))))
    return replace(claim, outbox=tuple(outbox))


# --- pieces ---------------------------------------------------------------------------------------


def _status(
    world: World, domain: CustomDomain, claim: Claim, seat: Contender, now: datetime
) -> Status:
    """What the domain shows with a seat on such a claim."""
    rules, memory = world.rules, world.memory
    mine, stands, check = claim, None, memory.check
    if seat.id != claim.id:
        mine, stands = claim.seen_by(seat), contends(claim, seat, rules, now)
    if is_asleep(seat):
        stands = sleeps(claim, seat)
    finding = None if check is None else judge(check.evidence, mine, rules.zone, check.at)
    return project(Scene(domain, mine, finding, rules, now, stands), memory, None)


def _news(
    stored: Claim, before: Contender | None, after: Claim, seat: Contender, status: Status
) -> tuple[_News, ...]:
    """What has happened to a seat (`before`: None where it is new), in the order it is told."""
    previous = before.standing.told if before is not None else None
    facts: tuple[_News, ...] = ()
    if before is not None and before.id == stored.id == after.id:
        facts = _facts(stored, after, status, previous)
    reached = facts[-1].status if facts else previous
    if status.phase == reached:
        return facts
    what = "lost" if seat.standing.lost_at is not None else str(status.phase)
    text = _text(status, "Ready")
    return (*facts, _News(what, status.reason, text, status.phase, reached))


def _facts(
    stored: Claim, after: Claim, status: Status, previous: Phase | None
) -> tuple[_News, ...]:
    """What has happened to the holder beside its phase, and a phase that is passed through."""
    old, new = stored.verification, after.verification
    facts: list[_News] = []
    if old is None and new is not None and status.phase not in {Phase.VERIFIED, previous}:
        text = _text(status, "Verified")
        facts.append(_News("verified", Reason.PROVED, text, Phase.VERIFIED, previous))
    if old is not None and new is not None and bool(old.gone_since) != bool(new.gone_since):
        what, reason = "proof_back", Reason.PROVED
        if new.gone_since:
            what, reason = "proof_gone", Reason.PROOF_GONE
        facts.append(_News(what, reason, _text(status, "Verified"), previous, previous))
    had, have = stored.certificate, after.certificate
    if have is not None and (had is None or _leaf(had) != _leaf(have)):
        what = "certificate_issued" if had is None else "certificate_renewed"
        text = f"the certificate {have.facts.serial_number} is in the Secret {have.secret_name}"
        reached = facts[-1].status if facts else previous
        facts.append(_News(what, Reason.ISSUED, text, reached, reached))
    if (news := _handed(stored, after)) is not None:
        reached = facts[-1].status if facts else previous
        facts.append(replace(news, status=reached, previous=reached))
    return tuple(facts)


def _handed(stored: Claim, after: Claim) -> _News | None:
    """A certificate that cert-manager has made."""
    had, have = stored.handed, after.handed
    if have is None or not have.ready or have.not_after is None:
        return None
    if had is not None and had.ready and had.not_after == have.not_after:
        return None
    first = stored.certificate is None and (had is None or had.not_after is None)
    what = "certificate_issued" if first else "certificate_renewed"
    text = f"cert-manager keeps the certificate in the Secret {have.secret_name}"
    return _News(what, Reason.ISSUED, text, None, None)


def _leaf(record: CertificateRecord) -> tuple[str, str]:
    """Which certificate it is, whatever else is noted about it."""
    return record.facts.serial_number, record.facts.fingerprint


def _text(status: Status, condition: str) -> str:
    """The message of one of the status's conditions."""
    conditions = status.meaning["conditions"]
    return next(str(c["message"]) for c in conditions if c["type"] == condition)


def _appended(
    claim: Claim, seat: Contender, news: tuple[_News, ...], phase: Phase | None, now: datetime
) -> Claim:
    """The claim with messages about `seat`, and with `phase` told where the seat is still there.

    No two writes are based on the same version of an object, so that makes ids unique.
    """
    base = f"{seat.id} {claim.uid} {claim.resource_version}"
    messages = tuple(
        Message(
            id=f"msg_{hashlib.sha256(f'{base} {number}'.encode()).hexdigest()[:24]}",
            type=f"domain.{each.what}",
            at=now,
            subject=seat.id,
            key=seat.holder.key,
            status=each.status,
            previous=each.previous,
            reason=each.reason,
            text=shown(each.text, TEXT_LENGTH),
        )
        for number, each in enumerate(news)
    )
    if seat.id == claim.id:  # without the `since` that a seat has and the claim need not
        claim = replace(claim, standing=replace(claim.standing, told=phase))
    elif (kept := _same_seat(claim, seat)) is not None:
        claim = with_seat(claim, _with_phase(kept, phase))
    return replace(claim, outbox=(*claim.outbox, *messages)[-OUTBOX:]) if messages else claim


def _same_seat(claim: Claim, seat: Contender) -> Contender | None:
    """The seat of the same id, as long as it is somebody's who is there."""
    for each in claim.seats:
        if each.id == seat.id:
            gone = each.standing.vacant_since or each.holder.uid is None
            return None if gone else each
    return None


def _with_phase(seat: Contender, phase: Phase | None) -> Contender:
    return replace(seat, standing=replace(seat.standing, told=phase))

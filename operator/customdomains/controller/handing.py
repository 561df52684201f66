"""The jobs with cert-manager's Certificates: handing a domain over, taking it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from customdomains.controller.ports import CertManager
from customdomains.model.handover import CertificateState, Fault, HandoverRefusedError
from customdomains.policy.jobs import HandJob, HandOver, HandResult, TakeBack
from customdomains.policy.world import Looked, Memory

HANDED_AT_ONCE = 8

Outcome = CertificateState | Fault | None


class Hander:
    """Does the jobs (a `Doer`)."""

    def __init__(self, cert_manager: CertManager, *, now: Callable[[], datetime]) -> None:
        self._cert_manager = cert_manager
        self._now = now

    async def do(self, job: HandJob) -> tuple[Outcome, str]:
        """What the Certificate's status says, what stands in the way, or that it is not there."""
        try:
            if isinstance(job, HandOver):
                return await self._cert_manager.apply(job.wanted, write=job.fresh), "done"
            await self._cert_manager.remove(job.namespace, job.name, job.seat)
        except HandoverRefusedError as refusal:
            return Fault(refusal.reason, refusal.message, self._now()), refusal.reason
        return None, "done"

    def busy(self, memory: Memory, *, under_way: bool) -> Memory:
        """The memory of a domain whose job is under way, or is so no more."""
        return replace(memory, handing=under_way)

    def take_in(self, memory: Memory, job: HandJob, outcome: Outcome) -> Memory:
        """The memory with what a job has come to."""
        now, looked = self._now(), None
        if not isinstance(job, TakeBack):
            looked = Looked(now, job.heard, off=outcome is None)
        return replace(memory, handed=HandResult(job, outcome, now), looked=looked)

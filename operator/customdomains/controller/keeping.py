"""The jobs that look after what is issued: a Secret that may have changed, an early revocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from customdomains.cluster.secretforms import ForeignSecretError
from customdomains.controller.issuing import account_told
from customdomains.controller.ports import CertificateEngine, Examiner, Secrets
from customdomains.model.certificate import OrderError, RevocationReason
from customdomains.model.kept import Loss
from customdomains.model.reasons import Reason
from customdomains.policy.jobs import (
    InspectSecret,
    KeepJob,
    KeepResult,
    MarkSecret,
    RevokeCertificate,
    SecretState,
)
from customdomains.policy.world import Memory

KEPT_AT_ONCE = 16


Outcome = SecretState | OrderError | None


class Keeper:
    """Does the jobs (a `Doer`)."""

    def __init__(
        self,
        secrets: Secrets,
        engines: Mapping[str, CertificateEngine],
        examiner: Examiner,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._secrets = secrets
        self._engines = engines
        self._examiner = examiner
        self._now = now

    async def do(self, job: KeepJob) -> tuple[Outcome, str]:
        """What the Secret was found to be, or why the CA does not revoke; None: it has."""
        try:
            return await self._do(job), "done"
        except OrderError as error:
            return error, str(error.reason)

    def busy(self, memory: Memory, *, under_way: bool) -> Memory:
        """The memory of a domain whose job is under way, or is so no more."""
        return replace(memory, keeping=under_way)

    def take_in(self, memory: Memory, job: KeepJob, outcome: Outcome) -> Memory:
        """The memory with what a job has come to."""
        seen = outcome.version if isinstance(outcome, SecretState) else 0
        result = KeepResult(job, outcome, self._now())
        return replace(memory, kept=result, inspected=max(memory.inspected, seen))

    async def _do(self, job: KeepJob) -> SecretState | None:
        if isinstance(job, RevokeCertificate):
            await self._revoke(job)
            return None
        try:
            if isinstance(job, InspectSecret):
                return await self._inspect(job)
            return await self._mark(job)
        except ForeignSecretError as error:
            return SecretState(job.as_of, Loss(Reason.SECRET_CONFLICT, str(error), self._now()))

    async def _inspect(self, job: InspectSecret) -> SecretState:
        have, stored = job.claim.certificate, await self._secrets.look(job.claim)
        if have is None or stored is None:
            return self._missing(job)
        examined = await self._examiner.examine(stored.pair, have.facts)
        fault = examined.fault
        if fault is None and stored.altered:
            fault = "its tls.crt is not the chain that was issued"
        loss = None
        if fault is not None:
            message = f"the Secret {have.secret_name} was changed: {fault}"
            loss = Loss(Reason.SECRET_DAMAGED, message, self._now())
        return SecretState(stored.version, loss, stored.order, examined.leaf)

    async def _mark(self, job: MarkSecret) -> SecretState:
        have = job.claim.certificate
        issuer = have.issuer if have is not None and job.revoke else None
        version = await self._secrets.mark_for_revocation(job.claim, issuer)
        return self._missing(job) if version is None else SecretState(version)

    def _missing(self, job: InspectSecret | MarkSecret) -> SecretState:
        have = job.claim.certificate
        message = f"the Secret {have.secret_name if have else ''} is gone"
        return SecretState(job.as_of, Loss(Reason.SECRET_DAMAGED, message, self._now()))

    async def _revoke(self, job: RevokeCertificate) -> None:
        known = job.claim.compromise
        if known is None:
            return
        await revoke(self._engines, known.issuer, known.leaf, RevocationReason.KEY_COMPROMISE)


async def revoke(
    engines: Mapping[str, CertificateEngine],
    issuer: str,
    certificate: str,
    reason: RevocationReason,
) -> None:
    """Have the CA that issued a certificate revoke it. Raises `OrderError` and `ApiError`."""
    engine = engines.get(issuer)
    if engine is None:
        raise OrderError(
            Reason.UNKNOWN_ISSUER,
            f'the issuer "{issuer}" is not in the operator\'s settings any more, and only who has '
            "issued a certificate revokes it",
        )
    with account_told():
        await engine.revoke(certificate, reason)

"""The jobs that look after what is issued: a Secret that may have changed, an early revocation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from customdomains.cluster.errors import ApiError
from customdomains.cluster.secretforms import ForeignSecretError
from customdomains.controller.engine import Backoff
from customdomains.controller.issuing import account_told
from customdomains.controller.lanes import Lane
from customdomains.controller.ports import CertificateEngine, Examiner, Secrets
from customdomains.controller.store import Store
from customdomains.model.certificate import OrderError, RevocationReason
from customdomains.model.domain import Key
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

log = logging.getLogger(__name__)

KEPT_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Started:
    job: KeepJob
    uid: str


class Keeper:
    """Runs the jobs, one a domain, in a lane of their own; the arguments are as `JobRunner`'s."""

    def __init__(
        self,
        store: Store,
        secrets: Secrets,
        engines: Mapping[str, CertificateEngine],
        examiner: Examiner,
        *,
        now: Callable[[], datetime],
        wake: Callable[[Key], None],
        backoff: Backoff,
        done: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._engines = engines
        self._examiner = examiner
        self._now = now
        self._wake = wake
        self._backoff = backoff
        self._done = done
        self._lane: Lane[_Started] = Lane("keeping", KEPT_AT_ONCE, self._run)

    def __len__(self) -> int:
        """Jobs waiting and running."""
        return len(self._lane)

    def start(self, key: Key, job: KeepJob) -> None:
        """Run `job` for `key` in the background; one that has to rest after a failure is on the
        agenda."""
        domain = self._store.domain(key)
        if domain is None or self._backoff.holds(key):
            return
        self._store.remember(key, replace(self._store.memory(key), keeping=True))
        self._lane.put(key, _Started(job, domain.uid))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._backoff.succeeded(key)

    async def work(self) -> None:
        """Run jobs until cancelled."""
        await self._lane.work()

    async def _run(self, key: Key, started: _Started) -> None:
        job, ended = started.job, "done"
        outcome: SecretState | OrderError | None = None
        try:
            outcome = await self._do(job)
        except OrderError as error:
            outcome, ended = error, str(error.reason)
        except ApiError as error:
            log.warning("%s: %s failed: %s", key, type(job).__name__, error)
            ended = "ApiError"
        except Exception:
            log.exception("%s: %s broke", key, type(job).__name__)
            ended = "broke"
        self._done(type(job).__name__, ended)
        if not self._counts(key, started):
            self._wake(key)
            return
        memory = replace(self._store.memory(key), keeping=False)
        if ended in {"ApiError", "broke"}:
            self._store.remember(key, memory)
            self._backoff.failed(key)
        else:
            self._store.remember(key, _after(memory, KeepResult(job, outcome, self._now())))
            self._backoff.succeeded(key)
        self._wake(key)

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

    def _counts(self, key: Key, started: _Started) -> bool:
        domain = self._store.domain(key)
        return domain is not None and domain.uid == started.uid


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


def _after(memory: Memory, result: KeepResult) -> Memory:
    seen = result.outcome.version if isinstance(result.outcome, SecretState) else 0
    return replace(memory, kept=result, inspected=max(memory.inspected, seen))

"""Secrets that nobody uses any more, and whose certificates are to be revoked before they go."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from customdomains.cluster.errors import ApiError, Conflict
from customdomains.cluster.orphans import OwnedSecret
from customdomains.controller.keeping import revoke
from customdomains.controller.lanes import Lane
from customdomains.controller.ports import CertificateEngine, Examiner
from customdomains.model.certificate import OrderError, RevocationReason
from customdomains.model.domain import Key
from customdomains.policy.schedule import failure_delay

log = logging.getLogger(__name__)

REVOKED_AT_ONCE = 8
_MOST_FAILURES = 4096
"""As many are remembered; one that is forgotten is tried again at the next sweep."""


class RemovedSecrets(Protocol):
    """The operator's Secrets."""

    async def chain(self, secret: OwnedSecret) -> str | None:
        """The chain (PEM) in this version of it; None where that is not there any more."""
        ...

    async def remove(self, secret: OwnedSecret) -> None:
        """Delete this version of it."""
        ...


class Revocations:
    """Revokes in a lane of its own: no CA holds up the sweep, which offers every Secret anew.

    One whose certificate can't be revoked is kept and tried again ever more slowly, until the
    certificate expires.
    """

    def __init__(
        self,
        secrets: RemovedSecrets,
        engines: Mapping[str, CertificateEngine],
        examiner: Examiner,
        *,
        now: Callable[[], datetime],
        random: Callable[[], float],
        done: Callable[[str, str], None],
    ) -> None:
        self._secrets = secrets
        self._engines = engines
        self._examiner = examiner
        self._now = now
        self._random = random
        self._done = done
        self._failures: OrderedDict[str, tuple[int, datetime]] = OrderedDict()
        self._lane: Lane[OwnedSecret] = Lane("revocations", REVOKED_AT_ONCE, self._run)

    def offer(self, secret: OwnedSecret) -> None:
        """Have the certificate of `secret` revoked and then the Secret removed, unless the last
        try was too recent."""
        _, until = self._failures.get(secret.uid, (0, None))
        if until is None or self._now() >= until:
            self._lane.put(Key(secret.namespace, secret.name), secret)

    async def work(self) -> None:
        """Revoke until cancelled."""
        await self._lane.work()

    async def _run(self, key: Key, secret: OwnedSecret) -> None:
        ended = "done"
        try:
            await self._revoke(key, secret)
        except OrderError as error:
            ended = str(error.reason)
            self._failed(key, secret, error.message)
        except Conflict:
            ended = "Conflict"  # the next sweep sees what it is now
        except ApiError as error:
            ended = "ApiError"
            self._failed(key, secret, str(error))
        self._done("RevokeOnDelete", ended)

    async def _revoke(self, key: Key, secret: OwnedSecret) -> None:
        chain = await self._secrets.chain(secret)
        if chain is None:
            return
        leaf = self._examiner.leaf(chain)
        if leaf is None:
            log.warning("%s: there is no certificate in it that could be revoked", key)
        elif self._now() < leaf.not_after:
            reason = RevocationReason.CESSATION_OF_OPERATION
            await revoke(self._engines, secret.revoke_by or "", leaf.certificate, reason)
            log.info("%s: the certificate of %s is revoked", key, secret.domain)
        else:
            log.warning("%s: the certificate of %s has expired unrevoked", key, secret.domain)
        await self._secrets.remove(secret)
        self._failures.pop(secret.uid, None)
        log.info("removed Secret %s: %s does not use it any more", key, secret.domain)

    def _failed(self, key: Key, secret: OwnedSecret, message: str) -> None:
        count, _ = self._failures.pop(secret.uid, (0, None))
        delay = failure_delay(count + 1) * (0.5 + self._random() / 2)
        self._failures[secret.uid] = (count + 1, self._now() + delay)
        if len(self._failures) > _MOST_FAILURES:
            self._failures.popitem(last=False)
        log.warning(
            "%s: the certificate of %s can't be revoked, so the Secret is kept: %s",
            key,
            secret.domain,
            message,
        )

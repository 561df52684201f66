"""A small stand-in for the controller: it writes what the controller would, on demand.

What is tested with it is how the api asks and waits, which needs answers that come late, never,
or are failures of a chosen kind. The real controller is tested with the api end to end elsewhere.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from customdomains.api.resources import DomainView, parse_view
from customdomains.cluster import ApiClient, WatchCache
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

NOW = datetime.now(UTC).replace(microsecond=0)
PROVED = {"method": "Manual", "verifiedAt": NOW.isoformat()}

SEEN = [
    {
        "server": "ns1.example.com (192.0.2.1:53)",
        "outcome": "Answered",
        "values": ["another value"],
        "authentic": True,
        "ttl": 300,
        "milliseconds": 7,
    },
    {"server": "https://dns.example/dns-query", "outcome": "TimedOut"},
]

OnRequest = Callable[["StandIn", DomainView], Any]


class StandIn:
    """Calls `on_check` and `on_issue` (coroutine functions) for requests not seen before."""

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        on_check: OnRequest | None,
        on_issue: OnRequest | None,
    ) -> None:
        self._client = client
        self._changes: asyncio.Queue[DomainView] = asyncio.Queue()
        self._on_check = on_check
        self._on_issue = on_issue
        self._seen: set[str] = set()
        self.cache: WatchCache[DomainView] = WatchCache(
            client,
            CUSTOM_DOMAINS,
            namespace=namespace,
            parse=parse_view,
            on_change=lambda _key, _old, new: self._changes.put_nowait(new) if new else None,
        )

    async def run(self) -> None:
        while True:
            view = await self._changes.get()
            for mark, answer in (
                (view.check_requested, self._on_check),
                (view.issue_requested, self._on_issue),
            ):
                if mark is not None and answer is not None and mark not in self._seen:
                    self._seen.add(mark)
                    await answer(self, view)

    async def write_claim(self, view: DomainView, **status: Any) -> None:
        await self._client.patch(DOMAIN_CLAIMS, str(view.domain), {"status": status})

    async def write_status(self, view: DomainView, **status: Any) -> None:
        key = view.key
        await self._client.patch_status(CUSTOM_DOMAINS, key.name, {"status": status}, key.namespace)


@asynccontextmanager
async def standing_in(
    client: ApiClient,
    namespace: str,
    *,
    on_check: OnRequest | None = None,
    on_issue: OnRequest | None = None,
) -> AsyncIterator[StandIn]:
    """A stand-in at work for the time of the block."""
    stand_in = StandIn(client, namespace, on_check, on_issue)
    tasks = [asyncio.create_task(stand_in.cache.run()), asyncio.create_task(stand_in.run())]
    try:
        yield stand_in
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in done), done


def condition(kind: str, *, holds: bool, reason: str, message: str = "as said") -> dict[str, Any]:
    return {
        "type": kind,
        "status": str(holds),
        "reason": reason,
        "message": message,
        "lastTransitionTime": NOW.isoformat(),
    }


async def prove(stand_in: StandIn, view: DomainView) -> None:
    """The record is there."""
    await stand_in.write_claim(view, verification=PROVED)
    await stand_in.write_status(
        view,
        phase="verified",
        lastHandledCheckRequest=view.check_requested,
        conditions=[condition("Verified", holds=True, reason="Proved")],
    )


def find_wrong(reason: str, message: str, state: str = "Missing") -> OnRequest:
    """The check ends with this reason."""

    async def on_check(stand_in: StandIn, view: DomainView) -> None:
        record = {
            "purpose": "Ownership",
            "type": "TXT",
            "name": "_acme-challenge.example.com.",
            "value": "x",
            "state": state,
            "seen": SEEN,
            "message": message,
        }
        await stand_in.write_status(
            view,
            phase="pending",
            lastHandledCheckRequest=view.check_requested,
            conditions=[condition("Verified", holds=False, reason=reason, message=message)],
            records=[record],
        )

    return on_check


def order(*digests: str, method: str = "Manual", **more: Any) -> dict[str, Any]:
    return {
        "url": "https://ca.example/order/1",
        "issuer": "ca",
        "names": ["example.com"],
        "method": method,
        "digests": list(digests),
        "placedAt": NOW.isoformat(),
        **more,
    }


def place(*digests: str, method: str = "Manual", **more: Any) -> OnRequest:
    """An order is placed."""

    async def on_issue(stand_in: StandIn, view: DomainView) -> None:
        placed = order(*digests, method=method, **more)
        await stand_in.write_claim(view, order=placed, issueRequestHandled=view.issue_requested)

    return on_issue


def no_way(message: str) -> OnRequest:
    """No order can be placed before somebody has set something."""

    async def on_issue(stand_in: StandIn, view: DomainView) -> None:
        conditions = [
            condition("Verified", holds=True, reason="Proved"),
            condition("CertificateIssued", holds=False, reason="NoChallenge", message=message),
        ]
        await stand_in.write_status(view, phase="verified", conditions=conditions)

    return on_issue


def fail(reason: str, message: str, retry_in: timedelta = timedelta(minutes=1)) -> OnRequest:
    """No order can be placed."""

    async def on_issue(stand_in: StandIn, view: DomainView) -> None:
        failure = {
            "reason": reason,
            "message": message,
            "at": NOW.isoformat(),
            "count": 1,
            "retryAt": (NOW + retry_in).isoformat(),
        }
        await stand_in.write_claim(view, failure=failure, issueRequestHandled=view.issue_requested)

    return on_issue


CERTIFICATE = {
    "issuer": "ca",
    "secretName": "shop-tls",
    "names": ["example.com"],
    "issuedAt": "2026-01-02T03:04:05Z",
    "serialNumber": "0a1b",
    "notBefore": "2026-01-02T02:04:05Z",
    "notAfter": "2046-04-02T02:04:05Z",
    "fingerprint": "ab" * 32,
}

"""GET /.well-known/acme-challenge/: the answers to http-01 challenges (RFC 8555 section 8.3).

From the watch of the claims, so also while the API server is away; on a port of its own, without
credentials, because CAs have none. Nothing is kept for it: the name in the request's Host leads to
the claim, and the claim has the answers while its order is under way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry

from customdomains.api.answers import problem
from customdomains.api.ask import Known, canonical
from customdomains.api.listening import Bounds
from customdomains.api.metrics import PublicMetrics
from customdomains.api.public import answering, defect, not_read_yet, wrong_method
from customdomains.model.certificate import Challenge
from customdomains.model.claim import NOBODY, Claim
from customdomains.model.names import NameRefusedError
from customdomains.policy.findings import delegation_target

PATH = "/.well-known/acme-challenge/"

_BOUNDS = Bounds()
_PLAIN = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}


@asynccontextmanager
async def answering_challenges(
    host: str | None,
    port: int,
    known: Known,
    registry: CollectorRegistry,
    bounds: Bounds = _BOUNDS,
) -> AsyncIterator[int]:
    """Answer while the body runs; the port listened on is yielded. Raises OSError."""
    metrics = PublicMetrics(registry, "challenge", "Requests for answers to http-01 challenges")

    def answer(request: web.BaseRequest) -> web.Response:
        return _answer(request, known)

    async with answering(host, port, answer, metrics, bounds) as listened:
        yield listened


def _answer(request: web.BaseRequest, known: Known) -> web.Response:
    if (refused := wrong_method(request)) is not None:
        return refused
    if not request.path.startswith(PATH):
        return problem(404, "not_found", f"there is nothing at this path; ask below {PATH}")
    if not known.synced():
        return not_read_yet()
    try:
        found = _look_up(request.host, request.path.removeprefix(PATH), known)
    except Exception:  # noqa: BLE001 - a defect costs one answer, and is told with its place
        return defect(PATH)
    if found is None:
        return problem(404, "no_challenge", "nothing is to be answered here for this name")
    return web.Response(body=found.encode(), headers=_PLAIN)


def _look_up(host: str, token: str, known: Known) -> str | None:
    try:
        # An IPv6 address has colons as well; it is no name, with or without its end.
        claim = known.claim_of(canonical(host.partition(":")[0]))
    except NameRefusedError:
        return None
    if claim is None or claim.holder == NOBODY or claim.verification is None:
        return None
    if token == claim.id:
        return delegation_target(claim, known.rules.zone)
    return _response(claim, token)


def _response(claim: Claim, token: str) -> str | None:
    """The key authorization for the token, while the claim's order wants it."""
    order = claim.order
    if order is None or order.challenge is not Challenge.HTTP or not token:
        return None
    return next((each for each in order.responses if each.startswith(f"{token}.")), None)

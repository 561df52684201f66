"""GET /ask: whether an edge proxy may get a certificate for a name in a TLS handshake.

Answered from the watch of the claims, so also while the API server is away; on a port of its own,
without credentials, because edge proxies send none.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from customdomains.api.answers import JSON, problem
from customdomains.api.errors import Refused
from customdomains.api.listening import Bounds
from customdomains.api.metrics import PublicMetrics
from customdomains.api.public import answering, defect, not_read_yet, wrong_method
from customdomains.model.claim import Claim
from customdomains.model.names import NameRefusedError, a_labels
from customdomains.policy.edge import may_be_served
from customdomains.policy.rules import Rules

PATH = "/ask"

_PLAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""Letters, digits, hyphens, and no number at the end. Two hyphens in a row may be an A-label's."""

_MAX_NAME = 253  # characters, RFC 1035
_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Known:
    """What is answered from: the claims by canonical name, whether all have been read once, and
    the rules about proofs that are gone.
    """

    claim_of: Callable[[str], Claim | None]
    synced: Callable[[], bool]
    rules: Rules


@asynccontextmanager
async def answering_edges(
    host: str | None, port: int, known: Known, metrics: PublicMetrics, bounds: Bounds = _BOUNDS
) -> AsyncIterator[int]:
    """Answer while the body runs; the port listened on is yielded. Raises OSError."""

    def answer(request: web.BaseRequest) -> web.Response:
        return _answer(request, known)

    async with answering(host, port, answer, metrics, bounds) as listened:
        yield listened


def _answer(request: web.BaseRequest, known: Known) -> web.Response:
    if request.path != PATH:
        return problem(404, "not_found", f"there is nothing at this path; ask at {PATH}")
    if (refused := wrong_method(request)) is not None:
        return refused
    if not known.synced():
        return not_read_yet()
    try:
        name = _asked(request)
        served = may_be_served(name, known.claim_of, known.rules, datetime.now(UTC))
    except Refused as refusal:
        return problem(400, refusal.code, refusal.message)
    except Exception:  # noqa: BLE001 - a defect costs one answer, and is told with its place
        return defect(PATH)
    if not served:
        return problem(404, "not_verified", f"{name} is not held here with a proof that counts")
    return web.Response(body=msgspec.json.encode({"domain": name}), headers=JSON)


def _asked(request: web.BaseRequest) -> str:
    """The canonical form of the name asked for. Raises `Refused`."""
    values = request.query.getall("domain", [])
    if len(values) != 1 or not values[0].strip():
        raise Refused("invalid_domain_name", f"there has to be one name, as in {PATH}?domain=a.com")
    try:
        return canonical(values[0])
    except NameRefusedError as refusal:
        raise Refused("invalid_domain_name", refusal.message) from refusal


def canonical(spelling: str) -> str:
    """The same as `a_labels`, at a twentieth of the time where there is little to do, as in SNI."""
    if spelling.isascii():
        lower = spelling.lower().removesuffix(".")
        if len(lower) <= _MAX_NAME and _PLAIN.fullmatch(lower) and "--" not in lower:
            return lower
    return a_labels(spelling)

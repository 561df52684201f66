"""What the controller would do to a claim, on demand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from customdomains.cluster import ApiClient
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS
from customdomains.model.certificate import Method
from customdomains.model.claim import Claim, Contender, Verification, parse_claim, render_claim
from customdomains.policy import succession

NOW = datetime.now(UTC).replace(microsecond=0)
PROOF = Verification(Method.MANUAL, NOW, ())


async def read(client: ApiClient, name: str) -> Claim:
    return parse_claim(await client.get(DOMAIN_CLAIMS, name))


async def owners(client: ApiClient, name: str) -> dict[str, str]:
    """The namespaces of all seats by id, the holder's first."""
    return {seat.id: seat.holder.key.namespace for seat in (await read(client, name)).seats}


async def rewrite(client: ApiClient, name: str, change: Callable[[Claim], Claim]) -> Claim:
    body = render_claim(change(await read(client, name)))
    return parse_claim(await client.replace(DOMAIN_CLAIMS, body))


def seat_of(claim: Claim, seat_id: str) -> Contender:
    return next(seat for seat in claim.seats if seat.id == seat_id)


async def reserve(client: ApiClient, name: str, namespace: str) -> None:
    """As an administrator does it, beforehand."""
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "DomainClaim",
        "metadata": {"name": name},
        "spec": {"reservedFor": namespace},
    }
    await client.create(DOMAIN_CLAIMS, body)


async def adopt(client: ApiClient, name: str, seat_id: str, **standing: object) -> Claim:
    """Give the seat the uid of the CustomDomain that it names; change how it stands."""
    key = seat_of(await read(client, name), seat_id).holder.key
    uid = (await client.get(CUSTOM_DOMAINS, key.name, key.namespace))["metadata"]["uid"]

    def change(claim: Claim) -> Claim:
        seat = seat_of(claim, seat_id)
        holder = replace(seat.holder, uid=uid)
        standing_now = replace(seat.standing, **standing)
        return succession.with_seat(claim, replace(seat, holder=holder, standing=standing_now))

    return await rewrite(client, name, change)


async def desert(client: ApiClient, name: str, seat_id: str) -> None:
    """Delete the seat's CustomDomain, which nobody has seen yet."""
    key = seat_of(await adopt(client, name, seat_id), seat_id).holder.key
    await client.delete(CUSTOM_DOMAINS, key.name, key.namespace)


async def vacate(client: ApiClient, name: str, seat_id: str) -> None:
    """The same, and the controller has seen it."""
    await desert(client, name, seat_id)

    def change(claim: Claim) -> Claim:
        changed = succession.vacate(claim, seat_of(claim, seat_id), NOW)
        assert changed is not None
        return changed

    await rewrite(client, name, change)


async def take_over(client: ApiClient, name: str, seat_id: str) -> None:
    """The contender has proved the name."""

    def change(claim: Claim) -> Claim:
        return succession.take_over(claim, seat_of(claim, seat_id), PROOF, NOW, None)

    await rewrite(client, name, change)


async def prove_holder(client: ApiClient, name: str) -> None:
    """The holder has proved the name."""
    await rewrite(client, name, lambda claim: replace(claim, verification=PROOF))

"""The DNS and a CA, in memory, and what must hold whenever they are asked."""

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fake_api import CLAIMS, FakeApi

from customdomains.model.certificate import (
    CaIdentity,
    CertificateFacts,
    Challenge,
    IssuedCertificate,
    OrderError,
    PlacedOrder,
    RevocationReason,
)
from customdomains.model.challengerecords import persistent_name, persistent_value
from customdomains.model.claim import Claim, Contender, parse_claim
from customdomains.model.evidence import Evidence, Nearby, Outcome, Place, ServerAnswer
from customdomains.model.kept import Examined, Leaf
from customdomains.model.keys import KeyPair, KeyType
from customdomains.model.names import CHALLENGE_LABEL
from customdomains.model.reasons import Reason
from customdomains.model.renewal import RenewalInfo
from customdomains.policy.findings import judge
from customdomains.policy.schedule import PROOF_FRESHNESS

ZONE = "delegated.example.net"
CA_LATENCY = 0.02
LIFETIME = timedelta(days=3650)
JOB_TIME = timedelta(seconds=60)
"""How long a job may take from its decision to its request to the CA, faults included."""

Step = Callable[[], Awaitable[None]]


def claim_on(api: FakeApi, domain: str) -> Claim | None:
    """As it is now."""
    bodies = [body for body in api.find(CLAIMS) if body["metadata"]["name"] == domain]
    return parse_claim(bodies[0]) if bodies else None


class FakeDns:
    """Records at the challenge names: `delegated`, `token`, `digests`, `wrong`, `misplaced` (the
    token, at the domain itself), `none` or `dead`.

    They are those of who holds the name, or with `:two` behind them those of the seat of the
    namespace `two`. Tokens of several stand with blanks between.
    """

    def __init__(self, api: FakeApi, now: Callable[[], datetime]) -> None:
        self._api = api
        self._now = now
        self.records: dict[str, str] = {}
        self.proved: dict[tuple[str, str], datetime] = {}
        """By domain and the seat's id: when a lookup last showed its proof."""
        self.caa: dict[str, tuple[str, ...] | None] = {}
        """CAA records of names, None where that can't be told."""
        self.silence = CA_LATENCY
        """How many seconds a lookup takes of what is dead."""
        self.looked_nearby: list[datetime] = []
        self.others: dict[str, Evidence] = {}
        """What is elsewhere, by its name."""
        self.asked: Counter[str] = Counter()
        """Lookups by name."""

    def evidence(self, name: str) -> Evidence:
        if name in self.others:
            return self.others[name]
        domain = name.removeprefix(f"{CHALLENGE_LABEL}.")
        records, claim = self.records.get(domain, "none"), claim_on(self._api, domain)
        if records == "dead":
            return Evidence(name, (ServerAnswer("dns:53", Outcome.TIMED_OUT),))
        if records == "wrong":
            return answered(name, texts=("something else",))
        texts: list[str] = []
        for record in records.split():
            kind, _, namespace = record.partition(":")
            view = _view(claim, namespace)
            if view is None or kind in {"none", "misplaced"}:
                continue
            if kind == "delegated":
                return answered(name, cnames=(f"{view.id}.{ZONE}",), texts=view.texts)
            texts += view.texts if kind == "digests" else (view.token,)
        if not texts:
            return Evidence(name, (ServerAnswer("dns:53", Outcome.NO_SUCH_NAME),))
        return answered(name, texts=tuple(texts))

    async def look_up(
        self,
        name: str,
        *,
        nearby: bool = False,
        enough: Callable[[Evidence], bool] | None = None,
    ) -> Evidence:
        domain = name.removeprefix(f"{CHALLENGE_LABEL}.")
        dead = self.records.get(domain) == "dead"
        self.asked[name] += 1
        await asyncio.sleep(self.silence if dead else CA_LATENCY)
        evidence = self.evidence(name)
        claim = claim_on(self._api, domain)
        if nearby and not (enough is not None and enough(evidence)):
            self.looked_nearby.append(self._now())
            misplaced = claim is not None and self.records.get(domain) == "misplaced"
            there = (Nearby(Place.LABEL_MISSING, domain, (), (claim.token,)),) if misplaced else ()
            evidence = replace(evidence, nearby=there)
        for seat in claim.seats if claim is not None else ():
            view = seen_from(claim, seat)
            if judge(evidence, view, ZONE, self._now()).proof is not None:
                self.proved[domain, seat.id] = self._now()
        await asyncio.sleep(CA_LATENCY)
        return evidence

    async def climb(self, domain: str) -> Evidence:
        """The nearest CAA records."""
        await asyncio.sleep(CA_LATENCY)
        labels = domain.split(".")
        names = [".".join(labels[place:]) for place in range(len(labels))]
        name = next((name for name in names if name in self.caa), names[-1])
        records = self.caa.get(name, ())
        if records is None:
            return Evidence(name, (ServerAnswer("dns:53", Outcome.SERVER_FAILURE),))
        return answered(name, texts=records)


def seen_from(claim: Claim, seat: Contender) -> Claim:
    """The claim as it is for a seat."""
    return claim if seat.id == claim.id else claim.seen_by(seat)


def _view(claim: Claim | None, namespace: str) -> Claim | None:
    """The claim as it is for a namespace, or for who holds it."""
    if claim is None or not claim.seats:
        return None
    if not namespace:
        return claim if claim.id else None
    mine = [seat for seat in claim.seats if seat.holder.key.namespace == namespace]
    mine.sort(key=lambda seat: seat.standing.vacant_since is not None)
    return seen_from(claim, mine[0]) if mine else None


def answered(name: str, *, cnames: tuple[str, ...] = (), texts: tuple[str, ...] = ()) -> Evidence:
    answer = ServerAnswer("dns:53", Outcome.ANSWERED, cnames=cnames, texts=texts, ttl=5)
    return Evidence(name, (answer,))


@dataclass
class FakeOrder:
    names: tuple[str, ...]
    digests: tuple[str, ...]
    key: str | None = None
    kind: Challenge = Challenge.DNS
    responses: tuple[str, ...] = ()


class FakeCa:
    """Orders at a CA. What it asserts are the design's invariants 2 and 3."""

    def __init__(
        self, api: FakeApi, dns: FakeDns, now: Callable[[], datetime], host: str = "ca"
    ) -> None:
        self._api = api
        self._dns = dns
        self._now = now
        self.host = host
        self.down = False
        self.refusal: OrderError | None = None
        """Why it takes no new order."""
        self.ordered_at: list[datetime] = []
        """When a new order was asked for."""
        self.may_revoke_used = False
        self.reuses = False
        """Whether the issuer's settings say that keys are used again."""
        self.offers: tuple[Challenge, ...] = tuple(Challenge)
        self.reaches: set[str] = set()
        """The domains that lead to our api process."""
        self.orders: dict[str, FakeOrder] = {}
        self.finalized: Counter[str] = Counter()
        """Orders by domain."""
        self.recorded_urls: set[str] = set()
        """Every order's URL that was ever in a claim."""
        self.revoked: dict[str, int] = {}
        """Certificates (as `FakeExaminer` says them), and why."""
        self.excused: set[str] = set()
        """Orders whose key may be lost: somebody deleted the Secret."""
        self.lifetime = LIFETIME
        self.advises = False
        """Whether it offers renewal information, from `advice` by the certificate's id."""
        self.mute = False
        """Whether it can't be asked for that, and for all else can."""
        self.advice: dict[str, RenewalInfo] = {}
        self.asked: list[tuple[datetime, str]] = []
        self.replaced: list[str] = []
        """What new orders said that they replace, in turn."""

    def renewal_info(self, ari_id: str) -> RenewalInfo | None:
        self.asked.append((self._now(), ari_id))
        self._answer()
        if self.mute:
            raise OrderError(Reason.CA_UNREACHABLE, "the CA does not say")
        return self.advice.get(ari_id)

    @property
    def identity(self) -> CaIdentity:
        """What it and our account are called."""
        self._answer()
        return CaIdentity(
            f"https://{self.host}/account/1", "_account", (f"{self.host}.example.net",)
        )

    def place(
        self,
        names: tuple[str, ...],
        replaces: str | None = None,
        challenges: tuple[Challenge, ...] = (Challenge.DNS,),
    ) -> PlacedOrder:
        self.ordered_at.append(self._now())
        self._answer()
        if self.refusal is not None:
            raise self.refusal
        if replaces is not None:
            self.replaced.append(replaces)
        claim = claim_on(self._api, names[0])
        # A request that is under way when the claim changes hands is about the one before.
        if claim is not None and claim.id and self._now() - claim.since > JOB_TIME:
            seen = self._dns.proved.get((names[0], claim.id))
            assert seen is not None, f"{names[0]} is ordered without any proof"
            assert self._now() - seen <= PROOF_FRESHNESS + JOB_TIME, "ordered on an old proof"
        url = f"https://{self.host}/order/{len(self.orders) + 1}"
        kind = next((each for each in challenges if each in self.offers), None)
        if kind is None:
            raise OrderError(Reason.CA_REFUSED, "the CA offers none of these", order_lost=True)
        digests = tuple(f"digest-{len(self.orders) + 1}-{n}" for n in range(len(names)))
        responses: tuple[str, ...] = ()
        if kind is Challenge.DNS_PERSIST:
            ours, wildcard = self.identity, len(names) > 1
            responses = (persistent_value(ours.domains[0], ours.account, wildcard=wildcard),)
        elif kind is Challenge.HTTP:
            responses = tuple(f"{digest}.thumbprint" for digest in digests)
        order = FakeOrder(names, () if responses else digests, kind=kind, responses=responses)
        self.orders[url] = order
        return PlacedOrder(
            url,
            order.digests,
            self._now() + timedelta(days=7),
            challenge=kind,
            label="_account" if kind is Challenge.DNS_ACCOUNT else None,
            responses=responses,
        )

    async def complete(
        self,
        url: str,
        names: tuple[str, ...],
        key_for_finalize: Callable[[], Awaitable[str]],
        step: Step,
    ) -> IssuedCertificate:
        self._answer()
        assert url in self.recorded_urls, "an order is worked on whose URL is not stored"
        order = self.orders[url]
        assert order.names == names, "an order is worked on for other names"
        if order.key is None and not self._answered(order):
            raise OrderError(Reason.CHALLENGE_FAILED, "the CA saw no answer", order_lost=True)
        key = await key_for_finalize()
        if order.key is None:
            self._finalize(url, order, key)
        await asyncio.sleep(CA_LATENCY)
        await step()
        if order.key != key:
            assert url in self.excused, "the key of a finalized order is lost"
            raise OrderError(Reason.CERTIFICATE_UNUSABLE, "not this key's", order_lost=True)
        facts = CertificateFacts(
            f"{len(self.orders):x}",
            self._now(),
            self._now() + self.lifetime,
            url,
            ari_id=url if self.advises else None,
        )
        return IssuedCertificate(f"certificate of {url} for {key}", facts)

    def revoke(self, certificate: str, reason: RevocationReason) -> None:
        """What is revoked is in no Secret any more that anybody uses, unless its domain wants no
        certificate."""
        self._answer()
        for body in self._api.find(CLAIMS):
            claim = parse_claim(body)
            have = claim.certificate
            used = have is not None and certificate == f"certificate of {have.facts.fingerprint}"
            vacant = claim.standing.vacant_since is not None
            assert not used or vacant or self.may_revoke_used, "the one in use is revoked"
        self.revoked.setdefault(certificate, int(reason))

    def _finalize(self, url: str, order: FakeOrder, key: str) -> None:
        claim = claim_on(self._api, order.names[0])
        if claim is not None and claim.order is not None and claim.order.url == url:
            assert claim.verification is not None, "finalized without proof"
            assert claim.verification.gone_since is None, "finalized without current proof"
            stored = _stored_keys(self._api, claim)
            assert key in stored or url in self.excused, "finalized with a key that is not stored"
        order.key = key
        self.finalized[order.names[0]] += 1

    def _answered(self, order: FakeOrder) -> bool:
        name = order.names[0]
        if order.kind is Challenge.HTTP:
            return name in self.reaches
        if order.kind is Challenge.DNS_PERSIST:
            return set(order.responses) <= self._dns.evidence(persistent_name(name)).texts
        if order.kind is Challenge.DNS_ACCOUNT:
            there = self._dns.evidence(f"_account.{CHALLENGE_LABEL}.{name}")
            return bool(there.cnames) or set(order.digests) <= there.texts
        return set(order.digests) <= self._dns.evidence(f"{CHALLENGE_LABEL}.{name}").texts

    def _answer(self) -> None:
        if self.down:
            raise OrderError(Reason.CA_UNREACHABLE, "the CA does not answer")


class FakeExaminer:
    """Reads what this CA and these keys have in their places."""

    async def examine(self, pair: KeyPair, facts: CertificateFacts) -> Examined:
        leaf = _leaf_of(pair.chain_pem)
        if leaf != f"certificate of {facts.fingerprint}":
            return Examined("it is another certificate")
        fault = None if pair.chain_pem == f"{leaf} for {pair.key_pem}" else "it is another key"
        return Examined(fault, leaf)

    def leaf(self, chain_pem: str) -> Leaf | None:
        leaf = _leaf_of(chain_pem)
        return Leaf(leaf, datetime.max.replace(tzinfo=UTC)) if leaf else None


def _leaf_of(chain_pem: str) -> str:
    """Without the key, which stands behind it."""
    return chain_pem.partition(" for ")[0] if chain_pem.startswith("certificate of ") else ""


class FakeEngine:
    """One process' client of the CA."""

    def __init__(self, ca: FakeCa, step: Step, make: Callable[[], str]) -> None:
        self._ca = ca
        self._step = step
        self._make = make

    async def make_key(
        self, _wanted: KeyType | None, current: Callable[[], Awaitable[KeyPair | None]]
    ) -> str:
        pair = await current() if self._ca.reuses else None
        return pair.key_pem if pair is not None else self._make()

    async def identity(self) -> CaIdentity:
        await asyncio.sleep(CA_LATENCY)
        return self._ca.identity

    async def place(
        self,
        names: tuple[str, ...],
        *,
        replaces: str | None = None,
        challenges: tuple[Challenge, ...] = (Challenge.DNS,),
    ) -> PlacedOrder:
        await asyncio.sleep(CA_LATENCY)
        await self._step()
        placed = self._ca.place(names, replaces, challenges)
        await asyncio.sleep(CA_LATENCY)
        await self._step()
        return placed

    async def renewal_info(self, ari_id: str) -> RenewalInfo | None:
        await asyncio.sleep(CA_LATENCY)
        await self._step()
        return self._ca.renewal_info(ari_id)

    async def complete(
        self,
        url: str,
        names: tuple[str, ...],
        key: Any,
        answered: tuple[str, ...],
        *,
        challenge: Challenge = Challenge.DNS,
        ready: Step | None = None,
    ) -> IssuedCertificate:
        order = self._ca.orders[url]
        assert answered == (*order.digests, *order.responses)
        assert challenge is order.kind
        await asyncio.sleep(CA_LATENCY)
        await self._step()
        if ready is not None and order.key is None:
            await ready()
        issued = await self._ca.complete(url, names, key, self._step)
        await asyncio.sleep(CA_LATENCY)
        await self._step()
        return issued

    async def revoke(self, certificate: str, reason: RevocationReason) -> None:
        await asyncio.sleep(CA_LATENCY)
        await self._step()
        self._ca.revoke(certificate, reason)
        await asyncio.sleep(CA_LATENCY)
        await self._step()


class FakeSelfCheck:
    """Our responder: what the claims say is served, unless it is `silent`."""

    silent = False

    async def serves(self, name: str, texts: tuple[str, ...]) -> bool:
        await asyncio.sleep(CA_LATENCY)
        return not self.silent


class FakeHttp:
    """Whether domains lead to our api process: `reached` are those that do."""

    def __init__(self, reached: set[str]) -> None:
        self._reached = reached

    async def serves(self, domain: str, path: str, body: str, *, patient: bool = False) -> bool:
        await asyncio.sleep(CA_LATENCY)
        return domain in self._reached


class FakeZones:
    """Zones of the platform's: what was put at each name, in order, and what is `left` there."""

    def __init__(self) -> None:
        self.put_at: dict[str, list[str]] = {}
        self.left: dict[str, set[str]] = {}
        self.refuses: OrderError | None = None

    async def put(self, name: str, texts: Iterable[str]) -> None:
        await self._answer()
        self.put_at.setdefault(name, []).extend(texts)
        self.left.setdefault(name, set()).update(texts)

    async def remove(self, name: str, texts: Iterable[str]) -> None:
        await self._answer()
        self.left.setdefault(name, set()).difference_update(texts)

    async def _answer(self) -> None:
        await asyncio.sleep(CA_LATENCY)
        if self.refuses is not None:
            raise self.refuses


def secret_data(body: dict[str, Any]) -> dict[str, str]:
    """In words, as this CA and these keys have them."""
    return {key: base64.b64decode(text).decode() for key, text in body.get("data", {}).items()}


def _stored_keys(api: FakeApi, claim: Claim) -> set[str]:
    return {
        secret_data(body).get("tls.key", "")
        for body in api.find("secrets")
        if body["metadata"]["namespace"] == claim.holder.key.namespace
    }

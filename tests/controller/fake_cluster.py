"""A cluster in memory: tenants who do things to it, controllers, and what must hold at each write.

The invariants' numbers are those of the design.
"""

import copy
import json
import logging
from collections import Counter
from datetime import timedelta
from typing import Any
from unittest import mock

from fake_api import CLAIMS, DOMAINS, SPACES, FakeApi, Json, Place, namespace_body
from fake_controller import RULES, Keys, Process
from fake_outside import JOB_TIME, FakeCa, FakeDns, claim_on, secret_data
from fake_receivers import FakeReceivers
from virtual_time import VirtualLoop

from customdomains.controller import agenda
from customdomains.model.claim import (
    NOBODY,
    TRANSFER_TO,
    Claim,
    Contender,
    Holder,
    parse_claim,
    render_claim,
)
from customdomains.model.domain import API_VERSION, CustomDomain, Key, parse_domain
from customdomains.model.identity import mint_identity
from customdomains.model.status import mark_of
from customdomains.policy.budget import IssuerLimits
from customdomains.policy.ownership import proof_expired_at
from customdomains.policy.registration import new_claim
from customdomains.policy.rules import Rules
from customdomains.policy.schedule import PROOF_FRESHNESS
from customdomains.policy.seats import IDLE_SEATS
from customdomains.policy.succession import remove
from customdomains.policy.telling import parted

PATIENCE = timedelta(minutes=10)
SHOP, NAME = Key("one", "shop"), "shop.example.com"


class _Breakages(logging.Handler):
    """What a controller caught that it should not have had to catch."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


class FakeCluster:
    """Close it at the end."""

    def __init__(self, namespaces: tuple[str, ...] = ("one", "two"), rules: Rules = RULES) -> None:
        self.rules = rules
        self.limits: dict[str, IssuerLimits] = {}
        """By issuer, for controllers that are started from now on."""
        self.loop = VirtualLoop()
        self.api = FakeApi(self.loop.now)
        self.dns = FakeDns(self.api, self.loop.now)
        self.ca = FakeCa(self.api, self.dns, self.loop.now)
        self.spare = FakeCa(self.api, self.dns, self.loop.now, "spare")
        self.keys = Keys()
        self.receivers = FakeReceivers()
        self.processes: dict[str, Process] = {}
        self.wanted: Counter[str] = Counter()
        """How many certificates were ever wanted, by domain."""
        self.identities: dict[str, str] = {}
        """Every id that there ever was, with its token."""
        self.meaningful: list[tuple[str, Place]] = []
        self.writes: list[tuple[str, Place]] = []
        self.by_operator = True
        # The wall clock here is never set, so nothing has to be looked at every half minute.
        self._naps = mock.patch.object(agenda, "LONGEST_NAP", 1e9)
        self._naps.start()
        self._breakages = _Breakages()
        log = logging.getLogger("customdomains.controller")
        log.addHandler(self._breakages)
        log.propagate = False
        self.api.audit = self._audit
        for name in namespaces:
            self.api.create(SPACES, namespace_body(name))
        self.forget_writes()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        log = logging.getLogger("customdomains.controller")
        log.removeHandler(self._breakages)
        log.propagate = True
        self._naps.stop()
        self.loop.close()

    def run_for(self, seconds: float) -> None:
        """Let time pass; fails where a controller broke, and buries those that died."""
        self.loop.run_for(seconds)
        for name, process in list(self.processes.items()):
            if process.dead:
                self.kill(name)
            elif process.task.done():
                process.task.result()
        assert not self._breakages.seen, self._breakages.seen[0]
        for domain, count in (self.ca.finalized + self.spare.finalized).items():
            assert count <= self.wanted[domain], f"{domain}: {count} orders are finalized"

    def start(self, name: str) -> Process:
        process = Process(
            self.loop,
            self.api,
            self.dns,
            {"main": self.ca, "spare": self.spare},
            self.keys,
            rules=self.rules,
            receivers=self.receivers,
            limits=self.limits,
        )
        self.processes[name] = process
        self.loop.run_for(0)
        return process

    def kill(self, name: str) -> None:
        self.processes.pop(name).kill()

    # --- what tenants and administrators do ------------------------------------------------------

    def apply(self, key: Key, domain_name: str, **spec: Any) -> None:
        body = {
            "apiVersion": API_VERSION,
            "kind": "CustomDomain",
            "metadata": {"namespace": key.namespace, "name": key.name},
            "spec": {"domainName": domain_name, **spec},
        }
        self._as_user(self.api.create, DOMAINS, body)
        domain = self.domain(key).domain or ""
        if self.claim(domain) is not None:  # another one was there, and what it wanted
            self.wanted[domain] += 1

    def edit(self, key: Key, **spec: Any) -> None:
        """Change the spec; what is changed may want another certificate."""
        body = self.body(key)
        body["spec"] = {**body["spec"], **spec}
        self.wanted[parse_domain(body).domain or ""] += 1
        self._as_user(self.api.update, DOMAINS, body, status=False)

    def annotate(self, key: Key, **annotations: str) -> None:
        body = self.body(key)
        meta = body["metadata"]
        meta["annotations"] = {
            **meta.get("annotations", {}),
            **{f"customdomains.dev/{k.replace('_', '-')}": v for k, v in annotations.items()},
        }
        self.wanted[parse_domain(body).domain or ""] += 1
        self._as_user(self.api.update, DOMAINS, body, status=False)

    def forge(self, key: Key, status: Json) -> None:
        self._as_user(self.api.update, DOMAINS, self.body(key) | {"status": status}, status=True)

    def delete(self, key: Key) -> None:
        self._as_user(self.api.delete, DOMAINS, key.namespace, key.name, {})

    def delete_claim(self, domain: str) -> None:
        self._as_user(self.api.delete, CLAIMS, "", domain, {})

    def hand_over(self, domain: str, namespace: str) -> None:
        """An administrator lets a namespace take up the seat of one that is gone."""
        body = copy.deepcopy(self.api.get((CLAIMS, "", domain)))
        body["metadata"]["annotations"] = {TRANSFER_TO: namespace}
        self._as_user(self.api.update, CLAIMS, body)

    def renew_namespace(self, name: str) -> None:
        """Delete it with all that is in it, and make it anew."""
        for plural in (DOMAINS, "secrets"):
            for body in self.api.find(plural):
                meta = body["metadata"]
                if meta["namespace"] == name:
                    self._as_user(self.api.delete, plural, name, meta["name"], {})
        for ca in (self.ca, self.spare):
            ca.excused.update(ca.orders)
            for order in ca.orders.values():
                self.wanted[order.names[0]] += 1
        self._as_user(self.api.delete, SPACES, "", name, {})
        self._as_user(self.api.create, SPACES, namespace_body(name))

    def register_half(self, key: Key, domain: str) -> None:
        """The first half of a registration over HTTP."""
        uid = self.api.get((SPACES, "", key.namespace))["metadata"]["uid"]
        claim = new_claim(domain, Holder(key, uid, None), mint_identity(self.keys.random_bytes))
        self._as_user(self.api.create, CLAIMS, render_claim(claim))

    def delete_over_http(self, key: Key) -> None:
        """What the api does: the resource goes, and then its seat."""
        domain, uid = self.domain(key).domain or "", self.domain(key).uid
        self.delete(key)
        claim = self.claim(domain)
        assert claim is not None
        seat = next(seat for seat in claim.seats if seat.holder.uid == uid)
        left = remove(claim, seat.id, self.loop.now())
        if self.rules.claims.webhooks:
            left = parted(claim, seat, left, self.loop.now())
        if left is None:
            self.delete_claim(domain)
        else:
            self._as_user(self.api.update, CLAIMS, render_claim(left))

    def reserve(self, domain: str, namespace: str) -> None:
        """An administrator keeps a name for a namespace."""
        claim = Claim(domain, "", "", NOBODY, reserved_for=namespace)
        self._as_user(self.api.create, CLAIMS, render_claim(claim))

    def _as_user(self, write: Any, *arguments: Any, **options: Any) -> None:
        self.by_operator = False
        try:
            write(*arguments, **options)
        finally:
            self.by_operator = True

    # --- what there is ---------------------------------------------------------------------------

    def body(self, key: Key) -> Json:
        return copy.deepcopy(self.api.get((DOMAINS, key.namespace, key.name)))

    def domain(self, key: Key) -> CustomDomain:
        return parse_domain(self.body(key))

    def status(self, key: Key) -> Json:
        status: Json = self.body(key)["status"]
        return status

    @property
    def domains(self) -> list[CustomDomain]:
        return [parse_domain(body) for body in self.api.find(DOMAINS)]

    @property
    def claims(self) -> list[Claim]:
        return [parse_claim(body) for body in self.api.find(CLAIMS)]

    def claim(self, domain: str) -> Claim | None:
        return claim_on(self.api, domain)

    def secrets(self) -> dict[str, dict[str, str]]:
        """By `namespace/name`."""
        return {
            f"{body['metadata']['namespace']}/{body['metadata']['name']}": secret_data(body)
            for body in self.api.find("secrets")
        }

    def forget_writes(self) -> None:
        self.writes.clear()
        self.meaningful.clear()

    # --- what must hold at each write ------------------------------------------------------------

    def _audit(self, verb: str, place: Place, before: Json | None, after: Json | None) -> None:
        plural = place[0]
        if plural == CLAIMS and verb == "create":
            self.wanted[place[2]] += 1
        if plural != "secrets":
            assert "PRIVATE" not in json.dumps(after), "a private key outside of a Secret"
        if plural == CLAIMS and after is not None:
            self._audit_claim(parse_claim(after), parse_claim(before) if before else None)
        if not self.by_operator:
            return
        self.writes.append((verb, place))
        # Two that look at the DNS in the same second have the same times to show.
        if plural != DOMAINS or len(self.processes) < 2:
            assert before != after, f"{place} is written unchanged"
        if plural == DOMAINS:
            assert before is not None
            assert after is not None
            if mark_of(before["status"]) == mark_of(after["status"]):
                return
        self.meaningful.append((verb, place))
        if plural == CLAIMS and after is None and before is not None:
            self._audit_release(parse_claim(before))
        if plural == "secrets" and after is not None:
            _audit_pair(secret_data(after))

    def _audit_claim(self, claim: Claim, before: Claim | None) -> None:
        if claim.order is not None:
            self.ca.recorded_urls.add(claim.order.url)
            self.spare.recorded_urls.add(claim.order.url)
        namespaces = [seat.holder.namespace_uid for seat in claim.seats]
        assert len(namespaces) == len(set(namespaces)), "a namespace has two seats"
        assert len(claim.contenders) <= self.rules.claims.contenders + IDLE_SEATS
        for seat in claim.seats:
            known = self.identities.setdefault(seat.id, seat.token)
            assert known == seat.token, "an identity is changed"
        if before is None:
            return
        kept = {seat.holder.namespace_uid: seat for seat in before.seats}
        handed_over = before.metadata is not None and claim.metadata is None
        for seat in claim.seats:
            was = kept.get(seat.holder.namespace_uid, seat)
            assert was.id == seat.id or handed_over, "a seat's identity is changed"
        if before.id != claim.id:
            self.wanted[claim.domain] += 1
        if self.by_operator:
            self._audit_holder(claim, before)
            self._audit_leavers(claim, before)

    def _audit_holder(self, claim: Claim, before: Claim) -> None:
        """A proof is the holder's own and fresh, and takes no claim from who has proved it."""
        proved = claim.verification is not None
        if proved and (before.id != claim.id or before.verification is None):
            seen = self.dns.proved.get((claim.domain, claim.id))
            assert seen is not None, "verified without its own record"
            assert self.loop.now() - seen <= PROOF_FRESHNESS + JOB_TIME, "on an old proof"
        if before.id == claim.id or before.verification is None:
            return
        ends = proof_expired_at(before, self.rules)
        left = before.standing.vacant_since is not None or before.standing.release
        assert left or (ends is not None and self.loop.now() >= ends), (
            "a proved holder is displaced"
        )
        assert left or proved, "displaced without a proof"

    def _audit_leavers(self, claim: Claim, before: Claim) -> None:
        left = {seat.id: seat for seat in claim.seats}
        for seat in before.seats:
            now = left.get(seat.id)
            if now is None:
                if before.metadata == claim.metadata:  # who gets a seat handed over leaves its own
                    self._audit_end(before, seat)
            elif now.standing.vacant_since and not seat.standing.vacant_since:
                assert seat.holder.uid not in self._uids(), "a seat is vacated whose owner lives"

    def _audit_release(self, claim: Claim) -> None:
        for seat in claim.seats:
            self._audit_end(claim, seat)

    def _audit_end(self, claim: Claim, seat: Contender) -> None:
        """A seat is given up: nobody has it, and nobody may come back to it."""
        standing, now = seat.standing, self.loop.now()
        assert seat.holder.uid not in self._uids(), "a seat is given up whose owner lives"
        if standing.release:
            return
        if seat.holder.uid is None and standing.vacant_since is None:
            since = standing.since or claim.created
            assert now - since >= PATIENCE, "a registration is cut short"
            return
        assert standing.vacant_since is not None, "a seat is not kept for anybody"
        assert now - standing.vacant_since >= self.rules.claims.retention, (
            "a seat is not kept for long"
        )

    def _uids(self) -> set[str]:
        return {domain.uid for domain in self.domains}


def _audit_pair(data: dict[str, str]) -> None:
    if "tls.crt" in data:
        assert data["tls.crt"].endswith(f" for {data['tls.key']}"), "a certificate's key is not its"


def verbs(cluster: FakeCluster) -> Counter[tuple[str, str]]:
    """How many writes of the operator there were, by verb and kind."""
    return Counter((verb, place[0]) for verb, place in cluster.writes)

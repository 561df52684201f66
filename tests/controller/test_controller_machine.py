"""Tenants, controllers, faults and kills in any order: the invariants hold, and it converges.

The invariants are asserted at each write and each request to the CA, in `fake_cluster` and
`fake_outside`.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fake_cluster import FakeCluster
from fake_controller import RULES, Process
from fake_outside import ZONE, answered
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from customdomains.model.certificate import Challenge
from customdomains.model.challengerecords import persistent_name, persistent_value
from customdomains.model.domain import CustomDomain, Key
from customdomains.policy.budget import IssuerLimits, Limit
from customdomains.policy.findings import delegation_target

NAMESPACES = ("amber", "cobalt", "ochre")
KEYS = [Key(namespace, name) for namespace in NAMESPACES[:2] for name in ("shop", "blog")]
KEYS.append(Key("ochre", "shop"))
NAMES = {"a.example.com": ("A.Example.Com", "a.example.com."), "b.example.net": ("b.example.net",)}
DOMAINS = list(NAMES)

keys = st.sampled_from(KEYS)
domains = st.sampled_from(DOMAINS)
controllers = st.sampled_from(["left", "right"])
namespaces = st.sampled_from(NAMESPACES)
records = st.sampled_from(
    [
        "delegated",
        "token",
        "digests",
        "wrong",
        "none",
        "dead",
        *(f"{kind}:{namespace}" for kind in ("delegated", "token") for namespace in NAMESPACES),
        "token:amber token:cobalt token:ochre",
    ]
)
spec_changes = st.sampled_from(
    [
        {"wildcard": True},
        {"wildcard": False},
        {"suspend": True},
        {"suspend": False},
        {"certificate": {"issuance": "Never"}},
        {"certificate": {"issuance": "OnRequest"}},
        {"certificate": {"secretName": "mine"}},
        {"certificate": {"issuer": "unknown"}},
        {"certificate": {}},
    ]
)
forgeries = st.sampled_from(
    [
        {},
        {"phase": "active", "id": "0" * 32, "verificationToken": "0" * 64},
        {"phase": "pending", "observedGeneration": 99, "verification": {"attempts": 7}},
    ]
)
PERMITS = tuple(
    persistent_value("ca.example.net", "https://ca/account/1", wildcard=wildcard)
    for wildcard in (False, True)
)
moments = st.sampled_from([0.006, 0.02, 0.1, 0.7, 4.0, 40.0, 700.0, 90_000.0, 300_000.0])
faults = st.lists(st.sampled_from(["", "before", "after", "busy", "slow"]), max_size=6)
lags = st.sampled_from([0.0, 0.05, 5.0, 60.0])

LIMITS = IssuerLimits(
    orders=Limit(2, timedelta(minutes=10)),
    domain=Limit(3, timedelta(hours=6)),
    failures=Limit(2, timedelta(hours=6)),
)


WITH_SPARE = replace(RULES, issuers=("main", "spare"), fallbacks={"main": "spare"})
CAA = [(), ("0 issue ;",), ("0 issue spare.example.net",), None]
"""For all, for none, for the issuer that stands in, and who knows."""


class Trouble(RuleBasedStateMachine):
    """Three namespaces, two names that everybody wants, up to two controllers that both work."""

    def __init__(self) -> None:
        super().__init__()
        self.it = FakeCluster(NAMESPACES, WITH_SPARE)
        self.it.start("left")
        self.stamp = 0

    def teardown(self) -> None:
        try:
            self.heal()
        finally:
            self.it.close()

    @initialize(
        wanted_by=st.lists(keys, min_size=1, max_size=3, unique=True),
        domain=domains,
        record=records,
        later=moments,
        then=records,
        kinds=st.sampled_from([(), tuple(Challenge)]),
    )
    def begin(
        self,
        wanted_by: list[Key],
        domain: str,
        record: str,
        later: float,
        then: str,
        kinds: tuple[Challenge, ...],
    ) -> None:
        if kinds:
            self.it.kill("left")
            self.it.rules = replace(RULES, challenges={"main": kinds}, answers_http=True)
            self.it.start("left")
        self.it.dns.records[domain] = record
        for key in wanted_by:
            self.it.apply(key, domain)
        self.it.run_for(later)
        self.it.dns.records[domain] = then

    @invariant()
    def time_passes(self) -> None:
        self.it.run_for(0.03)

    def exists(self, key: Key) -> bool:
        return any(domain.key == key for domain in self.it.domains)

    # --- tenants ---------------------------------------------------------------------------------

    @rule(key=keys, domain=domains, data=st.data())
    def create(self, key: Key, domain: str, data: Any) -> None:
        if not self.exists(key):
            self.it.apply(key, data.draw(st.sampled_from(NAMES[domain])))

    @rule(reuses=st.booleans(), advises=st.booleans())
    def next_certificate(self, *, reuses: bool, advises: bool) -> None:
        """The settings say whether it gets a new key, the CA whether it says when to renew it."""
        for ca in (self.it.ca, self.it.spare):
            ca.reuses, ca.advises = reuses, advises

    @rule(limited=st.booleans())
    def limit(self, limited: bool) -> None:
        """The settings say what the CA allows, to controllers that start after this."""
        self.it.limits = {"main": LIMITS} if limited else {}

    @rule(key=keys)
    def delete(self, key: Key) -> None:
        if self.exists(key):
            self.it.delete(key)

    @rule(key=keys, domain=domains)
    def replace(self, key: Key, domain: str) -> None:
        if self.exists(key):
            self.it.delete(key)
            self.it.apply(key, domain)

    @rule(key=keys, domain=domains, data=st.data())
    def prune_and_restore(self, key: Key, domain: str, data: Any) -> None:
        """All of a namespace is deleted and restored from a backup, under new uids."""
        backup = [body for body in self.it.domains if body.key.namespace == key.namespace]
        for resource in backup:
            self.it.delete(resource.key)
        self.it.run_for(data.draw(moments))
        for resource in backup:
            self.it.apply(resource.key, resource.domain_name)

    @rule(key=keys)
    def delete_over_http(self, key: Key) -> None:
        if self.exists(key) and self.has_seat(key):
            self.it.delete_over_http(key)

    def has_seat(self, key: Key) -> bool:
        resource = self.it.domain(key)
        claim = self.it.claim(resource.domain or "")
        return claim is not None and any(s.holder.uid == resource.uid for s in claim.seats)

    @rule(key=keys)
    def want_release(self, key: Key) -> None:
        if self.exists(key):
            self.it.annotate(key, release_on_delete="true")

    @rule(key=keys, change=spec_changes)
    def edit(self, key: Key, change: dict[str, Any]) -> None:
        if self.exists(key):
            self.it.edit(key, **change)

    @rule(key=keys, what=st.sampled_from(["check", "issue"]))
    def ask(self, key: Key, what: str) -> None:
        if self.exists(key):
            self.stamp += 1
            self.it.annotate(key, **{f"{what}_requested_at": str(self.stamp)})

    @rule(key=keys, status=forgeries)
    def forge(self, key: Key, status: dict[str, Any]) -> None:
        if self.exists(key):
            self.it.forge(key, status)

    @rule(domain=domains, record=records)
    def set_record(self, domain: str, record: str) -> None:
        self.it.dns.records[domain] = record

    @rule(domain=domains, way=st.sampled_from(["persistent", "label", "http"]), there=st.booleans())
    def open_way(self, domain: str, way: str, *, there: bool) -> None:
        """A way to a certificate for who proves the domain by a token, where that is allowed."""
        claim, names = self.it.claim(domain), self.it.dns.others
        persistent, label = persistent_name(domain), f"_account._acme-challenge.{domain}"
        if way == "http":
            (self.it.ca.reaches.add if there else self.it.ca.reaches.discard)(domain)
        elif not there:
            names.pop(persistent if way == "persistent" else label, None)
        elif way == "persistent":
            names[persistent] = answered(persistent, texts=PERMITS)
        elif claim is not None and claim.id:
            names[label] = answered(label, cnames=(delegation_target(claim, ZONE),))

    # --- administrators --------------------------------------------------------------------------

    @rule(key=keys, domain=domains)
    def register_half(self, key: Key, domain: str) -> None:
        """The first half of a registration over HTTP, whose second half may come or not."""
        if self.it.claim(domain) is None:
            self.it.register_half(key, domain)

    @rule(domain=domains, namespace=namespaces)
    def reserve(self, domain: str, namespace: str) -> None:
        if self.it.claim(domain) is None:
            self.it.reserve(domain, namespace)

    @rule(domain=domains, namespace=namespaces)
    def hand_over(self, domain: str, namespace: str) -> None:
        if self.it.claim(domain) is not None:
            self.it.hand_over(domain, namespace)

    @rule(domain=domains)
    def delete_claim(self, domain: str) -> None:
        if self.it.claim(domain) is not None:
            self.it.delete_claim(domain)

    @rule(namespace=namespaces)
    def renew_namespace(self, namespace: str) -> None:
        self.it.renew_namespace(namespace)

    # --- trouble ---------------------------------------------------------------------------------

    @rule(down=st.booleans(), spare_down=st.booleans(), silent=st.booleans())
    def outside(self, *, down: bool, spare_down: bool, silent: bool) -> None:
        self.it.ca.down, self.it.spare.down = down, spare_down
        for process in self.it.processes.values():
            process.self_check.silent = silent

    @rule(domain=domains, records=st.sampled_from(CAA))
    def restrict(self, domain: str, records: tuple[str, ...] | None) -> None:
        """CAA records are set, or can't be looked up any more."""
        self.it.dns.caa[domain] = records

    @rule(name=controllers)
    def start(self, name: str) -> None:
        if name not in self.it.processes:
            self.it.start(name)

    @precondition(lambda self: self.it.processes)
    @rule(name=controllers, steps=st.integers(0, 12))
    def kill(self, name: str, steps: int) -> None:
        if name in self.it.processes:
            self.it.processes[name].steps_to_live = steps

    @precondition(lambda self: self.it.processes)
    @rule(name=controllers, script=faults, lag=lags, deaf=st.booleans())
    def disturb(self, name: str, script: list[str], lag: float, *, deaf: bool) -> None:
        if name in self.it.processes:
            process = self.it.processes[name]
            process.client.faults.extend(script)
            process.lag, process.deaf = lag, deaf

    @rule(seconds=moments)
    def wait(self, seconds: float) -> None:
        self.it.run_for(seconds)

    # --- in the end ------------------------------------------------------------------------------

    def heal(self) -> None:
        """All is well outside: then everybody has what is theirs, and nothing is written."""
        it = self.it
        it.run_for(0)
        it.ca.down = it.spare.down = False
        it.dns.caa.clear()
        owners = {domain: self.owner_of(domain) for domain in DOMAINS}
        for domain, owner in owners.items():
            it.dns.records[domain] = f"delegated:{owner.key.namespace}" if owner else "none"
        if not it.processes:
            it.start("left")
        for process in it.processes.values():
            _soothe(process)
        it.run_for(700)
        self.wake_all()
        it.run_for(5 * 86_400)
        for domain, owner in owners.items():
            if owner is not None:
                self.check_owner(domain, owner)
        self.check_everybody()
        it.forget_writes()
        it.run_for(4 * 3600)
        assert not it.meaningful, f"written though nothing changed: {it.meaningful}"
        for name in list(it.processes):
            it.kill(name)
        it.start("left")
        it.run_for(4 * 3600)
        assert not it.meaningful, f"written by a start: {it.meaningful}"

    def owner_of(self, domain: str) -> CustomDomain | None:
        """Whose record is in the DNS in the end: somebody's who is there and not suspended, sooner
        one's who does not hold the domain."""
        claim = self.it.claim(domain)
        reserved = claim.reserved_for if claim is not None else None
        wanted = [
            resource
            for resource in self.it.domains
            if resource.domain == domain
            and not resource.suspend
            and reserved in {None, resource.key.namespace}
        ]
        wanted.sort(key=lambda it: claim is not None and claim.holder.uid == it.uid)
        # Only one of a namespace has a seat.
        return next((it for it in wanted if self.is_alone(it)), None)

    def is_alone(self, resource: CustomDomain) -> bool:
        there = [it for it in self.it.domains if it.domain == resource.domain]
        return [it.key.namespace for it in there].count(resource.key.namespace) == 1

    def wake_all(self) -> None:
        for resource in self.it.domains:
            self.ask(resource.key, "check")

    def check_owner(self, domain: str, owner: CustomDomain) -> None:
        """Whose record is there has the domain, whoever had it before."""
        claim, status = self.it.claim(domain), self.it.status(owner.key)
        assert claim is not None
        assert (claim.holder.uid, claim.holder.key) == (owner.uid, owner.key)
        assert (status["id"], status["verificationToken"]) == (claim.id, claim.token)
        if owner.issuance == "Automatic" and owner.issuer is None:
            assert status["phase"] == "active", status["conditions"][0]
            assert f"{owner.key.namespace}/{owner.secret_name}" in self.it.secrets()
            assert claim.order is None

    def check_everybody(self) -> None:
        """Each has a seat, with its own id and token, or hears why not; nobody of another."""
        seats = {seat.holder.uid: seat for claim in self.it.claims for seat in claim.seats}
        resources = self.it.domains
        for resource in resources:
            status, seat = self.it.status(resource.key), seats.pop(resource.uid, None)
            assert status["observedGeneration"] == resource.generation
            ready = status["conditions"][0]
            if seat is None:
                assert ready["reason"] in {"HeldByAnother", "Reserved"}, ready
                assert "id" not in status
            else:
                assert (status["id"], status["verificationToken"]) == (seat.id, seat.token)
            said = json.dumps({**status, "certificate": {}})
            others = {*NAMESPACES} - {resource.key.namespace}
            assert not [name for name in others if name in said], "another is named"
        assert all(seat.standing.vacant_since for seat in seats.values()), "a seat of nobody's"
        orders = {str(claim.holder.key) for claim in self.it.claims if claim.order}
        waiting = {place for place in self.it.secrets() if place.endswith("-next")}
        assert waiting <= {f"{key}-tls-next" for key in orders}, "a key waits for nothing"


def _soothe(process: Process) -> None:
    process.client.faults.clear()
    process.lag, process.deaf, process.steps_to_live = 0.0, False, None
    process.self_check.silent = False


Trouble.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestTrouble = pytest.mark.timeout(600)(Trouble.TestCase)

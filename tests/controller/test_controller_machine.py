"""Tenants, controllers, faults and kills in any order: the invariants hold, and it converges.

The invariants are asserted at each write and each request to the CA, in `fake_cluster` and
`fake_outside`.
"""

from typing import Any

from fake_cluster import FakeCluster
from fake_controller import Process
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from customdomains.model.domain import Key

KEYS = [Key(namespace, name) for namespace in ("one", "two") for name in ("shop", "blog")]
NAMES = {"a.example.com": ("A.Example.Com", "a.example.com."), "b.example.net": ("b.example.net",)}
DOMAINS = list(NAMES)

keys = st.sampled_from(KEYS)
domains = st.sampled_from(DOMAINS)
controllers = st.sampled_from(["left", "right"])
records = st.sampled_from(["delegated", "token", "digests", "wrong", "none", "dead"])
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
moments = st.sampled_from([0.006, 0.02, 0.1, 0.7, 4.0, 40.0, 700.0, 90_000.0])
faults = st.lists(st.sampled_from(["", "before", "after", "busy", "slow"]), max_size=6)
lags = st.sampled_from([0.0, 0.05, 5.0, 60.0])


class Trouble(RuleBasedStateMachine):
    """Two namespaces, two names that everybody wants, up to two controllers that both work."""

    def __init__(self) -> None:
        super().__init__()
        self.it = FakeCluster()
        self.it.start("left")
        self.stamp = 0

    def teardown(self) -> None:
        try:
            self.heal()
        finally:
            self.it.close()

    @initialize(key=keys, domain=domains, record=records)
    def begin(self, key: Key, domain: str, record: str) -> None:
        self.it.apply(key, domain)
        self.it.dns.records[domain] = record

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

    @rule(key=keys)
    def delete(self, key: Key) -> None:
        if self.exists(key):
            self.it.delete(key)

    @rule(key=keys, domain=domains)
    def replace(self, key: Key, domain: str) -> None:
        if self.exists(key):
            self.it.delete(key)
            self.it.apply(key, domain)

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

    # --- administrators --------------------------------------------------------------------------

    @rule(key=keys, domain=domains)
    def reserve(self, key: Key, domain: str) -> None:
        if self.it.claim(domain) is None:
            self.it.reserve(key, domain)

    @rule(domain=domains)
    def delete_claim(self, domain: str) -> None:
        if self.it.claim(domain) is not None:
            self.it.delete_claim(domain)

    @rule(namespace=st.sampled_from(["one", "two"]))
    def renew_namespace(self, namespace: str) -> None:
        self.it.renew_namespace(namespace)

    # --- trouble ---------------------------------------------------------------------------------

    @rule(down=st.booleans(), silent=st.booleans())
    def outside(self, *, down: bool, silent: bool) -> None:
        self.it.ca.down = down
        for process in self.it.processes.values():
            process.self_check.silent = silent

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
        it.ca.down = False
        for domain in DOMAINS:
            it.dns.records[domain] = "delegated"
        if not it.processes:
            it.start("left")
        for process in it.processes.values():
            _soothe(process)
        it.run_for(3 * 86_400)
        self.check_converged()
        it.forget_writes()
        it.run_for(4 * 3600)
        assert not it.meaningful, f"written though nothing changed: {it.meaningful}"
        for name in list(it.processes):
            it.kill(name)
        it.start("left")
        it.run_for(4 * 3600)
        assert not it.meaningful, f"written by a start: {it.meaningful}"

    def check_converged(self) -> None:
        claims = {claim.domain: claim for claim in self.it.claims}
        resources = {domain.key: domain for domain in self.it.domains}
        assert claims.keys() == {domain.domain for domain in resources.values()}
        secrets = self.it.secrets()
        for name, claim in claims.items():
            holder = resources[claim.holder.key]
            assert (holder.uid, holder.domain) == (claim.holder.uid, name)
            status = self.it.status(holder.key)
            assert (status["id"], status["verificationToken"]) == (claim.id, claim.token)
            wants = holder.issuance == "Automatic" and holder.issuer is None
            if wants and not holder.suspend:
                assert status["phase"] == "active", status["conditions"][0]
                assert f"{holder.key.namespace}/{holder.secret_name}" in secrets
                assert claim.order is None
        for key, resource in resources.items():
            status = self.it.status(key)
            assert status["observedGeneration"] == resource.generation
            claim = claims[resource.domain or ""]
            if claim.holder.uid != resource.uid:
                assert status["conditions"][0]["reason"] == "HeldByAnother"
        orders = {str(claim.holder.key) for claim in claims.values() if claim.order}
        waiting = {place for place in secrets if place.endswith("-next")}
        assert waiting <= {f"{key}-tls-next" for key in orders}, "a key waits for nothing"


def _soothe(process: Process) -> None:
    process.client.faults.clear()
    process.lag, process.deaf, process.steps_to_live = 0.0, False, None
    process.self_check.silent = False


TestTrouble = Trouble.TestCase
TestTrouble.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)

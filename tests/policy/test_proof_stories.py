"""What becomes of a proof over weeks: gone and back, gone for good, out of reach, disputed."""

from collections.abc import Callable
from datetime import datetime

import build
import pytest
from build import DAY, HOUR, MINUTE
from interpreter import Interpreter

from customdomains.model.certificate import CertificateFacts, IssuedCertificate, PlacedOrder
from customdomains.model.evidence import Evidence, Outcome, ServerAnswer
from customdomains.policy.findings import delegation_target
from customdomains.policy.jobs import PlaceOrder
from customdomains.policy.world import Announcement, Plan

SERVERS = 4


class Recorder(Interpreter):
    """Keeps what is announced."""

    def __init__(self) -> None:
        super().__init__()
        self.announced: list[Announcement] = []

    def _write_claim(self, plan: Plan) -> None:
        self.announced += plan.announcements
        super()._write_claim(plan)


class Proof:
    """An active domain, and what its name servers say at each check from then on."""

    def __init__(self) -> None:
        self.it = Recorder()
        self.it.domain = build.domain(created=self.it.now)
        self.it.status = {"observedGeneration": -1}
        self.phases: dict[str, datetime] = {}
        self.says: Callable[[], list[ServerAnswer]] = self.there
        self.it.turn()
        self.goes_on(1)
        assert self.it.status["phase"] == "active"
        self.it.announced.clear()
        self.since = self.verification.verified_at

    @property
    def verification(self):
        assert self.it.claim is not None
        assert self.it.claim.verification is not None
        return self.it.claim.verification

    def condition(self, kind: str) -> dict[str, str]:
        return next(c for c in self.it.status["conditions"] if c["type"] == kind)

    def has(self, number: int) -> ServerAnswer:
        claim = self.it.claim
        assert claim is not None
        target = delegation_target(claim, build.ZONE)
        return build.answer(*claim.texts, cname=target, **self.server(number))

    def lacks(self, number: int) -> ServerAnswer:
        return build.nothing(**self.server(number))

    def silent(self, number: int) -> ServerAnswer:
        return build.nothing(Outcome.TIMED_OUT, **self.server(number))

    @staticmethod
    def server(number: int) -> dict[str, str]:
        return {"server": f"192.0.2.{number}:53", "host": f"ns{number}.example.net"}

    def there(self) -> list[ServerAnswer]:
        return [self.has(n) for n in range(SERVERS)]

    def gone(self) -> list[ServerAnswer]:
        return [self.lacks(n) for n in range(SERVERS)]

    def away(self) -> list[ServerAnswer]:
        return [self.silent(n) for n in range(SERVERS)]

    def goes_on(self, hours: float, says: Callable[[], list[ServerAnswer]] | None = None) -> None:
        """Let time pass, from due time to due time, with servers that say this."""
        self.says = says or self.says
        end = self.it.now + hours * HOUR
        self.work()
        self.it.pass_until(end, self.work)

    def work(self) -> None:
        it = self.it
        while it.check_job is not None or it.order_job is not None:
            if it.check_job is not None:
                answers = tuple(self.says())
                it.finish_check(Evidence(it.check_job.name, answers, needed=SERVERS // 2))
            elif isinstance(it.order_job, PlaceOrder):
                it.finish_order(PlacedOrder("https://ca/1", ("digest",), it.now + DAY))
            elif it.memory.next_key_to_drop is not None:
                it.finish_order(None)
            else:
                facts = CertificateFacts("0a", it.now, it.now + 90 * DAY, "f" * 64)
                it.finish_order(IssuedCertificate("PEM", facts))
            self.phases.setdefault(it.status.get("phase", ""), it.now)


@pytest.fixture
def proof() -> Proof:
    return Proof()


def test_gone_for_71_hours_and_back_nothing_is_lost(proof: Proof) -> None:
    proof.goes_on(24, proof.gone)
    gone_since = proof.verification.gone_since
    assert gone_since is not None
    assert proof.it.status["phase"] == "active"
    assert proof.condition("Verified")["status"] == "True"
    assert proof.condition("Verified")["reason"] == "ProofGone"
    assert "It counts until " in proof.condition("Verified")["message"]
    assert "the proof of ownership is gone" in proof.condition("Ready")["message"]
    assert [(a.reason, a.warning) for a in proof.it.announced] == [("ProofGone", True)]
    proof.goes_on(71 - (proof.it.now - gone_since) / HOUR)
    assert proof.verification.gone_since == gone_since
    proof.goes_on(MINUTE * 16 / HOUR, proof.there)
    assert proof.verification.gone_since is None
    proof.goes_on(30 * 24)
    assert proof.verification.verified_at == proof.since
    assert "failed" not in proof.phases
    assert proof.condition("Verified")["reason"] == "Proved"


def test_gone_for_73_hours_it_fails_and_comes_back_by_itself(proof: Proof) -> None:
    proof.goes_on(24, proof.gone)
    gone_since = proof.verification.gone_since
    assert gone_since is not None
    certificate = proof.it.claim.certificate
    proof.goes_on(72 - 0.01 - (proof.it.now - gone_since) / HOUR)
    assert proof.it.status["phase"] == "active"
    proof.goes_on(1.01)
    assert proof.it.status["phase"] == "failed"
    assert proof.condition("Verified")["status"] == "False"
    assert proof.condition("Ready")["reason"] == "ProofExpired"
    assert "there is no record at _acme-challenge.shop" in proof.condition("Ready")["message"]
    proof.goes_on(0.5, proof.there)
    assert proof.it.status["phase"] == "active"
    assert proof.verification.verified_at > gone_since + 72 * HOUR, "a proof of its own"
    assert proof.it.claim.certificate == certificate


def test_gone_for_good_it_stays_failed_and_is_looked_for_less_and_less(proof: Proof) -> None:
    proof.goes_on(24 * 30, proof.gone)
    attempts = proof.it.memory.attempts
    proof.goes_on(24)
    assert proof.it.status["phase"] == "failed"
    assert 6 <= proof.it.memory.attempts - attempts <= 7
    proof.goes_on(4.1, proof.there)
    assert proof.it.status["phase"] == "active"


def test_out_of_reach_for_30_days_nothing_is_lost_and_it_is_said(proof: Proof) -> None:
    proof.goes_on(24, proof.there)
    claim = proof.it.claim
    proof.goes_on(30 * 24, proof.away)
    assert proof.it.claim == claim
    assert set(proof.phases) <= {"", "verified", "certificate_pending", "active"}
    assert proof.it.announced == []
    record = proof.it.status["records"][0]
    assert record["state"] == "Unreachable"
    assert "could not be asked" in record["message"]
    assert proof.condition("Verified")["status"] == "True"
    assert proof.condition("Verified")["reason"] == "ServersUnreachable"
    assert "goes on counting" in proof.condition("Verified")["message"]
    assert proof.condition("Ready")["status"] == "True"
    proof.goes_on(4.1, proof.there)
    assert proof.it.claim == claim
    assert proof.it.status["records"][0]["state"] == "Present"
    assert proof.condition("Verified")["reason"] == "Proved"


def test_servers_that_disagree_start_no_grace_period(proof: Proof) -> None:
    turn = 0

    def disputed() -> list[ServerAnswer]:
        nonlocal turn
        turn += 1
        having = {(turn + n) % SERVERS for n in range(SERVERS // 2)}
        return [proof.has(n) if n in having else proof.lacks(n) for n in range(SERVERS)]

    proof.goes_on(30 * 24, disputed)
    assert 30 < turn < 250, "asked less and less"
    assert proof.verification.gone_since is None
    assert proof.verification.verified_at == proof.since
    assert "failed" not in proof.phases
    assert proof.it.announced == []
    assert proof.condition("Verified")["reason"] == "ServersDisagree"


@pytest.mark.parametrize("lying", [1, 2])
def test_a_few_servers_that_lack_it_start_none_either(proof: Proof, lying: int) -> None:
    """With one of the others away as well."""
    away = SERVERS - 1

    def mixed() -> list[ServerAnswer]:
        answers = [proof.lacks(n) if n < lying else proof.has(n) for n in range(SERVERS)]
        return [*answers[:away], proof.silent(away)] if lying == 1 else answers

    proof.goes_on(30 * 24, mixed)
    assert proof.verification.gone_since is None


def test_one_server_that_is_left_can_end_nothing(proof: Proof) -> None:
    """Two of four have to say "not there"; one alone, the others silent, says too little."""
    proof.goes_on(30 * 24, lambda: [proof.lacks(0), *(proof.silent(n) for n in range(1, 4))])
    assert proof.verification.gone_since is None
    proof.goes_on(30 * 24, lambda: [proof.lacks(0), proof.lacks(1), proof.silent(2)])
    assert proof.verification.gone_since is not None


def test_out_of_reach_while_the_grace_period_runs_it_runs_on(proof: Proof) -> None:
    """It was begun by servers that could be asked; what comes back is taken as it comes."""
    proof.goes_on(24, proof.gone)
    gone_since = proof.verification.gone_since
    proof.goes_on(30, proof.away)
    assert proof.verification.gone_since == gone_since
    assert proof.it.status["phase"] == "active"
    proof.goes_on(4.1, proof.there)
    assert proof.verification.gone_since is None
    assert proof.verification.verified_at == proof.since

"""Health, readiness and metrics over HTTP."""

import urllib.error
import urllib.request

import build
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from customdomains.model.evidence import Outcome
from customdomains.telemetry.metrics import (
    Census,
    ControllerMetrics,
    api_request_counter,
    dns_query_counter,
)
from customdomains.telemetry.probes import serve_probes


def get(host: str, port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(("listen", "asked"), [("127.0.0.1", "127.0.0.1"), ("", "127.0.0.1")])
def test_checks_are_asked_anew_each_time(listen, asked):
    wrong = None
    checks = {"/healthz": lambda: None, "/readyz": lambda: wrong}
    with serve_probes(listen, 0, checks, CollectorRegistry()) as port:
        assert get(asked, port, "/healthz") == (200, "ok\n")
        assert get(asked, port, "/readyz") == (200, "ok\n")
        wrong = "the claims are not listed yet"
        assert get(asked, port, "/readyz") == (503, "the claims are not listed yet\n")
        assert get(asked, port, "/else") == (404, "not found\n")
        assert get(asked, port, "/metrics")[0] == 200


def test_a_check_that_breaks_is_a_failed_one():
    def broken() -> str | None:
        raise RuntimeError("broken")

    with serve_probes("127.0.0.1", 0, {"/readyz": broken}, CollectorRegistry()) as port:
        assert get("127.0.0.1", port, "/readyz") == (503, "the check broke: broken\n")


def test_ipv6():
    with serve_probes("::1", 0, {"/healthz": lambda: None}, CollectorRegistry()) as port:
        assert get("[::1]", port, "/healthz") == (200, "ok\n")


def test_a_port_that_is_taken_is_said_at_once():
    with (
        serve_probes("127.0.0.1", 0, {}, CollectorRegistry()) as port,
        pytest.raises(OSError, match="in use"),
        serve_probes("127.0.0.1", port, {}, CollectorRegistry()),
    ):
        pass


def test_the_controller_s_figures():
    registry = CollectorRegistry()
    phases, proofs = {"active": 3, "failed": 1}, {"current": 3, "gone": 0, "expired": 1}
    census = Census(
        phases=lambda: phases,
        reasons=lambda: {"Proved": 3, "ProofExpired": 1},
        seats=lambda: {"held": 4, "contending": 2},
        proofs=lambda: proofs,
    )
    metrics = ControllerMetrics(registry, census=census, queue=lambda: 7, jobs=lambda: 2)
    metrics.leading.set(1)
    metrics.reconciled(0.002)
    metrics.job_done("PlaceOrder", "CAUnreachable")
    metrics.checked(build.evidence(build.nothing(), build.nothing(Outcome.TIMED_OUT)), 2.01)
    metrics.checked(build.MISSING, 0.02)
    api_request_counter(registry)("get", "secrets", 404)
    dns_query_counter(registry)("udp", "NOERROR")
    proofs["gone"] = 1  # counted when it is asked for
    text = generate_latest(registry).decode()
    for line in (
        'customdomains_domains{phase="active"} 3.0',
        'customdomains_verified{reason="ProofExpired"} 1.0',
        'customdomains_seats{kind="contending"} 2.0',
        'customdomains_proofs{state="gone"} 1.0',
        'customdomains_check_answers_total{outcome="NoSuchName"} 2.0',
        'customdomains_check_answers_total{outcome="TimedOut"} 1.0',
        'customdomains_check_seconds_bucket{le="0.025"} 1.0',
        "customdomains_check_seconds_count 2.0",
        "customdomains_queue_depth 7.0",
        "customdomains_jobs 2.0",
        "customdomains_leading 1.0",
        'customdomains_reconcile_seconds_bucket{le="0.0025"} 1.0',
        'customdomains_jobs_done_total{kind="PlaceOrder",outcome="CAUnreachable"} 1.0',
        'customdomains_api_requests_total{code="404",resource="secrets",verb="get"} 1.0',
        'customdomains_dns_queries_total{rcode="NOERROR",transport="udp"} 1.0',
    ):
        assert line in text.splitlines()

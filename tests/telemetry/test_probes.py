"""Health, readiness and metrics over HTTP."""

import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from customdomains.telemetry.metrics import (
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
    registry, phases = CollectorRegistry(), {"active": 3, "failed": 1}
    metrics = ControllerMetrics(registry, phases=lambda: phases, queue=lambda: 7, jobs=lambda: 2)
    metrics.leading.set(1)
    metrics.reconciled(0.002)
    metrics.job_done("PlaceOrder", "CAUnreachable")
    api_request_counter(registry)("get", "secrets", 404)
    dns_query_counter(registry)("udp", "NOERROR")
    text = generate_latest(registry).decode()
    for line in (
        'customdomains_domains{phase="active"} 3.0',
        "customdomains_queue_depth 7.0",
        "customdomains_jobs 2.0",
        "customdomains_leading 1.0",
        'customdomains_reconcile_seconds_bucket{le="0.0025"} 1.0',
        'customdomains_jobs_done_total{kind="PlaceOrder",outcome="CAUnreachable"} 1.0',
        'customdomains_api_requests_total{code="404",resource="secrets",verb="get"} 1.0',
        'customdomains_dns_queries_total{rcode="NOERROR",transport="udp"} 1.0',
    ):
        assert line in text.splitlines()

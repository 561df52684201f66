"""Prometheus metrics. Label values come from closed lists, so their number is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from customdomains.model.evidence import Evidence

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


Count = Callable[[], Mapping[str, int]]
"""How many there are now, by the value of a label."""


class _Counted(Collector):
    """A gauge that is counted when it is asked for, so that nothing has to be kept in step."""

    def __init__(self, name: str, documentation: str, label: str, count: Count) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._count = count

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauge."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, number in sorted(self._count().items()):
            family.add_metric([value], number)
        yield family


@dataclass(frozen=True, slots=True)
class Census:
    """What is counted at each scrape: CustomDomains by phase and by the reason of `Verified`,
    seats on claims by kind, proofs by whether they are there."""

    phases: Count
    reasons: Count
    seats: Count
    proofs: Count


class ControllerMetrics:
    """What the controller counts, in `registry`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        census: Census,
        queue: Callable[[], int],
        jobs: Callable[[], int],
    ) -> None:
        for name, documentation, label, count in (
            ("domains", "CustomDomains by phase.", "phase", census.phases),
            ("verified", "CustomDomains by why Verified is as it is.", "reason", census.reasons),
            ("seats", "Holders of claims and others who want or wanted one.", "kind", census.seats),
            (
                "proofs",
                "Proofs of ownership: current, gone (the grace period runs) or expired.",
                "state",
                census.proofs,
            ),
        ):
            registry.register(_Counted(f"customdomains_{name}", documentation, label, count))
        depth = Gauge("customdomains_queue_depth", "Keys waiting.", registry=registry)
        depth.set_function(queue)
        under_way = Gauge("customdomains_jobs", "Jobs waiting or running.", registry=registry)
        under_way.set_function(jobs)
        self.leading = Gauge(
            "customdomains_leading", "1 while this process leads.", registry=registry
        )
        self._reconciles = Histogram(
            "customdomains_reconcile_seconds", "A reconcile.", buckets=_SECONDS, registry=registry
        )
        self._jobs = Counter(
            "customdomains_jobs_done",
            "Jobs by kind and how they ended.",
            ["kind", "outcome"],
            registry=registry,
        )
        self._checks = Histogram(
            "customdomains_check_seconds",
            "A look at the DNS for one domain, all its servers.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._answers = Counter(
            "customdomains_check_answers",
            "What single servers answered in these.",
            ["outcome"],
            registry=registry,
        )

    def reconciled(self, seconds: float) -> None:
        """A reconcile took `seconds`."""
        self._reconciles.observe(seconds)

    def checked(self, evidence: Evidence, seconds: float) -> None:
        """A look at the DNS took `seconds` and came to `evidence`."""
        self._checks.observe(seconds)
        for answer in evidence.answers:
            self._answers.labels(answer.outcome).inc()

    def job_done(self, kind: str, outcome: str) -> None:
        """A job ended."""
        self._jobs.labels(kind, outcome).inc()


def api_request_counter(registry: CollectorRegistry) -> Callable[[str, str, int], None]:
    """Counts requests to the API server: call it with verb, resource and code (0: no answer)."""
    counter = Counter(
        "customdomains_api_requests",
        "Requests to the API server.",
        ["verb", "resource", "code"],
        registry=registry,
    )

    def count(verb: str, resource: str, code: int) -> None:
        counter.labels(verb, resource, str(code)).inc()

    return count


def dns_query_counter(registry: CollectorRegistry) -> Callable[[str, str], None]:
    """Counts the responder's queries: call it with transport and rcode."""
    counter = Counter(
        "customdomains_dns_queries",
        "Queries answered, or dropped.",
        ["transport", "rcode"],
        registry=registry,
    )

    def count(transport: str, rcode: str) -> None:
        counter.labels(transport, rcode).inc()

    return count


def webhook_counter(
    registry: CollectorRegistry, waiting: Callable[[], int]
) -> Callable[[str], None]:
    """Counts tries to deliver webhooks: call it with how one ended. `waiting` is how many messages
    there are to deliver."""
    gauge = Gauge("customdomains_webhooks_waiting", "Webhooks to deliver.", registry=registry)
    gauge.set_function(waiting)
    counter = Counter(
        "customdomains_webhooks", "Tries to deliver a webhook.", ["outcome"], registry=registry
    )

    def count(outcome: str) -> None:
        counter.labels(outcome).inc()

    return count


def count_dns_records(registry: CollectorRegistry, count: Count) -> None:
    """A gauge of the DNSRecords that are served, or not, by `count` at each scrape."""
    text = "DNSRecords by whether they are served: Served, or why not."
    registry.register(_Counted("customdomains_dns_records", text, "verdict", count))

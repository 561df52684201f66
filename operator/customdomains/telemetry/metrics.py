"""Prometheus metrics. Label values come from closed lists, so their number is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class _Phases(Collector):
    """Counts domains by phase when scraped, so that nothing has to be kept in step."""

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self._count = count

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "customdomains_domains", "CustomDomains by phase.", labels=["phase"]
        )
        for phase, number in sorted(self._count().items()):
            family.add_metric([phase], number)
        yield family


class ControllerMetrics:
    """What the controller counts, in `registry`."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        phases: Callable[[], Mapping[str, int]],
        queue: Callable[[], int],
        jobs: Callable[[], int],
    ) -> None:
        registry.register(_Phases(phases))
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

    def reconciled(self, seconds: float) -> None:
        """A reconcile took `seconds`."""
        self._reconciles.observe(seconds)

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

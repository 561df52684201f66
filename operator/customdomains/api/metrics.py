"""What the HTTP process counts."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_ASK_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 1.0)  # seconds
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds


class HttpMetrics:
    """Requests by method, route and code; the route is a template, never a caller's text."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers the metrics, so once a registry."""
        self._requests = Counter(
            "customdomains_http_requests",
            "HTTP requests answered.",
            ("method", "route", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "customdomains_http_request_seconds",
            "Seconds from a request's headers to its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "customdomains_http_requests_in_flight",
            "HTTP requests being worked on.",
            registry=registry,
        )
        self._waiting = Gauge(
            "customdomains_http_requests_waiting",
            "HTTP requests that wait, for a status, events, the controller or their body.",
            ("for",),
            registry=registry,
        )
        self._connections = Gauge(
            "customdomains_http_connections", "Connections of HTTP clients.", registry=registry
        )
        self._cut = Counter(
            "customdomains_http_connections_cut",
            "Connections ended because the client was slow, or because there were too many.",
            ("why",),
            registry=registry,
        )

    def answered(self, method: str, route: str, code: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(method, route, str(code)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def malformed(self, code: int) -> None:
        """Count one answer to what was no request that can be handled."""
        self._requests.labels("other", "malformed", str(code)).inc()

    def cut(self, why: str) -> None:
        """Count one connection that was not let go on."""
        self._cut.labels(why).inc()

    def watch_connections(self, number: Callable[[], int]) -> None:
        """`number` says at each scrape how many there are."""
        self._connections.set_function(number)

    def watch_waiting(self, what: str, number: Callable[[], int]) -> None:
        """`number` says at each scrape how many calls wait for `what`."""
        self._waiting.labels(what).set_function(number)

    def watch_in_flight(self, number: Callable[[], int]) -> None:
        """`number` says at each scrape how many requests are being worked on."""
        self._in_flight.set_function(number)


class PublicMetrics:
    """What was answered at a listener where anybody may ask."""

    def __init__(self, registry: CollectorRegistry, name: str, what: str) -> None:
        """Registers `customdomains_<name>_*`, so once a registry; `what` is counted, in words."""
        self._requests = Counter(
            f"customdomains_{name}_requests",
            f"{what} answered, by code: 200 is yes, 404 no.",
            ("code",),
            registry=registry,
        )
        self._seconds = Histogram(
            f"customdomains_{name}_seconds",
            "Seconds from a request's last bytes to its answer.",
            buckets=_ASK_BUCKETS,
            registry=registry,
        )
        self._connections = Gauge(
            f"customdomains_{name}_connections", "Connections of who asks that.", registry=registry
        )

    def answered(self, code: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(str(code)).inc()
        self._seconds.observe(seconds)

    def watch_connections(self, number: Callable[[], int]) -> None:
        """`number` says at each scrape how many there are."""
        self._connections.set_function(number)

"""Metrics of what waits for CAs' limits: issuers are those of the settings, limits are few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class BudgetGauges(Collector):
    """Counted when they are asked for: `waiting` by issuer and limit, `left` by issuer, `free_at`
    (seconds since 1970) by issuer."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        waiting: Callable[[], Mapping[tuple[str, str], int]],
        left: Callable[[], Mapping[str, int]],
        free_at: Callable[[], Mapping[str, float]],
    ) -> None:
        self._waiting = waiting
        self._left = left
        self._free_at = free_at
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges."""
        waiting = GaugeMetricFamily(
            "customdomains_orders_waiting",
            "Domains whose order waits for a limit of its CA.",
            labels=["issuer", "limit"],
        )
        for (issuer, limit), number in sorted(self._waiting().items()):
            waiting.add_metric([issuer, limit], number)
        yield waiting
        left = GaugeMetricFamily(
            "customdomains_orders_left",
            "New orders that the account's limit has room for.",
            labels=["issuer"],
        )
        for issuer, number in sorted(self._left().items()):
            left.add_metric([issuer], number)
        yield left
        free_at = GaugeMetricFamily(
            "customdomains_orders_free_at_seconds",
            "When the account's limit, or a stop by the CA, lets the next order through.",
            labels=["issuer"],
        )
        for issuer, moment in sorted(self._free_at().items()):
            free_at.add_metric([issuer], moment)
        yield free_at

"""Metrics of how long certificates are valid for yet: counts always, single ones where wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Ends = Callable[[], Iterable[tuple[str, str, str, float]]]
"""Domain, namespace, issuer, and the end of the certificate in seconds since 1970."""


class ExpiryGauges(Collector):
    """Counted when they are asked for: certificates by the `left` days, their `renewals` by how it
    stands with them, and `ends` of single ones, as many as that gives (None: no such metric)."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        left: Callable[[], Mapping[str, int]],
        renewals: Callable[[], Mapping[str, int]],
        ends: Ends | None,
    ) -> None:
        self._left = left
        self._renewals = renewals
        self._ends = ends
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges."""
        left = GaugeMetricFamily(
            "customdomains_certificates",
            "Certificates in use that are valid for less than so many days yet, and not for less "
            "than the next smaller number.",
            labels=["days"],
        )
        for days, number in self._left().items():
            left.add_metric([days], number)
        yield left
        renewals = GaugeMetricFamily(
            "customdomains_renewals",
            "The same by how it stands with their renewal: late when a third of the time for it is "
            "over.",
            labels=["state"],
        )
        for state, number in self._renewals().items():
            renewals.add_metric([state], number)
        yield renewals
        if self._ends is None:
            return
        ends = GaugeMetricFamily(
            "customdomains_certificate_not_after_seconds",
            "When the certificates expire that expire first.",
            labels=["domain", "namespace", "issuer"],
        )
        for domain, namespace, issuer, moment in self._ends():
            ends.add_metric([domain, namespace, issuer], moment)
        yield ends

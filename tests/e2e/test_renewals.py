"""A CA calls back all certificates that a platform has: each is renewed, by its word (RFC 9773).

`make drill` runs this with 500 domains (DRILL_DOMAINS).
"""

import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pytest
from cryptography import x509

from customdomains.devcluster.operatorprocs import Operator
from customdomains.model.times import format_time
from e2e.certificates import assert_serves, decoded
from e2e.domains import API, Domain
from e2e.stage import Stage
from e2e.tenants import events_of, make_namespace, statuses_in
from e2e.waiting import PATIENCE, until

DOMAINS = int(os.environ.get("DRILL_DOMAINS", "40"))
TENANT = 50
"""How many domains a tenant has at most."""

NAMED = 3
"""Of how many domains the metrics tell."""

PATIENT = PATIENCE + 75 + DOMAINS
"""Where the machine is too busy for one try, the next one comes after a minute."""

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.acme,
    pytest.mark.timeout(300 + 4 * DOMAINS),
]

WHY = "https://ca.example/incident"
REPLACED = "is a replacement of"


@pytest.fixture
def controller(shared_stage: Stage) -> Iterator[Operator]:
    """In place of the shared one, one whose metrics tell of single domains. It keeps its Lease also
    where all that happens at once takes the machine's breath away."""
    changes = {"leaseDuration": "15s", "metricsPerDomain": NAMED}
    with shared_stage.another_controller(controller=changes) as controller:
        yield controller


@pytest.fixture
def active(shared_stage: Stage, controller: Operator, namespace: str) -> list[Domain]:
    """So many domains with a certificate each, of several tenants where there are many."""
    del controller
    stage, domains = shared_stage, list[Domain]()
    while len(domains) < DOMAINS:
        own = make_namespace(stage.plane) if domains else namespace
        numbers = range(min(TENANT, DOMAINS - len(domains)))
        domains += bring_to_active([stage.domain(own, f"drill{n}") for n in numbers])
    return domains


def bring_to_active(domains: list[Domain]) -> list[Domain]:
    """One tenant's domains, all at once."""
    for domain in domains:
        domain.create()
    until(lambda: all_in(domains, lambda status: status.get("records")), "records", timeout=PATIENT)
    for domain in domains:
        domain.delegate()
    for domain in domains:
        domain.check()
    until(
        lambda: all_in(domains, lambda status: status["phase"] == "active"),
        "all are active",
        timeout=PATIENT,
    )
    return domains


def tenants(domains: list[Domain]) -> list[list[Domain]]:
    """By namespace."""
    return [list(group) for _, group in groupby(domains, key=lambda domain: domain.namespace)]


def all_in(domains: list[Domain], holds: Callable[[dict[str, Any]], Any]) -> bool:
    """Whether something is true of the status of each of a tenant's."""
    shown = statuses_in(domains[0].plane, domains[0].namespace)
    return all(shown.get(domain.name) and holds(shown[domain.name]) for domain in domains)


def leaf_of(domain: Domain) -> x509.Certificate:
    """What the Secret holds."""
    secret = domain.secret()
    assert secret is not None
    return x509.load_pem_x509_certificates(decoded(secret, "tls.crt"))[0]


def age(domain: Domain, window: tuple[datetime, datetime]) -> None:
    """Make the claim that of a certificate which has rested since it came, and which its CA wanted
    to be renewed in this window when it was asked last."""
    start, end = (format_time(moment) for moment in window)
    long_ago = format_time(datetime.now(UTC) - timedelta(hours=2))
    said = {"start": start, "end": end, "toldAt": long_ago}
    change: dict[str, Any] = {"issuedAt": long_ago, "renewal": said}
    domain.plane.request(
        "PATCH", f"{API}/domainclaims/{domain.domain}", {"status": {"certificate": change}}
    )


def replacements(stage: Stage) -> int:
    """How many orders Pebble has taken as replacements."""
    return (stage.directory / "pebble" / "pebble.log").read_text().count(REPLACED)


def figures(controller: Operator) -> list[str]:
    """The lines of its metrics."""
    with urllib.request.urlopen(controller.metrics_url("controller"), timeout=10) as answer:  # noqa: S310 - http on the loopback
        return answer.read().decode().splitlines()


def test_all_that_the_ca_calls_back_are_renewed_without_a_gap(
    shared_stage: Stage, controller: Operator, active: list[Domain]
):
    stage = shared_stage
    old = {domain.domain: leaf_of(domain) for domain in active}
    past = datetime.now(UTC) - timedelta(days=1)
    answer = {
        "suggestedWindow": {
            "start": format_time(past),
            "end": format_time(past + timedelta(hours=1)),
        },
        "explanationURL": WHY,
    }
    for domain in active:
        secret = domain.secret()
        assert secret is not None
        stage.pebble.advise(decoded(secret, "tls.crt").decode(), answer)
    before, began = replacements(stage), time.monotonic()
    # The last window was to begin within the hour: so the CA is asked once more before that.
    soon = datetime.now(UTC) + timedelta(minutes=30)
    for domain in active:
        age(domain, (soon, soon + timedelta(minutes=10)))

    def renewed() -> bool:
        return all(renewed_in(group) for group in tenants(active))

    def left() -> list[Any]:
        """The claims of those that are not."""
        claims = [domain.claim() or {} for domain in active]
        numbers = {f"{leaf.serial_number:x}" for leaf in old.values()}
        return [c for c in claims if c["status"]["certificate"]["serialNumber"] in numbers]

    def renewed_in(group: list[Domain]) -> bool:
        shown = statuses_in(stage.plane, group[0].namespace)
        assert {status["phase"] for status in shown.values()} == {"active"}
        serials = {name: status["certificate"]["serialNumber"] for name, status in shown.items()}
        return all(serials[d.name] != f"{old[d.domain].serial_number:x}" for d in group)

    until(
        renewed,
        "all are renewed",
        timeout=PATIENT,
        explain=lambda: "\n".join(
            [
                *map(str, left()),
                *figures(controller),
                controller.log_of("controller").read_text(),
            ]
        ),
    )
    print(f"\n{DOMAINS} called back and renewed in {time.monotonic() - began:.1f} s")
    # Pebble does not find a certificate whose serial number has a zero in front in DER, and answers
    # with 500: then the next try does not name it.
    named = [leaf for leaf in old.values() if leaf.serial_number.bit_length() % 8]
    again = sum(
        float(line.rpartition(" ")[2])
        for line in figures(controller)
        if line.startswith('customdomains_jobs_done_total{kind="PlaceOrder"')
        and 'outcome="done"' not in line
    )
    assert len(named) - again <= replacements(stage) - before <= len(named)
    assert again <= DOMAINS / 10
    roots = stage.pebble.roots()
    for domain in active:
        secret = domain.secret()
        assert secret is not None
        leaf = assert_serves(secret, roots, domain.domain)
        assert leaf.serial_number != old[domain.domain].serial_number
        claim = domain.claim()
        assert claim is not None
        # What the CA said of the old one is gone. Of hundreds, some come to their regular question
        # about the new one meanwhile, whose window lies weeks ahead.
        window = claim["status"]["certificate"].get("renewal", {"start": "none yet"})
        assert window["start"] > format_time(datetime.now(UTC) + timedelta(days=1)), window
        assert "explanationURL" not in window
        assert "failure" not in claim["status"]
    told = until(lambda: events_of(active[0])[-3:], "Events")
    advised = [note for reason, note in events_of(active[0]) if reason == "RenewalAdvised"]
    assert len(advised) == 1, told
    assert advised[0].endswith(WHY)

    shown = figures(controller)
    single = [line for line in shown if line.startswith("customdomains_certificate_not_after")]
    assert len(single) == NAMED
    assert all(line.endswith("e+09") for line in single), single
    assert f'customdomains_jobs_done_total{{kind="AskRenewal",outcome="done"}} {DOMAINS}.0' in shown
    assert 'customdomains_renewals{state="late"} 0.0' in shown

"""CAA records and an issuer that stands in for another, with two CAs, through the processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from customdomains.devcluster.binaries import Binaries
from customdomains.devcluster.pebble import Pebble
from customdomains.devcluster.tenantdns.handle import TenantDns
from e2e.domains import Domain, condition_of
from e2e.stage import Stage
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

FIRST, SECOND = "first.example", "second.example"
NOWHERE = "https://127.0.0.1:1/dir"


@pytest.fixture(scope="module")
def cas(
    binaries: Binaries, run_dir: Path, tenant_dns: TenantDns
) -> Iterator[tuple[Pebble, Pebble]]:
    """Two that CAA records know by different names."""
    pebbles = [
        Pebble(
            binaries.pebble,
            run_dir / "fallback" / identity,
            resolver=tenant_dns.address,
            retry_after_seconds=0,
            caa_identities=[identity],
        )
        for identity in (FIRST, SECOND)
    ]
    try:
        for each in pebbles:
            each.start()
        yield pebbles[0], pebbles[1]
    finally:
        for each in pebbles:
            each.stop()


@contextmanager
def controller(stage: Stage, first: str, cas: tuple[Pebble, Pebble]) -> Iterator[None]:
    """One with the issuers `one`, at the directory `first`, and `two`, which stands in for it."""
    issuers: list[dict[str, Any]] = [
        {"name": "one", "directoryURL": first, "caBundle": str(cas[0].ca_file), "fallback": "two"},
        {"name": "two", "directoryURL": cas[1].directory_url, "caBundle": str(cas[1].ca_file)},
    ]
    stage.stop_controller()
    stage.free_lease()
    running = stage.operator("controller")
    running.launch("controller", CUSTOMDOMAINS_ISSUERS=yaml.safe_dump(issuers))
    try:
        running.wait_ready("controller")
        yield
        assert "Traceback" not in running.log_of("controller").read_text()
    finally:
        running.stop()


def set_caa(domain: Domain, dns: TenantDns, *values: str) -> None:
    dns.put([{"name": domain.domain, "type": "CAA", "values": values}])


def told(domain: Domain) -> dict[str, Any]:
    return condition_of(domain.status(), "CertificateIssued")


def wait_reason(domain: Domain, reason: str) -> str:
    def message() -> str:
        found = told(domain)
        return str(found["message"]) if found.get("reason") == reason else ""

    return until(message, f"{domain.domain}: {reason}", explain=domain.status)


def register(domain: Domain) -> None:
    domain.create()
    domain.wait(lambda status: status.get("records"), "records to set")
    domain.delegate()
    domain.check()


def test_where_caa_forbids_the_one_the_other_issues(stage: Stage, domain: Domain, cas):
    set_caa(domain, stage.dns, f'0 issue "{SECOND}"')
    with controller(stage, cas[0].directory_url, cas):
        register(domain)
        certificate = domain.wait_phase("active")["certificate"]
        assert certificate["issuer"] == "two"
        assert certificate["fallback"] == {"insteadOf": "one", "because": "CAAForbids"}
        assert "it is by two, since one is not allowed to issue" in told(domain)["message"]
        # An account was made at the first one, and nothing else.
        log = (stage.directory.parent / "fallback" / FIRST / "pebble.log").read_text()
        assert "POST /sign-me-up" in log
        assert "POST /order-plz" not in log


def test_where_caa_forbids_both_it_is_said_and_goes_on_once_it_is_mended(
    stage: Stage, domain: Domain, cas
):
    set_caa(domain, stage.dns, '0 issue "other.example"')
    with controller(stage, cas[0].directory_url, cas):
        register(domain)
        message = wait_reason(domain, "CAAForbids")
        assert domain.status()["phase"] == "failed"
        name = domain.domain
        assert f'the CAA records at {name}. (0 issue "other.example") do not let' in message
        assert f'add {name}. CAA 0 issue "{FIRST}"; nor does two: ' in message
        claim = domain.claim()
        assert claim is not None
        assert "order" not in claim["status"]
        set_caa(domain, stage.dns, '0 issue "other.example"', f'0 issue "{FIRST}"')
        domain.check()
        assert domain.wait_phase("active")["certificate"]["issuer"] == "one"


def test_a_ca_that_is_away_is_replaced_at_the_second_failure(stage: Stage, domain: Domain, cas):
    with controller(stage, NOWHERE, cas):
        register(domain)
        message = wait_reason(domain, "CAUnreachable")
        assert "can't be connected to" in message
        domain.check()
        certificate = domain.wait_phase("active")["certificate"]
        assert certificate["issuer"] == "two"
        assert certificate["fallback"] == {"insteadOf": "one", "because": "CAUnreachable"}
    # It is asked for by name again, and had at once.
    with controller(stage, cas[0].directory_url, cas):
        domain.issue()
        renewed = domain.wait(
            lambda status: status.get("certificate", {}).get("issuer") == "one", "back at the one"
        )
        assert "fallback" not in renewed["certificate"]

"""Who is asked about a domain, and that the dead DNS of one tenant delays nobody else."""

import re
import secrets
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from silence import SILENT_HOST, silent_server

from customdomains.devcluster.tenantdns.handle import TenantDns
from e2e.domains import Domain, condition_of
from e2e.stage import Stage
from e2e.tenants import make_namespace, statuses_in
from e2e.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.acme]

DEAD = 100
CHECKS = re.compile(r'customdomains_jobs_done_total\{kind="CheckDns",outcome="(\w+)"\} ([0-9.e+]+)')
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason=f"needs {SILENT_HOST}, which only Linux has by default"
)


def unanswered(stage: Stage) -> float:
    """How many checks have ended by now without an answer from anybody."""
    with urllib.request.urlopen(stage.controller.metrics_url("controller")) as answer:  # noqa: S310
        counted = dict(CHECKS.findall(answer.read().decode()))
    return sum(float(counted.get(outcome, 0)) for outcome in ("TimedOut", "Unreachable"))


@on_linux
def test_domains_on_dead_name_servers_delay_nobody(stage: Stage, namespace):
    """Of another tenant and of the same, while they are looked up again and again."""
    label = secrets.token_hex(3)
    zones = [f"{label}-{number}.com" for number in range(DEAD)]
    stage.dns.put([{"name": f"ns.{label}.net", "type": "A", "values": [SILENT_HOST]}])
    stage.dns.put({"name": zone, "type": "NS", "values": [f"ns.{label}.net"]} for zone in zones)
    dead = [Domain(stage.plane, stage.dns, namespace, zone, stage.zone) for zone in zones]

    def waiting() -> list[dict[str, Any]]:
        """The statuses of the dead ones that were looked up in vain, and no more than that."""
        found = statuses_in(stage.plane, namespace)
        return [
            found[each.name]
            for each in dead
            if condition_of(found[each.name], "Verified").get("reason") == "ServersUnreachable"
            and found[each.name]["phase"] == "pending"
        ]

    def others() -> list[dict[str, Any]]:
        """The statuses of the rest."""
        there = waiting()
        return [each for each in statuses_in(stage.plane, namespace).values() if each not in there]

    with silent_server(stage.dns.port), ThreadPoolExecutor(8) as threads:
        list(threads.map(Domain.create, dead))
        until(lambda: len(waiting()) == DEAD, "all are looked up in vain", explain=others)
        in_vain = unanswered(stage)
        for where in (make_namespace(stage.plane), namespace):
            good = stage.domain(where, "good").create(certificate={"issuance": "Never"})
            status = good.wait(lambda status: status.get("records"), "records to set")
            good.set_txt(status["verificationToken"])
            good.wait_phase("verified")
            good.delete()
        assert len(waiting()) == DEAD
        until(lambda: unanswered(stage) > in_vain, "the dead ones go on being looked up")
        list(threads.map(Domain.delete, dead))


def test_one_resolver_is_believed_where_the_settings_say_so(stage: Stage, domain):
    with stage.another_controller(lookups={"mode": "Recursive"}):
        domain.create().bring_to_active()
        (seen,) = domain.record("CNAME")["seen"]
        assert seen["server"] == stage.dns.address


def test_quorum_of_resolvers_proves_and_fewer_do_not(stage: Stage, domain):
    with ExitStack() as stack:
        others = [TenantDns(stage.directory / f"resolver-{n}", forward={}) for n in (1, 2)]
        for each in others:
            stack.callback(each.stop)
            each.start()
        resolvers = [each.address for each in (stage.dns, *others)]
        lookups = {"mode": "Quorum", "quorum": 2, "resolvers": resolvers}
        stack.enter_context(stage.another_controller(lookups=lookups))
        status = domain.create(certificate={"issuance": "Never"}).wait(
            lambda status: status.get("records"), "records to set"
        )
        token = status["verificationToken"]
        # One of them lies, and nobody else says so.
        others[0].set_txt(domain.challenge_name, token)
        lied = domain.wait_checked()
        assert lied["phase"] == "pending"
        assert condition_of(lied, "Verified")["reason"] == "ServersDisagree"
        # One is away, and the two others agree.
        domain.set_txt(token)
        others[1].stop()
        domain.check()
        domain.wait_phase("verified")
        seen = domain.record("TXT")["seen"]
        assert {each["server"] for each in seen if each.get("values") == [token]} == set(
            resolvers[:2]
        )

"""The platform's own records, over HTTP or by kubectl, are served by every dns process."""

import json
import secrets
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from customdomains.devcluster.rundir import free_port
from e2e.backend import Backend
from e2e.responder import TIMEOUT
from e2e.stage import OPERATOR_NAMESPACE, Stage
from e2e.waiting import until

pytestmark = pytest.mark.cluster

OWN = "platform.example.org"


def addresses_at(responder: str, name: str) -> tuple[str, list[str]]:
    """The response code and the IPv4 addresses that `responder` (host:port) answers."""
    host, _, port = responder.rpartition(":")
    question = dns.message.make_query(name, dns.rdatatype.A)
    answer = dns.query.udp(question, host, port=int(port), timeout=TIMEOUT)
    found = [
        record.to_text()
        for each in answer.answer
        if each.rdtype == dns.rdatatype.A
        for record in each
    ]
    return dns.rcode.to_text(answer.rcode()), sorted(found)


def scrape(url: str) -> str:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - one of our own
        text: str = answer.read().decode()
        return text


def allowed(stage: Stage, account: str, verb: str, namespace: str) -> bool:
    kind = {"group": "customdomains.dev", "resource": "dnsrecords"}
    return stage.allows(account, verb, **kind, namespace=namespace)


def test_every_dns_process_serves_what_was_posted_and_what_was_applied(stage: Stage):
    settings = {"dns": {"zones": [OWN]}}
    second, third = (f"127.0.0.1:{free_port()}" for _ in range(2))
    replicas = [
        stage.operator("dns", changes={"dns": {**settings["dns"], "listen": listen}})
        for listen in (second, third)
    ]
    api = stage.operator("api", changes=settings)
    for process in (*replicas, api):
        process.start("api" if process is api else "dns")
    try:
        meters = [partial(scrape, process.metrics_url("dns")) for process in replicas]
        tell_the_story(stage, (second, third), Backend(api.api_url, api.api_token), meters)
        logs = [process.log_of("dns").read_text() for process in replicas]
        logs.append(api.log_of("api").read_text())
        assert not any("Traceback" in log for log in logs)
        assert all("is not served: there are A records" in log for log in logs[:-1])
        assert stage.refused_writes() == []
    finally:
        for process in (*replicas, api):
            process.stop()


def tell_the_story(
    stage: Stage,
    responders: tuple[str, ...],
    backend: Backend,
    meters: Sequence[Callable[[], str]],
) -> None:
    mark = secrets.token_hex(4)
    edge, www = f"edge-{mark}.{OWN}", f"www-{mark}.{stage.zone}"

    def served(name: str, *values: str, rcode: str = "NOERROR") -> None:
        wanted = (rcode, sorted(values))
        for responder in responders:
            until(lambda at=responder: addresses_at(at, name) == wanted, f"{name} at {responder}")

    body = {"name": edge, "type": "A", "values": ["192.0.2.10", "192.0.2.11"]}
    code, made = backend.call("POST", "/dns/records", body)
    assert (code, made["served"]) == (201, True), made
    served(edge, "192.0.2.10", "192.0.2.11")

    for name, owner, target in (("alias", www, edge), ("late", edge, "www.example.com")):
        manifest = {
            "apiVersion": "customdomains.dev/v1",
            "kind": "DNSRecord",
            "metadata": {"name": f"{name}-{mark}", "namespace": OPERATOR_NAMESPACE},
            "spec": {"name": owner, "type": "CNAME", "values": [target]},
        }
        stage.plane.run_kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def both_listed() -> bool:
        found = backend.call("GET", "/dns/records")[1]["records"]
        told = {each["resource_name"]: each["served"] for each in found if mark in each["name"]}
        return told == {f"a.{edge}": True, f"alias-{mark}": True, f"late-{mark}": False}

    until(both_listed, "both are listed")
    counted = 'customdomains_dns_records{verdict="BesideAlias"} 1.0'
    until(lambda: all(counted in metrics() for metrics in meters), "every replica counts it")
    served(edge, "192.0.2.10", "192.0.2.11")
    resolved = [{"ip": "192.0.2.10"}, {"ip": "192.0.2.11"}]
    assert backend.call("GET", f"/dns/resolve?name={www}") == (200, resolved)

    stage.stop_controller()  # its Lease is shorter than any start of an API server
    stage.plane.stop_apiserver()
    try:
        served(edge, "192.0.2.10", "192.0.2.11")
        served(f"nowhere.{OWN}", rcode="NXDOMAIN")
        assert backend.call("GET", f"/dns/resolve?name={www}") == (200, resolved)
        code, failed = backend.call("POST", "/dns/records", {**body, "values": ["192.0.2.12"]})
        assert (code, failed["code"]) == (500, "storage_error")
    finally:
        stage.plane.start_apiserver()

    until(
        lambda: backend.call("DELETE", f"/dns/records?name={edge}&type=A")[0] == 200, "it is gone"
    )
    # What waited for its place has it now; what it leads to is in no zone of ours.
    served(edge)
    names = (f"late-{mark}", f"alias-{mark}")
    stage.plane.run_kubectl("delete", "cdrec", *names, "-n", OPERATOR_NAMESPACE)
    served(edge, rcode="NXDOMAIN")
    served(www, rcode="NXDOMAIN")


@pytest.mark.parametrize(
    ("account", "verbs"),
    [
        ("api", {"get", "list", "watch", "create", "update", "delete"}),
        ("dns", {"list", "watch"}),
        ("controller", set()),
    ],
)
def test_roles_reach_records_in_the_operators_namespace_alone(stage: Stage, account, verbs):
    every = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
    given = {verb for verb in every if allowed(stage, account, verb, OPERATOR_NAMESPACE)}
    assert given == verbs
    assert not any(allowed(stage, account, verb, "default") for verb in every)

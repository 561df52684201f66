"""The controller's figures about certificates, and the alerts that are made of them."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import build
import pytest
import yaml
from build import DAY, NOW
from programs.debian import MONITORS, find, why_not
from prometheus_client import CollectorRegistry, generate_latest

from customdomains.controller.counting import count_expiry
from customdomains.controller.store import Store
from customdomains.model.certificate import CertificateFacts
from customdomains.model.domain import Issuance, Key
from customdomains.telemetry.metrics import Census, ControllerMetrics

RULES = Path(__file__).parents[2] / "deploy" / "alerts" / "customdomains.yaml"
CASES = Path(__file__).parent / "alerts.yaml"


def a_store(ends, **spec):
    """A store with domains whose certificates of ninety days end at these days from now."""
    store = Store(lambda _: None)
    for number, end in enumerate(ends):
        name, key = f"d{number}.example.com", Key("tenant", f"d{number}")
        facts = CertificateFacts("0a", NOW + (end - 90) * DAY, NOW + end * DAY, "f" * 64)
        have = build.certificate(facts=facts, issued_at=facts.not_before)
        uid = f"uid-{number}"
        store.put_domain(build.domain(key=key, uid=uid, domain=name, **spec))
        store.put_claim(
            build.claim(domain=name, uid=name, holder=build.holder(key=key, uid=uid),
                        certificate=have)
        )  # fmt: skip
    return store


def figures(store, most=0, now=NOW):
    """The lines of `/metrics` without their comments."""
    registry = CollectorRegistry()
    count_expiry(registry, store, lambda: now, most)
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_counts_by_days_and_by_how_renewals_stand():
    lines = figures(a_store([-1, 0.5, 2, 15, 25, 80]))
    assert lines == [
        'customdomains_certificates{days="expired"} 1.0',
        'customdomains_certificates{days="1"} 1.0',
        'customdomains_certificates{days="3"} 1.0',
        'customdomains_certificates{days="7"} 0.0',
        'customdomains_certificates{days="14"} 0.0',
        'customdomains_certificates{days="30"} 2.0',
        'customdomains_certificates{days="more"} 1.0',
        'customdomains_renewals{state="scheduled"} 1.0',
        'customdomains_renewals{state="due"} 1.0',
        'customdomains_renewals{state="late"} 3.0',
        'customdomains_renewals{state="expired"} 1.0',
    ]


@pytest.mark.parametrize("spec", [{"suspend": True}, {"issuance": Issuance.NEVER}])
def test_what_is_not_to_be_renewed_is_not_late(spec):
    lines = figures(a_store([2], **spec))
    assert 'customdomains_certificates{days="3"} 1.0' in lines
    assert 'customdomains_renewals{state="late"} 0.0' in lines


def test_single_domains_are_as_many_as_are_wanted_those_first_that_end_first():
    store = a_store([30, 10, 20])
    name = "customdomains_certificate_not_after_seconds"
    assert not [line for line in figures(store) if line.startswith(name)]
    found = [line for line in figures(store, most=2) if line.startswith(name)]
    labels = 'issuer="pebble",namespace="tenant"'
    assert [re.sub(r" .*", "", line) for line in found] == [
        f'{name}{{domain="d1.example.com",{labels}}}',
        f'{name}{{domain="d2.example.com",{labels}}}',
    ]
    ends = [float(line.rpartition(" ")[2]) for line in found]
    assert ends == [(NOW + timedelta(days=days)).timestamp() for days in (10, 20)]


# --- alerts --------------------------------------------------------------------------------------


def alerts():
    """The rules of the file."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return group["rules"]


def test_alerts_are_about_metrics_that_there_are():
    registry = CollectorRegistry()
    census = Census(*[dict] * 4)
    metrics = ControllerMetrics(registry, census=census, queue=lambda: 0, jobs=lambda: 0)
    metrics.job_done("AskRenewal", "done")
    count_expiry(registry, a_store([1]), lambda: NOW, 1)
    known = set(re.findall(r"^(customdomains_\w+)", generate_latest(registry).decode(), re.M))
    for rule in alerts():
        used = set(re.findall(r"customdomains_\w+", rule["expr"]))
        assert used, rule["alert"]
        assert used <= known, rule["alert"]
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
    values = set(re.findall(r'(?:state|days)="(\w+)"', "".join(r["expr"] for r in alerts())))
    assert values <= {"late", "expired"}


@pytest.mark.skipif(
    why_not(MONITORS, "Prometheus' tools") is not None,
    reason=why_not(MONITORS, "Prometheus' tools") or "",
)
def test_alerts_fire_when_they_should():
    promtool = find("promtool")
    for arguments in (["check", "rules", RULES], ["test", "rules", CASES]):
        done = subprocess.run(
            [promtool, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case():
    tested = {
        check["alertname"]
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for check in test["alert_rule_test"]
        if check.get("exp_alerts")
    }
    assert tested == {rule["alert"] for rule in alerts()}

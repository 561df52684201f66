"""What the settings choose."""

import json
from datetime import timedelta

import pytest

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import make_resolvers
from customdomains.policy.budget import (
    LETS_ENCRYPT,
    LETS_ENCRYPT_STAGING,
    IssuerLimits,
    Limit,
)
from customdomains.settings import API_VERSION, KIND, parse_settings
from customdomains.wiring import (
    api_options,
    limits,
    lookup,
    own_zones,
    records_namespace,
    rules,
    served_zones,
)

SETTINGS = f"""
apiVersion: {API_VERSION}
kind: {KIND}
delegation: {{zone: delegated.example.net}}
api: {{authentication: {{mode: Disabled}}}}
lookups:
  resolvers: ["192.0.2.1:53", "tls://dns.example.net", "https://dns.example.net/dns-query"]
"""


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (None, AuthoritativeLookup),
        ("Authoritative", AuthoritativeLookup),
        ("Recursive", RecursiveLookup),
        ("Quorum", QuorumLookup),
    ],
)
def test_the_mode_chooses_how_the_dns_is_asked(mode, kind):
    environment = {"CUSTOMDOMAINS_LOOKUPS_MODE": mode} if mode else {}
    settings = parse_settings(SETTINGS, environment)
    resolvers = make_resolvers(settings.lookups.resolvers)
    assert type(lookup(settings, resolvers)) is kind
    assert [resolver.name for resolver in resolvers] == list(settings.lookups.resolvers)


def test_what_stands_in_for_an_issuer_is_a_rule():
    issuers = (
        "[{name: a, directoryURL: https://a/dir, fallback: b}, {name: b, directoryURL: https://b}]"
    )
    found = rules(parse_settings(SETTINGS, {"CUSTOMDOMAINS_ISSUERS": issuers}))
    assert (found.issuers, found.fallbacks) == (("a", "b"), {"a": "b"})


ZONES = {
    "CUSTOMDOMAINS_DNS_ZONES": "[platform.net, example.net]",
    "CUSTOMDOMAINS_CONTROLLER_NAMESPACE": "operator",
}


def test_all_zones_have_the_name_servers_of_the_delegation_zone():
    settings = parse_settings(SETTINGS, ZONES)
    delegation, others = served_zones(settings)
    assert delegation.origin == "delegated.example.net"
    assert [zone.origin for zone in others] == ["platform.net", "example.net"]
    assert {zone.nameservers for zone in (delegation, *others)} == {("ns.example.net",)}
    assert own_zones(settings).zone_of("a.delegated.example.net") == "delegated.example.net"
    assert own_zones(settings).zone_of("delegated.example.net.org") is None


@pytest.mark.parametrize(("own", "used"), [(None, "operator"), ("records", "records")])
def test_records_are_beside_the_controller_unless_told_otherwise(own, used):
    more = {} if own is None else {"CUSTOMDOMAINS_DNS_RECORDSNAMESPACE": own}
    settings = parse_settings(SETTINGS, ZONES | more)
    assert records_namespace(settings) == used == api_options(settings).records_namespace
    assert api_options(settings).zones == ("platform.net", "example.net")


LETS_ENCRYPT_URL = "https://acme-v02.api.letsencrypt.org/directory"


@pytest.mark.parametrize(
    ("url", "said", "known"),
    [
        (LETS_ENCRYPT_URL, None, LETS_ENCRYPT),
        ("https://acme-staging-v02.api.letsencrypt.org/directory", None, LETS_ENCRYPT_STAGING),
        ("https://ca.example/directory", None, IssuerLimits()),
        (LETS_ENCRYPT_URL, {}, IssuerLimits(renewals_exempt=True)),
        (
            LETS_ENCRYPT_URL,
            {"ordersPerAccount": {"most": 900, "per": "3h"}},
            IssuerLimits(orders=Limit(900, timedelta(hours=3)), renewals_exempt=True),
        ),
        (
            "https://ca.example/directory",
            {"certificatesPerNames": {"most": 2, "per": "1d"}},
            IssuerLimits(names=Limit(2, timedelta(days=1))),
        ),
        ("https://ca.example/", {"renewals": "Exempt"}, IssuerLimits(renewals_exempt=True)),
    ],
)
def test_limits_are_those_that_are_set_or_known(url, said, known):
    issuer = {"name": "a", "directoryURL": url} | ({} if said is None else {"limits": said})
    settings = parse_settings(SETTINGS, {"CUSTOMDOMAINS_ISSUERS": json.dumps([issuer])})
    assert limits(settings) == {"a": known}

"""What the settings choose."""

import pytest

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import make_resolvers
from customdomains.settings import API_VERSION, KIND, parse_settings
from customdomains.wiring import api_options, lookup, own_zones, records_namespace, served_zones

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

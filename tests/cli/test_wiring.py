"""What the settings choose."""

import pytest

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import make_resolvers
from customdomains.settings import API_VERSION, KIND, parse_settings
from customdomains.wiring import lookup

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

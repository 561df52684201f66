"""What the settings choose."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from customdomains.api.options import SetupOptions
from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.lookup import QuorumLookup, RecursiveLookup
from customdomains.dns.resolvers import make_resolvers
from customdomains.policy.budget import (
    LETS_ENCRYPT,
    LETS_ENCRYPT_STAGING,
    IssuerLimits,
    Limit,
)
from customdomains.settings import API_VERSION, KIND, SettingsError, parse_settings
from customdomains.wiring import (
    api_options,
    limits,
    lookup,
    own_zones,
    records_namespace,
    rules,
    served_zones,
    webhook_sender,
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


def hooked(path, *urls):
    webhooks = {"urls": list(urls), "secretFile": str(path)}
    return parse_settings(SETTINGS + json.dumps({"webhooks": webhooks})[1:-1] + "\n", {})


def test_webhooks_are_told_where_there_are_receivers(tmp_path):
    path = tmp_path / "secrets"
    path.write_text("whsec_" + "A" * 32 + "\n")
    assert rules(hooked(path, "https://example.net/")).claims.webhooks
    webhook_sender(hooked(path, "https://example.net/"))
    assert not rules(hooked(path)).claims.webhooks


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read: No such file or directory"),
        ("", "has no secret; it needs one a line, whsec_"),
        ("hunter2", "has no secret in line 1; it has to be whsec_"),
        (b"\xff", "can't be read: it is not UTF-8"),
    ],
)
def test_secrets_that_cannot_be_used_stop_the_start(tmp_path, content, said):
    path = tmp_path / "secrets"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as caught:
        webhook_sender(hooked(path, "https://example.net/"))
    assert str(caught.value).startswith(f"webhooks.secretFile: the secrets' file {path} {said}")
    assert "hunter2" not in str(caught.value)


def test_without_receivers_no_secrets_are_read(tmp_path):
    webhook_sender(hooked(tmp_path / "none"))


def test_the_page_for_tenants_is_there_where_it_is_set_up():
    assert api_options(parse_settings(SETTINGS, {})).setup is None
    setup = api_options(
        parse_settings(
            SETTINGS,
            {
                "CUSTOMDOMAINS_API_SETUP_KEYFILE": "/keys",
                "CUSTOMDOMAINS_API_SETUP_PUBLICURL": "https://domains.example.net",
                "CUSTOMDOMAINS_API_SETUP_COLOUR": "'#123456'",
            },
        )
    ).setup
    assert setup == SetupOptions(
        Path("/keys"), "https://domains.example.net", "Custom domains", "#123456"
    )

"""Settings: what is read, and what a person is told about what can't be."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from build import DAY, HOUR, MINUTE

from customdomains.dns.resolvers import make_resolvers
from customdomains.settings import (
    API_VERSION,
    KIND,
    Duration,
    Issuer,
    Settings,
    SettingsError,
    load_settings,
    parse_settings,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "config.yaml"
LEAST: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "delegation": {"zone": "d.example.net"},
    "api": {"authentication": {"mode": "Disabled"}},
}

UPDATED: dict[str, Any] = {
    "zone": "tenants.example.net",
    "server": "192.0.2.53:53",
    "keyName": "customdomains.",
    "keyFile": "/etc/customdomains/tsig/key",
}


def parse(changed: dict[str, Any], **environment: str) -> Settings:
    return parse_settings(yaml.safe_dump(LEAST | changed), environment)


def complaint(changed: dict[str, Any], **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(changed, **environment)
    return str(caught.value)


def test_defaults() -> None:
    settings = parse({})
    assert settings.verification.recheck_interval.delta == DAY
    assert settings.api.registered_status == 500
    assert settings.controller.lease_duration.seconds == 15
    assert settings.issuers == ()


def test_where_edge_proxies_ask() -> None:
    assert parse({}).api.ask_listen == ":8084"
    assert parse({}, CUSTOMDOMAINS_API_ASKLISTEN="127.0.0.1:1").api.ask_listen == "127.0.0.1:1"
    assert parse({}, CUSTOMDOMAINS_API_ASKLISTEN="null").api.ask_listen is None


def test_the_example_is_right() -> None:
    settings = load_settings(EXAMPLE, {})
    assert [issuer.name for issuer in settings.issuers] == ["letsencrypt", "letsencrypt-staging"]


def test_what_is_said_of_issuers_is_right() -> None:
    """The example in the documentation, which has each setting of an issuer."""
    text = (EXAMPLE.parents[1] / "docs" / "issuers.md").read_text(encoding="utf-8")
    example = text.split("```yaml\n", 1)[1].split("```", 1)[0]
    described = yaml.safe_load(example)["issuers"]
    assert len(parse({"issuers": described}).issuers) == 3
    shown = {name for issuer in described for name in issuer}
    assert shown == {field.encode_name for field in msgspec.structs.fields(Issuer)}
    assert all(f"`{name}" in text for name in shown)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("1.5s", timedelta(seconds=1.5)),
        ("1h30m", HOUR + 30 * MINUTE),
        ("7d", 7 * DAY),
        ("3650d", 3650 * DAY),
    ],
)
def test_durations(text: str, wanted: timedelta) -> None:
    assert Duration(text).delta == wanted


@pytest.mark.parametrize(
    "text", ["", "5", "-1s", "1 s", "s", "1w", "3651d", "9" * 400 + "d", "\u0661s"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|long"):
        Duration(text)


def test_an_issuer_with_nothing_but_its_address() -> None:
    [issuer] = parse(_issuer()).issuers
    key = issuer.private_key
    assert (key.algorithm, key.size, key.rotation) == ("ECDSA", None, "Always")
    assert issuer.external_account_binding is issuer.profile is issuer.preferred_chain is None


def test_an_issuer_with_everything() -> None:
    [issuer] = parse(
        _issuer(
            externalAccountBinding={"keyID": "kid-1", "keyFile": "/etc/hmac"},
            profile="shortlived",
            privateKey={"algorithm": "RSA", "size": 3072, "rotation": "Reuse"},
            preferredChain="ISRG Root X1",
            caBundle="/etc/ca.pem",
        )
    ).issuers
    binding, key = issuer.external_account_binding, issuer.private_key
    assert binding is not None
    assert (binding.key_id, binding.key_file) == ("kid-1", "/etc/hmac")
    assert (key.algorithm, key.size, key.rotation) == ("RSA", 3072, "Reuse")
    assert (issuer.profile, issuer.preferred_chain) == ("shortlived", "ISRG Root X1")


@pytest.mark.parametrize("value", [":0", ":65535", "127.0.0.1:80", "[::1]:8080", "localhost:1"])
def test_addresses_to_listen_at(value: str) -> None:
    assert parse({"dns": {"listen": value}}).dns.listen == value


def test_nothing_is_told_by_webhooks_unless_somebody_is_named() -> None:
    assert parse({}).webhooks.urls == ()


@pytest.mark.parametrize(
    "url",
    [
        "https://platform.example.net",
        "https://platform.example.net:8443/hooks?tenant=a&b=c",
        "https://[2001:db8::1]/hooks",
        "http://platform.default.svc:8080/hooks",
    ],
)
def test_where_webhooks_go(url: str) -> None:
    webhooks = parse(hooks(url, allowPrivateAddresses=True)).webhooks
    assert webhooks.urls == (url,)
    assert webhooks.secret_file == "/secrets"


def test_suffixes_are_taken_in_any_spelling() -> None:
    denied = ["B\u00dcCHER.Example.net.", "zip", "co.uk"]
    names = parse({"names": {"deniedSuffixes": denied, "allowedSuffixes": ["faß.de"]}}).names
    assert names.denied_suffixes == ("xn--bcher-kva.example.net", "zip", "co.uk")
    assert names.allowed_suffixes == ("xn--fa-hia.de",)


@pytest.mark.parametrize(
    "resolver",
    [
        "192.0.2.53:53",
        "[2001:db8::53]:5353",
        "tls://dns.example.net",
        "tls://192.0.2.53:853",
        "tls://[2001:db8::53]",
        "https://dns.example.net/dns-query",
        "https://[2001:db8::53]:8443/",
    ],
)
def test_resolvers(resolver: str) -> None:
    assert parse({"lookups": {"resolvers": [resolver]}}).lookups.resolvers == (resolver,)
    assert [made.name for made in make_resolvers((resolver,))] == [resolver]


@pytest.mark.parametrize(
    "resolver",
    [
        "dns.example.net:53",
        "192.0.2:53",
        "192.0.2.53:53 ",
        "tls://",
        "tls://dns.example.net:0",
        "tls://dns.example.net:65536",
        "tls://dns.example.net/path",
        "tls://user@dns.example.net",
        "https://dns.example.net",
        "https://dns.example.net:0/dns-query",
        "https://user:secret@dns.example.net/dns-query",
        "https://dns.example.net/dns-query{?dns}",
        "https://dns.example.net/dns-query?key=1",
        "http://dns.example.net/dns-query",
    ],
)
def test_no_resolvers(resolver: str) -> None:
    said = complaint({"lookups": {"resolvers": [resolver]}})
    assert said.startswith(f"lookups.resolvers[0]: {resolver!r} is not possible")
    assert "https://host/path" in said


def test_limits_of_an_issuer() -> None:
    text = {
        "ordersPerAccount": {"most": 100, "per": "1h"},
        "certificatesPerDomain": {"most": 20, "per": "7d"},
        "certificatesPerNames": {"most": 5, "per": "7d"},
        "failuresPerName": {"most": 5, "per": "1h"},
        "renewals": "Exempt",
    }
    limits = parse(_issuer(limits=text)).issuers[0].limits
    assert limits is not None
    assert limits.orders_per_account is not None
    assert (limits.orders_per_account.most, limits.orders_per_account.per.delta) == (100, HOUR)
    assert limits.renewals == "Exempt"
    assert parse(_issuer()).issuers[0].limits is None


def _issuer(**more: Any) -> dict[str, Any]:
    return {"issuers": [{"name": "a", "directoryURL": "https://ca", **more}]}


def _issuers(**fallbacks: str | None) -> dict[str, Any]:
    return {
        "issuers": [
            {"name": name, "directoryURL": "https://ca", "fallback": fallback}
            for name, fallback in fallbacks.items()
        ]
    }


HOOK = "https://platform.example.net/hooks"


def hooks(*urls: str, **changed: Any) -> dict[str, Any]:
    """Webhooks to `urls`."""
    return {"webhooks": {"urls": list(urls), "secretFile": "/secrets", **changed}}


WRONG: list[tuple[dict[str, Any], str, str, str]] = [
    # what is changed, the path, what is shown of the value, what is said to be allowed
    ({"apiVersion": None}, "apiVersion", "missing", API_VERSION),
    ({"apiVersion": "v1"}, "apiVersion", "'v1'", API_VERSION),
    ({"kind": "Pod"}, "kind", "'Pod'", KIND),
    ({"delegation": {}}, "delegation.zone", "missing", "a domain name"),
    ({"delegation": None}, "delegation", "nothing", "zone, nameservers"),
    ({"delegation": {"zone": "Foo.net."}}, "delegation.zone", "'Foo.net.'", "no dot at its end"),
    ({"delegation": {"zone": "a" * 64 + ".net"}}, "delegation.zone", "aaa", "a domain name"),
    ({"delegation": {"zone": "net"}}, "delegation.zone", "'net'", "two labels"),
    ({"delegation": {"zone": 5}}, "delegation.zone", "5", "a domain name"),
    ({"surplus": 1}, "surplus", "no such setting", "delegation, issuers, updates, lookups"),
    ({"lookups": {"tiemout": "1s"}}, "lookups.tiemout", "no such setting", "timeout, deadline"),
    ({"lookups": {"timeout": 3}}, "lookups.timeout", "3", "such as 500ms"),
    ({"lookups": {"timeout": "3 s"}}, "lookups.timeout", "'3 s'", "such as 500ms"),
    ({"lookups": {"timeout": "0s"}}, "lookups.timeout", "0s", "0.01s or longer"),
    ({"lookups": {"deadline": "1s"}}, "lookups.deadline", "1s", "2s (lookups.timeout) or longer"),
    ({"lookups": {"resolvers": "192.0.2.1"}}, "lookups.resolvers", "'192.0.2.1'", "a list"),
    ({"lookups": {"resolvers": ["192.0.2.1"]}}, "lookups.resolvers[0]", "'192.0.2.1'", "host:port"),
    ({"lookups": {"mode": "Some"}}, "lookups.mode", "'Some'", "Authoritative, Quorum, Recursive"),
    ({"lookups": {"quorum": 1}}, "lookups.quorum", "1", "from 2 to 16"),
    ({"lookups": {"authoritativePort": 0}}, "lookups.authoritativePort", "0", "1 to 65535"),
    ({"lookups": {"mode": "Quorum"}}, "lookups.resolvers", "none", "two or more"),
    (
        {"lookups": {"mode": "Quorum", "resolvers": ["192.0.2.1:53"]}},
        "lookups.resolvers",
        "only one",
        "two or more",
    ),
    (
        {"lookups": {"mode": "Quorum", "resolvers": [f"192.0.2.{n}:53" for n in range(4)]}},
        "lookups.quorum",
        "2 is not possible with 4",
        "from 3 to 4",
    ),
    (
        {"lookups": {"mode": "Quorum", "quorum": 3, "resolvers": ["[::1]:53", "[::2]:53"]}},
        "lookups.quorum",
        "3 is not possible with 2",
        "at most all, so 2",
    ),
    ({"lookups": {"resolvers": 2 * ["[::1]:53"]}}, "lookups.resolvers", "'[::1]:53'", "twice"),
    ({"lookups": {"resolvers": ["h:0"]}}, "lookups.resolvers[0]", "'h:0'", "from 1 to 65535"),
    ({"lookups": {"resolvers": ["h:65536"]}}, "lookups.resolvers[0]", "65536", "from 1 to 65535"),
    ({"dns": {"listen": ":65536"}}, "dns.listen", "':65536'", "up to 65535"),
    ({"dns": {"listen": "::1:53"}}, "dns.listen", "'::1:53'", "in brackets"),
    ({"dns": {"listen": 5353}}, "dns.listen", "5353", "address:port"),
    ({"dns": {"zones": ["net"]}}, "dns.zones[0]", "'net'", "two labels"),
    ({"dns": {"zones": 2 * ["example.net"]}}, "dns.zones", "'example.net'", "twice"),
    ({"dns": {"recordsNamespace": "A"}}, "dns.recordsNamespace", "'A'", "lower-case letters"),
    (
        {"delegation": {"zone": "d.example.net"}, "dns": {"zones": ["d.example.net"]}},
        "dns.zones[0]",
        "'d.example.net'",
        "it is the delegation zone",
    ),
    (
        {"delegation": {"zone": "d.example.net"}, "dns": {"zones": ["a.net", "x.d.example.net"]}},
        "dns.zones[1]",
        "'x.d.example.net'",
        "lies in the delegation zone",
    ),
    ({"updates": [{}]}, "updates[0].zone", "missing", "a domain name"),
    ({"updates": [UPDATED | {"server": "ns1"}]}, "updates[0].server", "'ns1'", "host:port"),
    ({"updates": [UPDATED | {"keyName": "a b"}]}, "updates[0].keyName", "'a b'", "TSIG key"),
    (
        {"updates": [UPDATED | {"keyAlgorithm": "hmac-md5"}]},
        "updates[0].keyAlgorithm",
        "'hmac-md5'",
        "hmac-sha256, hmac-sha384, hmac-sha512",
    ),
    ({"updates": 2 * [UPDATED]}, "updates", "'tenants.example.net'", "twice"),
    (
        {"updates": [UPDATED | {"zone": "x.d.example.net"}]},
        "updates[0].zone",
        "'x.d.example.net'",
        "the operator itself answers for the delegation zone, d.example.net",
    ),
    ({"api": {"askListen": 8084}}, "api.askListen", "8084", "address:port"),
    ({"api": {"challengeListen": "8086"}}, "api.challengeListen", "'8086'", "address:port"),
    (_issuer(challenges=[]), "issuers[0].challenges", "it is empty", "dns-01 and http-01"),
    (_issuer(challenges=["tls-alpn-01"]), "issuers[0].challenges[0]", "'tls-alpn-01'", "dns-01"),
    (_issuer(challenges=2 * ["dns-01"]), "issuers[0].challenges", "'dns-01'", "twice"),
    (_issuer(challenges=["http-01"]), "issuers[0].challenges", "'http-01'", "api.challengeListen"),
    ({"dns": []}, "dns", "a list", "a mapping that may have listen, probeListen"),
    ({"dns": {1: "x"}}, "the file", "key", "a text"),
    ({"logging": {"level": "DEBUG"}}, "logging.level", "'DEBUG'", "debug, error, info, warning"),
    ({"logging": {"format": True}}, "logging.format", "true", "auto, json, text"),
    ({"issuers": {"name": "a"}}, "issuers", "a mapping", "a list"),
    ({"issuers": [{"name": "a"}]}, "issuers[0].directoryURL", "missing", "a URL"),
    (
        {"issuers": [{"name": "A", "directoryURL": "https://ca"}]},
        "issuers[0].name",
        "'A'",
        "lower-",
    ),
    (
        {"issuers": [{"name": "a", "directoryURL": "ca"}]},
        "issuers[0].directoryURL",
        "'ca'",
        "a URL",
    ),
    (
        {"issuers": [{"name": "a", "directoryURL": "https://ca", "contact": ["me@x"]}]},
        "issuers[0].contact[0]",
        "'me@x'",
        "mailto:",
    ),
    (
        {"controller": {"metricsPerDomain": 100_001}},
        "controller.metricsPerDomain",
        "100001",
        "a number from 0 to 100000",
    ),
    (
        _issuer(limits={"ordersPerAccount": {"most": 0, "per": "1h"}}),
        "issuers[0].limits.ordersPerAccount.most",
        "0",
        "a number from 1",
    ),
    (
        _issuer(limits={"failuresPerName": {"most": 5, "per": "1ms"}}),
        "issuers[0].limits.failuresPerName.per",
        "0.001s",
        "1s or longer",
    ),
    (
        _issuer(limits={"failuresPerName": {"most": 5}}),
        "issuers[0].limits.failuresPerName.per",
        "missing",
        "a duration",
    ),
    (
        _issuer(limits={"orders": {}}),
        "issuers[0].limits.orders",
        "no such setting",
        "ordersPerAccount, certificatesPerDomain",
    ),
    (
        _issuer(externalAccountBinding={"keyID": "a"}),
        "issuers[0].externalAccountBinding.keyFile",
        "missing",
        "a text",
    ),
    (
        _issuer(externalAccountBinding={"keyID": "", "keyFile": "/k"}),
        "issuers[0].externalAccountBinding.keyID",
        "''",
        "not empty",
    ),
    (
        _issuer(externalAccountBinding={"keyID": "a", "hmac": "s"}),
        "issuers[0].externalAccountBinding.hmac",
        "no such setting",
        "keyID, keyFile",
    ),
    (_issuer(externalAccountBinding="a"), "issuers[0].externalAccountBinding", "'a'", "keyID"),
    (_issuer(profile=5), "issuers[0].profile", "5", "a text"),
    (_issuer(preferredChain=""), "issuers[0].preferredChain", "''", "not empty"),
    (_issuer(caBundle=[]), "issuers[0].caBundle", "a list", "a text"),
    (_issuer(privateKey="RSA"), "issuers[0].privateKey", "'RSA'", "algorithm, size, rotation"),
    (
        _issuer(privateKey={"algorithm": "Ed25519"}),
        "issuers[0].privateKey.algorithm",
        "'Ed25519'",
        "ECDSA, RSA",
    ),
    (
        _issuer(privateKey={"size": "256"}),
        "issuers[0].privateKey.size",
        "'256'",
        "256 or 384 for ECDSA",
    ),
    (
        _issuer(privateKey={"size": 8192}),
        "issuers[0].privateKey.size",
        "8192",
        "3072 or 4096 for RSA",
    ),
    (
        _issuer(privateKey={"size": 2048}),
        "issuers[0].privateKey.size",
        "2048",
        "with ECDSA; it has to be one of 256,",
    ),
    (
        _issuer(privateKey={"algorithm": "RSA", "size": 384}),
        "issuers[0].privateKey.size",
        "384",
        "2048, 3072, 4096",
    ),
    (
        _issuer(privateKey={"rotation": "Never"}),
        "issuers[0].privateKey.rotation",
        "'Never'",
        "Always, Reuse",
    ),
    ({"issuers": 2 * [{"name": "a", "directoryURL": "https://ca"}]}, "issuers", "'a'", "unique"),
    (_issuer(fallback="Other"), "issuers[0].fallback", "'Other'", "lower-case letters"),
    (_issuer(fallback="nobody"), "issuers[0].fallback", "'nobody'", "there is no other one"),
    (_issuers(a="b", b="nobody"), "issuers[1].fallback", "'nobody'", "one of a"),
    (_issuers(a="a"), "issuers[0].fallback", "a -> a", "circle"),
    (_issuers(a="b", b="c", c="b"), "issuers[0].fallback", "a -> b -> c -> b", "circle"),
    ({"api": {"authentication": {"mode": False}}}, "api.authentication.mode", "false", "Disabled"),
    ({"api": {}}, "api.authentication.tokenFile", "missing", "one token a line"),
    (
        {"api": {"authentication": {"mode": "Disabled", "audiences": ["a"]}}},
        "api.authentication.audiences",
        "it does nothing with mode Disabled",
        "Kubernetes",
    ),
    (
        {"api": {"authentication": {"mode": "Kubernetes", "audiences": [""]}}},
        "api.authentication.audiences[0]",
        "''",
        "not empty",
    ),
    ({"api": {"namespaces": "team-a"}}, "api.namespaces", "'team-a'", "a list, each"),
    ({"api": {"namespaces": ["a", "B"]}}, "api.namespaces[1]", "'B'", "lower-case letters"),
    (
        {"api": {**LEAST["api"], "registeredStatus": 404}},
        "api.registeredStatus",
        "404",
        "409, 500",
    ),
    ({"verification": {"recheckInterval": "0s"}}, "verification.recheckInterval", "0s", "1s or"),
    ({"claims": {"pendingExpiry": "0s"}}, "claims.pendingExpiry", "0s", "1s or longer"),
    ({"claims": {"contests": "no"}}, "claims.contests", "'no'", "true or false"),
    ({"names": {"deniedSuffixes": "a.net"}}, "names.deniedSuffixes", "'a.net'", "a list, each"),
    ({"names": {"deniedSuffixes": [".a.net"]}}, "names.deniedSuffixes[0]", "'.a.net'", "in front"),
    ({"names": {"deniedSuffixes": ["*.a.net"]}}, "names.deniedSuffixes[0]", "'*.a", "in front"),
    ({"names": {"allowedSuffixes": ["a.net", 5]}}, "names.allowedSuffixes[1]", "5", "such as"),
    ({"names": {"allowedSuffixes": ["xn--zz.de"]}}, "names.allowedSuffixes[0]", "xn--z", "such as"),
    ({"names": {"allowedSuffixes": ["10.0.0.1"]}}, "names.allowedSuffixes[0]", "'10.0", "such as"),
    (
        {"names": {"allowedSuffixes": ["a.net", "x.d.example.net"]}},
        "names.allowedSuffixes[1]",
        "'x.d.example.net'",
        "below d.example.net can be registered (it is the delegation zone)",
    ),
    (
        {"names": {"allowedSuffixes": ["a.NET"], "deniedSuffixes": ["b.net", "a.net"]}},
        "names.allowedSuffixes[0]",
        "'a.net'",
        "below a.net can be registered (names.deniedSuffixes)",
    ),
    ({"names": {"privateSuffixes": True}}, "names.privateSuffixes", "true", "Allow, Refuse"),
    ({"webhooks": {"urls": [HOOK]}}, "webhooks.secretFile", "missing", "a file with the secrets"),
    (hooks("ftp://example.net"), "webhooks.urls[0]", "'ftp://example.net'", "such as https://"),
    (hooks("https://a:b@example.net"), "webhooks.urls[0]", "a:b", "without user, password"),
    (hooks("https://example.net/#a"), "webhooks.urls[0]", "#a", "without user, password"),
    (hooks(HOOK, "http://example.net/"), "webhooks.urls[1]", "http", "has to be https"),
    (hooks("https://example.net:0/"), "webhooks.urls[0]", "port 0", "from 1 to 65535"),
    (hooks("https://example.net:65536"), "webhooks.urls[0]", "65536", "from 1 to 65535"),
    (hooks(HOOK, HOOK), "webhooks.urls[1]", "platform.example.net", "once is enough"),
    (hooks(*(f"{HOOK}/{n}" for n in range(9))), "webhooks.urls", "9 are", "may be 8"),
    ({"webhooks": {"urls": HOOK}}, "webhooks.urls", HOOK, "a list, each entry a URL"),
    (hooks(HOOK, allowPrivateAddresses="yes"), "webhooks.allowPrivateAddresses", "yes", "true"),
    ({"controller": {"leaseDuration": "2s"}}, "controller.leaseDuration", "2s", "3s or longer"),
    ({"controller": {"namespace": "a.b"}}, "controller.namespace", "'a.b'", "digits and hyphens"),
]


@pytest.mark.parametrize(("changed", "path", "value", "allowed"), WRONG)
def test_what_is_wrong_is_said(
    changed: dict[str, Any], path: str, value: str, allowed: str
) -> None:
    said = complaint(changed)
    assert said.startswith(f"{path}:")
    assert value in said
    assert allowed in said
    assert "^" not in said, "a regular expression is no explanation"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "not a YAML mapping"),
        ("", "not a YAML mapping"),
        ("kind: a\nkind: b", "'kind' is there twice"),
        ("a: 1\n---\nb: 1", "not valid YAML"),
        ("a: !!python/name:os.system", "not valid YAML"),
    ],
)
def test_no_settings_at_all(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_settings(text, {})


def test_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none.yaml: it can't be read: No such file"):
        load_settings(tmp_path / "none.yaml", {})
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"binary.yaml: it is not UTF-8"):
        load_settings(binary, {})
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("kind: Pod", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"wrong.yaml: apiVersion: it is missing"):
        load_settings(wrong, {})


def test_the_environment_overrides() -> None:
    settings = parse(
        {"dns": {"listen": ":1"}},
        CUSTOMDOMAINS_DNS_LISTEN=":2",
        CUSTOMDOMAINS_CONTROLLER_LEASEDURATION="30s",
        CUSTOMDOMAINS_API_AUTHENTICATION_MODE="Token",
        CUSTOMDOMAINS_API_AUTHENTICATION_TOKENFILE="/tokens",
        CUSTOMDOMAINS_API_REGISTEREDSTATUS="409",
        CUSTOMDOMAINS_ISSUERS="[{name: a, directoryURL: 'https://ca'}]",
        PATH="/bin",
    )
    assert settings.dns.listen == ":2"
    assert settings.controller.lease_duration.seconds == 30
    assert settings.api.authentication.token_file == "/tokens"
    assert settings.api.registered_status == 409
    assert [issuer.name for issuer in settings.issuers] == ["a"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DNS_LISTN", ":1", "there are CUSTOMDOMAINS_DNS_LISTEN, CUSTOMDOMAINS_DNS_PROBELISTEN"),
        ("DMS_LISTEN", ":1", "there are CUSTOMDOMAINS_DELEGATION, CUSTOMDOMAINS_ISSUERS"),
        ("ISSUERS_0_NAME", "a", "there are CUSTOMDOMAINS_DELEGATION"),
        ("DNS_LISTEN", "1", "dns.listen (set by CUSTOMDOMAINS_DNS_LISTEN): 1"),
        ("LOOKUPS_RESOLVERS", "[a]", "resolvers[0] (set by CUSTOMDOMAINS_LOOKUPS_RESOLVERS): 'a'"),
        ("LOGGING", "{level: x}", "logging.level (set by CUSTOMDOMAINS_LOGGING): 'x'"),
        ("DNS_LISTEN", "[", "CUSTOMDOMAINS_DNS_LISTEN is not valid YAML"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, said: str) -> None:
    assert said in complaint({}, **{f"CUSTOMDOMAINS_{variable}": value})


def test_a_variable_below_what_is_no_section() -> None:
    said = complaint({"dns": 5}, CUSTOMDOMAINS_DNS_LISTEN=":1")
    assert said == "CUSTOMDOMAINS_DNS_LISTEN: dns in the file is not a mapping"


@pytest.mark.parametrize(
    "variable",
    ["API_SERVICE_HOST", "API_SERVICE_PORT_HTTP", "API_PORT", "DNS_REPLICAS_PORT_53_UDP_ADDR",
     "SERVICE_HOST", "PORT_80_TCP", "CONFIG", "URL", "TOKEN", "DNS"],
)  # fmt: skip
def test_variables_that_others_set(variable: str) -> None:
    """Kubernetes' links to Services called customdomains-*, and what `.dev/env` holds."""
    parse({}, **{f"CUSTOMDOMAINS_{variable}": "tcp://10.0.0.1:80"})


SETUP = {"keyFile": "/keys", "publicURL": "https://domains.example.net/api"}


def with_setup(**changed: Any) -> dict[str, Any]:
    return {"api": {**LEAST["api"], "setup": SETUP | changed}}


def test_the_page_for_tenants() -> None:
    assert parse({}).api.setup.key_file is None
    setup = parse(with_setup(colour="#FFcc00"), CUSTOMDOMAINS_API_SETUP_NAME="Meadow").api.setup
    assert (setup.key_file, setup.public_url) == ("/keys", SETUP["publicURL"])
    assert (setup.name, setup.colour) == ("Meadow", "#FFcc00")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"publicURL": None}, "api.setup.publicURL: it is missing"),
        ({"keyFile": None}, "api.setup.keyFile: it is missing"),
        ({"publicURL": "domains.example.net"}, "'domains.example.net' is not possible"),
        ({"publicURL": "https://a.example?x"}, "without query and fragment"),
        ({"publicURL": "https://user@a.example"}, "without query and fragment"),
        ({"colour": "blue"}, "'blue' is not possible; it has to be a colour as #"),
        ({"colour": "#12345"}, "six hexadecimal digits"),
        ({"colour": "#123456;"}, "six hexadecimal digits"),
        ({"name": ""}, "'' is not possible"),
        ({"logo": "x"}, "there is no such setting; api.setup may have keyFile, publicURL, name,"),
    ],
)
def test_what_the_page_for_tenants_can_t_be(changed: dict[str, Any], said: str) -> None:
    assert said in complaint(with_setup(**changed))


def test_what_is_said_of_the_page_for_tenants_is_right() -> None:
    """The example in the documentation, and the one in the example's comment."""
    text = (EXAMPLE.parents[1] / "docs" / "setup-page.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(text.split("```yaml\n", 1)[1].split("```", 1)[0])["api"]["setup"]
    assert parse({"api": {**LEAST["api"], "setup": shown}}).api.setup.name == "Meadow Hosting"
    assert all(f"`api.setup.{name}`" in text for name in shown)
    lines = EXAMPLE.read_text(encoding="utf-8").split("  # setup:\n", 1)[1].splitlines()
    commented = "\n".join(line.removeprefix("  #") for line in lines if line.startswith("  #"))
    assert yaml.safe_load(commented) == shown

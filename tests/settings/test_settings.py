"""Settings: what is read."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import yaml
from build import DAY, HOUR, MINUTE
from settings_reading import EXAMPLE, complaint, hooks, one_issuer, parse

from customdomains.dns.resolvers import make_resolvers
from customdomains.settings import (
    Duration,
    Issuer,
    SettingsError,
    load_settings,
    parse_settings,
)


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
    [issuer] = parse(one_issuer()).issuers
    key = issuer.private_key
    assert (key.algorithm, key.size, key.rotation) == ("ECDSA", None, "Always")
    assert issuer.external_account_binding is issuer.profile is issuer.preferred_chain is None


def test_an_issuer_with_everything() -> None:
    [issuer] = parse(
        one_issuer(
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
    limits = parse(one_issuer(limits=text)).issuers[0].limits
    assert limits is not None
    assert limits.orders_per_account is not None
    assert (limits.orders_per_account.most, limits.orders_per_account.per.delta) == (100, HOUR)
    assert limits.renewals == "Exempt"
    assert parse(one_issuer()).issuers[0].limits is None


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

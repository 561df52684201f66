"""The operator's settings: one YAML file, overridden by the environment, validated whole.

Every key may be overridden by a variable named by its path: `api.listen` by
`CUSTOMDOMAINS_API_LISTEN`, `controller.leaseDuration` by `CUSTOMDOMAINS_CONTROLLER_LEASEDURATION`.
A variable's value is read as YAML. What is wrong is said with its path, the value and what is
allowed, and stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

API_VERSION = "config.customdomains.dev/v1"
KIND = "OperatorConfiguration"
PREFIX = "CUSTOMDOMAINS_"

_NO_SETTINGS = frozenset(PREFIX + name for name in ("CONFIG", "URL", "TOKEN", "DNS"))
"""Where this file is, and what a development environment tells those who call the operator."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class SettingsError(Exception):
    """The settings can't be used; the text is for the person who wrote them."""


class Duration:
    """A length of time as written in settings: `90s`, `1h30m`, `7d`."""

    __slots__ = ("delta",)

    def __init__(self, text: str) -> None:
        if not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
            raise ValueError("a duration such as 500ms, 30s, 15m, 12h or 7d")
        parts = _DURATION.findall(text)
        self.delta = timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts))

    @property
    def seconds(self) -> float:
        """In seconds."""
        return self.delta.total_seconds()


Listen = Annotated[str, msgspec.Meta(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]*):\d{1,5}$")]
"""`address:port`; an IPv6 address in brackets; an empty address listens on all."""
HostPort = Annotated[str, msgspec.Meta(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):\d{1,5}$")]
DnsName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(?=.{1,200}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$"
    ),
]
ObjectName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://\S+$")]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Delegation(_Section, frozen=True):
    """The zone that tenants delegate to; `responders` are asked in the self-check, all addresses
    of each."""

    zone: DnsName
    nameservers: tuple[DnsName, ...] = ()
    hostmaster: DnsName | None = None
    responders: tuple[HostPort, ...] = ()


class Lookups(_Section, frozen=True):
    """How the DNS is asked; without `resolvers` the system's are used."""

    resolvers: tuple[HostPort, ...] = ()
    timeout: Duration = Duration("2s")
    deadline: Duration = Duration("5s")


class Verification(_Section, frozen=True):
    """How a proof is kept up."""

    recheck_interval: Duration = Duration("24h")
    grace_period: Duration = Duration("72h")


class Issuer(_Section, frozen=True):
    """An ACME CA."""

    name: ObjectName
    directory_url: Url = msgspec.field(name="directoryURL")
    contact: tuple[Annotated[str, msgspec.Meta(pattern=r"^mailto:\S+@\S+$")], ...] = ()
    ca_bundle: str | None = None


class Controller(_Section, frozen=True):
    """The controller process. `namespace` is where its Lease and the account keys are.

    `probeListen` answers `/healthz`, `metricsListen` has `/metrics` and `/readyz`.
    """

    namespace: ObjectName = "customdomains"
    probe_listen: Listen = ":8081"
    metrics_listen: Listen = ":8083"
    lease_duration: Duration = Duration("15s")
    secret_retention: Duration = Duration("24h")


class Authentication(_Section, frozen=True):
    """Who may call the HTTP API: `Token` with a file of tokens, one a line, or nobody is asked."""

    mode: Literal["Token", "Disabled"] = "Token"
    token_file: str | None = None


class Api(_Section, frozen=True):
    """The HTTP process. `namespace` is where it registers domains, and all it serves."""

    listen: Listen = ":8080"
    namespace: ObjectName = "default"
    authentication: Authentication = Authentication()
    registered_status: Literal[409, 500] = 500
    controller_timeout: Duration = Duration("15s")


class Responder(_Section, frozen=True):
    """The dns process; `probeListen` answers its health checks and metrics over HTTP."""

    listen: Listen = ":5353"
    probe_listen: Listen = ":8082"


class Logging(_Section, frozen=True):
    """`auto` is text on a terminal and JSON elsewhere."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(_Section, frozen=True):
    """All of it."""

    delegation: Delegation
    issuers: tuple[Issuer, ...] = ()
    lookups: Lookups = Lookups()
    verification: Verification = Verification()
    controller: Controller = Controller()
    api: Api = Api()
    dns: Responder = Responder()
    logging: Logging = Logging()


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read the file at `path` with the overrides of `environment`.

    Raises `SettingsError`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: can't be read: {error}") from error
    try:
        return parse_settings(text, environment)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def parse_settings(text: str, environment: Mapping[str, str]) -> Settings:
    """The settings that `text` (YAML) and `environment` say. Raises `SettingsError`."""
    body = _read_yaml(text, "the file")
    if not isinstance(body, dict):
        raise SettingsError("not a YAML mapping")
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        found = body.pop(key, None)
        if found != wanted:
            raise SettingsError(f"{key}: {found!r} is not supported; it has to be {wanted!r}")
    _override(body, environment)
    settings = _convert(body)
    _check(settings)
    return settings


def _read_yaml(text: str, what: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())
        raise SettingsError(f"{what} is not valid YAML: {place}") from error


def _override(body: dict[str, Any], environment: Mapping[str, str]) -> None:
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in _NO_SETTINGS:
            _set(body, variable, environment[variable])


def _set(body: dict[str, Any], variable: str, text: str) -> None:
    """Follow the sections' fields as far as the variable's name goes; unknown names are refused,
    since a mistyped override would silently do nothing."""
    rest, place, section = variable.removeprefix(PREFIX), body, Settings
    while True:
        fields = msgspec.structs.fields(section)
        match = next((f for f in fields if f.encode_name.upper() == rest), None)
        if match is not None:
            place[match.encode_name] = _read_yaml(text, variable)
            return
        nested = next((f for f in fields if rest.startswith(f.encode_name.upper() + "_")), None)
        if nested is None or not _is_section(nested.type):
            known = ", ".join(
                PREFIX + f.encode_name.upper() for f in msgspec.structs.fields(Settings)
            )
            raise SettingsError(f"{variable}: no such setting; they begin with {known}")
        rest = rest.removeprefix(nested.encode_name.upper() + "_")
        place = place.setdefault(nested.encode_name, {})
        section = nested.type


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, _Section)


def _convert(body: dict[str, Any]) -> Settings:
    try:
        return msgspec.convert(body, Settings, dec_hook=_decode)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        path = where.rstrip("`").removeprefix(".")
        value = _value_at(body, path)
        shown = f" is {value!r}" if value is not _MISSING else ""
        raise SettingsError(f"{path or 'settings'}{shown}: {_lower(message)}") from None


_MISSING = object()


def _value_at(body: Any, path: str) -> Any:
    for step in re.findall(r"[^.\[\]]+", path):
        try:
            body = body[int(step)] if isinstance(body, list) else body[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return _MISSING
    return _MISSING if isinstance(body, dict | list) else body


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _decode(kind: type, value: Any) -> Any:
    if kind is not Duration:
        raise NotImplementedError(kind)
    if not isinstance(value, str):
        raise ValueError("expected a duration such as 500ms, 30s, 15m, 12h or 7d")  # noqa: TRY004 - msgspec reports ValueError with the path
    return Duration(value)


def _check(settings: Settings) -> None:
    """What takes more than one field to tell."""
    names = [issuer.name for issuer in settings.issuers]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise SettingsError(f"issuers: the name {doubles[0]!r} is there twice; names are unique")
    authentication = settings.api.authentication
    if authentication.mode == "Token" and not authentication.token_file:
        raise SettingsError(
            "api.authentication.tokenFile is missing: mode Token needs a file with one token a "
            "line; to serve everybody without asking, set api.authentication.mode to Disabled"
        )
    if settings.controller.lease_duration.seconds < 3:
        raise SettingsError("controller.leaseDuration: it has to be 3s or longer")

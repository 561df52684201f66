"""From the file and the environment to the settings."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from customdomains.model.keys import SIZES, Algorithm
from customdomains.settings import setup, webhooks
from customdomains.settings.issuers import Issuer, fallback_fault
from customdomains.settings.limits import Limit, Limits
from customdomains.settings.schema import Lookups, Settings
from customdomains.settings.values import Duration, Section, Suffix
from customdomains.settings.wording import in_words

API_VERSION = "config.customdomains.dev/v1"
KIND = "OperatorConfiguration"
PREFIX = "CUSTOMDOMAINS_"

_NO_SETTINGS = frozenset(PREFIX + name for name in ("CONFIG", "URL", "TOKEN", "DNS"))
"""Where this file is, and what a development environment tells those who call the operator."""

_SERVICE_LINK = re.compile(
    r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes tells every pod of Services whose names begin like ours."""


class SettingsError(Exception):
    """The settings can't be used; the text is for the person who wrote them."""


def load_settings(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read the file at `path` with the overrides of `environment`.

    Raises `SettingsError`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: it can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: it is not UTF-8: {error}") from error
    try:
        return parse_settings(text, environment)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def parse_settings(text: str, environment: Mapping[str, str]) -> Settings:
    """The settings that `text` (YAML) and `environment` say. Raises `SettingsError`."""
    body = _read_yaml(text, "the file")
    if not isinstance(body, dict):
        raise SettingsError("the file is not a YAML mapping")
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        found = body.pop(key, None)
        if found != wanted:
            said = "it is missing" if found is None else f"{found!r} is not possible"
            raise SettingsError(f"{key}: {said}; it has to be {wanted}")
    settings = _convert(body, _override(body, environment))
    _check(settings)
    return settings


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: one of the two values would silently do nothing."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping at `node`."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _read_yaml(text: str, what: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        place = " ".join(str(error).split()).replace('"<unicode string>", ', "")
        raise SettingsError(f"{what} is not valid YAML: {place}") from error


def _override(body: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put the variables' values into `body`; returns which path came from which variable."""
    return {
        _set(body, variable, environment[variable]): variable
        for variable in sorted(environment)
        if variable.startswith(PREFIX) and not _means_another(variable)
    }


def _means_another(variable: str) -> bool:
    rest = variable.removeprefix(PREFIX)
    return variable in _NO_SETTINGS or _SERVICE_LINK.fullmatch(rest) is not None


def _set(body: dict[str, Any], variable: str, text: str) -> str:
    """Follow the sections' fields as far as the variable's name goes; unknown names are refused,
    since a mistyped override would silently do nothing."""
    rest, place, path = variable.removeprefix(PREFIX), body, ""
    section: type[Section] = Settings
    while True:
        fields = msgspec.structs.fields(section)
        match = next((f for f in fields if f.encode_name.upper() == rest), None)
        if match is not None:
            place[match.encode_name] = _read_yaml(text, variable)
            return path + match.encode_name
        nested = next((f for f in fields if rest.startswith(f.encode_name.upper() + "_")), None)
        if nested is None or not _is_section(nested.type):
            here = variable.removesuffix(rest)
            known = ", ".join(here + field.encode_name.upper() for field in fields)
            raise SettingsError(f"{variable}: there is no such setting; there are {known}")
        rest = rest.removeprefix(nested.encode_name.upper() + "_")
        path += f"{nested.encode_name}."
        section = nested.type
        place = place.setdefault(nested.encode_name, {})
        if not isinstance(place, dict):
            raise SettingsError(f"{variable}: {path.rstrip('.')} in the file is not a mapping")


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _convert(body: dict[str, Any], sources: Mapping[str, str]) -> Settings:
    try:
        return msgspec.convert(body, Settings, dec_hook=_decode)
    except msgspec.ValidationError as error:
        path, fault = in_words(error, body)
        source = next((v for p, v in sources.items() if re.match(rf"{p}(?![^.\[])", path)), None)
        origin = f" (set by {source})" if source else ""
        raise SettingsError(f"{path or 'the file'}{origin}: {fault}") from None


def _decode(kind: type, value: Any) -> Any:
    if kind is not Duration and kind is not Suffix:
        raise NotImplementedError(kind)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004 - msgspec adds the path to it
    return kind(value)


def _check(settings: Settings) -> None:
    """What takes more than one field, or more than its form, to tell."""
    _check_issuers(settings.issuers)
    _check_challenges(settings)
    authentication = settings.api.authentication
    if authentication.mode == "Token" and not authentication.token_file:
        raise SettingsError(
            "api.authentication.tokenFile: it is missing; mode Token needs a file with one token a "
            "line; to serve everybody without asking, set api.authentication.mode to Disabled"
        )
    if authentication.audiences and authentication.mode != "Kubernetes":
        raise SettingsError(
            f"api.authentication.audiences: it does nothing with mode {authentication.mode}; the "
            "mode has to be Kubernetes"
        )
    _check_suffixes(settings)
    _check_zones(settings)
    _check_updates(settings)
    if fault := webhooks.fault_in(settings.webhooks) or setup.fault_in(settings.api.setup):
        raise SettingsError(fault)
    lookups = settings.lookups
    _at_least("lookups.timeout", lookups.timeout, Duration("10ms"))
    _at_least("lookups.deadline", lookups.deadline, lookups.timeout, " (lookups.timeout)")
    _check_resolvers(lookups)
    _at_least("verification.recheckInterval", settings.verification.recheck_interval, _SECOND)
    _at_least("claims.pendingExpiry", settings.claims.pending_expiry, _SECOND)
    _at_least("controller.leaseDuration", settings.controller.lease_duration, Duration("3s"))
    _at_least("api.controllerTimeout", settings.api.controller_timeout, _SECOND)


def _check_issuers(issuers: tuple[Issuer, ...]) -> None:
    names = [issuer.name for issuer in issuers]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise SettingsError(f"issuers: the name {doubles[0]!r} is there twice; names are unique")
    for place, issuer in enumerate(issuers):
        algorithm, size = issuer.private_key.algorithm, issuer.private_key.size
        sizes = SIZES[Algorithm(algorithm)]
        if size is not None and size not in sizes:
            raise SettingsError(
                f"issuers[{place}].privateKey.size: {size} is not possible with {algorithm}; it "
                f"has to be one of {', '.join(map(str, sizes))}"
            )
        _check_limits(f"issuers[{place}].limits", issuer.limits)
        fault = fallback_fault(issuer, issuers)
        if fault is not None:
            raise SettingsError(f"issuers[{place}].fallback: {fault}")


def _check_limits(path: str, limits: Limits | None) -> None:
    for field in msgspec.structs.fields(Limits):
        limit = getattr(limits, field.name, None)
        if isinstance(limit, Limit):
            _at_least(f"{path}.{field.encode_name}.per", limit.per, _SECOND)


def _check_challenges(settings: Settings) -> None:
    """A list that nothing comes of, or that names what can't be answered."""
    for place, issuer in enumerate(settings.issuers):
        kinds, path = issuer.challenges, f"issuers[{place}].challenges"
        if kinds is None:
            continue
        if not kinds:
            raise SettingsError(
                f"{path}: it is empty, so no certificate could be had; name a kind of challenge, "
                "or leave it out for dns-01 and http-01"
            )
        doubles = [kind for kind in kinds if kinds.count(kind) > 1]
        if doubles:
            raise SettingsError(f"{path}: {doubles[0]!r} is there twice; once is enough")
        if "http-01" in kinds and settings.api.challenge_listen is None:
            raise SettingsError(
                f"{path}: 'http-01' is not possible; it is answered only where "
                "api.challengeListen is set"
            )


def _check_suffixes(settings: Settings) -> None:
    """An allowed suffix that is denied as well would silently do nothing."""
    denied = (settings.delegation.zone, *settings.names.denied_suffixes)
    for place, allowed in enumerate(settings.names.allowed_suffixes):
        above = next((s for s in denied if f".{allowed}".endswith(f".{s}")), None)
        if above is not None:
            source = "it is the delegation zone" if above == denied[0] else "names.deniedSuffixes"
            raise SettingsError(
                f"names.allowedSuffixes[{place}]: {str(allowed)!r} is not possible; no name below "
                f"{above} can be registered ({source})"
            )


def _check_zones(settings: Settings) -> None:
    delegation, zones = settings.delegation.zone, settings.dns.zones
    for place, zone in enumerate(zones):
        if f".{zone}".endswith(f".{delegation}"):
            where = (
                "is the delegation zone" if zone == delegation else "lies in the delegation zone"
            )
            raise SettingsError(
                f"dns.zones[{place}]: {zone!r} is not possible; it {where}, {delegation}, which is "
                "served with all that is in it anyway"
            )
        if zone in zones[:place]:
            raise SettingsError(f"dns.zones: {zone!r} is there twice; once is enough")


def _check_updates(settings: Settings) -> None:
    zones = [each.zone for each in settings.updates]
    for place, zone in enumerate(zones):
        if zone in zones[:place]:
            raise SettingsError(f"updates: {zone!r} is there twice; once is enough")
        if f".{zone}".endswith(f".{settings.delegation.zone}"):
            raise SettingsError(
                f"updates[{place}].zone: {zone!r} is not possible; the operator itself answers for "
                f"the delegation zone, {settings.delegation.zone}"
            )


def _check_resolvers(lookups: Lookups) -> None:
    known = lookups.resolvers
    doubles = [resolver for resolver in known if known.count(resolver) > 1]
    if doubles:
        raise SettingsError(f"lookups.resolvers: {doubles[0]!r} is there twice; it has one voice")
    if lookups.mode != "Quorum":
        return
    if len(known) < 2:
        raise SettingsError(
            f"lookups.resolvers: {'there is only one' if known else 'there are none'}; mode Quorum "
            "needs two or more to agree, so name them; to rely on one or on the system's, set "
            "lookups.mode to Recursive"
        )
    least = len(known) // 2 + 1
    possible = f"from {least} to {len(known)}" if least < len(known) else f"{least}"
    if not least <= lookups.quorum <= len(known):
        raise SettingsError(
            f"lookups.quorum: {lookups.quorum} is not possible with {len(known)} resolvers; it has "
            f"to be more than half of them and at most all, so {possible}"
        )


_SECOND = Duration("1s")


def _at_least(path: str, value: Duration, least: Duration, source: str = "") -> None:
    if value.delta < least.delta:
        raise SettingsError(
            f"{path}: {value.seconds:g}s is not possible; it has to be {least.seconds:g}s{source} "
            "or longer"
        )

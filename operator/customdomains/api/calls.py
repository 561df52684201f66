"""What callers may send: bodies and query parameters, checked before anything is done."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from customdomains.api.directory import Directory
from customdomains.api.errors import Refused
from customdomains.api.registration import NewDomain
from customdomains.api.resources import DomainView, Registration
from customdomains.model.domain import GROUP
from customdomains.model.names import NameRefusedError, canonical_name
from customdomains.model.reasons import Phase

DEFAULT_LIMIT = 100
MAX_LIMIT = 500

_MAX_NAME = 512  # characters as typed; no longer spelling of a name is in use
_MAX_EXTERNAL_ID = 253  # characters
_MAX_LABELS = 32

# Kubernetes' own rules for labels (apimachinery, validation.IsQualifiedName and IsValidLabelValue).
_LABEL_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL_PREFIX = r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_LABEL_KEY = re.compile(rf"({_LABEL_PREFIX}/)?{_LABEL_PART}")
_LABEL_VALUE = re.compile(rf"({_LABEL_PART})?")
_RESERVED = (GROUP, "kubernetes.io", "k8s.io")

_PARAMETERS = frozenset({"limit", "continue", "status", "domain_name", "external_id", "label"})


def new_domain(body: bytes) -> NewDomain:
    """The body of a registration. Raises `Refused`. Fields that are unknown are left alone."""
    parsed = _json_object(body)
    name = parsed.get("domain_name")
    if name is None:
        raise Refused("invalid_domain_name", "domain_name is missing; it has to be a string")
    if not isinstance(name, str):
        raise Refused("invalid_domain_name", f"domain_name is {_kind(name)}, not a string")
    if not name.strip():
        raise Refused("invalid_domain_name", "domain_name is empty")
    if len(name) > _MAX_NAME:
        raise Refused(
            "invalid_domain_name",
            f"domain_name has {len(name)} characters; no domain name needs more than {_MAX_NAME}",
        )
    return NewDomain(name, _external_id(parsed.get("external_id")), _labels(parsed.get("labels")))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("malformed_json", f"the body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise Refused("malformed_json", f"the body is {_kind(parsed)}, not a JSON object")
    return parsed


def _external_id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused("invalid_external_id", f"external_id is {_kind(value)}, not a string")
    if len(value) > _MAX_EXTERNAL_ID:
        raise Refused(
            "invalid_external_id",
            f"external_id has {len(value)} characters; at most {_MAX_EXTERNAL_ID} are kept",
        )
    return value


def _labels(value: object) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused("invalid_labels", f"labels is {_kind(value)}, not an object of strings")
    if len(value) > _MAX_LABELS:
        raise Refused("invalid_labels", f"there are {len(value)} labels; at most {_MAX_LABELS} are")
    for key, text in value.items():
        _check_label(key, text)
    return value


def _check_label(key: str, text: object) -> None:
    shown = ascii(key[:80])
    if not _LABEL_KEY.fullmatch(key):
        raise Refused("invalid_labels", f"{shown} can't be the key of a Kubernetes label")
    prefix = key.rpartition("/")[0]
    if any(prefix == name or prefix.endswith(f".{name}") for name in _RESERVED):
        raise Refused("invalid_labels", f"the label {shown} is reserved; use a prefix of your own")
    if not isinstance(text, str):
        raise Refused("invalid_labels", f"the label {shown} is {_kind(text)}, not a string")
    if not _LABEL_VALUE.fullmatch(text):
        raise Refused(
            "invalid_labels",
            f"the label {shown} has a value that Kubernetes does not take: at most 63 letters, "
            "digits, hyphens, underscores and dots, with a letter or digit at both ends",
        )


def _kind(value: object) -> str:
    """What JSON calls a value of this type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which page of the domains is wanted: those after `after`, in the order of their names.

    `status`, `domain` (canonical) and `external_id` filter where they are not None; of `labels`
    (key and value) a domain has to carry all.
    """

    limit: int = DEFAULT_LIMIT
    after: str = ""
    status: Phase | None = None
    domain: str | None = None
    external_id: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    def matches(self, view: DomainView) -> bool:
        """Whether this domain is wanted, its name and place apart."""
        return (
            (self.status is None or view.phase == self.status)
            and (self.external_id is None or view.external_id == self.external_id)
            and all(view.labels.get(key) == value for key, value in self.labels)
        )


def selection(query: Mapping[str, str], labels: Sequence[str]) -> Selection:
    """The query of a listing; `labels` are its `label` parameters, `key=value` each.

    Raises `Refused`; a misspelled filter must not list everything.
    """
    unknown = sorted(set(query) - _PARAMETERS)
    if unknown:
        known = ", ".join(sorted(_PARAMETERS))
        raise Refused(
            "invalid_query", f"there is no parameter {unknown[0][:80]!a}; there are {known}"
        )
    status, name = query.get("status"), query.get("domain_name")
    return Selection(
        limit=_limit(query.get("limit")),
        after=_after(query.get("continue")),
        status=None if status is None else _phase(status),
        domain=None if name is None else _canonical(name),
        external_id=query.get("external_id"),
        labels=tuple(_wanted_label(text) for text in labels),
    )


def select(directory: Directory, wanted: Selection) -> tuple[list[Registration], str | None]:
    """The page, and the continue token for the next where there is one."""
    several: Iterable[Registration]
    if wanted.domain is not None:
        found = directory.registration(wanted.domain)
        several = [] if found is None or wanted.domain <= wanted.after else [found]
    else:
        several = directory.after(wanted.after)
    matching = (each for each in several if wanted.matches(each.domain))
    some = list(islice(matching, wanted.limit + 1))
    if len(some) <= wanted.limit:
        return some, None
    return some[: wanted.limit], _continue(some[wanted.limit - 1].claim.domain)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise Refused("invalid_limit", f"limit has to be a number from 1 to {MAX_LIMIT}")
    return int(text)


def _continue(domain: str) -> str:
    return base64.urlsafe_b64encode(domain.encode()).decode().rstrip("=")


def _after(token: str | None) -> str:
    if token is None:
        return ""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        name = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError):
        name = ""
    if not name or _continue(name) != token:
        raise Refused("invalid_continue", "continue has to be a token from an earlier answer")
    return name


def _wanted_label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise Refused("invalid_label", "label has to be key=value, as in label=team=blue")
    return key, value


def _phase(text: str) -> Phase:
    try:
        return Phase(text)
    except ValueError:
        allowed = ", ".join(Phase)
        raise Refused("invalid_status", f"status has to be one of {allowed}") from None


def _canonical(text: str) -> str:
    try:
        return canonical_name(text[:_MAX_NAME])
    except NameRefusedError as refusal:
        raise Refused("invalid_domain_name", refusal.message) from refusal

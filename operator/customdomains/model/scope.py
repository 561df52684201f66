"""What a CA's refusal is about: so that a limit stops exactly what it names, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from customdomains.model.rendering import drop_empty


class ScopeKind(StrEnum):
    """How far a refusal reaches beyond the order that met it: over all requests to the CA, over all
    new orders of the account, or over new orders for a registered domain and all below it."""

    ISSUER = "Issuer"
    ACCOUNT = "Account"
    DOMAIN = "Domain"


@dataclass(frozen=True, slots=True)
class Scope:
    """A refusal's reach; `names` are the registered domains that it is about, in lower case; none
    where it is about the issuer or the account."""

    kind: ScopeKind
    names: tuple[str, ...] = ()


def render_scope(value: Scope) -> dict[str, Any]:
    """The JSON form."""
    return drop_empty({"kind": value.kind, "names": list(value.names)})


def parse_scope(body: Mapping[str, Any]) -> Scope:
    """From the JSON form. Raises `ValueError` or `KeyError`."""
    return Scope(ScopeKind(body["kind"]), tuple(body.get("names", ())))

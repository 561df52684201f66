"""Settings as tests write them: the least there can be, and what is changed of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from customdomains.settings import (
    API_VERSION,
    KIND,
    Settings,
    SettingsError,
    parse_settings,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "config.yaml"
LEAST: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "delegation": {"zone": "d.example.net"},
    "api": {"authentication": {"mode": "Disabled"}},
}


def parse(changed: dict[str, Any], **environment: str) -> Settings:
    """The settings."""
    return parse_settings(yaml.safe_dump(LEAST | changed), environment)


def complaint(changed: dict[str, Any], **environment: str) -> str:
    """What is said against them."""
    with pytest.raises(SettingsError) as caught:
        parse(changed, **environment)
    return str(caught.value)


HOOK = "https://platform.example.net/hooks"


def one_issuer(**more: Any) -> dict[str, Any]:
    """Settings with one issuer."""
    return {"issuers": [{"name": "a", "directoryURL": "https://ca", **more}]}


def fallbacks(**by_name: str | None) -> dict[str, Any]:
    """Settings with issuers and who stands in for each."""
    return {
        "issuers": [
            {"name": name, "directoryURL": "https://ca", "fallback": fallback}
            for name, fallback in by_name.items()
        ]
    }


def hooks(*urls: str, **changed: Any) -> dict[str, Any]:
    """Webhooks to `urls`."""
    return {"webhooks": {"urls": list(urls), "secretFile": "/secrets", **changed}}

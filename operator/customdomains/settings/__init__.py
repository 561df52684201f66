"""The operator's settings: one YAML file, overridden by the environment, validated whole.

Every key may be overridden by a variable named by its path: `api.listen` by
`CUSTOMDOMAINS_API_LISTEN`, `controller.leaseDuration` by `CUSTOMDOMAINS_CONTROLLER_LEASEDURATION`.
A variable's value is read as YAML. What is wrong is said with its path, the value and what is
allowed, and stops the start.
"""

from customdomains.settings.issuers import Issuer
from customdomains.settings.reading import (
    API_VERSION,
    KIND,
    SettingsError,
    load_settings,
    parse_settings,
)
from customdomains.settings.schema import Api, Authentication, Settings
from customdomains.settings.setup import Setup
from customdomains.settings.values import Duration

__all__ = [
    "API_VERSION",
    "KIND",
    "Api",
    "Authentication",
    "Duration",
    "Issuer",
    "Settings",
    "SettingsError",
    "Setup",
    "load_settings",
    "parse_settings",
]

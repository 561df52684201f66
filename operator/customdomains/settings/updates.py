"""What can be set of zones that the platform runs and that take updates."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from customdomains.settings.values import DnsName, HostPort, Section, Text

KeyName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(?=.{1,200}\.?$)[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?"
        r"(\.[A-Za-z0-9_]([-A-Za-z0-9_]*[A-Za-z0-9_])?)*\.?$",
        description="the name of a TSIG key as the server has it, such as customdomains.",
    ),
]


class UpdatedZone(Section, frozen=True):
    """A zone whose `server` takes dynamic updates (RFC 2136), signed with a TSIG key (RFC 8945).

    `keyFile` holds the key's secret in base64.
    """

    zone: DnsName
    server: HostPort
    key_name: KeyName
    key_file: Text
    key_algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"

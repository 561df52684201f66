"""What can be set of a CA's limits."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from customdomains.settings.values import Duration, Section

Most = Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="a number from 1 to 1000000")]


class Limit(Section, frozen=True):
    """At most `most` at once, and as many again spread evenly over `per`."""

    most: Most
    per: Duration


class Limits(Section, frozen=True):
    """What a CA allows: new orders of our account, certificates for names below one registered
    domain, certificates for exactly the same names, failed validations of one name.

    `renewals` tells whether these count: with `Exempt` not for the first two, nor for the third
    where the CA is told by ARI that they are renewals. By default they do, but at Let's Encrypt.
    """

    orders_per_account: Limit | None = None
    certificates_per_domain: Limit | None = None
    certificates_per_names: Limit | None = None
    failures_per_name: Limit | None = None
    renewals: Literal["Exempt", "Counted"] | None = None

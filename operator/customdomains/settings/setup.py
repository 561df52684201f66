"""What can be set of the page for tenants."""

from __future__ import annotations

from typing import Annotated

import msgspec

from customdomains.settings.values import Section, Text

BaseUrl = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^https?://(\[[0-9a-fA-F:.]+\]|[^\s/:\[\]@?#]+)(:[1-9][0-9]{0,4})?(/[^\s?#]*)?$",
        description="a URL without query and fragment, such as https://domains.example.net",
    ),
]
Colour = Annotated[
    str,
    msgspec.Meta(
        pattern="^#[0-9a-fA-F]{6}$",
        description="a colour as # and six hexadecimal digits in quotes, such as '#2f5bd0'",
    ),
]


class Setup(Section, frozen=True):
    """The page for tenants, which the links of `POST /domains/{id}/setup-link` lead to.

    `keyFile` has the keys that sign them, one a line, and without it there are none; `publicURL` is
    what they begin with. `name` and `colour` are the platform's.
    """

    key_file: Text | None = None
    public_url: BaseUrl | None = msgspec.field(default=None, name="publicURL")
    name: Text = "Custom domains"
    colour: Colour = "#2f5bd0"


def fault_in(setup: Setup) -> str | None:
    """What is wrong with it that takes more than the form of one field to tell."""
    if setup.key_file and not setup.public_url:
        return (
            "api.setup.publicURL: it is missing; with api.setup.keyFile there are links for "
            "tenants, which begin with it, such as https://domains.example.net"
        )
    if setup.public_url and not setup.key_file:
        return (
            "api.setup.keyFile: it is missing; links that begin with api.setup.publicURL are "
            "signed, so it needs a file with one key a line"
        )
    return None

"""What can be set of webhooks."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from customdomains.settings.values import Section, Text

MOST = 8
"""Receivers: what each has is noted in the claims."""

WebhookUrl = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^https?://(\[[0-9a-fA-F:.]+\]|[^\s/:\[\]@?#]+)(:[0-9]{1,5})?([/?][^\s#]*)?$",
        max_length=2048,
        description="a URL without user, password and fragment, such as "
        "https://platform.example.net/hooks/domains",
    ),
]


class Webhooks(Section, frozen=True):
    """Where what happens to domains is posted to, to each of the `urls`.

    `secretFile` has what they are signed with, one a line. `allowPrivateAddresses` is for receivers
    that are not on the Internet, and also lets URLs begin with http.
    """

    urls: tuple[WebhookUrl, ...] = ()
    secret_file: Text | None = None
    allow_private_addresses: bool = False


def fault_in(webhooks: Webhooks) -> str | None:
    """What is wrong with them that takes more than the form of one field to tell."""
    if webhooks.urls and webhooks.secret_file is None:
        return (
            "webhooks.secretFile: it is missing; it has to be a file with the secrets that "
            "webhooks are signed with, one a line"
        )
    if len(webhooks.urls) > MOST:
        return (
            f"webhooks.urls: {len(webhooks.urls)} are not possible; there may be {MOST}, and one "
            "that gets all can pass it on"
        )
    for place, url in enumerate(webhooks.urls):
        where, parts = f"webhooks.urls[{place}]", urlsplit(url)
        if url in webhooks.urls[:place]:
            return f"{where}: {parts.netloc} is there twice with the same URL; once is enough"
        if parts.scheme != "https" and not webhooks.allow_private_addresses:
            return (
                f"{where}: http is not possible; it has to be https, unless "
                "webhooks.allowPrivateAddresses is true"
            )
        port = parts.netloc.rpartition(":")[2]
        if port.isdigit() and not 1 <= int(port) <= 65535:
            return f"{where}: the port {port} is not possible; it has to be from 1 to 65535"
    return None

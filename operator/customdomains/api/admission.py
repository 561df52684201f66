"""Who is let in, and into which room."""

from __future__ import annotations

import re

from aiohttp import web

from customdomains.api.callers import Access, Caller, bearer
from customdomains.api.errors import NotPermitted, Refused, Stranger
from customdomains.api.rights import RIGHTS, Right
from customdomains.api.rooms import Room, Rooms
from customdomains.cluster.kinds import DNS_RECORDS

NAMESPACE = "Customdomains-Namespace"
"""The header that names the namespace a call is for."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # a DNS label, RFC 1123


class Admission:
    """Lets callers into the rooms, by `access` and the rights that a call needs.

    The platform's own DNS records are in `records_namespace`.
    """

    def __init__(self, access: Access, rooms: Rooms, records_namespace: str) -> None:
        self._access = access
        self._rooms = rooms
        self._records_namespace = records_namespace

    async def room(self, request: web.Request) -> Room | None:
        """Where the call belongs; None for one that is about no namespace's domains.

        Raises `Stranger`, `NotPermitted`, `Refused`, and what the ways of finding out raise.
        """
        caller = await self._known(request)
        right = _needed(request)
        if right is None:
            return None
        if right.resource is DNS_RECORDS:
            if not await caller.may(right, self._records_namespace):
                raise NotPermitted(
                    "forbidden",
                    "with these credentials the platform's own DNS records are out of reach",
                )
            return None
        namespace = _asked(request) or caller.home
        # Nobody is asked about namespaces that are not served: callers could name any number.
        room = self._rooms.get(namespace)
        if room is None or not await caller.may(right, namespace):
            raise _not_permitted()
        return room

    async def _known(self, request: web.Request) -> Caller:
        authorization = request.headers.get("Authorization")
        caller = await self._access.caller(bearer(authorization))
        if caller is None:
            raise Stranger(
                "unauthorized",
                "this needs the header `Authorization: Bearer <token>` with a token that is known "
                "here",
            )
        return caller


ADMISSION = web.RequestKey("admission", Admission)
"""Who has let a request in."""


async def readmit(request: web.Request) -> None:
    """For calls that take their time: raises like `Admission.room` where the caller would not be
    let in any more.
    """
    await request[ADMISSION].room(request)


def _needed(request: web.Request) -> Right | None:
    resource = request.match_info.route.resource
    method = "GET" if request.method == "HEAD" else request.method
    return RIGHTS[method, "" if resource is None else resource.canonical]


def _asked(request: web.Request) -> str | None:
    """The namespace that the call names. Raises `Refused` for what is none."""
    values = request.headers.getall(NAMESPACE, [])
    if not values:
        return None
    if len(values) > 1 or not _NAME.fullmatch(values[0].strip()):
        raise Refused(
            "invalid_namespace",
            f"{NAMESPACE} has to be given once, with the name of a namespace: at most 63 "
            "lower-case letters, digits and hyphens, with a letter or digit at both ends",
        )
    return values[0].strip()


def _not_permitted() -> NotPermitted:
    """The same whether the namespace is not served, is not there, or is another's."""
    return NotPermitted(
        "forbidden",
        "with these credentials this can't be done in this namespace; to ask for another one, name "
        f"it in the header {NAMESPACE}",
    )

"""Requests to the API server: JSON in, JSON out, one deadline each.

A bare aiohttp session: at 16 connections it takes a third of the CPU of the kubernetes client's
own, and every certificate costs several requests.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self
from urllib.parse import urlencode

from customdomains.cluster.config import Connection
from customdomains.cluster.errors import Unavailable
from customdomains.cluster.resource import Resource
from customdomains.cluster.transport import OnRequest, Transport

Json = dict[str, Any]
Query = Mapping[str, str]

PAGE_SIZE = 500  # objects; what the API server's own components ask for
TIMEOUT = 10.0  # seconds

_JSON = {"Accept": "application/json"}
_METADATA = {
    "Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
}
_METADATA_LIST = {
    "Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
}
_MERGE_PATCH = "application/merge-patch+json"


def _uncounted(_verb: str, _resource: str, _code: int) -> None:
    """For who counts nothing."""


class ApiClient:
    """The verbs of the API server. Everything raises ApiError and its subclasses.

    Objects are plain dictionaries, as the API server writes them. `timeout` is in seconds and
    covers all of a call, with the wait for a free connection and for a renewed token.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        connections: int = 16,
        on_request: OnRequest = _uncounted,
    ) -> None:
        """To be made in the running event loop; `on_request` counts the exchanges."""
        self._transport = Transport(connection, connections=connections, on_request=on_request)

    async def __aenter__(self) -> Self:
        """For `async with`."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        content_type: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Json:
        """Any request; `path` is escaped already. It is counted under the resource `other`."""
        kind = content_type or "application/json"
        return await self._call(
            (method.lower(), "other"),
            method,
            path,
            query=query,
            body=body,
            content_type=kind,
            timeout=timeout,
        )

    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        timeout: float = TIMEOUT,
    ) -> Json:
        """The object as it is now in etcd, never from a cache."""
        path = resource.path(namespace, name)
        return await self._call(("get", resource.plural), "GET", path, timeout=timeout)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
        timeout: float = TIMEOUT,
    ) -> AsyncGenerator[Json, None]:
        """All objects, of all namespaces where none is given; `timeout` is that of one page.

        What lists leave out, kind and apiVersion, is missing from the items. Gone means that the
        listing took longer than the server remembers: begin again.
        """
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        query = {key: value for key, value in selectors.items() if value}
        async for page in self.pages(
            resource, namespace, query=query, metadata_only=metadata_only, timeout=timeout
        ):
            for item in page["items"]:
                yield item

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        query: Query | None = None,
        metadata_only: bool = False,
        timeout: float = TIMEOUT,
    ) -> AsyncGenerator[Json, None]:
        """The list objects that `list` takes its items from: one consistent state, page by page.

        `metadata.resourceVersion`, the same in each, is that state's: a watch goes on from there.
        """
        accept = _METADATA_LIST if metadata_only else _JSON
        query = {**(query or {}), "limit": str(PAGE_SIZE)}
        path = resource.path(namespace)
        while True:
            page = await self._call(
                ("list", resource.plural), "GET", path, query=query, accept=accept, timeout=timeout
            )
            page["items"] = page.get("items") or []
            yield page
            following = page["metadata"].get("continue")
            if not following:
                return
            query = {**query, "continue": following}

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        query: Query,
        metadata_only: bool,
        silence: float,
    ) -> AsyncGenerator[bytes, None]:
        """The raw watch stream: one JSON event a line, in chunks that know nothing of lines.

        Unavailable when nothing comes for `silence` seconds.
        """
        return self._transport.stream(
            f"{resource.path(namespace)}?{urlencode({**query, 'watch': '1'})}",
            counted_as=("watch", resource.plural),
            headers=_METADATA if metadata_only else _JSON,
            silence=silence,
        )

    async def create(self, resource: Resource, body: Json, *, timeout: float = TIMEOUT) -> Json:
        """Create it, in the namespace that `body` names, and return it as stored.

        AlreadyExists when the name is taken.
        """
        path = resource.path(_namespace(resource, body))
        counted_as = ("create", resource.plural)
        return await self._call(counted_as, "POST", path, body=body, timeout=timeout)

    async def replace(self, resource: Resource, body: Json, *, timeout: float = TIMEOUT) -> Json:
        """Replace all but the status. Conflict when `body`'s resourceVersion is not the newest."""
        path = resource.path(_namespace(resource, body), body["metadata"]["name"])
        counted_as = ("update", resource.plural)
        return await self._call(counted_as, "PUT", path, body=body, timeout=timeout)

    async def replace_status(
        self, resource: Resource, body: Json, *, timeout: float = TIMEOUT
    ) -> Json:
        """Replace the status alone, conditionally like `replace`."""
        path = resource.path(_namespace(resource, body), body["metadata"]["name"], "status")
        counted_as = ("update", f"{resource.plural}/status")
        return await self._call(counted_as, "PUT", path, body=body, timeout=timeout)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Json,
        namespace: str | None = None,
        *,
        timeout: float = TIMEOUT,
    ) -> Json:
        """Merge `body` in (RFC 7386: null removes, lists are replaced).

        Conditional only where `body` has `metadata.resourceVersion`: then Conflict, as above.
        """
        return await self._patch(resource, "", name, body, namespace, timeout)

    async def patch_status(
        self,
        resource: Resource,
        name: str,
        body: Json,
        namespace: str | None = None,
        *,
        timeout: float = TIMEOUT,
    ) -> Json:
        """Like `patch`, for the status subresource."""
        return await self._patch(resource, "status", name, body, namespace, timeout)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        timeout: float = TIMEOUT,
    ) -> Json:
        """Delete it, only if it still has this uid and this version where they are given.

        Conflict when not, NotFound when there is none of that name.
        """
        conditions = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in conditions.items() if value is not None}
        path = resource.path(namespace, name)
        return await self._call(
            ("delete", resource.plural),
            "DELETE",
            path,
            body={"preconditions": preconditions} if preconditions else None,
            timeout=timeout,
        )

    async def _patch(
        self,
        resource: Resource,
        subresource: str,
        name: str,
        body: Json,
        namespace: str | None,
        timeout: float,
    ) -> Json:
        return await self._call(
            ("patch", f"{resource.plural}/{subresource}" if subresource else resource.plural),
            "PATCH",
            resource.path(namespace, name, subresource),
            body=body,
            content_type=_MERGE_PATCH,
            timeout=timeout,
        )

    async def _call(
        self,
        counted_as: tuple[str, str],
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        accept: Query = _JSON,
        timeout: float,
    ) -> Json:
        answer = await self._transport.exchange(
            method,
            f"{path}?{urlencode(query)}" if query else path,
            counted_as=counted_as,
            data=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
            headers=accept if body is None else {**accept, "Content-Type": content_type},
            timeout=timeout,
        )
        try:
            parsed = json.loads(answer)
        except ValueError as error:
            raise Unavailable(0, "NotJson", f"the answer to {method} {path} is no JSON") from error
        if not isinstance(parsed, dict):
            raise Unavailable(0, "NotJson", f"the answer to {method} {path} is no JSON object")
        return parsed


def _namespace(resource: Resource, body: Json) -> str | None:
    """Where `body` goes. A namespaced object that does not say it is a mistake of the caller."""
    namespace: str | None = body["metadata"].get("namespace")
    if resource.namespaced and not namespace:
        raise ValueError(f"an object of {resource.plural} needs metadata.namespace")
    return namespace if resource.namespaced else None

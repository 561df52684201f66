"""The API server as the stores see it, in memory: versions, conflicts, watches, lost answers.

A fake because a state machine needs thousands of them, each misbehaving as told. What it promises
is tested against the real one in tests/cluster.
"""

import asyncio
import copy
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from customdomains.cluster import AlreadyExists, Conflict, NotFound, TooManyRequests, Unavailable
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS, NAMESPACES
from customdomains.cluster.resource import Resource
from customdomains.model.times import format_time

Json = dict[str, Any]
Place = tuple[str, str, str]
"""Plural, namespace (or ""), name."""

LATENCY = 0.005


class FakeApi:
    """The objects, which nobody may change in place: what is stored is what is handed out.

    `audit` is called with verb, place, before and after, for each write.
    """

    def __init__(self, now: Callable[[], Any]) -> None:
        self._now = now
        self._version = 0
        self._objects: dict[Place, Json] = {}
        self.watchers: list[Callable[[str, str, Json], None]] = []
        self.audit: Callable[[str, Place, Json | None, Json | None], None] = lambda *_: None

    @property
    def version(self) -> int:
        """Of everything."""
        return self._version

    def get(self, place: Place) -> Json:
        found = self._objects.get(place)
        if found is None:
            raise NotFound(404, "NotFound", f"{place} not found")
        return found

    def find(self, plural: str) -> list[Json]:
        return [body for place, body in self._objects.items() if place[0] == plural]

    def create(self, plural: str, body: Json) -> Json:
        place = _place(plural, body)
        if place in self._objects:
            raise AlreadyExists(409, "AlreadyExists", f"{place} exists")
        body = copy.deepcopy(body)
        meta = body["metadata"]
        meta["uid"] = f"uid-{self._version + 1}"
        meta["creationTimestamp"] = format_time(self._now())
        meta["generation"], meta["resourceVersion"] = 1, "0"
        if plural == CUSTOM_DOMAINS.plural:
            body["status"] = {"observedGeneration": -1}
        self.audit("create", place, None, body)
        return self._store(place, body, "ADDED")

    def update(self, plural: str, body: Json, *, status: bool | None = None) -> Json:
        """`status`: replace it alone, or all but it; None where a kind has it all in one."""
        place = _place(plural, body)
        old, body = self._of_version(place, body["metadata"]), copy.deepcopy(body)
        new = {**old, "status": body["status"]} if status else body
        if status is False:
            new = {**body, "status": old.get("status", {})}
        meta = dict(old["metadata"])
        if not status:
            for field in ("labels", "annotations"):
                meta.pop(field, None)
            meta |= body["metadata"]
        if not status and old.get("spec") != new.get("spec"):
            meta["generation"] += 1
        new["metadata"] = meta
        self.audit("update", place, old, new)
        if _content(old) == _content(new):
            return old
        return self._store(place, new, "MODIFIED")

    def patch(self, plural: str, namespace: str, name: str, changes: Json) -> Json:
        place = (plural, namespace, name)
        old = self._of_version(place, changes.get("metadata", {}))
        new = _merged(old, changes)
        self.audit("patch", place, old, new)
        if _content(old) == _content(new):
            return old
        return self._store(place, new, "MODIFIED")

    def delete(self, plural: str, namespace: str, name: str, conditions: Json) -> Json:
        place = (plural, namespace, name)
        old = self._of_version(place, conditions)
        self.audit("delete", place, old, None)
        del self._objects[place]
        self._version += 1
        meta = {**old["metadata"], "resourceVersion": str(self._version)}
        self._tell(plural, "DELETED", {**old, "metadata": meta})
        return old

    def _of_version(self, place: Place, conditions: Json) -> Json:
        old = self.get(place)
        for field in ("uid", "resourceVersion"):
            if conditions.get(field) not in {None, old["metadata"][field]}:
                raise Conflict(409, "Conflict", f"{place} is of another {field}")
        return old

    def _store(self, place: Place, body: Json, event: str) -> Json:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self._objects[place] = body
        self._tell(place[0], event, body)
        return body

    def _tell(self, plural: str, event: str, body: Json) -> None:
        for watcher in list(self.watchers):
            watcher(plural, event, body)


class FakeClient:
    """One process' connection. `faults` are used up, one a request:

    `before`: no answer, nothing done; `after`: done, but no answer; `busy`: 429; `slow`: takes
    seconds. `step` is awaited at each point where a process may be killed.
    """

    def __init__(self, api: FakeApi, step: Callable[[], Any]) -> None:
        self._api = api
        self._step = step
        self.faults: deque[str] = deque()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Json:
        return await self._call(self._api.get, (resource.plural, namespace or "", name))

    async def list(
        self, resource: Resource, *, label_selector: str | None = None, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        assert metadata_only
        for body in await self._call(self._api.find, resource.plural):
            if label_selector is None or "labels" in body["metadata"]:
                yield body

    async def create(self, resource: Resource, body: Json) -> Json:
        return await self._call(self._api.create, resource.plural, body)

    async def replace(self, resource: Resource, body: Json) -> Json:
        return await self._call(self._api.update, resource.plural, body)

    async def replace_status(self, resource: Resource, body: Json) -> Json:
        return await self._call(lambda: self._api.update(resource.plural, body, status=True))

    async def patch(self, resource: Resource, name: str, body: Json, namespace: str) -> Json:
        return await self._call(self._api.patch, resource.plural, namespace, name, body)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str,
        resource_version: str,
    ) -> Json:
        conditions = {"uid": uid, "resourceVersion": resource_version}
        return await self._call(self._api.delete, resource.plural, namespace, name, conditions)

    async def _call(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        fault = self.faults.popleft() if self.faults else ""
        await asyncio.sleep(8.0 if fault == "slow" else LATENCY)
        await self._step()
        if fault == "before":
            raise Unavailable(0, "ConnectionFailed", "no answer")
        if fault == "busy":
            raise TooManyRequests(429, "TooManyRequests", "too many requests")
        answer = execute(*arguments)
        await asyncio.sleep(LATENCY)
        await self._step()
        if fault == "after":
            raise Unavailable(0, "ConnectionFailed", "no answer")
        return answer


def namespace_body(name: str) -> Json:
    return {"metadata": {"name": name}}


def _place(plural: str, body: Json) -> Place:
    return plural, body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _content(body: Json) -> str:
    meta = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
    return json.dumps({**body, "metadata": meta}, sort_keys=True)


def _merged(old: Json, changes: Json) -> Json:
    """RFC 7386."""
    new = dict(old)
    for key, value in changes.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict):
            new[key] = _merged(new.get(key) or {}, value)
        else:
            new[key] = value
    return new


CLAIMS, DOMAINS, SPACES = DOMAIN_CLAIMS.plural, CUSTOM_DOMAINS.plural, NAMESPACES.plural

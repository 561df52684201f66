"""The platform's own DNS records: read from memory, written as DNSRecords.

For a name and a type there is one object that the HTTP API writes, whose name says which, so that
callers at the same moment meet in it; every write is a create or conditional. Others may have
been applied by other means: they count, and are deleted from as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from customdomains.api.errors import Failed, NotThere, Refused, code_of, storage_failed
from customdomains.api.mirror import Mirror
from customdomains.api.recordcalls import Filter, Wanted
from customdomains.cluster import AlreadyExists, ApiClient, ApiError, Conflict, Invalid, NotFound
from customdomains.cluster.kinds import DNS_RECORDS
from customdomains.model.dnsrecord import (
    DEFAULT_TTL,
    DnsRecord,
    object_name,
    parse_record,
    render_record,
)
from customdomains.model.dnszones import OwnZones, Refusal, judge

_ATTEMPTS = 8  # at a write that others are faster with
_PAUSE = 0.02  # seconds after the first of them, more after each
_NOT_YET = datetime.max.replace(tzinfo=UTC)  # when an object is made that is not there yet

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """A DNSRecord, and why it is not served; None where it is."""

    record: DnsRecord
    refusal: Refusal | None


class Records:
    """The DNSRecords of `namespace`. Raises `CallError`."""

    def __init__(self, client: ApiClient, zones: OwnZones, namespace: str) -> None:
        """`mirror.cache` has to be run by who makes this."""
        self._client = client
        self.zones = zones
        self._namespace = namespace
        self.mirror: Mirror[DnsRecord] = Mirror(
            client, DNS_RECORDS, namespace=namespace, parse=parse_record, on_change=self._index
        )
        self._names: dict[str, str] = {}  # by key
        self._keys: dict[str, set[str]] = {}  # by name
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def at(self, name: str) -> list[Shown]:
        """What there is at `name`, by type."""
        records = list(self._at(name))
        verdicts = judge(records, self.zones)
        shown = [Shown(record, verdicts[record.key]) for record in records]
        return sorted(shown, key=lambda each: (each.record.type, each.record.object_name))

    def select(self, wanted: Filter) -> list[Shown]:
        """The records that `wanted` names, in the order of names and types."""
        names = sorted(self._keys) if wanted.name is None else [wanted.name]
        return [
            shown
            for name in names
            for shown in self.at(name)
            if wanted.type is None or shown.record.type is wanted.type
        ]

    async def add(self, wanted: Wanted) -> tuple[Shown, bool]:
        """Have the values stored: the record with them, and whether one of them is new."""
        async with self._lock(wanted.name):
            try:
                for attempt in range(_ATTEMPTS):
                    added = await self._try_to_add(wanted)
                    if added is not None:
                        return added
                    await asyncio.sleep(_PAUSE * attempt)
            except ApiError as error:
                _log.warning("A DNS record could not be stored: %s", error)
                raise storage_failed("the record could not be stored", error) from error
        raise _outrun("stored")

    async def remove(self, wanted: Wanted) -> tuple[str, ...]:
        """Delete the values, or all: those that were there. Raises `NotThere` for none."""
        gone: dict[str, None] = {}
        async with self._lock(wanted.name):
            try:
                for attempt in range(_ATTEMPTS):
                    if await self._try_to_remove(wanted, gone):
                        break
                    await asyncio.sleep(_PAUSE * attempt)
                else:
                    raise _outrun("deleted")
            except ApiError as error:
                _log.warning("A DNS record could not be deleted: %s", error)
                raise storage_failed("the record could not be deleted", error) from error
        if not gone:
            which = " with this value" if wanted.values else ""
            raise NotThere(
                "record_not_found", f"there is no {wanted.type} record at {wanted.name}{which}"
            )
        return tuple(gone)

    async def _try_to_add(self, wanted: Wanted) -> tuple[Shown, bool] | None:
        """One try; None where another writer was faster."""
        there = await self._read(object_name(wanted.name, wanted.type))
        if there is not None and (there.name, there.type) != (wanted.name, wanted.type):
            raise Refused(
                "record_name_taken",
                f"the DNSRecord {there.key}, where this would be kept, is for {there.type} records "
                f"at {there.name}; delete it first",
            )
        if (same := self._applied(wanted)) is not None:
            return same, False
        record = self._merged(there, wanted)
        others = [each for each in self._at(wanted.name) if each.key != record.key]
        refusal = judge([*others, record], self.zones)[record.key]
        if refusal is not None:
            raise Refused(code_of(refusal.reason), refusal.message)
        if record == there:
            return Shown(record, None), False
        stored = await self._write(record)
        if stored is None:
            return None
        fresh = there is None or not set(wanted.values) <= set(there.values)
        return Shown(stored, None), fresh

    def _applied(self, wanted: Wanted) -> Shown | None:
        """A served record that was applied by other means and says what is wanted already."""
        for shown in self.at(wanted.name):
            record = shown.record
            if (
                shown.refusal is None
                and record.object_name != object_name(wanted.name, wanted.type)
                and record.type is wanted.type
                and set(wanted.values) <= set(record.values)
                and wanted.ttl in {None, record.ttl}
            ):
                return shown
        return None

    def _merged(self, there: DnsRecord | None, wanted: Wanted) -> DnsRecord:
        if there is None:
            return DnsRecord(
                namespace=self._namespace,
                object_name=object_name(wanted.name, wanted.type),
                uid="",
                resource_version="",
                created=_NOT_YET,
                name=wanted.name,
                type=wanted.type,
                values=wanted.values,
                ttl=DEFAULT_TTL if wanted.ttl is None else wanted.ttl,
            )
        values = tuple(dict.fromkeys((*there.values, *wanted.values)))
        return replace(there, values=values, ttl=there.ttl if wanted.ttl is None else wanted.ttl)

    async def _try_to_remove(self, wanted: Wanted, gone: dict[str, None]) -> bool:
        """One try, which notes in `gone` what it deletes; False where another was faster."""
        names = {each.object_name for each in self._at(wanted.name) if each.type is wanted.type}
        for name in sorted({*names, object_name(wanted.name, wanted.type)}):
            there = await self._read(name)
            if there is None or (there.name, there.type) != (wanted.name, wanted.type):
                continue
            dropped = [v for v in there.values if not wanted.values or v in wanted.values]
            if not dropped:
                continue
            left = tuple(value for value in there.values if value not in dropped)
            if left:
                done = await self._write(replace(there, values=left)) is not None
            else:
                done = await self._delete(there)
            if not done:
                return False
            gone.update(dict.fromkeys(dropped))
        return True

    # --- the objects ---------------------------------------------------------------------------

    async def _read(self, name: str) -> DnsRecord | None:
        try:
            body = await self._client.get(DNS_RECORDS, name, self._namespace)
        except NotFound as error:
            if error.reason != "NotFound":  # the kind is not installed, or a proxy says so
                raise
            key = f"{self._namespace}/{name}"
            known = self.mirror.get(key)
            if known is not None:
                self.mirror.remove(key, known.uid)
            return None
        return self._took(body)

    async def _write(self, record: DnsRecord) -> DnsRecord | None:
        """Create or replace; None where the object is not, or not any more, what it was."""
        write = self._client.replace if record.uid else self._client.create
        try:
            return self._took(await write(DNS_RECORDS, render_record(record)))
        except (AlreadyExists, Conflict):
            return None
        except NotFound as error:
            if error.reason != "NotFound" or not record.uid:
                raise
            return None
        except Invalid as error:
            raise Refused("invalid_record", f"the record is refused: {error.message}") from error

    async def _delete(self, record: DnsRecord) -> bool:
        try:
            await self._client.delete(
                DNS_RECORDS,
                record.object_name,
                self._namespace,
                uid=record.uid,
                resource_version=record.resource_version,
            )
        except (Conflict, NotFound):
            return False
        self.mirror.remove(record.key, record.uid)
        return True

    def _took(self, body: dict[str, object]) -> DnsRecord:
        record = parse_record(body)
        self.mirror.put(record.key, record)
        return record

    # --- the index -----------------------------------------------------------------------------

    def _at(self, name: str) -> Iterator[DnsRecord]:
        for key in self._keys.get(name, ()):
            record = self.mirror.get(key)
            if record is not None:
                yield record

    def _index(self, key: str) -> None:
        record = self.mirror.get(key)
        before, now = self._names.get(key), None if record is None else record.name
        if before == now:
            return
        if before is not None:
            del self._names[key]
            self._keys[before].discard(key)
            if not self._keys[before]:
                del self._keys[before]
        if now is not None:
            self._names[key] = now
            self._keys.setdefault(now, set()).add(key)

    def _lock(self, name: str) -> asyncio.Lock:
        """Those who write at one name wait for each other here, and compete only with replicas."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock


def _outrun(what: str) -> Failed:
    return Failed(
        "storage_error", f"the record could not be {what}: others change it all the time; try again"
    )

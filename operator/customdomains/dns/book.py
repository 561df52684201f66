"""The platform's records by name, as DNSRecords come and go: what is served, and what is not."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from customdomains.dns.holdings import HeldSet, Labels, hold, text_record
from customdomains.model.dnsrecord import DnsRecord
from customdomains.model.dnsvalues import RecordType
from customdomains.model.dnszones import OwnZones, Refusal, judge

SERVED = "Served"
"""In `RecordBook.counts`, beside the reasons for refusals."""

_log = logging.getLogger(__name__)

_Sets = tuple[HeldSet, ...]


class RecordBook:
    """A `RecordSource` of DNSRecords. A change costs what the records at its name do."""

    def __init__(self, zones: OwnZones, synced: Callable[[], bool]) -> None:
        """`synced` tells whether all DNSRecords have been heard of."""
        self._zones = zones
        self._synced = synced
        self._records: dict[str, dict[str, DnsRecord]] = {}  # by name, then by key
        self._verdicts: dict[str, Refusal | None] = {}
        self._sets: dict[Labels, _Sets] = {}
        self._around: Counter[Labels] = Counter()  # how many names exist at or below
        for zone in (zones.delegation, *zones.others):
            self._exists(_labels_of(zone), 1)  # a zone's apex exists in the zone around it, too

    @property
    def synced(self) -> bool:
        """Before this is true no name may be called unknown."""
        return self._synced()

    def at(self, labels: Labels) -> _Sets | None:
        """See `RecordSource`."""
        found = self._sets.get(labels)
        if found is not None:
            return found
        return () if labels in self._around else None

    def counts(self) -> Mapping[str, int]:
        """How many DNSRecords are `Served`, and how many are not, by reason."""
        return Counter(
            SERVED if refusal is None else str(refusal.reason)
            for refusal in self._verdicts.values()
        )

    def changed(self, key: str, old: DnsRecord | None, new: DnsRecord | None) -> None:
        """A DNSRecord came, changed, or went."""
        if old is not None:
            there = self._records[old.name]
            del there[key]
            if not there:
                del self._records[old.name]
        if new is None:
            self._verdicts.pop(key, None)
        else:
            self._records.setdefault(new.name, {})[key] = new
        for name in dict.fromkeys(each.name for each in (old, new) if each is not None):
            self._judge(name)

    def _judge(self, name: str) -> None:
        records = self._records.get(name, {})
        verdicts = judge(records.values(), self._zones)
        for key, refusal in verdicts.items():
            self._tell(key, self._verdicts.get(key), refusal)
            self._verdicts[key] = refusal
        labels = _labels_of(name)
        sets = _sets_of(record for key, record in records.items() if verdicts[key] is None)
        existed = labels in self._sets
        if sets:
            self._sets[labels] = sets
        else:
            self._sets.pop(labels, None)
        if existed != bool(sets):
            self._exists(labels, 1 if sets else -1)

    def _exists(self, labels: Labels, change: int) -> None:
        """Count the name `labels` in or out, with the names above, which exist by it."""
        for start in range(len(labels) - 1):
            above = labels[start:]
            self._around[above] += change
            if not self._around[above]:
                del self._around[above]

    def _tell(self, key: str, old: Refusal | None, new: Refusal | None) -> None:
        if old == new:
            return
        if new is None:
            _log.info("DNSRecord %s is served again", key)
        else:
            _log.warning("DNSRecord %s is not served: %s", key, new.message)


def _sets_of(records: Iterable[DnsRecord]) -> _Sets:
    """One set a type; the shortest of several TTLs counts (RFC 2181 section 5.2)."""
    by_type: dict[RecordType, list[DnsRecord]] = {}
    for record in records:
        by_type.setdefault(record.type, []).append(record)
    return tuple(
        hold(
            dns.rdatatype.from_text(kind),
            min(record.ttl for record in same),
            (_rdata(kind, value) for record in same for value in record.values),
        )
        for kind, same in sorted(by_type.items())
    )


def _rdata(kind: RecordType, value: str) -> dns.rdata.Rdata:
    if kind is RecordType.TXT:
        return text_record(value)
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), value)


def _labels_of(name: str) -> Labels:
    return (*name.encode().split(b"."), b"")

"""What the responder serves: its zones, the texts at domains' ids, and the platform's records.

In the delegation zone the names `<id>.<origin>` and all below belong to the texts alone; every
other name, there and in the other zones, belongs to the records.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.TXT
import dns.rrset

from customdomains.dns.zone import DelegationZone, Zone

ID_PATTERN = re.compile(rb"[0-9a-f]{32}")
"""A domain's id as a label in lower case."""


Labels = tuple[bytes, ...]
"""A name's labels in lower case, the root's empty one at the end: hashed and compared in a fraction
of the time that a Name takes."""


class TextSource(Protocol):
    """Where the delegation zone's texts come from."""

    @property
    def synced(self) -> bool:
        """Whether the source knows all domains; before that, nothing can be said."""

    def texts(self, label: str) -> tuple[str, ...] | None:
        """The TXT values at a domain's id (32 lower-case hex); None where there is no such id."""


class RecordSource(Protocol):
    """Where all other records come from, SOA and NS apart."""

    @property
    def synced(self) -> bool:
        """Whether the source knows all records."""

    def at(self, labels: Labels) -> Sequence[HeldSet] | None:
        """What stands at a name: nothing where only names below it exist, None where none does."""


@dataclass(frozen=True, slots=True)
class HeldSet:
    """All records of one type at a name: `ttl` in seconds, the data, and whole records as bytes
    without their owner. `target` is where a CNAME leads."""

    rdtype: dns.rdatatype.RdataType
    ttl: int
    records: tuple[dns.rdata.Rdata, ...]
    wires: tuple[bytes, ...]
    target: Labels | None = None


def hold(rdtype: dns.rdatatype.RdataType, ttl: int, records: Iterable[dns.rdata.Rdata]) -> HeldSet:
    """A set of `records`, each of them once."""
    unique = tuple(dict.fromkeys(records))
    head = struct.pack("!HHI", rdtype, dns.rdataclass.IN, ttl)
    data = [record.to_generic().data for record in unique]
    wires = tuple(head + len(each).to_bytes(2) + each for each in data)
    first = unique[0]
    target = None
    if isinstance(first, dns.rdtypes.ANY.CNAME.CNAME):
        target = labels_of(first.target)
    return HeldSet(rdtype, ttl, unique, wires, target)


def labels_of(name: dns.name.Name) -> Labels:
    """The labels of an absolute name."""
    return tuple(label.lower() for label in name.labels)


class NoRecords:
    """A `RecordSource` of a platform that has none."""

    synced = True

    def at(self, labels: Labels) -> Sequence[HeldSet] | None:  # noqa: ARG002
        """There is nothing."""
        return None


@dataclass(frozen=True)
class Holdings:
    """All of it. None of `others` lies within the delegation zone; around it there may be one."""

    delegation: DelegationZone
    texts: TextSource
    others: tuple[Zone, ...] = ()
    records: RecordSource = field(default_factory=NoRecords)

    def zone_of(
        self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType = dns.rdatatype.ANY
    ) -> Zone | None:
        """The zone to answer from, the innermost around `name`; None for no zone of ours.

        DS records of an apex stand in the zone above it (RFC 4035 section 3.1.4.1).
        """
        around = [
            zone for zone in (self.delegation, *self.others) if name.is_subdomain(zone.origin_name)
        ]
        around.sort(key=lambda zone: len(zone.origin_name.labels), reverse=True)
        if rdtype == dns.rdatatype.DS and len(around) > 1 and name == around[0].origin_name:
            return around[1]
        return around[0] if around else None

    def knows(self, name: dns.name.Name, zone: Zone) -> bool:
        """Whether anything can be said of `name` yet, which lies in `zone`."""
        if self._id_of(name, zone) is not None:
            return self.texts.synced
        return self.texts.synced and self.records.synced

    def sets_at(self, name: dns.name.Name, zone: Zone, serial: int) -> list[dns.rrset.RRset] | None:
        """Every RRset at `name`, which lies in `zone`; None where the name does not exist.

        Their owner is `name` itself, so that the case of a question comes back
        (draft-vixie-dnsext-dns0x20).
        """
        label = self._id_of(name, zone)
        if label is not None:
            return self._texts_at(name, label)
        held = self.records.at(labels_of(name))
        sets = [dns.rrset.from_rdata_list(name, each.ttl, each.records) for each in held or ()]
        if name == zone.origin_name:
            return [zone.soa(serial), zone.nameserver_set, *sets]
        return None if held is None else sets

    def _id_of(self, name: dns.name.Name, zone: Zone) -> bytes | None:
        """The label in lower case that `name` has one level below the apex, if it is an id."""
        below = len(name.labels) - len(zone.origin_name.labels)
        if below == 0 or zone is not self.delegation:
            return None
        label = name.labels[below - 1].lower()
        return label if ID_PATTERN.fullmatch(label) else None

    def _texts_at(self, name: dns.name.Name, label: bytes) -> list[dns.rrset.RRset] | None:
        deeper = len(name.labels) - len(self.delegation.origin_name.labels) > 1
        texts = None if deeper else self.texts.texts(label.decode())
        if texts is None:
            return None
        records = [text_record(text) for text in texts]
        ttl = self.delegation.ttl
        return [dns.rrset.from_rdata_list(name, ttl, records)] if records else []


def text_record(text: str) -> dns.rdtypes.ANY.TXT.TXT:
    """A TXT record's data."""
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, text_strings(text))


def text_strings(text: str) -> tuple[bytes, ...]:
    """`text` as character-strings of at most 255 bytes (RFC 1035 section 3.3.14)."""
    data = text.encode()
    return tuple(data[at : at + 255] for at in range(0, len(data), 255)) or (b"",)

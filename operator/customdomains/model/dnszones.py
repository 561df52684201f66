"""Which records may stand in the zones that the built-in DNS serves.

What the CRD's schema can't say: it knows neither the zones nor the other records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from customdomains.model.dnsrecord import DnsRecord
from customdomains.model.dnsvalues import MAX_VALUES, RecordType, canonical_value

_ID = re.compile(r"[0-9a-f]{32}")


class Refused(StrEnum):
    """Why a record is not served."""

    OUTSIDE = "OutsideZones"
    RESERVED = "ReservedName"
    BAD_VALUE = "BadValue"
    TOO_MANY = "TooManyValues"
    BESIDE_ALIAS = "BesideAlias"


@dataclass(frozen=True, slots=True)
class Refusal:
    """That a record is not served; `message` says what is wrong and what to do."""

    reason: Refused
    message: str


@dataclass(frozen=True, slots=True)
class OwnZones:
    """The zones, canonical: `delegation`, where each domain's `<id>` stands one level below the
    apex, and `others`, none of which lies within it.
    """

    delegation: str
    others: tuple[str, ...] = ()

    def zone_of(self, name: str) -> str | None:
        """The zone that `name` (canonical) lies in, the innermost one; None for no zone of ours."""
        around = [zone for zone in (self.delegation, *self.others) if is_within(name, zone)]
        return max(around, key=len, default=None)


def is_within(name: str, zone: str) -> bool:
    """Whether `name` is `zone` or lies below it; both are canonical."""
    return name == zone or name.endswith(f".{zone}")


def judge(records: Iterable[DnsRecord], zones: OwnZones) -> Mapping[str, Refusal | None]:
    """Of records at one name, by their keys: why each is not served, None where it is.

    Where two can't both be, the one that was made first stays: nobody's record goes because
    somebody adds another. The same on every replica, whatever order the records came in.
    """
    verdicts: dict[str, Refusal | None] = {}
    served: dict[RecordType, set[str]] = {}
    for record in sorted(records, key=lambda each: each.seniority):
        refusal = _refuse(record, zones) or _refuse_beside(record, served)
        verdicts[record.key] = refusal
        if refusal is None:
            served.setdefault(record.type, set()).update(record.values)
    return verdicts


def _refuse(record: DnsRecord, zones: OwnZones) -> Refusal | None:
    """Why `record` can't be served whatever else there is."""
    zone = zones.zone_of(record.name)
    if zone is None:
        known = ", ".join((zones.delegation, *zones.others))
        return Refusal(
            Refused.OUTSIDE,
            f"{record.name} is in none of the zones that are served here; they are {known}",
        )
    if zone == zones.delegation:
        label = record.name.removesuffix(zone).rstrip(".").rpartition(".")[2]
        if _ID.fullmatch(label):
            return Refusal(
                Refused.RESERVED,
                f"{label}.{zone} and the names below it are kept for a domain's challenges; "
                "choose another name",
            )
    if record.type is RecordType.CNAME and record.name == zone:
        return Refusal(
            Refused.BESIDE_ALIAS,
            f"there can be no CNAME at {zone} itself, where the zone's SOA and NS records are; "
            "use A and AAAA records",
        )
    for value in record.values:
        try:
            canonical_value(record.type, value)
        except ValueError as error:
            return Refusal(Refused.BAD_VALUE, str(error))
    return None


def _refuse_beside(record: DnsRecord, served: Mapping[RecordType, set[str]]) -> Refusal | None:
    """Why `record` can't be served beside those that were there before (RFC 1034 section 3.6.2)."""
    alias = served.get(RecordType.CNAME)
    if record.type is RecordType.CNAME:
        if others := sorted(served.keys() - {RecordType.CNAME}):
            return Refusal(
                Refused.BESIDE_ALIAS,
                f"there are {', '.join(others)} records at {record.name} already, and a CNAME "
                "can't stand beside others; delete them first",
            )
        targets = alias or set()
        if len(targets | set(record.values)) > 1:
            there = f"; there is one to {next(iter(targets))} already" if targets else ""
            return Refusal(
                Refused.BESIDE_ALIAS,
                f"a name can have only one CNAME{there}; leave one and delete the others",
            )
        return None
    if alias:
        return Refusal(
            Refused.BESIDE_ALIAS,
            f"there is a CNAME at {record.name} already, and nothing can stand beside it; delete "
            "it first",
        )
    if len(served.get(record.type, set()) | set(record.values)) > MAX_VALUES:
        return Refusal(
            Refused.TOO_MANY,
            f"there can be at most {MAX_VALUES} {record.type} records at {record.name}",
        )
    return None

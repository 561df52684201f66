"""Zones with the platform's own records in them, one of them around the delegation zone."""

from datetime import UTC, datetime

from delegation import ORIGIN, ZONE, Texts

from customdomains.dns.book import RecordBook
from customdomains.dns.holdings import Holdings
from customdomains.dns.zone import Zone
from customdomains.model.dnsrecord import DnsRecord
from customdomains.model.dnsvalues import RecordType, owner_name, value_or_as_it_is
from customdomains.model.dnszones import OwnZones

PLATFORM = "platform.example"  # around ORIGIN
INNER = "deep.inner.platform.example"
OTHER = "other.example"
NAMES = (PLATFORM, INNER, OTHER)
ZONES = OwnZones(ORIGIN, NAMES)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def record(name, kind, *values, ttl=60, age=0, object_name=None):
    """A DNSRecord; where `age` is smaller it came first."""
    kind = RecordType(kind)
    return DnsRecord(
        namespace="customdomains",
        object_name=object_name or f"{kind.lower()}.{name}",
        uid=f"{age:08d}",
        resource_version="1",
        created=MOMENT,
        name=owner_name(name),
        type=kind,
        values=tuple(value_or_as_it_is(kind, value) for value in values),
        ttl=ttl,
    )


RECORDS = (
    record(PLATFORM, "A", "192.0.2.1", "192.0.2.2"),
    record(PLATFORM, "MX", "10 mail.platform.example"),
    record(f"ns1.{PLATFORM}", "A", "192.0.2.53"),
    record(f"www.{PLATFORM}", "CNAME", "edge.platform.example"),
    record(f"edge.{PLATFORM}", "A", "192.0.2.10", ttl=5),
    record(f"edge.{PLATFORM}", "AAAA", "2001:db8::10"),
    record(f"_sip._tcp.{PLATFORM}", "SRV", "0 5 443 edge.platform.example"),
    record(f"a.b.c.{PLATFORM}", "TXT", "deep", "x" * 300),
    record(f"gone.{PLATFORM}", "CNAME", "nowhere.platform.example"),
    record(f"away.{PLATFORM}", "CNAME", "www.elsewhere.example"),
    record(f"nodata.{PLATFORM}", "CNAME", "b.c.platform.example"),
    record(f"round.{PLATFORM}", "CNAME", "trip.platform.example"),
    record(f"trip.{PLATFORM}", "CNAME", "round.platform.example"),
    record(f"zone.{PLATFORM}", "CNAME", f"www.{INNER}"),
    record(f"www.{INNER}", "A", "192.0.2.20"),
    record(f"many.{OTHER}", "A", *(f"192.0.2.{number}" for number in range(32))),
    record(f"big.{OTHER}", "TXT", *(f"{number:03d}" * 80 for number in range(30))),
    record(f"edge.{ORIGIN}", "A", "192.0.2.30"),
    record(f"alias.{ORIGIN}", "CNAME", "0123456789abcdef0123456789abcdef.acme.platform.example"),
)


def book(records=RECORDS, zones=ZONES, synced=lambda: True):
    made = RecordBook(zones, synced)
    for each in records:
        made.changed(each.key, None, each)
    return made


def zone(origin):
    return Zone(origin, ("ns1.platform.example", "ns2.platform.example"), f"hostmaster@{PLATFORM}")


def holdings(records=RECORDS, texts=None, synced=lambda: True):
    others = tuple(zone(name) for name in NAMES)
    return Holdings(ZONE, texts or Texts(), others, book(records, synced=synced))

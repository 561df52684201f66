"""Zones as tests write them down, and the files that servers read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

HOSTS = "dns-hosts.net"
"""Where the name servers have their names."""

KNOT, BIND, NSD = "knot", "bind", "nsd"
SIX = "six"
RESOLVER = "resolver"
SILENT, NOBODY, ALSO_NOBODY = "silent", "nobody", "also-nobody"
LIAR, RESPONDER, DARK = "liar", "responder", "dark"
SECOND_KNOT, SECOND_NSD = "second-knot", "second-nsd"

ADDRESSES = {
    KNOT: ("127.53.1.1",),
    BIND: ("127.0.0.1",),  # it listens only where an interface has the address itself
    NSD: ("127.53.3.1",),
    SIX: ("::1",),
    RESOLVER: ("127.53.4.1",),
    # No real servers: sockets that never answer, no sockets at all, and what tests put there.
    SILENT: ("127.53.9.1",),
    NOBODY: ("127.53.9.2",),
    ALSO_NOBODY: ("127.53.9.3",),
    LIAR: ("127.53.9.4",),
    RESPONDER: ("127.53.9.5",),
    DARK: ("127.53.9.6",),
    SECOND_KNOT: ("127.53.1.2",),
    SECOND_NSD: ("127.53.3.2",),
}
"""Host name to addresses, all of which are asked at the same port."""

NEGATIVE_TTL = 60
"""Seconds that "not there" may be kept (RFC 2308 section 5), where a zone says nothing else."""


class Signed(Enum):
    """How a zone is signed."""

    NO = "no"
    FILES = "files"
    """In the zone files already, with NSEC."""
    ONLINE = "online"
    """By Knot itself, with NSEC3."""


@dataclass(frozen=True)
class Zone:
    """A zone on the name servers `hosts`.

    `records` are in a zone file's spelling, relative to the zone; `differing` are the records of
    hosts that serve others (with an older serial), None for a host that does not know the zone.
    The signatures at the hosts in `stale` ended yesterday.
    """

    name: str
    hosts: tuple[str, ...]
    records: str = ""
    signed: Signed = Signed.NO
    stale: tuple[str, ...] = ()
    differing: Mapping[str, str | None] = field(default_factory=dict)
    negative_ttl: int = NEGATIVE_TTL

    def servers(self) -> tuple[str, ...]:
        """The addresses that the delegation leads to."""
        return tuple(address for host in self.hosts for address in ADDRESSES[host])

    def file(self, host: str) -> str | None:
        """What the zone file says at `host`; None where the host does not know the zone."""
        records = self.differing.get(host, self.records)
        if records is None:
            return None
        serial = 1 if host in self.differing else 2
        times = f"{serial} 3600 600 604800 {self.negative_ttl}"
        lines = [
            f"$ORIGIN {absolute(self.name)}",
            "$TTL 300",
            f"@ {self.negative_ttl} SOA ns.{HOSTS}. hostmaster.{HOSTS}. {times}",
            *(f"@ NS {host_name(host)}." for host in self.hosts),
            *(line.strip() for line in records.strip().splitlines()),
        ]
        return "\n".join(lines) + "\n"


def absolute(name: str) -> str:
    """`name` with the dot at its end."""
    return f"{name.rstrip('.')}."


def host_name(host: str) -> str:
    """The whole name of a name server."""
    return f"{host}.{HOSTS}"


def addresses_of(hosts: Iterable[str], suffix: str = "") -> str:
    """Address records of `hosts`, whose names get `suffix`."""
    return "\n".join(
        f"{host}{suffix} {'AAAA' if ':' in address else 'A'} {address}"
        for host in hosts
        for address in ADDRESSES[host]
    )


def parents(zones: Iterable[Zone], extra: str = "") -> list[Zone]:
    """The zones above: a delegation for each of `zones` that lies directly in one, and the root.

    `extra` are delegations in "com", absolute.
    """
    zones = list(zones)
    top = {zone.name.rpartition(".")[2] for zone in zones}
    glue = addresses_of(ADDRESSES, f".{HOSTS}.")
    registries = [
        Zone(
            name,
            (KNOT,),
            "\n".join(
                [
                    *(_delegation(z) for z in zones if z.name.partition(".")[2] == name),
                    *([glue] if HOSTS.endswith(f".{name}") else []),
                    *([extra] if name == "com" else []),
                ]
            ),
        )
        for name in sorted(top)
    ]
    root = "\n".join([*(_delegation(zone) for zone in registries), glue])
    return [*registries, Zone(".", (KNOT,), root)]


def _delegation(zone: Zone) -> str:
    return "\n".join(f"{absolute(zone.name)} NS {host_name(host)}." for host in zone.hosts)

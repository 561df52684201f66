"""The small internet: its servers, started once for all tests."""

import socket
from pathlib import Path

import dns.dnssec
import dns.message
import dns.query
import dns.rdatatype
import dns.update

from customdomains.devcluster import certificates
from customdomains.devcluster.rundir import free_port
from realdns.country import DELEGATIONS, EXPIRED, MOVING, ZONES
from realdns.processes import Bind, Encrypted, Knot, Nsd, Server, Unbound
from realdns.responder import Responder
from realdns.signing import DAY, Signer
from realdns.zones import (
    ADDRESSES,
    BIND,
    KNOT,
    NSD,
    RESOLVER,
    RESPONDER,
    SILENT,
    SIX,
    Signed,
    addresses_of,
    parents,
)


class Internet:
    """Every server listens on addresses of its own, all at `port`."""

    def __init__(self, directory: Path, *, ipv6: bool) -> None:
        self.port = free_port()
        self.directory = directory
        self._zones = (*ZONES, *parents(ZONES, DELEGATIONS))
        self._signers = {z.name: Signer(z.name) for z in self._zones if z.signed is Signed.FILES}
        knots = (*ADDRESSES[KNOT], *(ADDRESSES[SIX] if ipv6 else ()))
        self.knot = Knot(directory / "knot", knots, self.port)
        self.bind = Bind(directory / "bind", ADDRESSES[BIND], self.port)
        self.nsd = Nsd(directory / "nsd", ADDRESSES[NSD], self.port)
        self.unbound = Unbound(directory / "unbound", ADDRESSES[RESOLVER], self.port)
        self.resolver = Bind(directory / "resolver", ADDRESSES[BIND], free_port())
        self.responder = Responder(f"{ADDRESSES[RESPONDER][0]}:{self.port}")
        authority = certificates.authority("realdns")
        self.ca_file = directory / "ca.crt"
        self.ca_file.write_bytes(authority.certificate_pem)
        files = certificates.server(authority).write(directory, "resolvers")
        self.unbound_encrypted = Encrypted(*files, free_port(), free_port())
        self.resolver_encrypted = Encrypted(*files, free_port(), free_port())
        self._silent = [socket.socket(type=k) for k in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]

    def start(self) -> None:
        """Start all of them; it returns when each answers."""
        for silent in self._silent:
            silent.bind((*ADDRESSES[SILENT], self.port))
        self._silent[0].listen()
        self.responder.start()
        knot, bind, nsd = (self.files(host) for host in (KNOT, BIND, NSD))
        online = [zone.name for zone in self._zones if zone.signed is Signed.ONLINE]
        self.knot.configure(knot | self.files(SIX), signs=online)
        expired = {EXPIRED: bind.pop(EXPIRED)}
        self.bind.configure(bind, changes=MOVING, expired=expired)
        self.nsd.configure(nsd)
        for server in (self.knot, self.bind, self.nsd):
            server.launch()
        self.knot.wait(knot)
        anchors = {name: signer.anchor() for name, signer in self._signers.items()}
        anchors |= {name: self._anchor(name) for name in online}
        stubs = {zone.name: zone.servers() for zone in self._zones}
        self.unbound.resolve(stubs, anchors, self.unbound_encrypted)
        hosts = addresses_of([KNOT], ".root-servers.net.")
        hints = f". NS {KNOT}.root-servers.net.\n{hosts}\n"
        self.resolver.resolve(hints, anchors, self.port, self.resolver_encrypted)
        self.unbound.launch()
        self.resolver.launch()
        self.bind.wait(bind)
        self.nsd.wait(nsd)
        self.unbound.wait(["."])
        self.resolver.wait(["."])

    def stop(self) -> None:
        """End all of them."""
        for server in (self.resolver, self.unbound, self.nsd, self.bind, self.knot):
            server.stop()
        self.responder.stop()
        for silent in self._silent:
            silent.close()

    def add(self, server: Server, zone: str, name: str, rdtype: str, data: str) -> None:
        """Add a record to a zone while it is served (RFC 2136)."""
        update = dns.update.UpdateMessage(zone)
        update.add(name, 300, rdtype, data)
        response = dns.query.tcp(update, server.addresses[0], 5.0, self.port)
        assert response.rcode() == 0, response

    def files(self, host: str) -> dict[str, str]:
        """The zone files of a host, signed where they have to be."""
        files = {}
        for zone in self._zones:
            text = zone.file(host) if host in zone.hosts else None
            if text is None:
                continue
            if zone.signed is Signed.FILES:
                until = -DAY if host in zone.stale else DAY
                text = self._signers[zone.name].signed(text, until=until)
            files[zone.name] = text
        return files

    def _anchor(self, name: str) -> str:
        """The DS data of the key that Knot has made for `name`."""
        query = dns.message.make_query(name, "DNSKEY")
        response = dns.query.tcp(query, self.knot.addresses[0], 5.0, self.port)
        keys = response.find_rrset(response.answer, query.question[0].name, 1, dns.rdatatype.DNSKEY)
        return dns.dnssec.make_ds(keys.name, keys[0], dns.dnssec.DSDigest.SHA256).to_text()

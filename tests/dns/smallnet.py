"""A small Internet on loopback: name servers with addresses of their own, and a resolver.

All of it listens on one port, so that a lookup finds its way as it does in the real one. A server
holds zones and answers as RFC 1034 section 4.3.2 has it, unless a test gives it a way of its own.
The resolver knows all zones without asking anybody.
"""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.NSEC import NSEC, Bitmap

from customdomains.dns.authoritative import AuthoritativeLookup
from customdomains.dns.resolvers import PlainResolver

IN = dns.rdataclass.IN
NOW = 1_790_000_000
"""Seconds since 1970, at which signatures of signed zones count."""

DAY = 86400
UDP_SIZE = 1232
OWN_ZONE = "acme.platform.org"


class Zone:
    """A zone from lines of `owner ttl type data`; `@` is the apex. SOA and NS come by themselves.

    `servers` are host names. `signed` signs every set with one key (`resign` after a change).
    """

    def __init__(self, apex, servers, *lines, signed=False, ttl=60):
        self.apex = dns.name.from_text(apex)
        self.signed = signed
        self.sets = {}
        self.add(f"@ {ttl} SOA ns. hostmaster. 1 60 60 60 {ttl}")
        for server in servers:
            self.add(f"@ {ttl} NS {server}.")
        for line in lines:
            self.add(line)
        if signed:
            self.private = ec.generate_private_key(ec.SECP256R1())
            self.key = dns.dnssec.make_dnskey(self.private.public_key(), "ECDSAP256SHA256", 257)
            self.put(dns.rrset.from_rdata(self.apex, 60, self.key))

    def add(self, line):
        owner, ttl, kind, data = line.split(maxsplit=3)
        name = dns.name.from_text(owner, self.apex) if owner != "@" else self.apex
        new = dns.rrset.from_text_list(
            name, int(ttl), "IN", kind, [data], origin=self.apex, relativize=False
        )
        known = self.sets.get((name, new.rdtype))
        if known is None:
            self.put(new)
        else:
            known.update(new)

    def put(self, rrset):
        self.sets[rrset.name, rrset.rdtype] = rrset

    def drop(self, owner, kind):
        name = dns.name.from_text(owner, self.apex) if owner != "@" else self.apex
        self.sets.pop((name, dns.rdatatype.from_text(kind)), None)

    def get(self, name, kind):
        return self.sets.get((name, kind))

    def has(self, name):
        return any(owner.is_subdomain(name) for owner, _ in self.sets)

    def signature(self, rrset, *, now=NOW, signer=None):
        made = dns.dnssec.sign(
            rrset,
            self.private,
            signer or self.apex,
            self.key,
            inception=now - DAY,
            expiration=now + DAY,
        )
        return dns.rrset.from_rdata(rrset.name, rrset.ttl, made)

    def ds(self):
        made = dns.dnssec.make_ds(self.apex, self.key, "SHA256")
        return dns.rrset.from_rdata(self.apex, 60, made)

    def denial(self, name):
        """The NSEC set at the name, or at the one before it (RFC 4034 section 4)."""
        names = sorted({owner for owner, _ in self.sets})
        place = max(i for i, owner in enumerate(names) if owner <= name)
        kinds = {kind for owner, kind in self.sets if owner == names[place]}
        kinds |= {dns.rdatatype.NSEC, dns.rdatatype.RRSIG}
        record = NSEC(
            IN,
            dns.rdatatype.NSEC,
            names[(place + 1) % len(names)],
            Bitmap.from_rdtypes(sorted(kinds)).windows,
        )
        return dns.rrset.from_rdata(names[place], 60, record)

    def cut(self, name):
        """The delegation below this zone that `name` is behind."""
        while name != self.apex:
            if (found := self.get(name, dns.rdatatype.NS)) is not None:
                return found
            name = name.parent()
        return None


def answer_from(zones, query, response):
    """Fill `response` as a server of `zones` does."""
    name, kind = query.question[0].name, query.question[0].rdtype
    if not any(name.is_subdomain(zone.apex) for zone in zones):
        response.set_rcode(dns.rcode.REFUSED)
        return
    response.flags |= dns.flags.AA
    for _ in range(10):
        zone = max(
            (z for z in zones if name.is_subdomain(z.apex)), key=lambda z: len(z.apex), default=None
        )
        if zone is None:
            return
        cut = zone.cut(name)
        if cut is not None and not (kind == dns.rdatatype.DS and cut.name == name):
            if not response.answer:
                response.flags &= ~dns.flags.AA
                response.authority.append(cut)
                for record in cut:
                    for address in (dns.rdatatype.A, dns.rdatatype.AAAA):
                        if (found := zone.get(record.target, address)) is not None:
                            response.additional.append(found)
            return
        target = step(zone, name, query, response)
        if target is None:
            return
        name = target


def step(zone, name, query, response):
    """One name's worth of answer; the name to go on with, if it is an alias."""
    kind = query.question[0].rdtype
    signs = zone.signed and query.ednsflags & dns.flags.DO

    def give(rrset, of=None):
        response.answer.append(rrset)
        if signs:
            made = zone.signature(of or rrset)
            made.name = rrset.name
            response.answer.append(made)

    above = name
    while above != zone.apex:
        above = above.parent()
        if (renaming := zone.get(above, dns.rdatatype.DNAME)) is not None:
            give(renaming)
            target = name.relativize(above).concatenate(renaming[0].target)
            response.answer.append(
                dns.rrset.from_text(name, renaming.ttl, "IN", "CNAME", target.to_text())
            )
            return target
    if (found := zone.get(name, kind)) is not None:
        give(found)
        return None
    if (alias := zone.get(name, dns.rdatatype.CNAME)) is not None:
        give(alias)
        return alias[0].target
    star = dns.name.from_text("*", name.parent())
    if not zone.has(name):
        for wanted in (kind, dns.rdatatype.CNAME):
            if (found := zone.get(star, wanted)) is not None:
                give(dns.rrset.from_rdata(name, found.ttl, *found), of=found)
                return found[0].target if wanted == dns.rdatatype.CNAME else None
        response.set_rcode(dns.rcode.NXDOMAIN)
    deny(zone, name, response, signs=signs)
    return None


def deny(zone, name, response, *, signs):
    """What makes a negative answer of it."""
    response.authority.append(zone.get(zone.apex, dns.rdatatype.SOA))
    if signs:
        denial = zone.denial(name)
        response.authority += [denial, zone.signature(denial)]


class Server(asyncio.DatagramProtocol):
    """A name server; `way(query)` may give what to answer instead: a message, bytes, or None for
    silence. `asked` are the questions, as `name type`."""

    def __init__(self, address, zones):
        self.address = address
        self.zones = list(zones)
        self.way = None
        self.asked = []

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, addr):
        wire = self.answer(data)
        if wire is None:
            return
        if len(wire) > UDP_SIZE:
            short = dns.message.make_response(dns.message.from_wire(data))
            short.flags |= dns.flags.TC
            wire = short.to_wire()
        self._transport.sendto(wire, addr)

    def answer(self, data):
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append(
            f"{question.name.to_text(True).lower()} {dns.rdatatype.to_text(question.rdtype)}"
        )
        if self.way is not None:
            made = self.way(query)
            return made.to_wire(max_size=65535) if isinstance(made, dns.message.Message) else made
        return self.honest(query).to_wire(max_size=65535)

    def honest(self, query):
        response = dns.message.make_response(query)
        answer_from(self.zones, query, response)
        return response


class Resolver(Server):
    """Answers out of all zones at once; `failing` maps apexes to `servfail`, `silent` or `bogus`.
    What a test adds to its zones counts before what the servers have."""

    def __init__(self, address, zones):
        super().__init__(address, zones)
        self.failing = {}
        self.validates = True

    def answer(self, data):
        query = dns.message.from_wire(data)
        zone = self.zone(query.question[0].name, query.question[0].rdtype)
        if zone is not None and self.failing.get(zone.apex.to_text(True)) == "silent":
            self.asked.append("silent")
            return None
        return super().answer(data)

    def zone(self, name, kind):
        by_apex = {zone.apex: zone for zone in self.zones}
        if kind == dns.rdatatype.DS:
            name = name.parent()
        while name not in by_apex and name != dns.name.root:
            name = name.parent()
        return by_apex.get(name)

    def honest(self, query):
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        name, kind = query.question[0].name, query.question[0].rdtype
        secure = True
        for _ in range(10):
            zone = self.zone(name, kind)
            if zone is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                secure = False
                break
            failing = self.failing.get(zone.apex.to_text(True))
            if failing == "servfail" or (failing == "bogus" and not query.flags & dns.flags.CD):
                response.answer.clear()
                response.set_rcode(dns.rcode.SERVFAIL)
                return response
            secure = secure and zone.signed
            if (
                kind == dns.rdatatype.DS
                and (child := self.zone(name, dns.rdatatype.NS)).apex == name
            ):
                if child.signed:
                    response.answer.append(child.ds())
                else:
                    response.authority.append(zone.get(zone.apex, dns.rdatatype.SOA))
                break
            target = step(zone, name, query, response)
            if target is None:
                break
            name = target
        if secure and self.validates and query.flags & dns.flags.AD:
            response.flags |= dns.flags.AD
        return response


class Net:
    """Everything a test needs: `resolver`, and the name servers by their addresses."""

    def __init__(self, *zones, servers=None):
        """`servers` maps addresses to zones."""
        self.zones = zones
        self.resolver = Resolver("127.0.0.53", zones)
        self.servers = {a: Server(a, held) for a, held in (servers or {}).items()}
        self.ahead = 0.0
        self.port = 0

    def clock(self):
        """The loop's clock, put forward by `ahead` seconds."""
        return asyncio.get_running_loop().time() + self.ahead

    def lookup(self, *, resolvers=None, **options):
        """A lookup that finds its way here."""
        options = {"timeout": 5.0, "deadline": 10.0, **options}
        chosen = resolvers or [self.resolver.address]
        return AuthoritativeLookup(
            [PlainResolver(f"{address}:{self.port}") for address in chosen],
            own_zone=OWN_ZONE,
            port=self.port,
            clock=self.clock,
            now=lambda: NOW,
            **options,
        )

    @asynccontextmanager
    async def up(self):
        """The net, in operation."""
        async with online(self.resolver, *self.servers.values()) as port:
            self.port = port
            yield self


@asynccontextmanager
async def online(*servers):
    """Bring the servers up on one port of their addresses, over UDP and TCP; gives the port."""
    async with AsyncExitStack() as stack:
        port = _free_port([server.address for server in servers])
        for server in servers:
            await stack.enter_async_context(_serving(server, port))
        yield port


@asynccontextmanager
async def _serving(server, port):
    async def converse(reader, writer):
        try:
            length = int.from_bytes(await reader.readexactly(2))
            wire = server.answer(await reader.readexactly(length))
            if wire is not None:
                writer.write(len(wire).to_bytes(2) + wire)
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    streams = await asyncio.start_server(converse, server.address, port)
    datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=(server.address, port)
    )
    try:
        yield
    finally:
        datagrams.close()
        streams.close()


def _free_port(addresses):
    for _ in range(50):
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        try:
            for address in addresses:
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(family, kind) as tried:
                        tried.bind((address, port))
        except OSError:
            continue
        return port
    raise RuntimeError("no port is free on all addresses")

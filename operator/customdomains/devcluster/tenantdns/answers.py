"""From a query to a response, in both roles of this server.

Whoever desires recursion asks a resolver: everything is answered, aliases are followed to their
end, and a loop is SERVFAIL. To all others it is the authoritative server of its zones, and
refuses the rest.
"""

from collections.abc import Mapping

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from customdomains.devcluster.tenantdns.records import Records

MAX_UDP = 1232
_UPSTREAM_SECONDS = 2.0
_LONGEST_CHAIN = 8

Address = tuple[str, int]


class Answers:
    """Answers queries from `records`; names below a zone in `forward` are asked there."""

    def __init__(self, records: Records, forward: Mapping[dns.name.Name, Address]) -> None:
        self._records = records
        self._forward = dict(forward)

    async def respond(self, wire: bytes, *, udp: bool) -> bytes | None:
        """The response to the query `wire`, or None where nothing sensible can be sent."""
        try:
            query = dns.message.from_wire(wire)
        except dns.message.ShortHeader:
            return None
        except (dns.exception.DNSException, ValueError):
            return _format_error(wire)
        if query.flags & dns.flags.QR:
            return None
        response = dns.message.make_response(query, recursion_available=True, our_payload=MAX_UDP)
        await self._fill(query, response)
        return _to_wire(query, response, udp=udp)

    async def _fill(self, query: dns.message.Message, response: dns.message.Message) -> None:
        if query.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        elif query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        elif query.question[0].rdclass != dns.rdataclass.IN or dns.rdatatype.is_metatype(
            query.question[0].rdtype
        ):
            response.set_rcode(dns.rcode.REFUSED)
        else:
            await self._resolve(query, response)

    async def _resolve(self, query: dns.message.Message, response: dns.message.Message) -> None:
        """Follow the chain from the question's name, adding each link to the answer."""
        name, rdtype = query.question[0].name, query.question[0].rdtype
        recursion = bool(query.flags & dns.flags.RD)
        for link in range(_LONGEST_CHAIN):
            if self._records.failing(name):
                return response.set_rcode(dns.rcode.SERVFAIL)
            upstream = self._upstream(name)
            if upstream:
                if recursion:
                    await _continue_upstream(name, rdtype, upstream, response)
                elif link == 0:
                    response.set_rcode(dns.rcode.REFUSED)
                return None
            found = self._records.find(name, rdtype)
            if not recursion and not found.authoritative:
                return None if link else response.set_rcode(dns.rcode.REFUSED)
            if link == 0 and found.authoritative:
                response.flags |= dns.flags.AA
            if found.answer is None:
                response.authority.append(found.soa)
                return None if found.exists else response.set_rcode(dns.rcode.NXDOMAIN)
            response.answer.append(found.answer)
            if found.answer.rdtype == rdtype:
                return None
            name = found.answer[0].target
        # Whoever asks a name server follows the aliases, and is shown where they lead.
        return _no_answer(response) if recursion else None

    def _upstream(self, name: dns.name.Name) -> Address | None:
        return next(
            (address for zone, address in self._forward.items() if name.is_subdomain(zone)), None
        )


async def _continue_upstream(
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    upstream: Address,
    response: dns.message.Message,
) -> None:
    """Add to `response` what `upstream` says to `name`."""
    question = dns.message.make_query(name, rdtype, use_edns=0, payload=MAX_UDP)
    question.flags &= ~dns.flags.RD
    host, port = upstream
    try:
        said, _ = await dns.asyncquery.udp_with_fallback(
            question, host, timeout=_UPSTREAM_SECONDS, port=port
        )
    except (OSError, dns.exception.DNSException):
        _no_answer(response)
        return
    response.answer.extend(said.answer)
    response.authority.extend(said.authority)
    # A resolver that gets REFUSED from a zone's server has found no answer: that is SERVFAIL.
    known = said.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
    response.set_rcode(said.rcode() if known else dns.rcode.SERVFAIL)


def _no_answer(response: dns.message.Message) -> None:
    response.answer.clear()
    response.set_rcode(dns.rcode.SERVFAIL)


def _to_wire(query: dns.message.Message, response: dns.message.Message, *, udp: bool) -> bytes:
    # Without EDNS a client takes 512 bytes.
    limit = min(max(query.payload, 512), MAX_UDP) if udp else 65535
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=limit)


def _format_error(wire: bytes) -> bytes | None:
    """FORMERR to a query that has a header and no more that can be read."""
    flags = int.from_bytes(wire[2:4])
    if flags & dns.flags.QR:
        return None
    response = dns.message.Message(id=int.from_bytes(wire[:2]))
    response.flags = dns.flags.QR | (flags & 0x7800)
    response.set_rcode(dns.rcode.FORMERR)
    return response.to_wire()

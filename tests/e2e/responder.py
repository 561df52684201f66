"""Questions to the operator's own DNS responder."""

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

TIMEOUT = 5.0


def txt_at(responder: str, name: str) -> tuple[str, list[str]]:
    """The response code and the TXT values that `responder` (host:port) answers for `name`."""
    host, _, port = responder.rpartition(":")
    question = dns.message.make_query(name, dns.rdatatype.TXT)
    answer = dns.query.udp(question, host, port=int(port), timeout=TIMEOUT)
    values = [
        b"".join(record.strings).decode()
        for found in answer.answer
        if found.rdtype == dns.rdatatype.TXT
        for record in found
    ]
    return dns.rcode.to_text(answer.rcode()), sorted(values)

"""What is answered about the platform's own records, as a table."""

import dns.flags
import dns.message
import dns.rcode
import pytest
from delegation import ONE, ORIGIN, TOKEN, UNKNOWN, Texts
from recordzones import INNER, OTHER, PLATFORM, holdings, record, zone

from customdomains.dns.replying import MAX_CHAIN, answer

SERIAL = 7


def ask(name, rdtype, held=None):
    query = dns.message.make_query(name, rdtype)
    return answer(query, held or holdings(), serial=SERIAL)


def lines(section):
    return [line for rrset in section for line in rrset.to_text().splitlines()]


def soa_of(origin):
    fixed = "ns1.platform.example. hostmaster.platform.example. 7 3600 600 604800 5"
    return f"{origin}. 5 IN SOA {fixed}"


P = f"{PLATFORM}."


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "found", "denied_by"),
    [
        (PLATFORM, "A", "NOERROR", [f"{P} 60 IN A 192.0.2.1", f"{P} 60 IN A 192.0.2.2"], None),
        (PLATFORM, "MX", "NOERROR", [f"{P} 60 IN MX 10 mail.{P}"], None),
        (PLATFORM, "SOA", "NOERROR", [soa_of(PLATFORM)], None),
        (PLATFORM, "NS", "NOERROR", [f"{P} 5 IN NS ns1.{P}", f"{P} 5 IN NS ns2.{P}"], None),
        (PLATFORM, "AAAA", "NOERROR", [], PLATFORM),
        (f"edge.{PLATFORM}", "A", "NOERROR", [f"edge.{P} 5 IN A 192.0.2.10"], None),
        (f"edge.{PLATFORM}", "TXT", "NOERROR", [], PLATFORM),
        (f"edge.{PLATFORM}", "ANY", "NOERROR", [f'edge.{P} 5 IN HINFO "RFC8482" ""'], None),
        (
            f"_sip._tcp.{PLATFORM}",
            "SRV",
            "NOERROR",
            [f"_sip._tcp.{P} 60 IN SRV 0 5 443 edge.{P}"],
            None,
        ),
        (
            f"a.b.c.{PLATFORM}",
            "TXT",
            "NOERROR",
            [f'a.b.c.{P} 60 IN TXT "deep"', f'a.b.c.{P} 60 IN TXT "{"x" * 255}" "{"x" * 45}"'],
            None,
        ),
        # Nothing is at these, but below them: they exist (RFC 8020).
        (f"b.c.{PLATFORM}", "TXT", "NOERROR", [], PLATFORM),
        (f"c.{PLATFORM}", "ANY", "NOERROR", [], PLATFORM),
        (f"_tcp.{PLATFORM}", "A", "NOERROR", [], PLATFORM),
        (f"x.c.{PLATFORM}", "TXT", "NXDOMAIN", [], PLATFORM),
        (f"x.edge.{PLATFORM}", "A", "NXDOMAIN", [], PLATFORM),
        (f"nowhere.{PLATFORM}", "A", "NXDOMAIN", [], PLATFORM),
        (f"*.{PLATFORM}", "A", "NXDOMAIN", [], PLATFORM),
        # Aliases.
        (
            f"www.{PLATFORM}",
            "A",
            "NOERROR",
            [f"www.{P} 60 IN CNAME edge.{P}", f"edge.{P} 5 IN A 192.0.2.10"],
            None,
        ),
        (f"www.{PLATFORM}", "CNAME", "NOERROR", [f"www.{P} 60 IN CNAME edge.{P}"], None),
        (f"www.{PLATFORM}", "ANY", "NOERROR", [f"www.{P} 60 IN CNAME edge.{P}"], None),
        (f"www.{PLATFORM}", "TXT", "NOERROR", [f"www.{P} 60 IN CNAME edge.{P}"], PLATFORM),
        (f"gone.{PLATFORM}", "A", "NXDOMAIN", [f"gone.{P} 60 IN CNAME nowhere.{P}"], PLATFORM),
        (f"nodata.{PLATFORM}", "A", "NOERROR", [f"nodata.{P} 60 IN CNAME b.c.{P}"], PLATFORM),
        (
            f"away.{PLATFORM}",
            "A",
            "NOERROR",
            [f"away.{P} 60 IN CNAME www.elsewhere.example."],
            None,
        ),
        (f"zone.{PLATFORM}", "A", "NOERROR", [f"zone.{P} 60 IN CNAME www.{INNER}."], None),
        (
            f"round.{PLATFORM}",
            "A",
            "NOERROR",
            [f"round.{P} 60 IN CNAME trip.{P}", f"trip.{P} 60 IN CNAME round.{P}"],
            None,
        ),
        (
            f"alias.{ORIGIN}",
            "TXT",
            "NOERROR",
            [
                f"alias.{ORIGIN}. 60 IN CNAME {ONE}.{ORIGIN}.",
                f'{ONE}.{ORIGIN}. 5 IN TXT "{TOKEN}"',
                f'{ONE}.{ORIGIN}. 5 IN TXT "digest-of-a-challenge"',
            ],
            None,
        ),
        # The innermost zone answers; its apex exists in the one around it.
        (f"www.{INNER}", "A", "NOERROR", [f"www.{INNER}. 60 IN A 192.0.2.20"], None),
        (f"x.{INNER}", "A", "NXDOMAIN", [], INNER),
        (f"inner.{PLATFORM}", "A", "NOERROR", [], PLATFORM),
        (INNER, "DS", "NOERROR", [], PLATFORM),
        (INNER, "A", "NOERROR", [], INNER),
        (ORIGIN, "DS", "NOERROR", [], PLATFORM),
        (OTHER, "DS", "NOERROR", [], OTHER),
        (f"www.{INNER}", "DS", "NOERROR", [], INNER),
        # Beside the ids.
        (f"edge.{ORIGIN}", "A", "NOERROR", [f"edge.{ORIGIN}. 60 IN A 192.0.2.30"], None),
        (f"{UNKNOWN}.{ORIGIN}", "A", "NXDOMAIN", [], ORIGIN),
        (f"{ONE}.{PLATFORM}", "TXT", "NXDOMAIN", [], PLATFORM),
    ],
)
def test_answers(name, rdtype, rcode, found, denied_by):
    response = ask(name, rdtype)
    assert dns.rcode.to_text(response.rcode()) == rcode
    assert lines(response.answer) == found
    assert lines(response.authority) == ([] if denied_by is None else [soa_of(denied_by)])
    assert response.flags & dns.flags.AA
    assert not response.additional


@pytest.mark.parametrize("name", ["example", f"x{PLATFORM}", "elsewhere.example"])
def test_other_zones_are_refused(name):
    response = ask(name, "A")
    assert response.rcode() == dns.rcode.REFUSED
    assert not response.flags & dns.flags.AA


def test_a_chain_is_followed_so_far_and_no_further():
    links = [
        record(f"{at}.{PLATFORM}", "CNAME", f"{at + 1}.{PLATFORM}") for at in range(MAX_CHAIN + 5)
    ]
    response = ask(f"0.{PLATFORM}", "A", holdings(links))
    assert len(response.answer) == MAX_CHAIN
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.authority


@pytest.mark.parametrize(
    ("texts", "records", "served"),
    [
        (True, True, {PLATFORM, ORIGIN, ONE}),
        (True, False, {ONE}),  # a domain's challenge hangs on claims alone
        (False, True, set()),
        (False, False, set()),
    ],
)
def test_before_everything_is_heard_of_nothing_is_called_unknown(texts, records, served):
    source = Texts()
    source.synced = texts
    held = holdings(texts=source, synced=lambda: records)
    for name in (PLATFORM, ORIGIN, ONE):
        asked = f"{ONE}.{ORIGIN}" if name == ONE else f"nowhere.{name}"
        response = ask(asked, "TXT", held)
        failed = response.rcode() == dns.rcode.SERVFAIL
        assert failed == (name not in served), name
        assert not (failed and (response.answer or response.authority))


def test_an_alias_to_what_is_not_heard_of_yet_is_all_there_is():
    source = Texts()
    held = holdings(texts=source)
    assert len(ask(f"alias.{ORIGIN}", "TXT", held).answer) == 2


def test_name_servers_may_lie_in_a_zone_that_holds_records():
    assert "ns1.platform.example." in zone(PLATFORM).nameserver_set.to_text()

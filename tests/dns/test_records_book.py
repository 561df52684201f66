"""Which records are served: the same whatever order they come in, and it is told."""

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from delegation import ONE, ORIGIN
from hypothesis import given, settings
from hypothesis import strategies as st
from recordzones import OTHER, PLATFORM, ZONES, book, record

from customdomains.dns.book import SERVED, RecordBook
from customdomains.dns.holdings import hold
from customdomains.model.dnsrecord import object_name
from customdomains.model.dnsvalues import MAX_VALUES, RecordType, canonical_value, owner_name
from customdomains.model.dnszones import Refused, judge

VALUES = {
    "A": ["192.0.2.1", "192.0.2.2", "192.0.2.999"],
    "AAAA": ["2001:db8::1"],
    "CNAME": ["a.platform.example", "b.elsewhere.example"],
    "TXT": ["one", "two", "é" * 600],
    "MX": ["10 a.platform.example", "99999 a.platform.example"],
    "SRV": ["0 5 443 a.platform.example"],
}
NAMES = [
    PLATFORM,
    f"a.{PLATFORM}",
    f"b.a.{PLATFORM}",
    f"d.c.{PLATFORM}",
    f"x.{ORIGIN}",
    f"{ONE}.{ORIGIN}",
    f"y.{ONE}.{ORIGIN}",
    OTHER,
    "elsewhere.example",
]


@st.composite
def records(draw):
    kind = draw(st.sampled_from(sorted(VALUES)))
    values = draw(st.lists(st.sampled_from(VALUES[kind]), min_size=1, max_size=2, unique=True))
    return record(
        draw(st.sampled_from(NAMES)),
        kind,
        *values,
        ttl=draw(st.sampled_from([5, 60])),
        age=draw(st.integers(0, 99)),
        object_name=draw(st.sampled_from("abcdef")),
    )


def labels(name):
    return (*name.encode().split(b"."), b"")


def content(of):
    """All that the book says, about every name around."""
    asked = {".".join(name.split(".")[at:]) for name in NAMES for at in range(name.count(".") + 1)}
    said = {}
    for name in asked:
        held = of.at(labels(name))
        said[name] = held and {(each.rdtype, each.ttl, frozenset(each.records)) for each in held}
    return said, of.counts()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(records(), st.booleans()), max_size=20), st.randoms())
def test_what_is_kept_in_step_is_what_would_be_made_anew(changes, random):
    kept, there = RecordBook(ZONES, lambda: True), {}
    for new, stays in changes:
        # Two objects never have the same uid.
        if any(each.uid == new.uid and key != new.key for key, each in there.items()):
            continue
        kept.changed(new.key, there.get(new.key), new)
        there[new.key] = new
        if not stays:
            kept.changed(new.key, there.pop(new.key), None)
    shuffled = list(there.values())
    random.shuffle(shuffled)
    assert content(kept) == content(book(shuffled))


@settings(max_examples=300, deadline=None)
@given(st.lists(records(), max_size=8, unique_by=(lambda each: each.uid, lambda each: each.key)))
def test_what_is_served_can_be(several):
    at_one_name = [each for each in several if each.name == f"a.{PLATFORM}"]
    verdicts = judge(at_one_name, ZONES)
    served = [each for each in at_one_name if verdicts[each.key] is None]
    if any(each.type is RecordType.CNAME for each in served):
        assert {each.type for each in served} == {RecordType.CNAME}
        assert len({value for each in served for value in each.values}) == 1
    for each in served:
        assert all(canonical_value(each.type, value) == value for value in each.values)


@pytest.mark.parametrize(
    ("wrong", "reason", "said"),
    [
        (record("www.elsewhere.example", "A", "192.0.2.1"), Refused.OUTSIDE, "none of the zones"),
        (record(f"{ONE}.{ORIGIN}", "TXT", "x"), Refused.RESERVED, "challenges"),
        (record(f"x.{ONE}.{ORIGIN}", "TXT", "x"), Refused.RESERVED, "challenges"),
        (record(PLATFORM, "CNAME", "a.b"), Refused.BESIDE_ALIAS, "use A and AAAA"),
        (record(f"x.{PLATFORM}", "A", "192.0.2.256"), Refused.BAD_VALUE, "an IPv4 address"),
        (record(f"x.{PLATFORM}", "CNAME", "a.b", "c.d"), Refused.BESIDE_ALIAS, "only one CNAME"),
    ],
)
def test_a_record_that_cannot_be_is_not_served_and_told_once(wrong, reason, said, caplog):
    caplog.set_level("INFO", "customdomains.dns.book")
    made = book([wrong])
    assert made.counts() == {reason: 1}
    assert not any(each.records for each in made.at(labels(wrong.name)) or ())
    made.changed(wrong.key, wrong, wrong)
    (line,) = caplog.messages
    assert f"DNSRecord customdomains/{wrong.object_name} is not served" in line
    assert said in line
    made.changed(wrong.key, wrong, None)
    assert made.counts() == {}


def test_what_came_first_stays_and_what_waited_takes_its_place(caplog):
    caplog.set_level("INFO", "customdomains.dns.book")
    name = f"x.{PLATFORM}"
    first = record(name, "A", "192.0.2.1", age=1)
    later = record(name, "CNAME", "a.b", age=2)
    made = book([later, first])
    assert [each.rdtype for each in made.at(labels(name))] == [dns.rdatatype.A]
    assert made.counts() == {SERVED: 1, Refused.BESIDE_ALIAS: 1}
    made.changed(first.key, first, None)
    assert [each.rdtype for each in made.at(labels(name))] == [dns.rdatatype.CNAME]
    assert caplog.messages[-1] == f"DNSRecord {later.key} is served again"


def test_objects_of_one_name_and_type_are_one_set_with_the_shortest_ttl():
    name = f"x.{PLATFORM}"
    one = record(name, "A", "192.0.2.1", "192.0.2.2", ttl=60, age=1, object_name="one")
    two = record(name, "A", "192.0.2.2", "192.0.2.3", ttl=5, age=2, object_name="two")
    (held,) = book([one, two]).at(labels(name))
    assert (held.ttl, len(held.records), len(held.wires)) == (5, 3, 3)


def test_a_set_has_no_more_values_than_fit_a_message():
    name = f"x.{PLATFORM}"
    full = record(name, "A", *(f"192.0.2.{n}" for n in range(MAX_VALUES)), age=1, object_name="one")
    more = record(name, "A", "198.51.100.1", age=2, object_name="two")
    assert book([full, more]).counts() == {SERVED: 1, Refused.TOO_MANY: 1}


HOSTS = st.lists(
    st.from_regex(r"[A-Za-z0-9_]([-A-Za-z0-9_]{0,20}[A-Za-z0-9_])?", fullmatch=True),
    min_size=1,
    max_size=8,
).map(".".join)
TYPED = {
    RecordType.A: st.ip_addresses(v=4).map(str),
    RecordType.AAAA: st.ip_addresses(v=6).map(str),
    RecordType.CNAME: HOSTS,
    RecordType.TXT: st.text(max_size=300),
    RecordType.MX: st.tuples(st.integers(0, 70000), HOSTS).map(lambda t: f"{t[0]} {t[1]}"),
    RecordType.SRV: st.tuples(st.integers(0, 70000), st.integers(0, 9), HOSTS).map(
        lambda t: f"{t[1]} {t[0]} {t[1]} {t[2]}"
    ),
}


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(RecordType)).flatmap(lambda k: st.tuples(st.just(k), TYPED[k])))
def test_a_canonical_value_stays_and_is_one_for_the_dns(typed):
    kind, text = typed
    try:
        value = canonical_value(kind, text)
    except ValueError as error:
        assert str(kind) in str(error) or "bytes" in str(error)  # noqa: PT017 - a table of two
        return
    assert canonical_value(kind, value) == value
    (served,) = book([record(f"x.{PLATFORM}", kind, value)]).at(labels(f"x.{PLATFORM}"))
    (made,) = served.records
    if kind is RecordType.TXT:
        assert b"".join(made.strings).decode() == text
    else:
        assert made == dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)


@settings(deadline=None)
@given(st.one_of(HOSTS, st.text(max_size=80)))
def test_a_canonical_name_is_one_for_the_dns(text):
    try:
        name = owner_name(text)
    except ValueError:
        return
    assert owner_name(name) == name == owner_name(f"{name}.")
    assert dns.name.from_text(name).to_text(omit_final_dot=True) == name
    assert object_name(name, RecordType.A) == object_name(owner_name(name.upper()), RecordType.A)


@settings(deadline=None)
@given(st.lists(HOSTS.map(owner_name), min_size=2, max_size=2, unique=True))
def test_two_names_never_share_an_object(names):
    made = {object_name(name, kind) for name in names for kind in RecordType}
    assert len(made) == 2 * len(RecordType)
    assert all(len(each) <= 253 and each == each.lower() and "_" not in each for each in made)


def test_a_held_set_has_each_record_once():
    data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.A, "192.0.2.1")
    assert len(hold(dns.rdatatype.A, 5, [data, data]).wires) == 1

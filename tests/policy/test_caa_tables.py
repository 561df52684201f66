"""What CAA records allow: whom, for which names, to which account, by which challenges."""

import pytest

from customdomains.model.caa import record_text, records_in
from customdomains.model.certificate import CaIdentity, Challenge, OrderError
from customdomains.model.evidence import Evidence, Obstacle, Outcome, ServerAnswer
from customdomains.model.reasons import Reason
from customdomains.policy.caa import Wanted, judge
from customdomains.policy.certificates import MESSAGE_LENGTH

NAME = "shop.example.com"
ACCOUNT = "https://ca.example.net/acct/1"
CA = CaIdentity(ACCOUNT, "_label", ("ca.example.net", "ca.example.org"))
DNS, HTTP = Challenge.DNS, Challenge.HTTP
PLAIN, BOTH, WILD = (NAME,), (NAME, f"*.{NAME}"), (f"*.{NAME}",)


def answered(*records, server="s1", cnames=(), outcome=Outcome.ANSWERED):
    texts = tuple(record_text(flags, tag.encode(), value.encode()) for flags, tag, value in records)
    return ServerAnswer(server, outcome, cnames=cnames, texts=texts)


def found(*records, cnames=(), name=NAME):
    return Evidence(name, (answered(*records, cnames=cnames),))


def verdict(*records, names=PLAIN, challenges=(DNS, HTTP), **more):
    told = judge(found(*records, **more), Wanted(names, CA, challenges))
    return told.message if isinstance(told, OrderError) else told


def issue(value, flags=0):
    return (flags, "issue", value)


def wild(value, flags=0):
    return (flags, "issuewild", value)


ANY = (DNS, HTTP)

ALLOWED = [
    # records, names, challenges that are left
    ((), BOTH, ANY),
    (((0, "iodef", "mailto:a@b.com"),), BOTH, ANY),
    (((128, "iodef", "mailto:a@b.com"),), PLAIN, ANY),
    (((0, "future", "x"),), PLAIN, ANY),
    (((128, "contactemail", "a@b.com"),), PLAIN, ANY),
    ((issue("ca.example.net"),), BOTH, ANY),
    ((issue("CA.Example.NET"),), PLAIN, ANY),
    (((0, "ISSUE", "ca.example.net"),), PLAIN, ANY),
    ((issue(" \tca.example.org \t"),), PLAIN, ANY),
    ((issue("ca.example.net", 128),), PLAIN, ANY),
    ((issue("other.net"), issue("ca.example.net")), PLAIN, ANY),
    ((issue(";"), issue("ca.example.net")), PLAIN, ANY),
    ((wild(";"),), PLAIN, ANY),
    ((wild("ca.example.net"),), BOTH, ANY),
    ((issue(";"), wild("ca.example.net")), WILD, ANY),
    ((issue("ca.example.net; policy=ev"),), PLAIN, ANY),
    ((issue("ca.example.net;"),), PLAIN, ANY),
    ((issue(f"ca.example.net; accounturi={ACCOUNT}"),), PLAIN, ANY),
    ((issue(f"ca.example.net ; AccountURI = {ACCOUNT} ; a=b;"),), PLAIN, ANY),
    ((issue("ca.example.net; validationmethods=dns-01"),), PLAIN, (DNS,)),
    ((issue("ca.example.net; validationmethods=tls-alpn-01,http-01"),), PLAIN, (HTTP,)),
    (
        (
            issue("ca.example.net; validationmethods=dns-01"),
            issue("ca.example.net; validationmethods=http-01"),
        ),
        PLAIN,
        ANY,
    ),
    (
        (
            issue("ca.example.net"),
            wild("ca.example.net; validationmethods=dns-01"),
        ),
        BOTH,
        (DNS,),
    ),
    (
        (issue("ca.example.net; accounturi=https://x"), issue("ca.example.org")),
        PLAIN,
        ANY,
    ),
]


@pytest.mark.parametrize(("records", "names", "left"), ALLOWED)
def test_what_is_allowed(records, names, left):
    assert verdict(*records, names=names) == left


FORBIDDEN = [
    # records, names, what the message ends with
    ((issue(";"),), PLAIN, '; add shop.example.com. CAA 0 issue "ca.example.net"'),
    ((issue(""),), PLAIN, '; add shop.example.com. CAA 0 issue "ca.example.net"'),
    ((issue("other.net"),), BOTH, '; add shop.example.com. CAA 0 issue "ca.example.net"'),
    ((issue("example.net"),), PLAIN, 'issue "ca.example.net"'),
    ((issue("sub.ca.example.net"),), PLAIN, 'issue "ca.example.net"'),
    ((issue("ca.example.net."),), PLAIN, 'issue "ca.example.net"'),
    ((issue("ca.example.net accounturi=x"),), PLAIN, 'issue "ca.example.net"'),
    ((issue("ca.example.net; no value"),), PLAIN, 'issue "ca.example.net"'),
    ((issue("ca.example.net; a=b c"),), PLAIN, 'issue "ca.example.net"'),
    ((issue("ca.example.net; -a=b"),), PLAIN, 'issue "ca.example.net"'),
    ((issue("ca.exämple.net"),), PLAIN, 'issue "ca.example.net"'),
    (
        (issue("ca.example.net"), wild(";")),
        BOTH,
        'add shop.example.com. CAA 0 issuewild "ca.example.net"',
    ),
    ((issue("ca.example.net"), wild("x.net")), WILD, 'issuewild "ca.example.net"'),
    (
        (issue("x.net"), wild("x.net")),
        BOTH,
        'CAA 0 issue "ca.example.net" and shop.example.com. CAA 0 issuewild "ca.example.net"',
    ),
    (
        (issue("ca.example.net; accounturi=https://ca.example.net/acct/2"),),
        PLAIN,
        (
            "issue to the account of this platform; add shop.example.com. CAA 0 issue "
            f'"ca.example.net; accounturi={ACCOUNT}"'
        ),
    ),
    (
        (issue(f"ca.example.net; accounturi={ACCOUNT}; accounturi={ACCOUNT}"),),
        PLAIN,
        f'accounturi={ACCOUNT}"',
    ),
    ((issue(f"ca.example.net; accounturi={ACCOUNT}/"),), PLAIN, f'accounturi={ACCOUNT}"'),
    (
        (issue("ca.example.net; validationmethods=tls-alpn-01"),),
        PLAIN,
        (
            "issue by the challenge dns-01 or http-01; add shop.example.com. CAA 0 issue "
            '"ca.example.net; validationmethods=dns-01,http-01"'
        ),
    ),
    ((issue("ca.example.net; validationmethods="),), PLAIN, 'dns-01,http-01"'),
    (
        (issue("ca.example.net; validationmethods=dns-01; validationmethods=dns-01"),),
        PLAIN,
        'dns-01,http-01"',
    ),
    (
        (
            issue("ca.example.net; validationmethods=http-01"),
            wild("ca.example.net; validationmethods=dns-01"),
        ),
        BOTH,
        'dns-01,http-01"',
    ),
    (((128, "future", "x"), issue("ca.example.net")), PLAIN, "remove them"),
]


@pytest.mark.parametrize(("records", "names", "ends"), FORBIDDEN)
def test_what_is_forbidden(records, names, ends):
    told = judge(found(*records), Wanted(names, CA, ANY))
    assert isinstance(told, OrderError)
    assert (told.reason, told.order_lost) == (Reason.CAA_FORBIDS, False)
    assert told.message.endswith(ends)


def test_the_record_is_named_and_where_it_stands():
    told = verdict(issue("other.net"), name="example.com")
    assert told == (
        'the CAA records at example.com. (0 issue "other.net") do not let the CA ca.example.net '
        'issue; add example.com. CAA 0 issue "ca.example.net"'
    )


def test_behind_an_alias_it_is_the_target_that_needs_the_record():
    told = verdict(issue(";"), cnames=("a.edge.net", "b.edge.net"))
    assert "at b.edge.net., the alias of shop.example.com. (" in told
    assert told.endswith('add b.edge.net. CAA 0 issue "ca.example.net"')


def test_the_critical_record_is_told_and_not_the_others():
    told = verdict(issue("other.net"), (128, "future", "x"))
    assert '(128 future "x") are critical' in told
    assert "other.net" not in told


def test_what_others_write_is_printable_and_short():
    told = judge(
        found(*(issue(f"{number}\x1b[31m{'x' * 300}") for number in range(40))),
        Wanted(PLAIN, CA, ANY),
    )
    assert isinstance(told, OrderError)
    assert told.message.isprintable()
    assert len(told.message) < 2 * MESSAGE_LENGTH
    assert "and 37 more" in told.message


SAYS, SILENT = answered(issue("x.net")), ServerAnswer("s2", Outcome.TIMED_OUT)
UNKNOWN = {
    "nobody answered": Evidence(NAME, (SILENT,)),
    "a resolver fails": Evidence(NAME, (ServerAnswer("s", Outcome.SERVER_FAILURE),)),
    "bogus": Evidence(NAME, (ServerAnswer("s", Outcome.BOGUS),)),
    "too few": Evidence(NAME, (SAYS, SILENT), needed=2),
    "they disagree": Evidence(NAME, (SAYS, answered(server="s2"))),
    "no servers": Evidence(NAME, (), obstacle=Obstacle.NO_SERVERS),
    "no way to them": Evidence(NAME, (), obstacle=Obstacle.RESOLVERS_FAILED),
    "a circle": Evidence(NAME, (answered(cnames=("a.com", NAME)),), obstacle=Obstacle.ALIAS_LOOP),
    "nothing": Evidence(NAME, ()),
}


@pytest.mark.parametrize("evidence", UNKNOWN.values(), ids=UNKNOWN)
def test_what_could_not_be_asked_is_not_no_record(evidence):
    assert records_in(evidence) is None
    told = judge(evidence, Wanted(PLAIN, CA, ANY))
    assert isinstance(told, OrderError)
    assert (told.reason, told.order_lost) == (Reason.CAA_UNKNOWN, False)
    assert told.message.startswith("the CAA records of shop.example.com. can't be looked up: ")
    assert ": ." not in told.message


NONE = {
    "no such records": Evidence(NAME, (answered(),)),
    "no such name": Evidence(NAME, (answered(outcome=Outcome.NO_SUCH_NAME),)),
    "some say the name is not there": Evidence(
        NAME, (answered(), answered(server="s2", outcome=Outcome.NO_SUCH_NAME)), needed=1
    ),
    "an alias to nothing": Evidence(NAME, (answered(cnames=("a.com",)),)),
    "one is away": Evidence(NAME, (answered(), SILENT)),
    "no such zone": Evidence(
        NAME, (answered(outcome=Outcome.NO_SUCH_NAME),), obstacle=Obstacle.ZONE_NOT_FOUND
    ),
}


@pytest.mark.parametrize("evidence", NONE.values(), ids=NONE)
def test_what_is_no_record(evidence):
    assert records_in(evidence) == ()


def test_most_servers_count():
    three = (SAYS, answered(issue("x.net"), server="s2"), answered(server="s3"))
    records = records_in(Evidence(NAME, three, needed=2))
    assert [str(each) for each in records or ()] == ['0 issue "x.net"']

"""Every cause, recognised from what real servers answer: the reason, and the mend in the message.

What the record itself shows is told alike in all three modes. The causes that lie with servers
are in `test_realdns_servers`.
"""

import pytest
from build import TARGET, TOKEN

from customdomains.model.certificate import Method
from customdomains.model.reasons import Reason
from realdns.country import OTHER_ID, OTHER_TOKEN
from realdns.judging import found

TXT = f"with the value {TOKEN}"
CNAME = f"with the target {TARGET}."

PROOFS = {
    "good.plain.com": Method.MANUAL,
    "several.plain.com": Method.MANUAL,
    "strings.plain.com": Method.MANUAL,
    "big.plain.com": Method.MANUAL,
    "chain.plain.com": Method.MANUAL,
    "shop.old.plain.com": Method.MANUAL,
    "shop.sub.plain.com": Method.MANUAL,
    "cut.plain.com": Method.MANUAL,
    "delegated.plain.com": Method.DELEGATED,
    "chained-delegation.plain.com": Method.DELEGATED,
    "shop.wild-proof.com": Method.DELEGATED,
    "good.signed.com": Method.MANUAL,
    "delegated.signed.com": Method.DELEGATED,
    "shop.wild.signed.com": Method.MANUAL,
    "good.online.com": Method.MANUAL,
    "shop.wild.online.com": Method.MANUAL,
    "lame.com": Method.MANUAL,
    "dead.com": Method.MANUAL,
    "both.com": Method.MANUAL,
}


@pytest.mark.parametrize("domain", PROOFS)
async def test_proofs(lookup, domain):
    finding = await found(lookup, domain)
    assert (finding.reason, finding.proof) == (Reason.PROVED, PROOFS[domain]), finding.message


@pytest.mark.usefixtures("ipv6")
async def test_a_proof_that_only_ipv6_leads_to(lookup):
    assert (await found(lookup, "six.com")).proof is Method.MANUAL


CAUSES = {
    # domain: reason, what the message has to say
    "bare.plain.com": (Reason.RECORD_MISSING, "there is no record at", TXT, CNAME),
    "nodata.plain.com": (Reason.RECORD_MISSING, "there is no record at", TXT, CNAME),
    "bare.signed.com": (Reason.RECORD_MISSING, "there is no record at", TXT, CNAME),
    "bare.online.com": (Reason.RECORD_MISSING, "there is no record at", TXT, CNAME),
    "wrong.plain.com": (Reason.RECORD_MISMATCH, '"something else"', TXT),
    "older.plain.com": (Reason.OLDER_REGISTRATION, OTHER_TOKEN, TXT),
    "older-alias.plain.com": (Reason.OLDER_REGISTRATION, OTHER_ID, f"change it to {TARGET}."),
    "quoted.plain.com": (Reason.QUOTED_VALUE, f"as {TOKEN}, without quotes"),
    "spaced.plain.com": (Reason.QUOTED_VALUE, "spaces", f"as {TOKEN}, without quotes or spaces"),
    "astray.plain.com": (
        Reason.WRONG_TARGET,
        "parking.elsewhere.net.",
        f"change its target to {TARGET}.",
    ),
    "appended.plain.com": (
        Reason.WRONG_TARGET,
        f"{TARGET}.plain.com.",
        f"enter it with a dot at its end: {TARGET}.",
    ),
    "halved.plain.com": (Reason.WRONG_TARGET, f"enter the whole target: {TARGET}."),
    "nowhere.plain.com": (Reason.WRONG_TARGET, f"change its target to {TARGET}."),
    "doubled.plain.com": (
        Reason.WRONG_NAME,
        "is at _acme-challenge.doubled.plain.com.plain.com. instead of",
        "appended the zone",
        TXT,
        "(where the DNS panel appends plain.com.: _acme-challenge.doubled)",
    ),
    "doubled-alias.plain.com": (Reason.WRONG_NAME, "appended the zone", CNAME),
    "labelless.plain.com": (
        Reason.WRONG_NAME,
        "is at labelless.plain.com. instead of",
        "the label _acme-challenge is missing in front",
        TXT,
    ),
    "shop.apex.com": (Reason.WRONG_NAME, "is at apex.com. instead of", TXT),
    "shop.apex-challenge.com": (Reason.WRONG_NAME, "_acme-challenge.apex-challenge.com.", TXT),
    "shop.wild.com": (Reason.WILDCARD_ANSWER, '"v=spf1 -all"', "wildcard can stay", TXT, CNAME),
    "shop.wild-alias.com": (Reason.WILDCARD_ANSWER, "parking.elsewhere.net.", TXT, CNAME),
    "loop.plain.com": (Reason.ALIAS_LOOP, "round in a circle", f"target to {TARGET}."),
    "far-loop.plain.com": (Reason.ALIAS_LOOP, "round in a circle", f"target to {TARGET}."),
    "endless.plain.com": (Reason.ALIAS_LOOP, "over too many CNAMEs", f"target to {TARGET}."),
    "nobody-registered-this.com": (
        Reason.ZONE_NOT_FOUND,
        "no zone was found for nobody-registered-this.com.",
        "registered and paid for",
    ),
    "shop.in-no.tld": (Reason.ZONE_NOT_FOUND, "spelled rightly"),
    "bogus.com": (Reason.DNSSEC_BOGUS, "DNSSEC validation", "signed anew"),
    "to-bogus.plain.com": (Reason.DNSSEC_BOGUS, "DNSSEC validation"),
}


NO_NAME = {Reason.ZONE_NOT_FOUND}
"""About the domain and not about a record of it."""


@pytest.mark.parametrize("domain", CAUSES)
async def test_causes(lookup, domain):
    reason, *saying = CAUSES[domain]
    finding = await found(lookup, domain)
    assert (finding.reason, finding.proof) == (reason, None), finding.message
    for words in (f"_acme-challenge.{domain}." if reason not in NO_NAME else domain, *saying):
        assert words in finding.message

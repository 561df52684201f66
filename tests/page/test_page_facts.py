"""What the page says of every kind of status, and how it becomes HTML."""

import json
from dataclasses import replace
from datetime import timedelta
from html import escape
from html.parser import HTMLParser

import build
import msgspec
import pytest
from build import NOW
from scenes import SCENES

from customdomains.api.page.cards import Need
from customdomains.api.page.colours import contrast, text_on
from customdomains.api.page.facts import Facts, facts
from customdomains.api.page.problems import ENDED, FORGED, by_status
from customdomains.api.page.rendering import NOTICES, Look, Renderer
from customdomains.api.page.words import message
from customdomains.api.resources import Registration, parse_view
from customdomains.model.handover import Handover, IssuerRef
from customdomains.policy.decide import decide
from customdomains.policy.world import ReplaceClaim

RENDERER = Renderer(Look("Meadow & Sons", "#2f5bd0"))
KEY = "1.tenants.signature"
HOSTILE = "<script>alert(1)</script>\"'&</code>"

ROWS = [
    ("missing", "todo", "Set one DNS record", "There is no record at"),
    ("wrong value", "warn", "The record needs a correction", "v=spf1"),
    ("quoted value", "warn", "The record needs a correction", "without quotes or spaces"),
    ("wrong target", "warn", "The record needs a correction", "change its target to"),
    ("zone appended", "warn", "The record needs a correction", "enter it with a dot at its end"),
    ("silent", "warn", "Your DNS could not be asked", "no answer in time"),
    ("servers disagree", "wait", "The record is on its way", "still without it"),
    ("contending", "warn", "Somebody else has registered this domain", "the first to prove it"),
    ("lost", "bad", "The domain went to somebody else", "ask for a check."),
    ("claim expired", "bad", "The registration has expired", "ask for a check."),
    ("contending, suspended", "wait", "On hold", "Suspended"),
    ("verified by hand", "wait", "The domain is yours", ""),
    ("verified, never", "good", "All set", ""),
    ("order under way", "wait", "The certificate is on its way", ""),
    ("order by hand", "todo", "One more record for the certificate", ""),
    ("failed", "bad", "The certificate did not work out", "or sooner when a check is asked for."),
    ("active", "good", "All set", ""),
    ("active, gone", "warn", "Put the record back", "the proof of ownership is gone"),
]


def registration(name: str) -> Registration | None:
    """What the api knows in a scene; None where there is no seat."""
    world = SCENES[name]
    plan = decide(world, NOW)
    claim = world.claim
    if isinstance(plan.claim, ReplaceClaim):
        claim = plan.claim.claim
    if world.domain is None or claim is None or plan.status is None:
        return None
    seat = next((s for s in claim.seats if s.holder.key == world.domain.key), None)
    if seat is None or "id" not in plan.status.render():
        return None
    seen = claim if seat.id == claim.id else claim.seen_by(seat)
    body = {
        "metadata": {
            "namespace": "tenants",
            "name": "shop",
            "uid": "uid",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": {
            "domainName": world.domain.domain_name,
            "suspend": world.domain.suspend,
            "certificate": {"issuance": world.domain.issuance},
        },
        "status": plan.status.render(),
    }
    return Registration(seen, parse_view(json.loads(json.dumps(body))))


KNOWN = {name: found for name in SCENES if (found := registration(name)) is not None}


def shown(name: str) -> Facts:
    return facts(KNOWN[name], build.ZONE)


def text(runs) -> str:
    return "".join(run.text for run in runs)


@pytest.mark.parametrize(("name", "tone", "headline", "words"), ROWS, ids=[r[0] for r in ROWS])
def test_what_is_said_first(name, tone, headline, words):
    found = shown(name)
    assert (found.words.tone, found.words.headline) == (tone, headline)
    assert words in text(found.message)
    assert bool(found.message) == bool(words)


@pytest.mark.parametrize("name", KNOWN)
def test_nothing_is_said_that_takes_kubernetes(name):
    found = shown(name)
    said = [text(found.message), *(text(card.message) for card in found.cards)]
    said += [found.words.headline, found.words.lead]
    for words in ("annotation", "HTTP", "spec.", "Secret", "Challenge", "namespace"):
        assert not any(words in each for each in said), said


@pytest.mark.parametrize("name", KNOWN)
def test_every_state_is_a_page_with_all_that_is_to_be_set(name):
    found = shown(name)
    html = RENDERER.page(found, KEY, NOW, None).decode()
    page = Page(html)
    for record in msgspec.json.decode(KNOWN[name].domain.records):
        assert record["name"] in page.copied
        assert record["value"] in page.copied
    for sighting in found.sightings:
        assert sighting.server in page.text
    assert found.words.headline in page.text
    assert page.regions == {
        "notice", "steps", "card", "sign", "status", "actions", "certificate", "records", "seen",
    }  # fmt: skip
    assert ("button", "check") in page.ids or not found.may_check


class Page(HTMLParser):
    """What is on a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.ids: set[tuple[str, str]] = set()
        self.regions: set[str] = set()
        self.tags: list[str] = []
        self.values: dict[str, str] = {}
        self.targets: list[str] = []
        self._value = ""
        self.feed(html)

    @property
    def copied(self) -> set[str]:
        """What the copy buttons copy."""
        return {self.values[target] for target in self.targets}

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append(tag)
        self._value = ""
        if "id" in known:
            assert (tag, known["id"]) not in self.ids
            self.ids.add((tag, known["id"]))
            self._value = known["id"] if tag == "code" else ""
        if "data-region" in known:
            self.regions.add(known["data-region"])
        if "data-copy" in known:
            self.targets.append(known["data-copy"])
        assert not any(name.startswith("on") or name == "style" for name in known)

    def handle_data(self, data):
        self.text += data
        if self._value:
            self.values[self._value] = data
            self._value = ""


def test_what_is_wanted_is_told_from_what_is_not():
    def seen(name):
        return [(v.type, v.wanted) for s in shown(name).sightings for v in s.values]

    assert seen("wrong target") == [("CNAME", False)]
    assert seen("wrong value") == [("TXT", False)]
    found = KNOWN["missing"]
    records = msgspec.json.decode(found.domain.records)
    target = f"CNAME {build.TARGET}."
    records[0]["seen"] = [{"server": "it", "outcome": "Answered", "values": [target, build.TOKEN]}]
    view = replace(found.domain, records=msgspec.json.encode(records))
    values = facts(Registration(found.claim, view), build.ZONE).sightings[0].values
    assert [(v.type, v.wanted) for v in values] == [("CNAME", True), ("TXT", True)]


def test_the_record_to_set_once_stands_first_and_the_other_is_folded():
    found = shown("missing")
    assert [(c.type, c.need, c.folded) for c in found.cards] == [
        ("CNAME", Need.RECOMMENDED, False),
        ("TXT", Need.ALTERNATIVE, True),
    ]
    assert [c.relative for c in found.cards] == ["_acme-challenge.shop"] * 2
    assert {c.zone for c in found.cards} == {"example.com"}


PERSISTENT = {
    "purpose": "Persistent",
    "type": "TXT",
    "name": "_validation-persist.shop.example.com.",
    "value": "ca.example; accounturi=https://ca.example/1",
    "state": "Missing",
    "message": "create it",
}


@pytest.mark.parametrize(
    ("reason", "headline", "needs"),
    [
        ("NoChallenge", "One more record for certificates", [Need.CERTIFICATE, Need.DONE]),
        ("AwaitingIssueRequest", "The domain is yours", [Need.DONE, Need.OPTIONAL]),
        ("AwaitingBudget", "The domain is yours", [Need.DONE, Need.OPTIONAL]),
    ],
)
def test_other_records_for_certificates_are_wanted_where_nothing_goes_on_without(
    reason, headline, needs
):
    known = KNOWN["verified by hand"]
    conditions = msgspec.json.decode(known.domain.conditions)
    for condition in conditions:
        condition["reason"] = reason if condition["type"] != "Verified" else "Proved"
    ownership = msgspec.json.decode(known.domain.records)
    view = replace(
        known.domain,
        records=msgspec.json.encode([*ownership, PERSISTENT]),
        conditions=msgspec.json.encode(conditions),
    )
    found = facts(Registration(known.claim, view), build.ZONE)
    assert found.words.headline == headline
    assert [card.need for card in found.cards] == needs
    wanted = found.cards[0].need is Need.CERTIFICATE
    assert [card.folded for card in found.cards] == [not wanted, True]
    html = RENDERER.page(found, KEY, NOW, None).decode()
    assert ("Set what is missing" in html) is wanted
    assert PERSISTENT["value"] in Page(html).copied


def test_a_contender_whose_record_is_there_needs_no_other():
    needs = {card.need for card in shown("contending, proved").cards}
    assert needs == {Need.DONE, Need.OPTIONAL}


def test_a_record_with_a_fault_is_not_folded_and_the_fault_stands_once():
    found = shown("wrong value")
    card = next(card for card in found.cards if card.type == "TXT")
    assert (card.folded, card.badge, card.message) == (False, "Not right yet", ())
    assert "another value" in text(found.message)
    cname, txt = shown("zone appended").cards
    assert (cname.folded, cname.message) == (False, ())
    assert (txt.folded, txt.badge) == (True, "In conflict")
    assert "can't stand beside the CNAME" in text(txt.message)


def test_the_steps_lead_to_what_is_wanted():
    def steps(name):
        return [(step.label, step.state) for step in shown(name).steps]

    first = ("Registered", "done")
    assert steps("missing") == [first, ("DNS record", "current"), ("Certificate", "upcoming")]
    assert steps("wrong value") == [first, ("DNS record", "stuck"), ("Certificate", "upcoming")]
    assert steps("failed") == [first, ("DNS record", "done"), ("Certificate", "stuck")]
    assert steps("active") == [first, ("DNS record", "done"), ("Certificate", "done")]
    assert steps("verified, never") == [first, ("DNS record", "done")]


def test_the_certificate():
    found = shown("active").certificate
    assert found is not None
    assert found.names == ("shop.example.com",)
    assert (found.begins, found.ends) == ("2026-02-19T12:00:00Z", "2026-05-20T12:00:00Z")
    assert found.renewal == "2026-04-20T12:00:00Z"
    html = RENDERER.page(shown("active"), KEY, NOW, None).decode()
    assert '<time datetime="2026-05-20T12:00:00Z">20 May 2026, 12:00 UTC</time>' in html
    assert shown("missing").certificate is None


def test_a_certificate_of_cert_managers_has_no_serial_number():
    ends = NOW + timedelta(days=90)
    have = Handover(
        "shop",
        IssuerRef("lets"),
        "shop-cm",
        ("shop.example.com",),
        NOW,
        ready=True,
        not_before=NOW,
        not_after=ends,
        renewal_time=ends,
    )
    known = KNOWN["active"]
    theirs = replace(known, claim=replace(known.claim, certificate=None, handed=have))
    found = facts(theirs, build.ZONE)
    assert found.certificate is not None
    assert (found.certificate.issuer, found.certificate.serial_number) == ("Issuer/lets", None)
    assert "Serial number" not in RENDERER.page(found, KEY, NOW, None).decode()
    assert "Serial number" in RENDERER.page(shown("active"), KEY, NOW, None).decode()


def test_before_the_first_look_the_records_are_there():
    fresh = Registration(
        build.claim(), replace(KNOWN["missing"].domain, records=b"", conditions=b"")
    )
    found = facts(fresh, build.ZONE)
    assert found.words.headline == "Set one DNS record"
    assert [card.badge for card in found.cards] == ["Not checked yet"] * 2
    assert found.message == found.sightings == ()


def test_a_name_is_shown_as_people_read_it():
    claim = build.claim(domain="xn--bcher-kva.example.com")
    found = facts(Registration(claim, KNOWN["missing"].domain), build.ZONE)
    assert (found.name, found.ascii) == ("bücher.example.com", "xn--bcher-kva.example.com")


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        ("there is nothing", [("text", "There is nothing.")]),
        (
            "at _acme-challenge.a.example.com.; wait",
            [("text", "At "), ("code", "_acme-challenge.a.example.com."), ("text", "; wait.")],
        ),
        (f"with {'5' * 64}", [("text", "With "), ("code", "5" * 64), ("text", ".")]),
        (
            "until 2026-03-04T11:00:00Z. Then",
            [("text", "Until "), ("time", "2026-03-04T11:00:00Z"), ("text", ". Then.")],
        ),
        ('"v=spf1 -all"; (192.0.2.1:53)', [
            ("text", '"v=spf1 -all"; ('), ("code", "192.0.2.1:53"), ("text", ")."),
        ]),
        ("", []),
    ],
)  # fmt: skip
def test_messages_are_sentences_with_what_is_to_be_copied_set_apart(said, runs):
    assert [(run.kind, run.text) for run in message(said, "")] == runs


def test_a_message_without_end_is_cut():
    assert len(text(message(";" * 32768, ""))) < 2100


def hostile() -> Registration:
    found = KNOWN["missing"]
    records = msgspec.json.decode(found.domain.records)
    records[0] |= {"value": HOSTILE, "name": HOSTILE, "message": HOSTILE, "state": "Mismatch"}
    records[0]["seen"] = [{"server": HOSTILE, "outcome": HOSTILE, "values": [HOSTILE]},
                          {"server": HOSTILE, "outcome": HOSTILE}]  # fmt: skip
    conditions = msgspec.json.decode(found.domain.conditions)
    for condition in conditions:
        condition |= {"message": HOSTILE, "reason": HOSTILE}
    view = replace(
        found.domain,
        records=msgspec.json.encode(records),
        conditions=msgspec.json.encode(conditions),
        supplied=HOSTILE,
        domain_name=HOSTILE,
        phase=HOSTILE,
    )
    certificate = build.certificate(issuer=HOSTILE, names=(HOSTILE,))
    return Registration(replace(found.claim, certificate=certificate), view)


def test_what_others_say_is_text():
    html = RENDERER.page(facts(hostile(), build.ZONE), KEY, NOW, "<b>").decode()
    page = Page(html)
    assert page.tags.count("script") == 1  # our own
    assert HOSTILE in page.text
    assert "<b>" not in html
    event = json.loads(RENDERER.event(facts(hostile(), build.ZONE), KEY))
    assert "script" not in Page(event["html"]).tags


def test_an_event_has_what_changes_on_the_page():
    found = shown("active")
    raw = RENDERER.event(found, KEY)
    assert b"\n" not in raw
    event = json.loads(raw)
    page = RENDERER.page(found, KEY, NOW, None).decode()
    assert event["html"] in page
    assert f"<title>{event['title'].replace('&', '&amp;')}</title>" in page


def test_how_a_check_went_is_said_in_words_of_ours_only():
    html = RENDERER.page(shown("missing"), KEY, NOW, "recent").decode()
    assert NOTICES["recent"] in html
    assert "forged" not in RENDERER.page(shown("missing"), KEY, NOW, "forged").decode()


def test_problems_say_what_to_do():
    for problem in (FORGED, ENDED, by_status(503), by_status(500), by_status(413)):
        html = RENDERER.problem(problem).decode()
        assert escape(problem.headline).replace("&#x27;", "&#39;") in html
        assert len(problem.text) > 20
    assert (FORGED.status, ENDED.status) == (403, 410)
    assert by_status(502).status == 502


# --- the platform's colour -----------------------------------------------------------------------


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize(
    ("colour", "wanted"),
    [("#ffffff", "#000000"), ("#000000", "#ffffff"), ("#ffe600", "#000000"),
     ("#2f5bd0", "#ffffff"), ("#FF8800", "#000000")],
)  # fmt: skip
def test_text_on_a_colour_is_black_or_white(colour, wanted):
    assert text_on(colour) == wanted


def test_text_can_be_read_on_every_colour():
    steps = range(0, 256, 15)
    colours = (f"#{r:02x}{g:02x}{b:02x}" for r in steps for g in steps for b in steps)
    assert min(contrast(colour, text_on(colour)) for colour in colours) >= 4.5


def test_the_files_have_the_colour():
    css, kind = RENDERER.files()["page.css"]
    assert kind == "text/css"
    assert css.startswith(b":root{--brand:#2f5bd0;--on-brand:#ffffff}")
    assert b"#2f5bd0" in RENDERER.files()["icon.svg"][0]
    assert b"url(" not in css

"""Log lines: JSON for machines, and for people just what happened."""

import io
import json
import logging

import build
import pytest

from customdomains.controller.announcing import TransitionAnnouncer
from customdomains.model.reasons import Phase, Reason
from customdomains.model.status import mark_of
from customdomains.policy.world import Announcement
from customdomains.telemetry.logs import configure_logging


@pytest.fixture
def logs():
    """Configures the root logger and gives what it writes; undone afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()

    def configure(form: str, level: str = "info", *, terminal: bool = False) -> io.StringIO:
        stream.isatty = lambda: terminal
        configure_logging(form, level, stream)
        return stream

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)


class Sink:
    """Keeps what would become Events."""

    def __init__(self) -> None:
        self.events = []

    def emit(self, regarding, **fields):
        self.events.append((regarding, fields))


def move() -> None:
    domain = build.domain(status=mark_of({"phase": "pending"}))
    TransitionAnnouncer(Sink()).moved(domain, Phase.ACTIVE, Reason.READY)


def test_a_transition_in_json_has_its_parts_as_fields(logs):
    stream = logs("json")
    move()
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "customdomains.controller.announcing",
        "message": "tenant/shop shop.example.com: pending -> active (Ready)",
        "namespace": "tenant",
        "name": "shop",
        "domain": "shop.example.com",
        "from": "pending",
        "to": "active",
        "reason": "Ready",
    }


def test_a_transition_for_people_is_its_message(logs):
    stream = logs("text")
    move()
    time, _, rest = stream.getvalue().partition(" ")
    assert len(time) == len("08:38:42")
    assert rest == "info    tenant/shop shop.example.com: pending -> active (Ready)\n"


@pytest.mark.parametrize(("terminal", "as_json"), [(False, True), (True, False)])
def test_auto_writes_for_who_reads(logs, terminal, as_json):
    stream = logs("auto", terminal=terminal)
    logging.getLogger("x").warning("careful")
    assert stream.getvalue().startswith("{") == as_json
    assert ("\x1b[33m" in stream.getvalue()) == terminal


def test_a_name_with_a_line_break_starts_no_line_of_its_own(logs):
    stream = logs("text")
    logging.getLogger("x").info("%s is odd", "evil\n00:00:00 info    all is well\x1b[2J")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_comes_along(logs, form):
    stream = logs(form)
    try:
        int("broken")
    except ValueError:
        logging.getLogger("x").exception("it broke")
    assert "ValueError: invalid literal" in stream.getvalue()


def test_libraries_that_chat_speak_up_from_warnings_on(logs):
    stream = logs("text", "debug")
    logging.getLogger("kopf.objects").info("chat")
    logging.getLogger("customdomains.x").debug("ours")
    assert "chat" not in stream.getvalue()
    assert "ours" in stream.getvalue()


@pytest.mark.parametrize(("warning", "kind"), [(False, "Normal"), (True, "Warning")])
def test_an_announcement_becomes_an_event_about_the_resource(warning, kind):
    sink = Sink()
    TransitionAnnouncer(sink).announce(
        build.domain(), Announcement("Verified", "it is proved", warning=warning)
    )
    [(regarding, fields)] = sink.events
    assert (regarding.namespace, regarding.name, regarding.uid) == (*build.KEY, build.UID)
    assert fields == {
        "reason": "Verified",
        "action": "Verified",
        "note": "it is proved",
        "type": kind,
    }

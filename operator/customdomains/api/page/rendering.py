"""From facts to HTML, and the files that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from customdomains.api.page.cards import Need
from customdomains.api.page.colours import text_on
from customdomains.api.page.facts import Facts
from customdomains.api.page.problems import Problem
from customdomains.model.times import format_time, parse_time

_HERE = Path(__file__).parent
_DOT = "\N{MIDDLE DOT}"

NOTICES: Mapping[str, str] = {
    "done": "Your name servers were asked just now.",
    "recent": "The last check was only seconds ago. Try again in a moment.",
    "slow": "The check takes longer than usual. What it finds will show up here.",
    "busy": "Too many checks are under way. Try again in a minute.",
    "failed": "The check could not be started. Try again in a minute.",
}
"""How a check that was asked for has gone; the keys stand in the page's URL afterwards."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the platform wants the page: its name, and its colour as `#rrggbb`."""

    name: str
    colour: str


class Renderer:
    """Makes HTML in one look. Everything that is not in a template is escaped."""

    def __init__(self, look: Look) -> None:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals |= {"look": look, "NEED": Need}
        environment.filters["moment"] = _moment
        self._page = environment.get_template("page.html")
        self._live = environment.get_template("live.html")
        self._problem = environment.get_template("problem.html")
        self._look = look

    def page(self, facts: Facts, key: str, ends: datetime, notice: str | None) -> bytes:
        """The whole page for who has a link with this `key`; `notice` is one of `NOTICES`."""
        said = None if notice is None else NOTICES.get(notice)
        return self._page.render(
            facts=facts, title=_title(facts), key=key, ends=format_time(ends), notice=said
        ).encode()

    def event(self, facts: Facts, key: str) -> bytes:
        """What changes on the page, as JSON: `title`, and `html` with its regions."""
        html = self._live.render(facts=facts, key=key)
        title = f"{_title(facts)} {_DOT} {self._look.name}"
        return msgspec.json.encode({"title": title, "html": html})

    def problem(self, problem: Problem) -> bytes:
        """A page that says why there is none."""
        return self._problem.render(problem=problem).encode()

    def files(self) -> dict[str, tuple[bytes, str]]:
        """What the pages load, by name: the content and its type."""
        theme = f":root{{--brand:{self._look.colour};--on-brand:{text_on(self._look.colour)}}}\n"
        static = _HERE / "static"
        icon = (static / "icon.svg").read_text(encoding="utf-8")
        icon = icon.replace("BRAND", self._look.colour)
        icon = icon.replace("ON-BRAND", text_on(self._look.colour))
        return {
            "page.css": (theme.encode() + (static / "page.css").read_bytes(), "text/css"),
            "page.js": ((static / "page.js").read_bytes(), "text/javascript"),
            "icon.svg": (icon.encode(), "image/svg+xml"),
        }


def _title(facts: Facts) -> str:
    return f"{facts.words.headline} {_DOT} {facts.name}"


def _moment(text: str) -> str:
    """An RFC 3339 time for people; scripts put it into the reader's own time zone."""
    moment = parse_time(text)
    if moment is None:
        return text
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B} {utc.year}, {utc:%H:%M} UTC"

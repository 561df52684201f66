"""Lines on a terminal: wrapped to its width, coloured where that is wanted, the last one live."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, TextIO

_NARROWEST = 40
_WIDEST = 110  # longer lines are hard to read
_REDRAW_SECONDS = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ERASE = "\r\x1b[K"
_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "cyan": "36",
}


class Terminal:
    """Writes to `stream`. Colours and the live line need a terminal; NO_COLOR is honoured."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        self._stream = stream
        self._live = stream.isatty() and environment.get("TERM") != "dumb"
        self._colours = self._live and not environment.get("NO_COLOR")
        self._gap = True  # whether what was written last is an empty line, or nothing

    @classmethod
    def standard(cls) -> Terminal:
        """Standard output. What its encoding lacks is written as `?`, never an error."""
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")
        return cls(sys.stdout, os.environ)

    @property
    def width(self) -> int:
        """Of a line, in characters."""
        return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))

    def paint(self, text: str, *styles: str) -> str:
        """`text` in `styles` (bold, dim, red, green, yellow, blue, cyan), or as it is."""
        if not self._colours or not styles or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def gap(self) -> None:
        """Write an empty line, unless there is one already."""
        if not self._gap:
            self._write("\n")
        self._gap = True

    def line(self, text: str, *styles: str, indent: str = "", hang: str | None = None) -> None:
        """Write `text`, wrapped between words; `hang` begins every further line."""
        hang = indent if hang is None else hang
        for part in textwrap.wrap(text, self.width, **_whole_words(indent, hang)):
            self._put(self.paint(part, *styles))

    def row(
        self, start: str, text: str, *styles: str, start_styles: tuple[str, ...] = ("dim",)
    ) -> None:
        """Write `text` behind `start`; further lines align with its beginning."""
        first, *more = textwrap.wrap(text, self.width, **_whole_words(start, " " * len(start))) or [
            start
        ]
        self._put(self.paint(start, *start_styles) + self.paint(first[len(start) :], *styles))
        for part in more:
            self._put(self.paint(part, *styles))

    def glance(self, start: str, text: str, *, start_styles: tuple[str, ...]) -> None:
        """The same in three lines at most, however long `text` and its words are."""
        first, *more = textwrap.wrap(
            text,
            self.width,
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_on_hyphens=False,
            max_lines=3,
            placeholder=" ...",
        )
        self._put(self.paint(start, *start_styles) + first[len(start) :])
        for part in more:
            self._put(part)

    def block(self, text: str, *styles: str, indent: str = "  ") -> None:
        """Write each line of `text`; one that is too long goes on two characters further in."""
        for line in text.rstrip("\n").split("\n"):
            own = line[: len(line) - len(line.lstrip())]
            if line.strip():
                self.line(line.strip(), *styles, indent=indent + own, hang=f"{indent}{own}  ")
            else:
                self.gap()

    def raw(self, text: str, indent: str = "  ") -> None:
        """Write a program's output as it is: a table has to keep its columns."""
        for line in text.splitlines():
            self._put(f"{indent}{line}")

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.gap()
        self._put(self.paint(text, "bold"))
        self._put(self.paint("─" * self.width, "dim"))

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show what is waited for, and for how long, as the last line while the body runs.

        The body may write lines: they go above it. Nothing of it stays.
        """
        if not self._live:
            yield
            return
        started, done = time.monotonic(), Event()
        ticker = Thread(target=self._tick, args=(text, started, done), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            done.set()
            ticker.join()
            self._write("")

    @contextmanager
    def step(self, text: str, usually: str) -> Iterator[None]:
        """Show a long step and its usual duration while the body runs, then how long it took."""
        started = time.monotonic()
        with self.waiting(f"{text} (usually {usually})"):
            yield
        took = f"{time.monotonic() - started:4.1f} s"
        self._put(f"  {self.paint(took, 'dim')}  {text}")

    def _tick(self, text: str, started: float, done: Event) -> None:
        turn = 0
        while not done.wait(_REDRAW_SECONDS):
            frame = _FRAMES[turn % len(_FRAMES)]
            shown = f"  {frame} {text} {time.monotonic() - started:.0f} s"[: self.width - 1]
            self._write(self.paint(shown, "dim"))
            turn += 1

    def _put(self, line: str) -> None:
        self._gap = False
        self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        # One write a time, since the ticker writes too; erasing first replaces its line.
        self._stream.write(f"{_ERASE}{text}" if self._live else text)
        self._stream.flush()


def _whole_words(start: str, hang: str) -> dict[str, Any]:
    """Names and values are to be copied, so no word is broken."""
    return {
        "initial_indent": start,
        "subsequent_indent": hang,
        "break_long_words": False,
        "break_on_hyphens": False,
    }

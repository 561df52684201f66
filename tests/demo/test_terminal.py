"""What a person sees: with and without colours, on a narrow terminal, in a file."""

import io
import re

import pytest

from customdomains.devcluster.show.terminal import Terminal

VALUE = "02f694ac29b3f46db5c9ac17d8b301d4.delegated.example.net.example.com."


class Screen(io.StringIO):
    """A stream that is a terminal, or says it is."""

    def __init__(self, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")


def everything(terminal: Terminal) -> None:
    terminal.heading("A part")
    terminal.gap()
    terminal.line(f"A long line, in which words of all lengths and {VALUE} are found", "bold")
    terminal.block(f'{{\n  "value": "{VALUE}",\n\n\n  "other": 1\n}}')
    terminal.row("  label  ", f"a text that takes more than one line, {VALUE} included", "red")
    terminal.glance("  +1.0 s  pending  ", f"a text, {VALUE} " * 5, start_styles=("green",))
    with terminal.step("a long step", "1 s"):
        terminal.gap()
    terminal.raw("A  TABLE\n1  2\n")


@pytest.mark.parametrize(
    ("tty", "environment", "colours"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_colours_are_for_terminals_and_those_who_want_them(
    tty: bool, environment: dict[str, str], colours: bool
) -> None:
    screen = Screen(tty)
    everything(Terminal(screen, environment))
    assert bool(re.search(r"\x1b\[[0-9;]+m", screen.getvalue())) is colours
    if not tty:
        assert "\x1b" not in screen.getvalue()
        assert "\r" not in screen.getvalue()


@pytest.mark.usefixtures("narrow")
def test_lines_fit_and_no_value_is_broken() -> None:
    screen = Screen(tty=False)
    everything(Terminal(screen, {}))
    lines = screen.getvalue().splitlines()
    assert all(len(line) <= 60 or VALUE in line for line in lines)
    assert sum(VALUE in line for line in lines) == 3
    assert "\n\n\n" not in screen.getvalue()
    assert '  {\n    "value":\n      "' in screen.getvalue()
    (label,) = (n for n, line in enumerate(lines) if line.startswith("  label  a text"))
    assert lines[label + 1].startswith(" " * len("  label  "))


def test_what_is_waited_for_leaves_nothing_behind() -> None:
    screen = Screen(tty=True)
    terminal = Terminal(screen, {"NO_COLOR": "1"})
    with terminal.waiting("waiting for a domain"):
        while "waiting for a domain" not in screen.getvalue():
            pass
        terminal.line("a transition")
    shown = screen.getvalue().rsplit("\r\x1b[K", 1)
    assert "\r\x1b[Ka transition\n" in screen.getvalue()
    assert shown[1] == ""

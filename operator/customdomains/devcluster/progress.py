"""Says on a terminal what a long step does, how long it usually takes and how long it has taken."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# On a terminal one line is redrawn; in a log (CI) a new line now and then is enough.
_REDRAW_SECONDS = 1.0
_LOG_SECONDS = 30.0


def say(text: str) -> None:
    """Print one line to standard error, where progress belongs."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str, usually: str) -> Iterator[None]:
    """Show `text` and the elapsed time while the body runs.

    `usually` is the normal duration in words ("4-10 min on 2 cores").
    """
    started = time.monotonic()
    done = threading.Event()
    thread = threading.Thread(target=_tick, args=(text, usually, started, done), daemon=True)
    say(f"{text} (usually {usually})")
    thread.start()
    ok = False
    try:
        yield
        ok = True
    finally:
        done.set()
        thread.join()
        say(f"{text}: {'done' if ok else 'failed'} after {_elapsed(started)}")


def _tick(text: str, usually: str, started: float, done: threading.Event) -> None:
    terminal = sys.stderr.isatty()
    while not done.wait(_REDRAW_SECONDS if terminal else _LOG_SECONDS):
        line = f"  {text}: {_elapsed(started)} of usually {usually}"
        if terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        else:
            say(line)
    if terminal:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _elapsed(started: float) -> str:
    seconds = int(time.monotonic() - started)
    return f"{seconds // 60}:{seconds % 60:02d} min" if seconds >= 60 else f"{seconds} s"

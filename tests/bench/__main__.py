"""Run the benchmarks: `python -m tests.bench [issue|renew|register|ask|idle|lookups ...]`."""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.bench.asking import ask
from tests.bench.idling import idle
from tests.bench.issuing import issue
from tests.bench.looking import lookups
from tests.bench.registering import register
from tests.bench.renewing import LIFETIME, renew
from tests.bench.report import Report
from tests.bench.stage import stage

SCENARIOS = ("issue", "renew", "register", "ask", "idle", "lookups")
COUNTS = (200, 1000)
IDLE = 10_000
DEAD = 1000
RENEWED = 1000


async def _run(chosen: list[str], report: Report) -> None:
    if "issue" in chosen:
        for count in COUNTS:
            with stage() as parts:
                parts.operator.start("dns", "controller")
                # Directory, account and its Secret are made with the first certificate.
                await issue(parts, Report(quiet=True), 1)
                await issue(parts, report, count)
    if "renew" in chosen:
        with stage(lifetime=LIFETIME) as parts:
            parts.operator.start("dns", "controller")
            await renew(parts, report, RENEWED)
    if "register" in chosen:
        with stage() as parts:
            parts.operator.start("api")
            report.heading("registrations over HTTP, controller stopped")
            await register(parts, report, "register-alone")
        with stage() as parts:
            parts.operator.start("dns", "api", "controller")
            report.heading("registrations over HTTP, controller running")
            await register(parts, report, "register-with-controller")
    if "ask" in chosen:
        with stage() as parts:
            await ask(parts, report)
    if "idle" in chosen:
        with stage() as parts:
            await idle(parts, report, IDLE)
    if "lookups" in chosen:
        await lookups(report, DEAD)


def main() -> int:
    """Exit code 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("scenario", nargs="*", choices=[*SCENARIOS, []], help="default: all")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where to write")
    options = parser.parse_args()
    report = Report()
    asyncio.run(_run(options.scenario or list(SCENARIOS), report))
    report.write(options.json)
    print(f"\n{report.missed} limits missed; written to {options.json}")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())

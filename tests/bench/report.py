"""Rows of figures beside their limits, as a table and as JSON."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

AT_MOST = "at most"
AT_LEAST = "at least"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `limit` is what it is held against, None where it is only told.

    `wanted` says on which side of the limit it has to be.
    """

    scenario: str
    figure: str
    value: float
    unit: str
    limit: float | None = None
    wanted: str = AT_MOST

    @property
    def met(self) -> bool | None:
        """Whether the limit holds; None without one."""
        if self.limit is None:
            return None
        if self.wanted == AT_MOST:
            return self.value <= self.limit
        return self.value >= self.limit


class Report:
    """Prints each row as it is measured (unless `quiet`) and writes them all in the end."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Take a row in and print it."""
        self._rows.append(row)
        if self._quiet:
            return
        limit = "" if row.limit is None else f"{row.wanted} {row.limit:g}"
        verdict = {None: "", True: "ok", False: "MISSED"}[row.met]
        print(
            f"  {row.figure:<44} {row.value:>10.4g} {row.unit:<18} {limit:<14} {verdict}",
            flush=True,
        )

    def heading(self, text: str) -> None:
        """Begin a scenario."""
        if not self._quiet:
            print(f"\n{text}", flush=True)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        document = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {
                "cores": os.cpu_count(),
                "system": platform.platform(),
                "python": platform.python_version(),
            },
            "rows": [asdict(row) | {"met": row.met} for row in self._rows],
        }
        path.write_text(json.dumps(document, indent=2) + "\n")

    @property
    def missed(self) -> int:
        """How many limits don't hold."""
        return sum(row.met is False for row in self._rows)

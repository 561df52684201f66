"""Which of Debian's packages the tests need, and what a test says that can't run without one."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where servers are, which is not on everybody's PATH."""


@dataclass(frozen=True)
class Package:
    """A package of Debian's and the programs that the tests use of it."""

    name: str
    programs: tuple[str, ...]

    def missing(self) -> bool:
        """Whether one of its programs is not there."""
        return any(find(program) is None for program in self.programs)


SERVERS = (
    Package("knot", ("knotd", "knotc", "keymgr")),
    Package("bind9", ("named",)),
    Package("nsd", ("nsd",)),
    Package("unbound", ("unbound",)),
)
TOOLS = (Package("bind9-dnsutils", ("dig",)), Package("knot-dnsutils", ("kdig",)))
BROWSERS = (Package("chromium", ("chromium",)),)
MONITORS = (Package("prometheus", ("promtool",)),)
GROUPS = ((*SERVERS, *TOOLS), BROWSERS, MONITORS)
"""What is installed together: what of one group can't be had is in no other's way."""


def find(program: str) -> Path | None:
    """Where `program` is; None where it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_PATH))
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def why_not(wanted: tuple[Package, ...], what: str) -> str | None:
    """Why there are no `what`, for `pytest.skip`; None where all that is `wanted` is there."""
    missing = [package.name for package in wanted if package.missing()]
    if missing:
        return f"{what} are not installed; as root on Debian: apt-get install {' '.join(missing)}"
    return None

"""What is there in the end: the table, the certificates, and the verdict."""

from __future__ import annotations

from customdomains.devcluster.environment import TENANT_NAMESPACE
from customdomains.devcluster.show import acts
from customdomains.devcluster.show.acts import BY_HAND, DELEGATED, WRONG
from customdomains.devcluster.show.checks import NotSeenError
from customdomains.devcluster.show.secrets import Found, examine
from customdomains.devcluster.show.stage import Stage

_NAMES = {DELEGATED: (DELEGATED,), BY_HAND: (BY_HAND,), WRONG: (WRONG, f"*.{WRONG}")}


def finale(stage: Stage) -> None:
    """Show and check what is there in the end. Raises NotSeenError, KubectlError."""
    stage.terminal.heading("What is there now")
    stage.terminal.gap()
    _table(stage)
    _certificates(stage)


def _table(stage: Stage) -> None:
    stage.command("kubectl get cdom -A")
    table = stage.around.kubectl.run("get", "cdom", "-A")
    stage.terminal.raw(table)
    for domain in _NAMES:
        rows = [line.split() for line in table.splitlines() if domain in line.split()]
        if not rows or "active" not in rows[0]:
            raise NotSeenError(f"kubectl get cdom -A does not show {domain} as active")
    stage.checks.saw(acts.SEEN_TABLE)


def _certificates(stage: Stage) -> None:
    roots = stage.around.pebble.roots()
    for domain, names in _NAMES.items():
        name = _secret_name(stage, domain)
        secret = stage.around.kubectl.get("secret", name, "-n", TENANT_NAMESPACE)
        stage.terminal.gap()
        stage.terminal.line(f"The Secret {TENANT_NAMESPACE}/{name}", "bold")
        _show(stage, examine(secret, names, roots))
    stage.checks.saw(acts.SEEN_CERTIFICATES)


def _secret_name(stage: Stage, domain: str) -> str:
    found = stage.latest(domain)
    name: str = found["status"]["certificate"]["secretName"]
    return name


def _show(stage: Stage, found: Found) -> None:
    days = (found.not_after - found.not_before).total_seconds() / 86_400
    span = f"{found.not_before:%Y-%m-%d %H:%M} to {found.not_after:%Y-%m-%d %H:%M} UTC"
    rows = (
        ("subject", found.subject or "(none: the names are in the SANs alone)"),
        ("SANs", ", ".join(found.names)),
        ("issuer", found.issuer),
        ("valid", f"{span} ({days:.0f} days)"),
        ("serial", found.serial_number),
        ("chain", f"verified up to {found.root}, the private key matches"),
    )
    for label, text in rows:
        stage.terminal.row(f"  {label:<9}", text, *(("green",) if label == "chain" else ()))


def verdict(stage: Stage, seconds: float) -> None:
    """List what had to be seen and whether it was."""
    stage.terminal.heading("What was seen")
    for check, seen in stage.checks.results:
        mark, colour = ("ok", "green") if seen else ("missing", "red")
        stage.terminal.row(f"  {mark:<9}", check, start_styles=("bold", colour))
    stage.terminal.gap()
    if stage.checks.passed:
        stage.terminal.line(f"All of it was seen, in {seconds:.0f} s.", "bold", "green")

"""What the users of the demo can do, each of it shown as it is done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from customdomains.devcluster.environment import PROJECT, TENANT_NAMESPACE, Environment
from customdomains.devcluster.show.calls import call
from customdomains.devcluster.show.checks import Checks, NotSeenError
from customdomains.devcluster.show.terminal import Terminal
from customdomains.devcluster.show.watch import DomainWatch, Resource

PATIENCE_SECONDS = 60.0
"""For anything that is waited for; all of it usually takes some seconds."""

_PHASES = {
    "pending": "yellow",
    "verified": "cyan",
    "certificate_pending": "blue",
    "active": "green",
    "failed": "red",
}
_LONGEST_PHASE = max(map(len, _PHASES))
_ROOMY = 100  # characters a line has to have for the time of day too
_LONG_LISTS = {"records", "conditions"}
_LEFT_OUT = "(left out)"

Seen = Callable[[Resource], bool]


class Stage:
    """Where the acts take place: what runs, where it is shown, and what has been seen so far."""

    def __init__(
        self, around: Environment, watch: DomainWatch, terminal: Terminal, checks: Checks
    ) -> None:
        self.around = around
        self.terminal = terminal
        self.checks = checks
        self.phases: dict[str, list[str]] = {}
        self._watch = watch
        self._latest: dict[str, Resource] = {}
        self._shown: dict[str, tuple[str, str]] = {}
        self._began = time.monotonic()

    def tell(self, text: str) -> None:
        """Say what happens next, and why."""
        self.terminal.gap()
        self.terminal.line(text)
        self.terminal.gap()

    def began(self) -> None:
        """The time stamps of what follows count from now."""
        self._began = time.monotonic()

    def apply(self, manifest: str) -> None:
        """Show a manifest of examples/ and apply it."""
        path = PROJECT / "examples" / manifest
        for line in path.read_text().splitlines():
            self.terminal.block(line, *(("dim",) if line.startswith("#") else ()))
        self.terminal.gap()
        self.command(f"kubectl apply -n {TENANT_NAMESPACE} -f examples/{manifest}")
        self.began()
        self.terminal.raw(self.around.kubectl.run("apply", "-n", TENANT_NAMESPACE, "-f", path))
        self.terminal.gap()

    def command(self, text: str) -> None:
        """Show a command line."""
        first, *more = text.split("\n")
        self.terminal.line(f"$ {first}", "bold", indent="  ", hang="      ")
        for line in more:
            self.terminal.block(line, "bold")

    def set_record(self, kind: str, name: str, value: str) -> None:
        """Set a record at the tenant's DNS server, by its management API."""
        path, field = {"TXT": ("/set-txt", "value"), "CNAME": ("/set-cname", "target")}[kind]
        body = {"host": name, field: value}
        self.command(f"curl $TENANT_DNS_API{path} -d '{json.dumps(body, indent=2)}'")
        self.terminal.gap()
        answer = call("POST", f"{self.around.tenant_dns.api_url}{path}", body=body)
        if answer.status != HTTPStatus.OK:
            raise NotSeenError(f"the tenant's DNS server answers {answer.words}: {answer.body}")

    def ask(self, method: str, path: str, wanted: HTTPStatus, body: Any = None) -> Any:
        """Make a request to the operator's HTTP API; what it answers.

        Raises NotSeenError for an answer of another status than `wanted`.
        """
        self.terminal.line(f"> {method} {path}", "bold", indent="  ", hang="    ")
        if body is not None:
            self.terminal.block(json.dumps(body), indent="    ")
        with self.terminal.waiting("waiting for the answer"):
            url, token = self.around.operator.api_url, self.around.operator.api_token
            answer = call(method, f"{url}{path}", token=token, body=body)
        good = answer.status == wanted
        self.terminal.line(f"< {answer.words}", "green" if good else "red", indent="  ")
        self.terminal.block(_json_in_short(answer.body), indent="    ")
        self.terminal.gap()
        if not good:
            raise NotSeenError(f"{method} {path} was answered by {answer.words}, not by {wanted}")
        return answer.body

    def wait(self, domain: str, what: str, seen: Seen) -> Resource:
        """Show every change of phase or reason until `seen` of the CustomDomain for `domain`.

        Raises NotSeenError after a minute, ProcessError when the operator ends.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self.terminal.waiting(f"waiting for {domain} {what}"):
            if domain in self._latest and seen(self._latest[domain]):
                return self._latest[domain]
            for found in self._watch.changes(deadline):
                if found is None:
                    self.around.check_running()
                    continue
                name = found["spec"]["domainName"]
                self._latest[name] = found
                self._show(name, found)
                if name == domain and seen(found):
                    return found
        last = self._latest.get(domain)
        state = f"{phase_of(last)}: {ready_of(last)['message']}" if last else "not there at all"
        raise NotSeenError(
            f"waited {PATIENCE_SECONDS:.0f} s in vain for {domain} {what}; it is {state}"
        )

    def latest(self, domain: str) -> Resource:
        """The CustomDomain for `domain` as it was seen last."""
        return self._latest[domain]

    def _show(self, domain: str, found: Resource) -> None:
        """One line a transition: when, since when, phase, and what the operator says."""
        phase, ready = phase_of(found), ready_of(found)
        if not phase or self._shown.get(domain) == (phase, ready["reason"]):
            return
        self._shown[domain] = (phase, ready["reason"])
        self.phases.setdefault(domain, []).append(phase)
        since = f"{time.monotonic() - self._began:+5.1f} s"
        clock = f"{datetime.now().astimezone():%H:%M:%S}  "
        room = self.terminal.width >= _ROOMY
        start = f"  {clock if room else ''}{since}  {phase:<{_LONGEST_PHASE}}  "
        self.terminal.glance(
            start, ready["message"], start_styles=("bold", _PHASES.get(phase, "bold"))
        )


def _json_in_short(body: Any) -> str:
    """Indented JSON, without what the long lists hold: they are the same as in the status."""
    if isinstance(body, dict):
        body = {key: _LEFT_OUT if key in _LONG_LISTS else value for key, value in body.items()}
    return json.dumps(body, indent=2).replace(json.dumps(_LEFT_OUT), "[...]")


def phase_of(found: Resource) -> str:
    """The phase, empty before the operator has seen the object."""
    phase: str = found.get("status", {}).get("phase", "")
    return phase


def ready_of(found: Resource) -> dict[str, str]:
    """The condition Ready."""
    return condition_of(found, "Ready")


def condition_of(found: Resource, kind: str) -> dict[str, str]:
    """A condition, with an empty reason and message where there is none."""
    conditions: list[dict[str, str]] = found.get("status", {}).get("conditions", [])
    none = {"type": kind, "status": "Unknown", "reason": "", "message": ""}
    return next((each for each in conditions if each["type"] == kind), none)


def record_of(found: Resource, purpose: str) -> dict[str, Any] | None:
    """The record for `purpose` in the status."""
    records: list[dict[str, Any]] = found.get("status", {}).get("records", [])
    return next((each for each in records if each["purpose"] == purpose), None)

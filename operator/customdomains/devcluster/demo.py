"""`customdomains demo`: the main job shown live, or kept running to be used.

Everything in it is real: the API server, the ACME server, the DNS, the operator's processes.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from customdomains.devcluster.binaries import MissingBinaryError
from customdomains.devcluster.envfile import ENV_FILE, AlreadyRunningError, reserved, write_env
from customdomains.devcluster.environment import (
    PROJECT,
    TENANT_NAMESPACE,
    Environment,
    environment,
)
from customdomains.devcluster.gobuild import BuildError
from customdomains.devcluster.guest import UnsuitableClusterError
from customdomains.devcluster.kubectl import KubectlError
from customdomains.devcluster.operatorprocs import NAMES
from customdomains.devcluster.processes import ProcessError, exit_on_sigterm
from customdomains.devcluster.show import acts
from customdomains.devcluster.show.checks import Checks, NotSeenError
from customdomains.devcluster.show.finale import finale, verdict
from customdomains.devcluster.show.stage import Stage
from customdomains.devcluster.show.terminal import Terminal
from customdomains.devcluster.show.watch import DomainWatch
from customdomains.devcluster.toolchain import ToolchainError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

KEPT_LOGS = ENV_FILE.parent / "demo-logs"

_EXPECTED = (
    AlreadyRunningError,
    BuildError,
    KubectlError,
    MissingBinaryError,
    OSError,
    ProcessError,
    ToolchainError,
    UnsuitableClusterError,
)
"""What needs no traceback: the message says what a person has to mend."""

_KEEP_POLL_SECONDS = 0.5

_TITLE = "Custom domains, from registered to an issued certificate"
_INTRODUCTION = (
    "Nothing here is simulated: the API server, the DNS, the ACME server and the operator are "
    "programs of their own on this machine, and end with this command."
)

_HOW_TO = """\
source {env}

# A domain by kubectl. Its status lists the record that the tenant has to set.
kubectl apply -n {namespace} -f examples/delegated.yaml
target=$(kubectl get cdom -n {namespace} shop \\
  -o jsonpath='{{.status.records[?(@.type=="CNAME")].value}}')
curl $TENANT_DNS_API/set-cname -d '{{
  "host": "_acme-challenge.shop.example.com.", "target": "'$target'"}}'
kubectl get cdom -A --watch

# A domain by HTTP.
curl $CUSTOMDOMAINS_URL/domains -d '{{"domain_name": "app.example.org"}}' \\
  -H "Authorization: Bearer $CUSTOMDOMAINS_TOKEN"

# What the DNS says.
dig @${{TENANT_DNS%:*}} -p ${{TENANT_DNS#*:}} TXT _acme-challenge.shop.example.com
"""


def run_demo(*, keep: bool, kubeconfig: str | None) -> int:
    """Show the main job, or with `keep` run everything until Ctrl-C; returns the exit code.

    `kubeconfig` names a cluster to use instead of the embedded control plane.
    """
    exit_on_sigterm()
    terminal = Terminal.standard()
    try:
        if not (PROJECT / "crds").is_dir():
            return _usage("the demo needs the project's checkout, where crds/ and examples/ are")
        if kubeconfig is not None and not Path(kubeconfig).is_file():
            return _usage(f"{kubeconfig}: there is no such kubeconfig file")
        return _run(terminal, keep, Path(kubeconfig).resolve() if kubeconfig else None)
    except KeyboardInterrupt:
        terminal.line("Stopped: nothing runs any more.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read along has enough; at exit Python would flush to it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except _EXPECTED as error:
        print(f"customdomains: {error}", file=sys.stderr)
        return EXIT_FAILED


def _usage(message: str) -> int:
    print(f"customdomains: {message}", file=sys.stderr)
    return EXIT_USAGE


def _run(terminal: Terminal, keep: bool, kubeconfig: Path | None) -> int:
    with reserved(ENV_FILE):
        terminal.heading(_TITLE)
        terminal.line(_INTRODUCTION)
        terminal.gap()
        with environment(kubeconfig, terminal.step) as around:
            write_env(ENV_FILE, around.variables, around.program_path)
            passed = _keep(terminal, around) if keep else _show(terminal, around)
    return 0 if passed else EXIT_FAILED


def _show(terminal: Terminal, around: Environment) -> bool:
    """All acts; whether everything was seen that has to be."""
    started = time.monotonic()
    watch = DomainWatch(around.kubectl, TENANT_NAMESPACE, around.directory / "watch.log")
    stage = Stage(around, watch, terminal, Checks(*acts.ALL))
    trouble = None
    try:
        watch.start()
        acts.delegated(stage)
        acts.by_hand(stage)
        acts.wrong(stage)
        finale(stage)
    except (NotSeenError, KubectlError, ProcessError, OSError) as error:
        trouble = error
    finally:
        watch.stop()
    verdict(stage, time.monotonic() - started)
    if trouble is not None:
        _explain(terminal, around, trouble)
    terminal.gap()
    return stage.checks.passed


def _explain(terminal: Terminal, around: Environment, trouble: Exception) -> None:
    """What went wrong, the end of the operator's logs, and where all logs are."""
    terminal.block(str(trouble), "red")
    KEPT_LOGS.mkdir(parents=True, exist_ok=True)
    for log in around.logs:
        shutil.copy(log, KEPT_LOGS)
    for name in NAMES:
        terminal.gap()
        terminal.line(f"The {name} process said last:", "bold", indent="  ")
        terminal.block(around.operator.process(name).last_lines(), "dim", indent="    ")
    terminal.gap()
    terminal.line(f"The logs of all processes are in {KEPT_LOGS}", indent="  ")


def _keep(terminal: Terminal, around: Environment) -> bool:
    """Say how to use what runs, and wait for Ctrl-C. Processes that end are reported."""
    terminal.heading("Everything runs")
    terminal.line("In another shell, in this directory:")
    terminal.gap()
    for line in _HOW_TO.format(env=ENV_FILE, namespace=TENANT_NAMESPACE).splitlines():
        terminal.block(line, "dim" if line.startswith("#") else "bold")
    terminal.gap()
    for name, value in around.variables.items():
        terminal.row(f"  {name:<21}", value)
    terminal.row(f"  {'logs':<21}", f"{around.directory}/*/*.log")
    terminal.gap()
    terminal.line("Ctrl-C ends it all.", "bold")
    ended: set[str] = set()
    try:
        while True:
            for name in around.ended() - ended:
                ended.add(name)
                terminal.line(f"{name} has ended; {around.operator.log_of(name)} says why", "red")
            time.sleep(_KEEP_POLL_SECONDS)
    except KeyboardInterrupt:
        terminal.gap()
        return True

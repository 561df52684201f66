"""schemathesis against the live server: what it generates from the document finds nothing wrong.

`make fuzz` runs this with FUZZ_CASES, the number of cases, and seeds that are new each time.
"""

import asyncio
import os
import re
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

import aiohttp
import pytest
from api import standin
from api.calling import api_server

from customdomains.api.options import SetupOptions
from customdomains.cluster import NotFound
from customdomains.devcluster.rundir import free_port

pytestmark = pytest.mark.cluster

HERE = Path(__file__).parent
HOOKS = "schemathesis_hooks"
CASES = int(os.environ.get("FUZZ_CASES", "0"))
SINGLE_CALLS = ("--exclude-path=/ask", "--exclude-path-regex=/events$")  # those have no end
STORIES = ("--include-path-regex=^/(domains|dns)", "--exclude-path-regex=/(events|setup.*)$")
ROUNDS = 12  # of stories at most, until all of this has been answered:
WAYS = {
    ("POST", "/domains", "201"),
    ("POST", "/domains", "500"),
    ("GET", "/domains/{id}", "200"),
    ("GET", "/domains/{id}", "404"),
    ("POST", "/domains/{id}/verify", "200"),
    ("POST", "/domains/{id}/verify", "400"),
    ("POST", "/domains/{id}/verify", "424"),
    ("POST", "/domains/{id}/issue-certificate", "202"),
    ("GET", "/domains/{id}/certificate", "200"),
    ("DELETE", "/domains/{id}", "204"),
    ("POST", "/dns/records", "201"),
    ("DELETE", "/dns/records", "200"),
    ("GET", "/dns/resolve", "200"),
}
PAGES = ("--include-path-regex=^/domains(/.*/(setup|setup-link))?$",)
WAYS_OF_PAGES = {
    ("POST", "/domains/{id}/setup-link", "201"),
    ("GET", "/domains/{id}/setup", "200"),
    ("POST", "/domains/{id}/setup", "303"),
}
TOKEN = "schemathesis-0123456789"


async def prove_what_has_a_certificate(stand_in, view):
    await stand_in.write_claim(view, certificate=standin.CERTIFICATE)
    await standin.prove(stand_in, view)


CHECKS = (
    prove_what_has_a_certificate,
    standin.find_wrong("RecordMissing", "there is no record"),
    prove_what_has_a_certificate,
    standin.find_wrong("LookupFailed", "no server answered", state="Unreachable"),
)
ORDERS = (
    standin.place(),
    standin.place("a" * 43, "b" * 43),
    standin.fail("CAUnreachable", "the CA did not answer"),
)


def in_turns(answers: Sequence[standin.OnRequest]) -> standin.OnRequest:
    """One after the other, for whichever domain; it may be deleted meanwhile."""
    turns = cycle(answers)

    async def answer(stand_in, view):
        with suppress(NotFound):
            await next(turns)(stand_in, view)

    return answer


@pytest.fixture
async def servers(client, namespace, tmp_path):
    """The API's port and that for edge proxies."""
    (tmp_path / "tokens").write_text(TOKEN)
    (tmp_path / "setup-keys").write_text(TOKEN * 2)
    setup = SetupOptions(tmp_path / "setup-keys", "https://setup.example.net", "Setup", "#2f5bd0")
    ask_port = free_port()
    async with (
        api_server(
            client,
            namespace,
            token_file=tmp_path / "tokens",
            ask=("127.0.0.1", ask_port),
            records_namespace=namespace,
            setup=setup,
        ) as api,
        standin.standing_in(
            client, namespace, on_check=in_turns(CHECKS), on_issue=in_turns(ORDERS)
        ),
    ):
        yield str(api.session._base_url).rstrip("/"), f"http://127.0.0.1:{ask_port}"


@dataclass(frozen=True)
class Calls:
    """schemathesis with one seed, working in a directory of its own."""

    directory: Path
    namespace: str
    document: str
    seed: int

    async def make(self, examples: int, phases: str, *options: str) -> int:
        """How many calls were made, or stories told. Asserts that they found nothing."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(HERE / "schemathesis.toml"), "run", "--no-color"),
            *(f"--seed={self.seed}", f"--max-examples={examples}", f"--phases={phases}"),
            *("--warnings=off", f"--header=Authorization: Bearer {TOKEN}"),
            *(*options, self.document),
            cwd=self.directory,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": HOOKS,
                "PYTHONPATH": str(HERE),
                "NAMESPACE": self.namespace,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output = (await process.communicate())[0].decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        print(output)
        assert process.returncode == 0, f"found with seed {self.seed}:\n{output}"
        return int(re.search(r"(\d+) generated", output)[1])


async def tell(
    calls: Calls, api: str, stories: int, ways: set[tuple[str, str, str]], *options: str
) -> tuple[int, set[tuple[str, str, str]]]:
    """Tell stories until all of `ways` has been answered: how many, and which have not."""
    made, missing = 0, ways
    for more in range(ROUNDS):
        made += await replace(calls, seed=calls.seed + more).make(stories, "stateful", *options)
        missing = ways - await answered(api)
        if not missing:
            break
    return made, missing


async def answered(api: str) -> set[tuple[str, str, str]]:
    """Method, route and status of all answers so far."""
    async with aiohttp.ClientSession() as session, session.get(f"{api}/metrics") as response:
        lines = re.findall(
            r'http_requests_total\{code="(\d+)",method="(\w+)",route="([^"]+)"',
            await response.text(),
        )
    return {(method, route, code) for code, method, route in lines}


@pytest.mark.timeout(300 + CASES)
async def test_schemathesis_finds_nothing(servers, namespace, tmp_path):
    api, ask = servers
    made = 0
    single, stories = (100, 400) if CASES else (10, 100)
    while made <= CASES:
        seed = secrets.randbelow(2**31) if CASES else 20260104
        calls = Calls(tmp_path, namespace, f"{api}/openapi.json", seed)
        made += await calls.make(single, "examples,coverage,fuzzing", *SINGLE_CALLS)
        told, missing = await tell(calls, api, stories, WAYS, *STORIES)
        of_pages, missing_pages = await tell(calls, api, stories // 4, WAYS_OF_PAGES, *PAGES)
        made += told + of_pages
        made += await calls.make(
            single, "examples,coverage,fuzzing", "--include-path=/ask", f"--url={ask}"
        )
    print(f"{made} cases, nothing found")
    assert not missing | missing_pages

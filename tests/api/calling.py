"""Running the HTTP API and calling it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from api.conformance import faults
from prometheus_client import CollectorRegistry

from customdomains.api import ApiOptions, TokenFile, run_api, serving
from customdomains.cluster import ApiClient
from customdomains.devcluster.controlplane import ControlPlane
from customdomains.devcluster.rundir import free_port
from customdomains.policy.rules import Rules

ZONE = "delegated.example.net"
RULES = Rules(zone=ZONE, issuers=("ca",))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of an error, once that has the contract's form."""
        body = self.body
        assert set(body) == {"error", "code"}, body
        assert len(body["error"]) > 10
        assert "json" in self.headers["Content-Type"]
        return body["code"]


class Caller:
    """A client of one replica, that checks every answer by the OpenAPI document."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, path, **options) as response:
            text = await response.text()
            found = faults(method, str(response.url), response.status, response.headers, text)
            assert list(found) == [], f"{method} {path} {response.status}: {text}"
            return Answer(response.status, response.headers, text)

    async def register(self, name: str, **more: Any) -> dict[str, Any]:
        answer = await self("POST", "/domains", json={"domain_name": name, **more})
        assert answer.status == 201, answer
        return answer.body


def with_token(token: str, namespace: str | None = None) -> dict[str, str]:
    """The headers of a call with these credentials, for this namespace."""
    asked = {} if namespace is None else {"Customdomains-Namespace": namespace}
    return {"Authorization": f"Bearer {token}", **asked}


@asynccontextmanager
async def api_server(
    client: ApiClient,
    namespace: str,
    *,
    wait_ready: bool = True,
    hosts: Any = None,
    token_file: Path | None = None,
    **options: Any,
) -> AsyncIterator[Caller]:
    """One replica in a task of its own, so that fixtures may begin and end it where they like."""
    wanted = ApiOptions(
        **{
            "host": "127.0.0.1",
            "port": 0,
            "namespace": namespace,
            "rules": RULES,
            "authentication": None if token_file is None else TokenFile(token_file),
            **options,
        }
    )
    stop = asyncio.Event()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with serving(wanted, client, CollectorRegistry(), hosts) as server:
            listening.set_result(server.port)
            await stop.wait()

    running = asyncio.create_task(run())
    await asyncio.wait({running, listening}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listening.result()}") as session:
            caller = Caller(session)
            if wait_ready:
                await eventually(lambda: is_ready(caller))
            yield caller
    finally:
        stop.set()
        await running


@dataclass(frozen=True)
class Process:
    """All of `run_api`, in a task; it ends when `stop` is set."""

    caller: Caller
    port: int
    registry: CollectorRegistry
    stop: asyncio.Event
    running: asyncio.Task[None]


@asynccontextmanager
async def api_process(client: ApiClient, namespace: str) -> AsyncIterator[Process]:
    """A process that the body has to stop; its end is waited for."""
    stop, port, registry = asyncio.Event(), free_port(), CollectorRegistry()
    options = ApiOptions("127.0.0.1", port, namespace, RULES, authentication=None)
    running = asyncio.create_task(run_api(options, client, registry, stop))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        caller = Caller(session)
        await eventually(lambda: is_ready(caller))
        yield Process(caller, port, registry, stop, running)
        await running


async def refusal(caller: Caller, name: str) -> tuple[int, str]:
    """Why the name can't be registered: the status and the code."""
    answer = await caller("POST", "/domains", json={"domain_name": name})
    return answer.status, answer.code


async def is_ready(caller: Caller) -> bool:
    try:
        return (await caller("GET", "/readyz")).status == 200
    except aiohttp.ClientConnectionError:
        return False


async def eventually(true: Callable[[], Awaitable[bool]], timeout: float = 20.0) -> None:
    """Ask again and again until it is true. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not await true():  # noqa: ASYNC110 - over HTTP nobody sets an Event
            await asyncio.sleep(0.02)


_made: list[str] = []  # namespaces that may have domains in them


def fresh_namespace(control_plane: ControlPlane) -> str:
    """A namespace of its own. It stays: nothing here would finish deleting it."""
    name = f"elsewhere-{secrets.token_hex(4)}"
    _made.append(name)
    metadata = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    control_plane.request("POST", "/api/v1/namespaces", metadata)
    return name


def empty_namespaces(control_plane: ControlPlane) -> None:
    """Delete what is left in them: other tests share the cluster."""
    api = "/apis/customdomains.dev/v1"
    for claim in control_plane.request("GET", f"{api}/domainclaims")["items"]:
        if claim["spec"].get("holderRef", {}).get("namespace") in _made:
            control_plane.request("DELETE", f"{api}/domainclaims/{claim['metadata']['name']}")
    while _made:
        control_plane.request("DELETE", f"{api}/namespaces/{_made.pop()}/customdomains")


def fresh_name(stem: str = "shop") -> str:
    """A domain nobody has used: claims are cluster-wide and outlive no test only by accident."""
    return f"{stem}-{secrets.token_hex(4)}.example.com"

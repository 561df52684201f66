"""An API server that says no, that is away, or whose answers get lost: nothing half-registered."""

import asyncio

import pytest
from api.calling import RULES, api_process, api_server, eventually, fresh_name, is_ready
from api.standin import find_wrong, standing_in
from cluster.relay import relayed
from prometheus_client import CollectorRegistry

from customdomains.api import ApiOptions, run_api
from customdomains.cluster import ApiClient, NotFound, load_connection
from customdomains.cluster.kinds import CUSTOM_DOMAINS, DOMAIN_CLAIMS

pytestmark = pytest.mark.cluster


async def is_missing(client, name, namespace):
    for resource, place in ((DOMAIN_CLAIMS, None), (CUSTOM_DOMAINS, namespace)):
        try:
            await client.get(resource, name, place)
        except NotFound:
            continue
        return False
    return True


@pytest.mark.parametrize("lost", [DOMAIN_CLAIMS, CUSTOM_DOMAINS], ids=lambda kind: kind.plural)
async def test_a_lost_answer_is_looked_up(unreliable, namespace, lost):
    async with api_server(unreliable, namespace) as api:
        unreliable.plan = [(("create", lost.plural), "lost")]
        made = await api.register(fresh_name())
        assert (await api("GET", f"/domains/{made['id']}")).status == 200


@pytest.mark.parametrize("lost", [DOMAIN_CLAIMS, CUSTOM_DOMAINS], ids=lambda kind: kind.plural)
async def test_a_write_that_never_happened_leaves_nothing(unreliable, namespace, lost):
    async with api_server(unreliable, namespace) as api:
        unreliable.plan = [(("create", lost.plural), "dropped")]
        name = fresh_name()
        answer = await api("POST", "/domains", json={"domain_name": name})
        assert (answer.status, answer.code) == (500, "storage_error")
        assert await is_missing(unreliable, name, namespace)
        await api.register(name)


async def test_a_lost_answer_to_a_create_that_came_too_late(unreliable, client, namespace):
    async with api_server(unreliable, namespace) as api, api_server(client, namespace) as other:
        name = fresh_name()
        await other.register(name)
        unreliable.plan = [(("create", DOMAIN_CLAIMS.plural), "dropped")]
        answer = await api("POST", "/domains", json={"domain_name": name})
        assert (answer.status, answer.code) == (500, "domain_already_registered")


async def test_a_claim_is_given_back_where_the_resource_is_refused(
    control_plane, client, namespace
):
    """By RBAC: the api's rights without the one to create CustomDomains."""
    user = f"user-{namespace}"
    group = "rbac.authorization.k8s.io"
    rules = [
        {
            "apiGroups": ["customdomains.dev"],
            "resources": ["domainclaims"],
            "verbs": ["get", "list", "watch", "create", "update", "delete"],
        },
        {
            "apiGroups": ["customdomains.dev"],
            "resources": ["customdomains", "dnsrecords"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]},
    ]
    path = f"/apis/{group}/v1"
    control_plane.request(
        "POST", f"{path}/clusterroles", {"metadata": {"name": user}, "rules": rules}
    )
    binding = {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    control_plane.request("POST", f"{path}/clusterrolebindings", binding)
    connection = await load_connection(str(control_plane.user_kubeconfig(user)))
    async with ApiClient(connection) as restricted, api_server(restricted, namespace) as api:
        name = fresh_name()
        answer = await api("POST", "/domains", json={"domain_name": name})
        assert (answer.status, answer.code) == (500, "storage_error")
        assert await is_missing(client, name, namespace)


async def test_reads_go_on_while_the_api_server_is_away(control_plane, client, namespace):
    target = await load_connection(str(control_plane.kubeconfig))
    async with (
        relayed(target) as (relay, connection),
        ApiClient(connection) as through,
        api_server(through, namespace) as api,
    ):
        made = await api.register(fresh_name())
        relay.hold()
        relay.cut()
        assert (await api("GET", "/readyz")).status == 200
        assert (await api("GET", f"/domains/{made['id']}")).status == 200
        assert len((await api("GET", "/domains")).body["domains"]) == 1
        name = fresh_name()
        calls = [
            api("POST", "/domains", json={"domain_name": name}),
            api("GET", f"/domains/{'0' * 32}"),
            api("DELETE", f"/domains/{made['id']}"),
            api("POST", f"/domains/{made['id']}/verify"),
        ]
        cutting = asyncio.create_task(relay.cut_whoever_comes())
        for answer in await asyncio.gather(*calls):
            assert (answer.status, answer.code) == (500, "storage_error")
        cutting.cancel()
        relay.open.set()
        relay.cut()

        async def registers() -> bool:
            return (await api("POST", "/domains", json={"domain_name": name})).status == 201

        await eventually(registers)
        assert (await api("GET", f"/domains/{made['id']}")).status == 200


async def test_unready_until_everything_is_read(control_plane, namespace):
    target = await load_connection(str(control_plane.kubeconfig))
    async with relayed(target) as (relay, connection), ApiClient(connection) as through:
        relay.hold()
        async with api_server(through, namespace, wait_ready=False) as api:
            ready = await api("GET", "/readyz")
            assert (ready.status, ready.code) == (503, "not_ready")
            assert (await api("GET", "/healthz")).status == 200
            call = await api("POST", "/domains", json={"domain_name": fresh_name()})
            assert (call.status, call.code) == (503, "not_ready")
            assert call.headers["Retry-After"] == "1"
            relay.open.set()
            await eventually(lambda: is_ready(api))


async def test_what_is_under_way_is_finished_at_the_end(client, namespace):
    async with api_process(client, namespace) as process:
        api = process.caller
        made = await api.register(fresh_name())
        call = asyncio.ensure_future(api("POST", f"/domains/{made['id']}/verify"))

        async def under_way() -> bool:
            metric, waiting = "customdomains_http_requests_waiting", {"for": "controller"}
            return process.registry.get_sample_value(metric, waiting) == 1

        async def closed() -> bool:
            return not await is_ready(api)

        await eventually(under_way)
        process.stop.set()
        await eventually(closed)
        assert not process.running.done()
        wrong = find_wrong("RecordMissing", "there is no record")
        async with standing_in(client, namespace, on_check=wrong):
            assert (await call).code == "record_missing"


async def test_an_address_in_use_stops_the_start(client, namespace):
    listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        options = ApiOptions("127.0.0.1", port, namespace, RULES, authentication=None)
        with pytest.raises(OSError, match="address already in use"):
            await run_api(options, client, CollectorRegistry(), asyncio.Event())

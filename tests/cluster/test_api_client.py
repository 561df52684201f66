"""The verbs and their errors, against the real API server."""

import ssl
from collections import Counter

import pytest
from cluster.kinds import CONFIG_MAPS, NAMESPACES, SERVICES, config_map
from cluster.outage import api_server_away, forget_history

from customdomains.cluster import (
    AlreadyExists,
    ApiClient,
    ApiError,
    Conflict,
    Connection,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Resource,
    Unavailable,
    load_connection,
)
from customdomains.devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.cluster


async def test_an_object_lives_from_create_to_delete(client: ApiClient, namespace: str):
    created = await client.create(CONFIG_MAPS, config_map(namespace, "one", a="1"))
    assert created["metadata"]["uid"]
    assert await client.get(CONFIG_MAPS, "one", namespace) == created

    replaced = await client.replace(CONFIG_MAPS, {**created, "data": {"b": "2"}})
    assert replaced["data"] == {"b": "2"}

    patched = await client.patch(CONFIG_MAPS, "one", {"data": {"b": None, "c": "ü"}}, namespace)
    assert patched["data"] == {"c": "ü"}

    await client.delete(CONFIG_MAPS, "one", namespace)
    with pytest.raises(NotFound) as raised:
        await client.get(CONFIG_MAPS, "one", namespace)
    assert (raised.value.status, raised.value.reason) == (404, "NotFound")
    assert '"one" not found' in raised.value.message


async def test_status_is_written_apart(client: ApiClient, namespace: str):
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": "s"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    created = await client.create(SERVICES, service)

    created["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    replaced = await client.replace_status(SERVICES, created)
    assert replaced["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"

    body = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]}}}
    patched = await client.patch_status(SERVICES, "s", body, namespace)
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.2"
    assert patched["spec"] == created["spec"]


async def test_a_stale_write_is_a_conflict(client: ApiClient, namespace: str):
    first = await client.create(CONFIG_MAPS, config_map(namespace, "one"))
    await client.patch(CONFIG_MAPS, "one", {"data": {"a": "1"}}, namespace)

    with pytest.raises(Conflict) as raised:
        await client.replace(CONFIG_MAPS, first)
    assert raised.value.status == 409
    stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}}
    with pytest.raises(Conflict):
        await client.patch(CONFIG_MAPS, "one", {**stale, "data": {"a": "2"}}, namespace)
    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAPS, config_map(namespace, "one"))


async def test_delete_only_what_was_meant(client: ApiClient, namespace: str):
    first = (await client.create(CONFIG_MAPS, config_map(namespace, "one")))["metadata"]
    second = (await client.patch(CONFIG_MAPS, "one", {"data": {"a": "1"}}, namespace))["metadata"]

    stale, newest = first["resourceVersion"], second["resourceVersion"]
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "one", namespace, uid=first["uid"], resource_version=stale)
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "one", namespace, uid="another", resource_version=newest)
    await client.delete(CONFIG_MAPS, "one", namespace, uid=first["uid"], resource_version=newest)
    with pytest.raises(NotFound):
        await client.delete(CONFIG_MAPS, "one", namespace, uid=first["uid"])


async def test_errors_say_what_the_server_says(
    client: ApiClient, namespace: str, control_plane: ControlPlane
):
    with pytest.raises(Invalid, match="RFC 1123"):
        await client.create(CONFIG_MAPS, config_map(namespace, "Not_A_Name"))
    with pytest.raises(NotFound, match="404 page not found"):
        await client.get(Resource("no.such.group", "v1", "things", namespaced=False), "x")
    with pytest.raises(ApiError) as raised:
        await client.create(CONFIG_MAPS, {"metadata": {"namespace": namespace}, "data": 7})
    assert (type(raised.value), raised.value.status) == (ApiError, 400)

    nobody = await load_connection(str(control_plane.user_kubeconfig("nobody")))
    async with ApiClient(nobody) as stranger:
        with pytest.raises(Forbidden, match='User "nobody" cannot get'):
            await stranger.get(CONFIG_MAPS, "one", namespace)


async def test_names_can_not_choose_another_path(client: ApiClient, namespace: str):
    with pytest.raises(ApiError):
        await client.get(CONFIG_MAPS, "../secrets/x", namespace)
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="can't be the name"):
            await client.get(CONFIG_MAPS, name, namespace)
    with pytest.raises(ValueError, match="without its namespace"):
        await client.get(CONFIG_MAPS, "one")
    with pytest.raises(ValueError, match=r"needs metadata\.namespace"):
        await client.create(CONFIG_MAPS, {"metadata": {"name": "one"}})
    with pytest.raises(ValueError, match="are not namespaced"):
        await client.get(NAMESPACES, "one", namespace)


async def test_lists_are_paged_and_selected(
    client: ApiClient, namespace: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("customdomains.cluster.client.PAGE_SIZE", 3)
    for number in range(7):
        body = config_map(namespace, f"c{number}", n=str(number))
        body["metadata"]["labels"] = {"odd": str(number % 2)}
        await client.create(CONFIG_MAPS, body)

    pages = [page async for page in client.pages(CONFIG_MAPS, namespace)]
    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1

    names = [o["metadata"]["name"] async for o in client.list(CONFIG_MAPS, namespace)]
    assert names == [f"c{number}" for number in range(7)]
    odd = [o async for o in client.list(CONFIG_MAPS, namespace, label_selector="odd=1")]
    assert [o["data"]["n"] for o in odd] == ["1", "3", "5"]
    field = "metadata.name=c4"
    assert [
        o["data"]["n"] async for o in client.list(CONFIG_MAPS, namespace, field_selector=field)
    ] == ["4"]
    bare = [o async for o in client.list(CONFIG_MAPS, namespace, metadata_only=True)]
    assert len(bare) == 7
    assert all("data" not in o for o in bare)


async def test_a_list_that_outlives_the_history_is_gone(
    client: ApiClient,
    namespace: str,
    control_plane: ControlPlane,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("customdomains.cluster.client.PAGE_SIZE", 1)
    for name in ("one", "two"):
        await client.create(CONFIG_MAPS, config_map(namespace, name))
    pages = client.pages(CONFIG_MAPS, namespace)
    assert len((await anext(pages))["items"]) == 1
    await forget_history(control_plane, client, namespace)
    with pytest.raises(Gone):
        await anext(pages)


async def test_a_dead_server_is_unavailable(control_plane: ControlPlane, connection: Connection):
    counted: Counter[tuple[str, str, int]] = Counter()

    def count(verb: str, resource: str, code: int) -> None:
        counted[verb, resource, code] += 1

    async with ApiClient(connection, on_request=count) as client:
        await client.get(NAMESPACES, "default")
        async with api_server_away(control_plane, client):
            with pytest.raises(Unavailable) as raised:
                await client.get(NAMESPACES, "default")
        assert raised.value.status == 0
        await client.get(NAMESPACES, "default")
        assert await client.request("GET", "/version")
    assert counted["get", "namespaces", 200] == 2
    assert counted["get", "namespaces", 0] == 1
    assert counted["get", "other", 200] == 1


async def test_a_server_of_another_authority_is_not_talked_to(connection: Connection):
    stranger = Connection.__new__(Connection)
    stranger.__dict__.update(vars(connection), ssl_context=ssl.create_default_context())
    async with ApiClient(stranger) as client:
        with pytest.raises(Unavailable, match="certificate"):
            await client.get(NAMESPACES, "default")

"""The platform's own DNS records over HTTP, on the real API server."""

import asyncio

import pytest
from api.calling import ZONE, Answer, Caller, api_server, eventually
from cluster.relay import relayed

from customdomains.cluster import ApiClient, NotFound, load_connection
from customdomains.cluster.kinds import DNS_RECORDS
from customdomains.model.dnsrecord import MAX_TTL
from customdomains.model.dnsvalues import MAX_VALUES

pytestmark = pytest.mark.cluster

OWN = "platform.example.org"
WWW = f"www.{OWN}"
ID = "0123456789abcdef" * 2


class Hosts:
    """What resolvers know."""

    def __init__(self):
        self.known = {"edge.example.com": ("198.51.100.1", "2001:db8::1")}
        self.asked = []

    async def addresses(self, name):
        self.asked.append(name)
        return self.known.get(name, ())


@pytest.fixture
def hosts():
    return Hosts()


def records_server(client, namespace, **more):
    return api_server(client, namespace, zones=(OWN,), records_namespace=namespace, **more)


@pytest.fixture
async def api(client, namespace, hosts):
    """One replica, with records in a namespace of the test's own."""
    async with records_server(client, namespace, hosts=hosts) as caller:
        yield caller


async def add(api: Caller, *values: str, name: str = WWW, kind: str = "A", **more) -> Answer:
    return await api(
        "POST", "/dns/records", json={"name": name, "type": kind, "values": values, **more}
    )


async def shown(api: Caller, **query: str) -> list:
    answer = await api("GET", "/dns/records", params=query)
    assert answer.status == 200, answer
    return answer.body["records"]


async def apply(client, namespace, object_name, name=WWW, kind="A", values=("192.0.2.1",), **more):
    """As kubectl would."""
    body = {
        "apiVersion": "customdomains.dev/v1",
        "kind": "DNSRecord",
        "metadata": {"namespace": namespace, "name": object_name},
        "spec": {"name": name, "type": kind, "values": list(values), **more},
    }
    return await client.create(DNS_RECORDS, body)


async def test_from_the_first_value_to_the_last(api, client, namespace):
    made = await api(
        "POST", "/dns/records", json={"name": f"{WWW.upper()}.", "type": "a", "value": "192.0.2.1"}
    )
    assert made.status == 201
    body = made.body
    assert body.pop("created_at").endswith("Z")
    assert body == {
        "name": WWW,
        "type": "A",
        "values": ["192.0.2.1"],
        "ttl": 60,
        "served": True,
        "resource_name": f"a.{WWW}",
    }
    assert (await add(api, "192.0.2.1")).status == 200
    more = await add(api, "192.0.2.2", "192.0.2.1", ttl=5)
    assert (more.status, more.body["values"]) == (201, ["192.0.2.1", "192.0.2.2"])
    assert more.body["ttl"] == 5
    assert (await add(api, "192.0.2.2", ttl=7)).status == 200
    stored = await client.get(DNS_RECORDS, f"a.{WWW}", namespace)
    assert stored["spec"] == {
        "name": WWW,
        "type": "A",
        "values": ["192.0.2.1", "192.0.2.2"],
        "ttl": 7,
    }
    one = await api(
        "DELETE", "/dns/records", params={"name": WWW, "type": "A", "value": "192.0.2.1"}
    )
    assert (one.status, one.body) == (200, {"name": WWW, "type": "A", "values": ["192.0.2.1"]})
    assert [record["values"] for record in await shown(api)] == [["192.0.2.2"]]
    rest = await api("DELETE", "/dns/records", json={"name": WWW, "type": "A"})
    assert (rest.status, rest.body["values"]) == (200, ["192.0.2.2"])
    assert await shown(api) == []
    gone = await api("DELETE", "/dns/records", json={"name": WWW, "type": "A"})
    assert (gone.status, gone.code) == (404, "record_not_found")
    with pytest.raises(NotFound):
        await client.get(DNS_RECORDS, f"a.{WWW}", namespace)


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("CNAME", "Target.Example.COM", "target.example.com."),
        ("TXT", 'v=spf1 "as it is" ünïcode', 'v=spf1 "as it is" ünïcode'),
        ("MX", "010  Mail.example.com.", "10 mail.example.com."),
        ("MX", "0 .", "0 ."),
        ("SRV", "0 5 443 www.example.com", "0 5 443 www.example.com."),
    ],
)
async def test_every_type_has_its_canonical_values(api, kind, given, kept):
    name = f"_x.{OWN}"
    made = await add(api, given, name=name, kind=kind)
    assert (made.status, made.body["values"]) == (201, [kept])
    assert (await add(api, kept, name=name, kind=kind)).status == 200
    gone = await api("DELETE", "/dns/records", json={"name": name, "type": kind, "value": given})
    assert (gone.status, gone.body["values"]) == (200, [kept])


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("{", "malformed_json", "not JSON"),
        ("[]", "malformed_json", "not an object"),
        ({"name": None}, "invalid_record_name", "name is null"),
        ({"name": 7}, "invalid_record_name", "name is a number, not a string"),
        ({"name": f"*.{OWN}"}, "invalid_record_name", "wildcard"),
        ({"name": f"a..{OWN}"}, "invalid_record_name", "label"),
        ({"name": "www.example.com"}, "outside_zones", f"{ZONE}, {OWN}"),
        ({"name": f"x{OWN}"}, "outside_zones", "none of the zones"),
        ({"name": f"{ID}.{ZONE}"}, "reserved_name", "kept for a domain's challenges"),
        ({"name": f"deeper.{ID}.{ZONE}"}, "reserved_name", "kept for a domain's challenges"),
        ({"type": "NS"}, "invalid_record_type", "one of A, AAAA, CNAME, TXT, MX, SRV"),
        ({"type": None}, "invalid_record_type", "type is null"),
        ({"value": None}, "invalid_record_value", "is missing"),
        ({"value": 7}, "invalid_record_value", "a string"),
        ({"value": "192.0.2.256"}, "invalid_record_value", "'192.0.2.256' of A is not possible"),
        ({"type": "AAAA"}, "invalid_record_value", "an IPv6 address such as"),
        ({"type": "AAAA", "value": "fe80::1%eth0"}, "invalid_record_value", "IPv6"),
        ({"type": "MX", "value": "65536 a.b"}, "invalid_record_value", "from 0 to 65535"),
        ({"type": "MX", "value": "10 ."}, "invalid_record_value", "or 0 ."),
        ({"type": "SRV", "value": "1 2 a.b"}, "invalid_record_value", "priority, weight and port"),
        ({"type": "CNAME", "value": "a b"}, "invalid_record_value", "letters, digits"),
        ({"type": "CNAME", "name": OWN, "value": "a.b"}, "beside_alias", "use A and AAAA"),
        ({"type": "TXT", "value": "é" * 600}, "invalid_record_value", "1 to 1024 bytes"),
        ({"values": []}, "invalid_record_value", "both"),
        ({"value": None, "values": []}, "invalid_record_value", "is missing"),
        (
            {"value": None, "values": ["192.0.2.1", 7]},
            "invalid_record_value",
            "values[1] is a number, not a string",
        ),
        (
            {"value": None, "values": [f"192.0.2.{n}" for n in range(MAX_VALUES + 1)]},
            "invalid_record_value",
            f"at most {MAX_VALUES}",
        ),
        ({"ttl": -1}, "invalid_ttl", f"from 0 to {MAX_TTL}"),
        ({"ttl": MAX_TTL + 1}, "invalid_ttl", f"from 0 to {MAX_TTL}"),
        ({"ttl": True}, "invalid_ttl", "whole number"),
        ({"ttl": "60"}, "invalid_ttl", "whole number"),
    ],
)
async def test_what_is_wrong_is_said(api, body, code, said):
    right = {"name": WWW, "type": "A", "value": "192.0.2.1"}
    sent = {"data": body} if isinstance(body, str) else {"json": right | body}
    answer = await api("POST", "/dns/records", **sent)
    assert (answer.status, answer.code) == (400, code), answer
    assert said in answer.body["error"]
    assert await shown(api) == []


async def test_nothing_stands_beside_a_cname(api):
    assert (await add(api, "a.example.com", kind="CNAME")).status == 201
    assert (await add(api, "A.example.com.", kind="CNAME")).status == 200
    for kind, value, said in (
        ("A", "192.0.2.1", "there is a CNAME"),
        ("CNAME", "b.example.com", "only one CNAME"),
    ):
        answer = await add(api, value, kind=kind)
        assert (answer.status, answer.code) == (400, "beside_alias")
        assert said in answer.body["error"]
    assert (await add(api, "192.0.2.1", name=f"a.{WWW}")).status == 201
    answer = await add(api, "b.example.com", name=f"a.{WWW}", kind="CNAME")
    assert (answer.status, answer.code) == (400, "beside_alias")
    assert "there are A records" in answer.body["error"]


async def test_what_to_delete_is_said_once(api):
    await add(api, "192.0.2.1", "192.0.2.2")
    which = {"name": WWW, "type": "A"}
    answer = await api("DELETE", "/dns/records", json=which, params={"value": "192.0.2.1"})
    assert (answer.status, answer.code) == (400, "invalid_query")
    assert len((await shown(api))[0]["values"]) == 2
    answer = await api("DELETE", "/dns/records", params={**which, "value": "192.0.2.1"})
    assert answer.body["values"] == ["192.0.2.1"]


async def test_a_set_is_bounded(api):
    values = [f"192.0.2.{number}" for number in range(MAX_VALUES)]
    assert (await add(api, *values)).status == 201
    answer = await add(api, "198.51.100.1")
    assert (answer.status, answer.code) == (400, "too_many_values")


async def test_filters(api):
    await add(api, "192.0.2.1")
    await add(api, "text", kind="TXT")
    await add(api, "192.0.2.2", name=f"mail.{OWN}")
    names = [(record["name"], record["type"]) for record in await shown(api)]
    assert names == [(f"mail.{OWN}", "A"), (WWW, "A"), (WWW, "TXT")]
    assert len(await shown(api, name=f"{WWW}.")) == 2
    assert [record["name"] for record in await shown(api, type="a", name=WWW)] == [WWW]
    assert await shown(api, type="MX") == []
    for query, code in (
        ({"nmae": WWW}, "invalid_query"),
        ({"type": "PTR"}, "invalid_record_type"),
        ({"name": "a..b"}, "invalid_record_name"),
    ):
        answer = await api("GET", "/dns/records", params=query)
        assert (answer.status, answer.code) == (400, code)


async def test_what_others_applied_counts(api, client, namespace):
    await apply(client, namespace, "theirs", values=["192.0.2.1", "192.0.2.2"])
    await eventually(lambda: is_shown(api, 1))
    assert (await add(api, "192.0.2.2")).status == 200
    assert (await add(api, "192.0.2.3")).status == 201
    assert {record["resource_name"] for record in await shown(api)} == {"theirs", f"a.{WWW}"}
    assert (await add(api, "a.example.com", kind="CNAME")).code == "beside_alias"
    gone = await api("DELETE", "/dns/records", json={"name": WWW, "type": "A"})
    assert sorted(gone.body["values"]) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert await shown(api) == []


async def is_shown(api, number):
    return len(await shown(api)) == number


async def test_what_is_not_served_says_why(api, client, namespace):
    await add(api, "192.0.2.1")
    await apply(client, namespace, "late", kind="CNAME", values=["a.example.com"])
    await apply(client, namespace, "outside", name="www.example.com")
    await apply(client, namespace, "wrong", name=f"x.{OWN}", kind="MX", values=["99999 a.b"])
    await eventually(lambda: is_shown(api, 4))
    told = {record["resource_name"]: record for record in await shown(api)}
    assert [name for name, record in told.items() if record["served"]] == [f"a.{WWW}"]
    assert "a CNAME can't stand beside others" in told["late"]["message"]
    assert "none of the zones" in told["outside"]["message"]
    assert "'99999 a.b' of MX is not possible" in told["wrong"]["message"]
    gone = await api(
        "DELETE", "/dns/records", json={"name": f"x.{OWN}", "type": "MX", "value": "99999 a.b"}
    )
    assert gone.status == 200


async def test_an_object_in_the_way_is_named(api, client, namespace):
    await apply(client, namespace, f"a.{WWW}", name=f"other.{OWN}")
    answer = await add(api, "192.0.2.1")
    assert (answer.status, answer.code) == (400, "record_name_taken")
    assert f"{namespace}/a.{WWW}" in answer.body["error"]


async def test_many_at_once_lose_nothing(api, client, namespace):
    async with records_server(client, namespace) as other:
        values = [f"192.0.2.{number}" for number in range(24)]
        answers = await asyncio.gather(
            *(add(each, value) for value in values for each in (api, other))
        )
        assert sorted(answer.status for answer in answers) == [200] * 24 + [201] * 24
        (record,) = [item async for item in client.list(DNS_RECORDS, namespace)]
        assert sorted(record["spec"]["values"]) == sorted(values)


async def test_the_same_at_once_is_one_object(api, client, namespace):
    async with records_server(client, namespace) as other:
        answers = await asyncio.gather(*(add(each, "192.0.2.1") for each in [api, other] * 16))
        assert sorted(answer.status for answer in answers) == [200] * 31 + [201]
        assert len([item async for item in client.list(DNS_RECORDS, namespace)]) == 1


async def test_a_conflicting_write_is_seen_within_a_replica(api):
    answers = await asyncio.gather(add(api, "192.0.2.1"), add(api, "a.example.com", kind="CNAME"))
    assert sorted(answer.status for answer in answers) == [201, 400]


@pytest.mark.parametrize("verb", ["create", "replace", "delete"])
async def test_a_write_without_an_answer_is_an_error_of_the_storage(unreliable, namespace, verb):
    async with records_server(unreliable, namespace) as api:
        if verb != "create":
            await add(api, "192.0.2.1")
        unreliable.plan = [((verb, DNS_RECORDS.plural), "lost")]

        async def call():
            if verb == "delete":
                return await api("DELETE", "/dns/records", json={"name": WWW, "type": "A"})
            return await add(api, "192.0.2.2")

        answer = await call()
        assert (answer.status, answer.code) == (500, "storage_error")
        assert (await call()).status == (404 if verb == "delete" else 200)


async def test_without_the_api_server_reading_goes_on(control_plane, namespace):
    connection = await load_connection(str(control_plane.kubeconfig))
    async with (
        relayed(connection) as (relay, through),
        ApiClient(through) as far,
        records_server(far, namespace) as api,
    ):
        await add(api, "192.0.2.1")
        relay.hold()
        relay.cut()
        assert len(await shown(api)) == 1
        assert await resolve(api, WWW) == (200, ["192.0.2.1"])
        relay.open.set()
        await eventually(lambda: stores(api, "192.0.2.2"))


async def stores(api, value):
    return (await add(api, value)).status in {200, 201}


# --- /dns/resolve ------------------------------------------------------------------------------


async def resolve(api, name):
    answer = await api("GET", "/dns/resolve", params={"name": name})
    if answer.status != 200:
        return answer.status, answer.code
    found = answer.body
    assert all(list(each) == ["ip"] for each in found)
    return 200, [each["ip"] for each in found]


async def test_own_names_come_from_memory(api, hosts):
    await add(api, "2001:db8::9", kind="AAAA")
    await add(api, "192.0.2.1", "192.0.2.2")
    await add(api, WWW, name=f"alias.{ZONE}", kind="CNAME")
    assert await resolve(api, f"Alias.{ZONE}.") == (200, ["192.0.2.1", "192.0.2.2", "2001:db8::9"])
    await add(api, f"alias.{ZONE}", name=f"twice.{OWN}", kind="CNAME")
    assert (await resolve(api, f"twice.{OWN}"))[0] == 200
    assert await resolve(api, f"missing.{OWN}") == (404, "name_not_resolved")
    assert hosts.asked == []


async def test_other_names_come_from_the_resolvers(api, hosts):
    assert await resolve(api, "edge.example.com") == (200, ["198.51.100.1", "2001:db8::1"])
    await add(api, "edge.example.com", kind="CNAME")
    assert await resolve(api, WWW) == (200, ["198.51.100.1", "2001:db8::1"])
    assert await resolve(api, "nowhere.example.com") == (404, "name_not_resolved")
    assert await resolve(api, "BÜCHER.example.com") == (404, "name_not_resolved")
    assert await resolve(api, "_dmarc.example.com") == (404, "name_not_resolved")
    assert hosts.asked[-2:] == ["xn--bcher-kva.example.com", "_dmarc.example.com"]


async def test_aliases_that_go_round_end(api):
    await add(api, f"b.{OWN}", name=f"a.{OWN}", kind="CNAME")
    await add(api, f"a.{OWN}", name=f"b.{OWN}", kind="CNAME")
    assert await resolve(api, f"a.{OWN}") == (404, "name_not_resolved")


@pytest.mark.parametrize("query", ["", "?name=", "?name=%20", "?name=a..b", "?name=a/b", "?x=1"])
async def test_a_name_is_wanted(api, query):
    answer = await api("GET", f"/dns/resolve{query}")
    assert answer.status == 400
    assert answer.code in {"missing_name", "invalid_name", "invalid_query"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/dns/records", "DELETE, GET, HEAD, POST"), ("POST", "/dns/resolve", "GET, HEAD")],
)
async def test_other_methods(api, method, path, allowed):
    answer = await api(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert answer.code == "method_not_allowed"

"""What the settings allow to be registered by HTTP."""

from dataclasses import replace

import pytest
from api import claims
from api.calling import RULES, api_server, eventually, fresh_name, refusal

from customdomains.cluster.kinds import DOMAIN_CLAIMS
from customdomains.model.claim import NOBODY
from customdomains.policy.rules import ClaimRules, NameRules

pytestmark = pytest.mark.cluster


def ruled(**changed):
    """The options of a server with these rules for claims."""
    return {"rules": replace(RULES, claims=ClaimRules(**changed))}


async def test_a_reserved_name_is_registered_by_whom_it_is_for(
    api, other, client, namespace, elsewhere
):
    name = fresh_name()
    await claims.reserve(client, name, namespace)
    answer = await other("POST", "/domains", json={"domain_name": name})
    assert (answer.status, answer.code) == (403, "reserved")
    assert namespace not in answer.text
    assert (await other("GET", "/domains")).body == {"domains": []}
    assert (await api("GET", "/domains")).body == {"domains": []}
    made = await api.register(name)
    claim = await claims.read(client, name)
    assert (claim.id, claim.reserved_for) == (made["id"], namespace)
    assert await refusal(other, name) == (403, "reserved")
    assert (await api("DELETE", f"/domains/{made['id']}")).status == 204
    claim = await claims.read(client, name)
    assert (claim.holder, claim.reserved_for) == (NOBODY, namespace)
    assert (await api.register(name))["id"] != made["id"]
    await client.delete(DOMAIN_CLAIMS, name)


async def test_without_contests_a_name_that_is_held_is_taken(api, client, elsewhere, namespace):
    async with api_server(client, elsewhere, **ruled(contests=False)) as other:
        name = fresh_name()
        made = await api.register(name)
        answer = await other("POST", "/domains", json={"domain_name": name})
        assert (answer.status, answer.code) == (500, "domain_already_registered")
        assert namespace not in answer.text
        await claims.prove_holder(client, name)
        await claims.vacate(client, name, made["id"])
        await other.register(name)


async def test_as_many_contend_as_may(api, other, client, namespace, elsewhere):
    name = fresh_name()
    await api.register(name)
    await other.register(name)

    def rename(claim):
        others = tuple(
            replace(each, holder=replace(each.holder, namespace_uid="gone"))
            for each in claim.contenders
        )
        return replace(claim, contenders=others)

    await claims.rewrite(client, name, rename)
    async with api_server(client, elsewhere, **ruled(contenders=1)) as full:
        answer = await full("POST", "/domains", json={"domain_name": name})
    assert (answer.status, answer.code) == (500, "domain_already_registered")
    assert namespace not in answer.text


async def test_a_namespace_has_no_more_domains_than_its_quota(client, namespace):
    async with api_server(client, namespace, **ruled(per_namespace=2)) as api:
        made = [await api.register(fresh_name()) for _ in range(2)]
        answer = await api("POST", "/domains", json={"domain_name": fresh_name()})
        assert (answer.status, answer.code) == (403, "quota_exceeded")
        assert "2 domains" in answer.body["error"]
        name = made[0]["domain_name"]
        assert await refusal(api, name) == (500, "domain_already_registered")
        assert (await api("DELETE", f"/domains/{made[1]['id']}")).status == 204
        await api.register(fresh_name())
        # One that was deleted does not count, and can come back all the same.
        await claims.vacate(client, name, made[0]["id"])

        async def registers() -> bool:
            answer = await api("POST", "/domains", json={"domain_name": fresh_name()})
            return answer.status == 201

        await eventually(registers)
        assert (await api.register(name))["id"] == made[0]["id"]
        assert await refusal(api, fresh_name()) == (403, "quota_exceeded")


async def test_contenders_count_for_the_quota(api, client, elsewhere):
    async with api_server(client, elsewhere, **ruled(per_namespace=1)) as other:
        names = [fresh_name() for _ in range(2)]
        for name in names:
            await api.register(name)
        await other.register(names[0])
        assert await refusal(other, names[1]) == (403, "quota_exceeded")


@pytest.mark.parametrize(
    ("rules", "name", "words"),
    [
        (NameRules(denied=("example.com",)), "Shop.Example.com", "example.com"),
        (NameRules(allowed=("example.org",)), "shop.example.com", "example.org"),
        (NameRules(), "co.uk", "public suffix"),
        (NameRules(), "github.io", "private part of the Public Suffix List"),
        (NameRules(), "shop.test", "RFC 6761"),
    ],
)
async def test_a_name_is_refused_by_its_rule(client, namespace, rules, name, words):
    async with api_server(client, namespace, rules=replace(RULES, names=rules)) as api:
        answer = await api("POST", "/domains", json={"domain_name": name})
    assert (answer.status, answer.code) == (400, "invalid_domain_name")
    assert words in answer.body["error"]

"""Setup pages over HTTP: who may open them, what they ask for, and what they keep to themselves."""

import asyncio
import json
import logging
import re
import time
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from api import standin
from api.calling import api_server, eventually, fresh_namespace
from api.phases import number_waiting, until_waiting
from page.setting import KEY, domain, link, put, setup_options

from customdomains.api.mounted import MountedFileError
from customdomains.api.page.links import Link, LinkKeys
from customdomains.cluster import Unavailable
from customdomains.cluster.kinds import CUSTOM_DOMAINS
from customdomains.devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.cluster

DAY = 86400


def key_of(path: str) -> str:
    return parse_qs(urlsplit(path).query)["key"][0]


def signed(key_file, namespace, made, end=None) -> str:
    """A link as nobody gets it from the API: with any end."""
    end = int(time.time()) + 600 if end is None else end
    key = LinkKeys(key_file).sign(Link(namespace, made["id"], end))
    return f"/domains/{made['id']}/setup?key={key}"


# --- links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (None, 7 * DAY),
        (b"", 7 * DAY),
        (b"{}", 7 * DAY),
        (b'{"expires_in": null}', 7 * DAY),
        (b'{"expires_in": 60}', 60),
        (b'{"expires_in": 2592000}', 30 * DAY),
    ],
)
async def test_how_long_a_link_works(api, body, seconds):
    made = await domain(api)
    before = time.time()
    answer = await api("POST", f"/domains/{made['id']}/setup-link", data=body)
    assert answer.status == 201
    end = datetime.fromisoformat(answer.body["expires_at"]).timestamp()
    assert int(before) + seconds <= end <= time.time() + seconds
    assert f"key={int(end)}." in answer.body["url"]


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"[", "malformed_json", "not JSON"),
        (b"[]", "malformed_json", "the body is an array"),
        (b'{"expires_in": 59}', "invalid_expires_in", "from 60 to 2592000 (30 days)"),
        (b'{"expires_in": 2592001}', "invalid_expires_in", "from 60 to 2592000 (30 days)"),
        (b'{"expires_in": "1"}', "invalid_expires_in", "expires_in is a string"),
        (b'{"expires_in": 61.5}', "invalid_expires_in", "expires_in is a number"),
    ],
)
async def test_what_a_link_can_t_be(api, body, code, said):
    made = await domain(api)
    answer = await api("POST", f"/domains/{made['id']}/setup-link", data=body)
    assert (answer.status, answer.code) == (400, code)
    assert said in answer.body["error"]


async def test_there_is_no_link_to_what_is_not_there(api):
    answer = await api("POST", f"/domains/{'0' * 32}/setup-link")
    assert (answer.status, answer.code) == (404, "domain_not_found")


async def test_links_take_credentials_and_pages_take_links(client, namespace, key_file, tmp_path):
    (tmp_path / "tokens").write_text("a-token")
    token = {"Authorization": "Bearer a-token"}
    options = {"token_file": tmp_path / "tokens", "setup": setup_options(key_file)}
    async with api_server(client, namespace, **options) as api:
        made = (
            await api("POST", "/domains", json={"domain_name": "links.example.com"}, headers=token)
        ).body
        answer = await api("POST", f"/domains/{made['id']}/setup-link")
        assert (answer.status, answer.code) == (401, "unauthorized")
        path = await link(api, made, headers=token)
        assert (await api("GET", path)).status == 200
        assert (await api("HEAD", path)).status == 200
        assert (await api("GET", path, headers={"Authorization": "Bearer x"})).status == 200
        bare = f"/domains/{made['id']}/setup"
        assert (await api("GET", bare)).status == 403
        assert (await api("GET", bare, headers=token)).status == 403
        assert (await api("GET", f"/domains/{made['id']}?key={key_of(path)}")).status == 401


async def test_a_public_url_may_have_a_path(client, namespace, key_file):
    options = setup_options(key_file, public_url="https://example.net/domains-api/")
    async with api_server(client, namespace, setup=options) as api:
        made = await domain(api)
        answer = await api("POST", f"/domains/{made['id']}/setup-link")
        url = f"https://example.net/domains-api/domains/{made['id']}/setup?key="
        assert answer.body["url"].startswith(url)
        page = await api("GET", f"/domains/{made['id']}/setup?key={key_of(answer.body['url'])}")
        # Whatever is in front of the path: everything on the page is told from where it is itself.
        for target in re.findall(r'(?:href|src|action|data-events)="([^"]+)"', page.text):
            assert re.match(r"\.\./\.\./setup/|setup[?/]", target), target


async def test_without_keys_there_are_no_pages(client, namespace):
    async with api_server(client, namespace) as api:
        made = await domain(api)
        page = f"/domains/{made['id']}/setup"
        for method, path in (
            ("POST", f"{page}-link"),
            ("GET", f"{page}?key=x"),
            ("POST", f"{page}?key=x"),
            ("GET", f"{page}/events?key=x"),
            ("GET", "/setup/page.css"),
        ):
            answer = await api(method, path)
            assert (answer.status, answer.code) == (404, "setup_page_disabled")
            assert "api.setup.keyFile" in answer.body["error"]


async def test_a_key_file_without_keys_stops_the_start(client, namespace, key_file):
    key_file.write_text("\n")
    with pytest.raises(MountedFileError, match="has no key"):
        async with api_server(client, namespace, setup=setup_options(key_file)):
            pass


# --- who is let in -------------------------------------------------------------------------------


async def test_the_page_has_the_records_and_nothing_that_others_could_use(api):
    made = await domain(api)
    page = await api("GET", await link(api, made))
    assert page.status == 200
    assert made["verification_token"] in page.text
    assert f"_acme-challenge.{made['domain_name']}." in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<style|<script>|style=|\son\w+=|https?://", page.text)


@pytest.mark.parametrize(("method", "below"), [("GET", ""), ("POST", ""), ("GET", "/events")])
async def test_forged_links_are_all_the_same(api, namespace, method, below):
    made, other = await domain(api), await domain(api)
    key = key_of(await link(api, made))
    texts = set()
    for registration, forged in (
        (made["id"], ""),
        (made["id"], "x"),
        (made["id"], f"{key[:-1]}_"),
        (made["id"], key.replace(namespace, "default")),
        (made["id"], f"9{key}"),
        (other["id"], key),
        ("0" * 32, key),
        ("no-id", key),
    ):
        answer = await api(method, f"/domains/{registration}/setup{below}", params={"key": forged})
        assert answer.status == 403
        texts.add(answer.text)
    assert len(texts) == 1
    assert "This link is not complete" in texts.pop()


async def test_for_a_forged_link_nobody_is_asked(api, client, namespace, key_file, monkeypatch):
    """Who tries out ids must not load the API server."""
    asked = []
    listing = client.list

    def counted(*arguments, **options):
        asked.append(arguments)
        return listing(*arguments, **options)

    monkeypatch.setattr(client, "list", counted)
    assert (await api("GET", f"/domains/{'0' * 32}/setup?key=x")).status == 403
    assert asked == []
    unknown = signed(key_file, namespace, {"id": "0" * 32})
    assert (await api("GET", unknown)).status == 410
    assert asked != []


async def test_links_that_have_ended_are_all_the_same(client, namespace, key_file, control_plane):
    async with api_server(client, namespace, setup=setup_options(key_file)) as api:
        made, gone = await domain(api), await domain(api)
        path = await link(api, gone)
        assert (await api("GET", path)).status == 200
        assert (await api("DELETE", f"/domains/{gone['id']}")).status == 204
        ended = signed(key_file, namespace, made, int(time.time()))
        unserved = signed(key_file, fresh_namespace(control_plane), made)
        unknown = signed(key_file, namespace, {"id": "0" * 32})
        texts = set()
        for each in (path, ended, unserved, unknown):
            for method in ("GET", "POST"):
                answer = await api(method, each)
                assert answer.status == 410
                texts.add(answer.text)
            events = each.replace("/setup?", "/setup/events?")
            assert (await api("GET", events)).status == 410
        assert len(texts) == 1
        assert "Ask for a new link" in texts.pop()


async def test_a_link_leads_into_its_own_namespace(
    client, namespace, key_file, control_plane: ControlPlane
):
    other = fresh_namespace(control_plane)
    options = {"namespaces": (other,), "setup": setup_options(key_file)}
    async with api_server(client, namespace, **options) as api:
        inside = {"Customdomains-Namespace": other}
        answer = await api(
            "POST", "/domains", json={"domain_name": f"{other}.example.com"}, headers=inside
        )
        made = answer.body
        missing = await api("POST", f"/domains/{made['id']}/setup-link")
        assert (missing.status, missing.code) == (404, "domain_not_found")
        path = await link(api, made, headers=inside)
        assert made["verification_token"] in (await api("GET", path)).text
        elsewhere = {"Customdomains-Namespace": namespace}
        assert (await api("GET", path, headers=elsewhere)).status == 200
        assert (await api("GET", signed(key_file, namespace, made))).status == 410


async def test_keys_are_rotated_without_a_restart(api, key_file, monkeypatch):
    monkeypatch.setattr("customdomains.api.mounted.LOOK_AGAIN", 0.0)
    made = await domain(api)
    before = await link(api, made)
    key_file.write_text(f"another-{KEY}\n{KEY}\n")
    after = await link(api, made)
    assert [(await api("GET", path)).status for path in (before, after)] == [200, 200]
    key_file.write_text(f"another-{KEY}\n")
    assert [(await api("GET", path)).status for path in (before, after)] == [403, 200]


async def test_a_link_is_in_no_log_and_no_metric(api, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    made = await domain(api)
    path = await link(api, made)
    signature = key_of(path).rsplit(".", 1)[1]
    monkeypatch.setattr("customdomains.api.page.handlers.facts", lambda *_: 1 / 0)
    answer = await api("GET", path)
    assert answer.status == 500
    assert "Something went wrong here" in answer.text
    monkeypatch.undo()
    assert (await api("GET", path)).status == 200
    await api("GET", f"{path}&checked=done")
    await api("GET", path.replace(signature, signature[::-1]))
    metrics = (await api("GET", "/metrics")).text
    assert 'route="/domains/{id}/setup"' in metrics
    assert "GET /domains/{id}/setup 200" in caplog.text
    for text in (caplog.text, metrics):
        assert signature not in text
        assert signature[::-1] not in text


# --- what the gate refuses -----------------------------------------------------------------------


async def test_what_the_gate_refuses_is_a_page_too(api, monkeypatch):
    path = await link(api, await domain(api))
    large = await api("POST", path, data=b"x" * 65537)
    assert (large.status, large.headers["Content-Type"]) == (413, "text/html; charset=utf-8")
    monkeypatch.setattr("customdomains.api.load.MAX_IN_FLIGHT", 0)
    busy = await api("GET", path)
    assert (busy.status, busy.headers["Retry-After"]) == (503, "1")
    assert "One moment, please" in busy.text
    assert "default-src 'none'" in busy.headers["Content-Security-Policy"]


async def test_what_no_page_has_is_an_error_as_everywhere(api):
    path = await link(api, await domain(api))
    for method in ("DELETE", "PUT"):
        answer = await api(method, path)
        assert answer.status == 405
        assert answer.code == "method_not_allowed"
    assert (await api("GET", "/setup/other.css")).code == "not_found"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("page.css", "text/css"), ("page.js", "text/javascript"), ("icon.svg", "image/svg+xml")],
)
async def test_what_the_page_loads(api, name, kind):
    first = await api("GET", f"/setup/{name}")
    assert (first.status, first.headers["Content-Type"]) == (200, kind)
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    again = await api("GET", f"/setup/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304


# --- checks --------------------------------------------------------------------------------------


async def check(api, path) -> str:
    """Where a check leads: the word behind `checked`."""
    answer = await api("POST", path, allow_redirects=False)
    assert answer.status == 303, answer
    place = urlsplit(answer.headers["Location"])
    assert (place.scheme, place.netloc, place.path) == ("", "", "setup")
    query = parse_qs(place.query)
    assert query["key"] == [key_of(path)]
    return query["checked"][0]


async def test_a_check_is_made_and_the_page_shows_what_it_found(api, client, namespace):
    made = await domain(api)
    path = await link(api, made)
    found = standin.find_wrong("RecordMismatch", "the TXT record has another value", "Mismatch")
    async with standin.standing_in(client, namespace, on_check=found):
        assert await check(api, path) == "done"
    answer = await api("GET", f"{path}&checked=done")
    assert "Your name servers were asked just now." in answer.text
    assert "The TXT record has another value." in answer.text


async def test_also_who_is_verified_may_have_a_check(api, client, namespace):
    """A challenge's records are looked for after the proof is there."""
    made = await domain(api)
    await put(client, made, namespace, "challenge")
    seen = []

    async def look(stand_in, view):
        seen.append(view.check_requested)
        await stand_in.write_status(view, lastHandledCheckRequest=view.check_requested)

    async with standin.standing_in(client, namespace, on_check=look):
        assert await check(api, await link(api, made)) == "done"
    assert len(seen) == 1


async def test_a_check_without_an_answer_goes_on(client, namespace, key_file):
    options = {"controller_timeout": 0.05, "setup": setup_options(key_file)}
    async with api_server(client, namespace, **options) as api:
        path = await link(api, await domain(api))
        assert await check(api, path) == "slow"
        assert await check(api, path) == "recent"


async def test_checks_have_the_places_of_all_who_ask(client, namespace, key_file, monkeypatch):
    monkeypatch.setattr("customdomains.api.rooms.MAX_ASKING_FOR_ONE", 0)
    async with api_server(client, namespace, setup=setup_options(key_file)) as api:
        made = await domain(api)
        assert (await api("POST", f"/domains/{made['id']}/verify")).code == "too_many_waiting"
        assert await check(api, await link(api, made)) == "busy"


async def test_a_check_that_can_t_be_stored_is_said(api, client, monkeypatch):
    """No real API server fails just this write."""
    path = await link(api, await domain(api))

    async def away(*_):
        raise Unavailable(0, "Timeout", "no answer")

    monkeypatch.setattr(client, "patch", away)
    assert await check(api, path) == "failed"


async def test_what_is_on_hold_is_not_checked(api, client, namespace):
    made = await domain(api)
    name = made["domain_name"]
    await client.patch(CUSTOM_DOMAINS, name, {"spec": {"suspend": True}}, namespace)
    path = await link(api, made)

    async def known() -> bool:
        return "Check now" not in (await api("GET", path)).text

    await eventually(known)
    assert await check(api, path) == "failed"


# --- events --------------------------------------------------------------------------------------


class Events:
    """The page's own stream."""

    def __init__(self, response) -> None:
        self._response = response

    async def next(self) -> dict[str, str] | None:
        """Event, id and data of the next one that has data; None at the end."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for raw in self._response.content:
                line = raw.decode().rstrip("\n")
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return fields
        return None


async def test_the_page_s_changes_are_told(api, client, namespace):
    made = await domain(api)
    path = await link(api, made)
    events = path.replace("/setup?", "/setup/events?")
    async with api.session.get(events) as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-store"
        stream = Events(response)
        first = json.loads((await stream.next())["data"])
        assert first["title"].startswith("Set one DNS record")
        assert first["html"] in (await api("GET", path)).text
        await put(client, made, namespace, "active")
        while json.loads((told := await stream.next())["data"])["title"].startswith("Set one"):
            pass
        assert json.loads(told["data"])["title"].startswith("All set")
        await api("DELETE", f"/domains/{made['id']}")
        while (last := await stream.next())["event"] == "status":
            pass
        assert last["event"] == "deleted"


async def test_who_watches_takes_a_place_of_those_for_all(api, monkeypatch):
    path = await link(api, await domain(api))
    async with api.session.get(path.replace("/setup?", "/setup/events?")):
        await until_waiting(api, 1, "events")
    monkeypatch.setattr("customdomains.api.streams.HEARTBEAT", 0.01)
    assert await number_waiting(api, "events") <= 1


async def test_a_stream_ends_with_its_link(api, namespace, key_file):
    made = await domain(api)
    path = signed(key_file, namespace, made, int(time.time()) + 2)
    async with api.session.get(path.replace("/setup?", "/setup/events?")) as response:
        stream = Events(response)
        assert await stream.next() is not None
        assert await stream.next() is None
    assert (await api("GET", path)).status == 410

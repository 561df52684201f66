"""The setup page in a real browser: what it looks like, who can use it, and that it is alive.

Screenshots of every state are kept in .dev/screenshots.
"""

import json
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from api import standin
from api.calling import Caller, api_server, eventually
from api.phases import until_waiting
from page.browsing import NARROWEST, SCREENSHOTS, Browser, View
from page.setting import PUBLIC_URL, STATES, domain, link, put, setup_options

from customdomains.api.page.links import Link, LinkKeys
from customdomains.cluster import ApiClient
from customdomains.cluster.kinds import CUSTOM_DOMAINS

pytestmark = pytest.mark.cluster

HEADLINES = {
    "pending": "Set one DNS record",
    "mismatch": "The record needs a correction",
    "verified": "The domain is yours",
    "certificate_pending": "The certificate is on its way",
    "challenge": "One more record for the certificate",
    "active": "All set",
    "failed": "The certificate did not work out",
}


def url(api: Caller, path: str) -> str:
    return f"{str(api.session._base_url).rstrip('/')}{path}"


class Site:
    """A domain and the link to its page."""

    def __init__(self, api: Caller, client: ApiClient, namespace: str, made, path: str) -> None:
        self.api, self.made, self.url = api, made, url(api, path)
        self._client, self._namespace = client, namespace

    async def put(self, state: str) -> None:
        """Bring it into a state, and wait until the api knows of it."""
        await put(self._client, self.made, self._namespace, state)

        async def known() -> bool:
            async with self.api.session.get(self.url) as response:
                return f">{HEADLINES[state]}</h2>" in await response.text()

        await eventually(known)


@pytest.fixture
async def site(api: Caller, client: ApiClient, namespace: str) -> AsyncIterator[Site]:
    made = await domain(api)
    return Site(api, client, namespace, made, await link(api, made))


# --- how it looks --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
async def test_everybody_can_use_it_everywhere(site: Site, browser: Browser, state: str):
    """In light and dark, on phones and desktops, with scripts and without."""
    await site.put(state)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for device in ("phone", "desktop"):
        for scheme in ("light", "dark"):
            for scripts in (True, False):
                async with browser.view(device=device, scheme=scheme, scripts=scripts) as view:
                    await view.open(site.url)
                    assert await view.headline() == HEADLINES[state]
                    name = f"{state}-{device}-{scheme}{'' if scripts else '-without-scripts'}.png"
                    await view.page.screenshot(path=SCREENSHOTS / name, full_page=True)
                    await unfold(view)
                    assert await view.inaccessible() == [], name
                    assert await view.overflow() == 0, name
                    assert view.complaints == [], name


async def unfold(view: View) -> None:
    """Open what is folded, as anybody may."""
    for summary in await view.page.locator("details > summary").all():
        await summary.click()


@pytest.mark.parametrize("state", STATES)
async def test_the_narrowest_window_shows_all_of_it(site: Site, browser: Browser, state: str):
    await site.put(state)
    async with browser.view(device="phone") as view:
        await view.page.set_viewport_size({"width": NARROWEST, "height": 640})
        await view.open(site.url)
        await unfold(view)
        assert await view.overflow() == 0
        assert await clipped(view) == []


async def clipped(view: View) -> list[str]:
    """Texts and buttons that stick out of the window or lie on each other."""
    return await view.page.evaluate("""() => {
        const found = [];
        const shown = [...document.querySelectorAll("h1, h2, h3, p, dt, code, button, li > span")]
            .filter((each) => each.checkVisibility() && !each.closest(".out"));
        for (const each of shown) {
            const box = each.getBoundingClientRect();
            if (box.left < 0 || box.right > innerWidth + 0.5) found.push(each.outerHTML);
            for (const button of document.querySelectorAll("button")) {
                if (!button.checkVisibility()) continue;
                if (button === each || button.contains(each) || each.contains(button)) continue;
                const other = button.getBoundingClientRect();
                const range = document.createRange();
                range.selectNodeContents(each);
                for (const line of range.getClientRects()) {
                    if (line.left < other.right && other.left < line.right
                        && line.top < other.bottom && other.top < line.bottom)
                        found.push(`${each.outerHTML} below ${button.outerHTML}`);
                }
            }
        }
        return found;
    }""")


@pytest.mark.parametrize("colour", ["#ffffff", "#000000", "#ffe600", "#808080", "#d6336c"])
async def test_every_colour_can_be_read(client, namespace, key_file, browser, colour, emptied):
    options = setup_options(key_file, colour=colour, name="Ö & <Co>")
    async with api_server(client, namespace, setup=options) as api:
        path = await link(api, await domain(api))
        for scheme in ("light", "dark"):
            async with browser.view(scheme=scheme) as view:
                await view.open(url(api, path))
                assert await view.inaccessible() == []
                assert await view.page.locator(".brand").inner_text() == "Ö & <Co>"
                brand = await view.page.evaluate(
                    "getComputedStyle(document.querySelector('.primary')).backgroundColor"
                )
                assert brand == f"rgb({', '.join(str(n) for n in bytes.fromhex(colour[1:]))})"


async def test_problems_can_be_read_too(api, browser):
    path = await link(api, await domain(api))
    async with browser.view(device="phone") as view:
        answer = await view.page.goto(url(api, path[:-1]))
        assert answer.status == 403
        assert "This link is not complete" in await view.page.locator("h1").inner_text()
        assert await view.inaccessible() == []
        await view.page.screenshot(path=SCREENSHOTS / "problem-phone-light.png", full_page=True)


async def test_the_largest_name_fits(client, api, namespace, browser):
    name = f"{'a-b' * 20}.{'c' * 63}.{'d' * 63}.example.com"[-230:].lstrip("-.")
    made = await api.register(name)
    async with browser.view(device="phone") as view:
        await view.page.set_viewport_size({"width": NARROWEST, "height": 640})
        await view.open(url(api, await link(api, made)))
        assert await view.overflow() == 0
        assert await clipped(view) == []


# --- what it does --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
async def test_values_are_copied(site: Site, browser: Browser, by: str):
    async with browser.view(permissions=["clipboard-read", "clipboard-write"]) as view:
        await view.open(site.url)
        await unfold(view)
        page = view.page
        wanted = {
            "Copy name of the CNAME record": f"_acme-challenge.{site.made['domain_name']}.",
            "Copy name of the CNAME record without example.com": (
                f"_acme-challenge.{site.made['domain_name'].removesuffix('.example.com')}"
            ),
            "Copy target of the CNAME record": f"{site.made['id']}.delegated.example.net.",
            "Copy value of the TXT record": site.made["verification_token"],
        }
        for label, value in wanted.items():
            button = page.get_by_role("button", name=label, exact=True)
            if by == "mouse":
                await button.click()
            else:
                await button.focus()
                await page.keyboard.press("Enter")
            await page.locator('[role="status"]', has_text=label.replace("Copy ", "")).wait_for()
            assert await page.evaluate("navigator.clipboard.readText()") == value
            assert await button.inner_text() == "Copied"
        assert view.complaints == []


async def test_where_there_is_no_clipboard_the_value_is_copied_all_the_same(site, browser):
    """Pages have one only where they come by TLS, or from the machine itself."""
    async with browser.view(permissions=["clipboard-read"]) as view:
        await view.page.add_init_script(
            "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
        )
        await view.open(site.url)
        button = view.page.get_by_role("button", name="Copy target of the CNAME record")
        await button.click()
        await view.page.get_by_text("Copied", exact=True).wait_for()


async def test_without_scripts_there_is_nothing_that_does_nothing(site: Site, browser: Browser):
    async with browser.view(scripts=False) as view:
        await view.open(site.url)
        assert await view.page.locator("[data-copy]:visible").count() == 0
        assert await view.page.locator("noscript a").is_visible()
        assert await view.page.locator("#record-1-value").inner_text()


async def test_the_way_by_keyboard(site: Site, browser: Browser):
    """All that can be used is reached in the order it is read, and can be seen there."""
    await site.put("pending")
    async with browser.view() as view:
        await view.open(site.url)
        reached = []
        for _ in range(5):
            await view.page.keyboard.press("Tab")
            reached.append(
                await view.page.evaluate(
                    "document.activeElement.getAttribute('aria-label')"
                    " ?? document.activeElement.innerText.split('\\n')[0].trim()"
                )
            )
            outline = await view.page.evaluate("getComputedStyle(document.activeElement).outline")
            assert "3px" in outline
            assert "solid" in outline
        assert reached == [
            "Check now",
            "Copy name of the CNAME record",
            "Copy name of the CNAME record without example.com",
            "Copy target of the CNAME record",
            "Or a TXT record instead",
        ]
        await view.page.locator("summary").focus()
        await view.page.keyboard.press("Enter")
        assert await view.page.locator("#record-2-value").is_visible()


async def test_what_a_screen_reader_is_told(site: Site, browser: Browser):
    await site.put("mismatch")
    async with browser.view() as view:
        await view.open(site.url)
        tree = await view.page.locator("body").aria_snapshot()
        for part in (
            "- banner:",
            "- main:",
            "- contentinfo:",
            '- heading "The record needs a correction" [level=2]',
            '- list "Progress"',
            "DNS record : needs attention",
            '- article "CNAME record"',
        ):
            assert part in tree, tree
        live = view.page.locator('[data-region="status"]')
        assert await live.get_attribute("aria-live") == "polite"
        assert await view.page.locator("html").get_attribute("lang") == "en"
        levels = [int(h[1]) for h in await view.page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3')].map((each) => each.tagName)"
        )]  # fmt: skip
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_check_now(site: Site, client, namespace, browser: Browser, scripts: bool):
    await site.put("pending")
    found = standin.find_wrong("RecordMismatch", "the TXT record has another value", "Mismatch")
    async with (
        standin.standing_in(client, namespace, on_check=found),
        browser.view(scripts=scripts) as view,
    ):
        await view.open(site.url)
        await view.page.evaluate("window.here = true")
        await view.page.get_by_role("button", name="Check now").focus()
        await view.page.keyboard.press("Enter")
        await view.page.get_by_text("Your name servers were asked just now.").wait_for()
        assert await view.headline() == HEADLINES["mismatch"]
        assert await view.page.get_by_text("The TXT record has another value.").first.is_visible()
        assert await view.page.evaluate("window.here === true") is scripts  # no other page
        if scripts:
            focused = "document.activeElement.id"
            assert await view.page.evaluate(focused) == "check"
            assert await view.page.locator("#check").inner_text() == "Check now"
        assert view.complaints == []


async def test_a_check_that_fails_can_be_made_again(site: Site, browser: Browser):
    async with browser.view() as view:
        await view.open(site.url)
        await view.context.set_offline(True)
        await view.page.get_by_role("button", name="Check now").click()
        await view.page.get_by_text("Are you online?").wait_for()
        assert await view.page.locator("#check").inner_text() == "Check now"


async def test_it_follows_the_domain_by_itself(site: Site, browser: Browser):
    await site.put("pending")
    async with browser.view() as view:
        await view.open(site.url)
        await view.page.evaluate("window.here = true")
        title = await view.page.title()
        assert title == f"Set one DNS record · {site.made['domain_name']} · Meadow Hosting"
        await unfold(view)
        await view.page.get_by_role("button", name="Copy target of the CNAME record").focus()
        await site.put("mismatch")
        await view.until(HEADLINES["mismatch"])
        # Who is at something stays there.
        assert await view.page.evaluate("document.activeElement.id") == "record-1-value-copy"
        assert await view.page.locator("#record-2").get_attribute("open") is not None
        for state in ("certificate_pending", "active"):
            await site.put(state)
            await view.until(HEADLINES[state])
        assert await view.page.get_by_role("heading", name="Certificate").is_visible()
        assert await view.page.title() == title.replace(HEADLINES["pending"], "All set")
        assert await view.page.evaluate("window.here")
        assert view.complaints == []


async def test_moments_are_in_the_reader_s_own_time(site: Site, browser: Browser):
    await site.put("active")
    async with browser.view(timezone_id="Asia/Tokyo", locale="de-DE") as view:
        await view.open(site.url)
        end = view.page.locator('time[datetime="2026-05-20T12:00:00Z"]')
        assert await end.inner_text() == "20 May 2026 at 21:00 GMT+9"


async def test_who_has_the_page_open_hears_of_the_end(site: Site, browser: Browser):
    async with browser.view() as view:
        await view.open(site.url)
        await until_waiting(site.api, 1, "events")
        await site.api("DELETE", f"/domains/{site.made['id']}")
        await view.page.get_by_text("This link does not work any more").wait_for()


async def test_a_page_whose_link_ends_says_that_it_stands_still(
    site: Site, browser: Browser, namespace, key_file, monkeypatch
):
    """The stream comes back after its time, and is refused then."""
    monkeypatch.setattr("customdomains.api.streams._COME_BACK", (50, 50))
    monkeypatch.setattr("customdomains.api.streams.LIFETIME", 0.1)
    async with browser.view() as view:
        await view.open(site.url)
        key_file.write_text("another-key-of-thirty-two-characters")
        await view.page.get_by_text("This page is not kept up to date any more").wait_for()


async def test_what_others_say_runs_nowhere(site: Site, client, namespace, browser: Browser):
    evil = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    record = {
        "purpose": "Ownership",
        "type": "TXT",
        "name": "_acme-challenge.example.com.",
        "value": evil,
        "state": "Mismatch",
        "message": evil,
        "seen": [{"server": evil, "outcome": "Answered", "values": [evil]}],
    }
    conditions = [
        standin.condition(kind, holds=False, reason="RecordMismatch", message=evil)
        for kind in ("Ready", "Verified")
    ]
    async with browser.view() as view:
        dialogs = []

        def opened(dialog):
            dialogs.append(dialog)

        view.page.on("dialog", opened)
        await view.open(site.url)
        await client.patch_status(
            CUSTOM_DOMAINS,
            site.made["domain_name"],
            {"status": {"phase": "pending", "records": [record], "conditions": conditions}},
            namespace,
        )
        await view.until(HEADLINES["mismatch"])
        assert await view.page.locator("main img").count() == 0
        assert await view.page.locator("#record-1-value").inner_text() == evil
        await view.open(site.url)
        assert await view.page.locator("#record-1-value").inner_text() == evil
        assert dialogs == []
        assert view.complaints == []


async def test_nothing_is_loaded_from_elsewhere(site: Site, browser: Browser):
    async with browser.view() as view:
        asked = []
        view.page.on("request", lambda request: asked.append(request.url))
        await view.open(site.url)
        assert len(asked) >= 3
        assert all(each.startswith(url(site.api, "/")) for each in asked), asked


async def test_the_link_leads_to_the_page(site: Site, namespace, key_file):
    """The public URL is what a proxy in front is reached at."""
    answer = await site.api("POST", f"/domains/{site.made['id']}/setup-link")
    link_key = answer.body["url"].split("key=")[1]
    assert answer.body["url"].startswith(PUBLIC_URL)
    found = LinkKeys(key_file).read(site.made["id"], link_key)
    assert isinstance(found, Link)
    assert json.dumps(found.namespace) == json.dumps(namespace)

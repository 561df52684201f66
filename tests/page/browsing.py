"""Chromium by Playwright, and what is wrong with a page that it shows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import BrowserContext, CDPSession, ConsoleMessage, Page, async_playwright
from programs.debian import BROWSERS, find, why_not

SCREENSHOTS = Path(__file__).parents[2] / ".dev" / "screenshots"
DEVICES = {"phone": (390, 844), "desktop": (1280, 900)}
NARROWEST = 320  # pixels: WCAG 2.2, reflow


def why_no_browser() -> str | None:
    """Why there is none, for `pytest.skip`."""
    return why_not(BROWSERS, "browsers")


@dataclass
class View:
    """A page in a window of its own, and what the browser has complained of."""

    page: Page
    context: BrowserContext
    session: CDPSession
    scripts: bool
    complaints: list[str] = field(default_factory=list)

    async def open(self, url: str) -> None:
        answer = await self.page.goto(url, wait_until="load")
        assert answer is not None
        assert answer.status == 200, answer.status

    async def headline(self) -> str:
        return await self.page.locator("#status-title").inner_text()

    async def until(self, headline: str) -> None:
        """Wait until the page says so."""
        await self.page.locator("#status-title", has_text=headline).wait_for(timeout=20_000)

    async def allow_scripts(self, allowed: bool) -> None:
        """From now on."""
        await self.session.send("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    async def inaccessible(self) -> list[str]:
        """What axe finds serious or critical. It is a script itself."""
        await self.allow_scripts(True)
        found = await Axe().run(self.page)
        await self.allow_scripts(self.scripts)
        return [
            f"{each['id']}: {node['html']} {node.get('failureSummary', '')}"
            for each in found.response["violations"]
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]

    async def overflow(self) -> int:
        """By how many pixels the content is wider than the window."""
        return await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


class Browser:
    """Windows in one browser."""

    def __init__(self, browser: PlaywrightBrowser) -> None:
        self._browser = browser

    @asynccontextmanager
    async def view(
        self,
        *,
        device: str = "desktop",
        scheme: str = "light",
        scripts: bool = True,
        **options: Any,
    ) -> AsyncIterator[View]:
        """A window. Without `scripts` those of the page don't run."""
        width, height = DEVICES[device]
        context = await self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            **options,
        )
        try:
            page = await context.new_page()
            view = View(page, context, await context.new_cdp_session(page), scripts)
            await view.allow_scripts(scripts)
            view.page.on("console", lambda message: view.complaints.extend(_told(message)))
            view.page.on("pageerror", lambda error: view.complaints.append(str(error)))
            yield view
        finally:
            await context.close()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find("chromium"))
        try:
            yield Browser(browser)
        finally:
            await browser.close()


def _told(message: ConsoleMessage) -> list[str]:
    return [message.text] if message.type in {"error", "warning"} else []

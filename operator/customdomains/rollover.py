"""`customdomains account rollover`: a new key for the account at a CA."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from customdomains.cluster.client import ApiClient
from customdomains.cluster.config import load_connection
from customdomains.settings import Issuer, Settings, SettingsError
from customdomains.wiring import acme_engine


def add_command(commands: Any) -> argparse.ArgumentParser:
    """Make the command known to the subparsers `commands`; returns its own parser."""
    text = "look after the account at a certificate authority"
    account = commands.add_parser("account", help=text, description=f"{text.capitalize()}.")
    actions = account.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "give the account a new key; to be called again when it was broken off"
    rollover: argparse.ArgumentParser = actions.add_parser(
        "rollover", help=text, description=f"{text.capitalize()}."
    )
    rollover.add_argument(
        "--issuer", metavar="NAME", required=True, help="the issuer's name in the settings"
    )
    return rollover


async def roll_over(settings: Settings, options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Give the account at the issuer `options.issuer` a new key, and say so.

    Who uses the account meanwhile goes on; see `AcmeEngine.roll_over_key`. Raises what that
    raises, `SettingsError` where there is no such issuer, and `InterruptedError` on `stop`.
    """
    issuer = next((each for each in settings.issuers if each.name == options.issuer), None)
    if issuer is None:
        known = ", ".join(each.name for each in settings.issuers) or "none"
        raise SettingsError(f"there is no issuer {options.issuer!r}; the settings name: {known}")
    working = asyncio.create_task(_roll_over(issuer, settings, options.kubeconfig))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        raise InterruptedError("it was broken off; call it again to finish what has begun")
    sys.stdout.write(f"the account {await working} at {issuer.name} has a new key\n")


async def _roll_over(issuer: Issuer, settings: Settings, kubeconfig: str | None) -> str:
    connection = await load_connection(kubeconfig)
    async with ApiClient(connection) as client:
        engine = acme_engine(issuer, settings, client)
        try:
            return await engine.roll_over_key()
        finally:
            await engine.close()

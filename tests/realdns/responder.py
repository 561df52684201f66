"""Our own server of the delegation zone, in a thread: every test has an event loop of its own."""

import asyncio
import threading

from build import ID, TOKEN, ZONE

from customdomains.dns.server import DnsServer
from customdomains.dns.zone import DelegationZone
from realdns.zones import RESPONDER, host_name

_START_SECONDS = 10.0


MANY = "d" * 32
"""An id that has more values than fit a datagram."""

VALUES = tuple(f"{number:064d}" for number in range(30))


class Texts:
    """What the zone holds: the id of the tests' claim with its token, and `MANY`."""

    synced = True

    def texts(self, label: str) -> tuple[str, ...] | None:
        """The TXT values of an id; None for one that nobody has."""
        return {ID: (TOKEN,), MANY: VALUES}.get(label)


class Responder:
    """Serves the delegation zone at `address` from `start` to `stop`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="responder")
        zone = DelegationZone(ZONE, (host_name(RESPONDER),), f"hostmaster@{ZONE}")
        self._server = DnsServer(zone, Texts(), serial=lambda: 7)

    def start(self) -> None:
        """Listen. Raises OSError where the address is taken."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(self.address), self._loop).result(
            _START_SECONDS
        )

    def stop(self) -> None:
        """Listen no more."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(_START_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

"""Dynamic updates (RFC 2136), signed with TSIG (RFC 8945), of zones that the platform runs.

Only TXT records are added and only those that were added are taken away again, value by value:
what else stands at the name is not ours.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.name
import dns.rcode
import dns.tsig
import dns.update

from customdomains.dns.addresses import resolve_servers, split_server
from customdomains.model.certificate import OrderError
from customdomains.model.reasons import Reason

TTL = 60
"""Seconds: CAs ask name servers themselves, so it only matters to who looks in between."""

_TIMEOUT = 10.0

_REFUSED = {
    dns.rcode.REFUSED: "does not allow it; see its update policy for the key",
    dns.rcode.NOTAUTH: "does not run the zone, or does not know the TSIG key",
    dns.rcode.NOTZONE: "says that the name is not in the zone",
    dns.rcode.SERVFAIL: "could not do it (SERVFAIL)",
}


@dataclass(frozen=True, slots=True)
class UpdatedZone:
    """A zone (canonical name) that takes updates at `server` (`host:port`), signed with the key
    `key_name` of `algorithm` (such as `hmac-sha256`), which `key_file` has in base64."""

    zone: str
    server: str
    key_name: str
    algorithm: str
    key_file: Path


class ZoneUpdates:
    """Puts TXT records into zones of the platform's. All calls raise OrderError(UPDATE_FAILED), and
    ValueError for a name that is in none of them."""

    def __init__(self, zones: Sequence[UpdatedZone], *, timeout: float = _TIMEOUT) -> None:
        """`timeout` (seconds) bounds one call. Raises OSError where a key can't be read, ValueError
        where it is none."""
        self._zones = tuple(sorted(zones, key=lambda each: len(each.zone), reverse=True))
        self._timeout = timeout
        for each in self._zones:
            _read_key(each)

    async def put(self, name: str, texts: Iterable[str]) -> None:
        """Add TXT records with the values `texts` at `name`; those that are there already stay."""
        zone = self._zone_of(name)
        update = _update(zone)
        for text in texts:
            update.add(dns.name.from_text(name), TTL, "TXT", f'"{text}"')
        await self._send(zone, update)

    async def remove(self, name: str, texts: Iterable[str]) -> None:
        """Take exactly these TXT records away; those that are gone already are no trouble."""
        zone = self._zone_of(name)
        update = _update(zone)
        for text in texts:
            update.delete(dns.name.from_text(name), "TXT", f'"{text}"')
        await self._send(zone, update)

    def _zone_of(self, name: str) -> UpdatedZone:
        for each in self._zones:
            if f".{name}".endswith(f".{each.zone}"):
                return each
        raise ValueError(f"{name} is in no zone that takes updates")

    async def _send(self, zone: UpdatedZone, update: dns.update.UpdateMessage) -> None:
        """To the first address of the server that can be reached."""
        fault = "has no address"
        try:
            async with asyncio.timeout(self._timeout):
                for server in await resolve_servers((zone.server,)):
                    try:
                        response = await dns.asyncquery.tcp(
                            update, *_where(server), ignore_trailing=True
                        )
                    except (OSError, EOFError):
                        fault = "can't be reached"
                        continue
                    rcode = response.rcode()
                    if rcode == dns.rcode.NOERROR:
                        return
                    raise _failed(zone, _REFUSED.get(rcode, f"answers {dns.rcode.to_text(rcode)}"))
        except TimeoutError:
            fault = f"did not answer within {self._timeout:g} s"
        except OSError:
            fault = "has a name that could not be resolved"
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadTime) as error:
            raise _failed(zone, _tsig_fault(error)) from None
        except dns.exception.DNSException:
            fault = "answers without a signature: it does not run the zone, or is no name server"
        raise _failed(zone, fault)


def _where(server: str) -> tuple[str, None, int]:
    """Address, time-out (there is one around all of it) and port."""
    host, port = split_server(server)
    return host, None, port


def _update(zone: UpdatedZone) -> dns.update.UpdateMessage:
    try:
        secret = _read_key(zone)
    except (OSError, ValueError) as error:
        raise _failed(zone, f"can't be asked, as its TSIG key can't be used: {error}") from None
    name = dns.name.from_text(zone.key_name)
    key = dns.tsig.Key(name, secret, dns.name.from_text(zone.algorithm))
    return dns.update.UpdateMessage(zone.zone, keyring={name: key}, keyname=name)


def _read_key(zone: UpdatedZone) -> bytes:
    """The file is read each time, so a key can be replaced without a restart."""
    text = zone.key_file.read_text(encoding="ascii", errors="replace").strip()
    try:
        secret = base64.b64decode(text, validate=True)
    except binascii.Error:
        secret = b""
    if not secret:
        raise ValueError(f"the TSIG key in {zone.key_file} is not in base64")
    return secret


def _tsig_fault(error: Exception) -> str:
    match error:
        case dns.tsig.PeerBadKey():
            return "does not know the TSIG key"
        case dns.tsig.PeerBadSignature():
            return "does not accept the signature: its TSIG key of that name is another one"
        case dns.tsig.PeerBadTime() | dns.tsig.BadTime():
            return "has another time than this machine: the clocks differ by minutes"
    return "answers without a valid TSIG signature"


def _failed(zone: UpdatedZone, fault: str) -> OrderError:
    return OrderError(
        Reason.UPDATE_FAILED,
        f"the challenge's TXT record could not be put into the zone {zone.zone}: its server "
        f"{zone.server} {fault}",
    )

"""Whether an answer of a zone's own server is signed with the keys of the zone (RFC 4035).

The keys come from a resolver that vouches for them (the AD bit): the chain of trust from the root
to the zone is the resolver's work, the last link is checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import dns.dnssec
import dns.dnssecalgs
import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.DNAME
import dns.rdtypes.ANY.DNSKEY
import dns.rdtypes.ANY.RRSIG
import dns.rrset

from customdomains.dns.memory import Memory
from customdomains.dns.stub import Stub

_MAX_KEYS = 16
_MAX_SIGNATURES = 4
"""Tried for one set: each costs computing time, and who sends them is not always a friend."""

_MAX_SAME_TAG = 2
"""Keys that one signature is tried with; honest zones hardly ever have two of one tag."""

_KEPT_SECONDS = 300.0
_FAILURE_SECONDS = 5.0
_MAX_ZONES = 2048


@dataclass(frozen=True, slots=True, eq=False)
class ZoneKeys:
    """The keys of a secure zone. Without any, no answer of it can be trusted."""

    zone: dns.name.Name
    keys: tuple[dns.rdtypes.ANY.DNSKEY.DNSKEY, ...]

    def vouch(self, name: dns.name.Name, response: dns.message.Message, now: float) -> bool:
        """Whether every set of `response` that leads from `name` to its TXT records is signed.

        `now` is in seconds since 1970. Sets at names outside the zone are not looked at.
        """
        try:
            self._walk(name, response, now)
        except (
            dns.exception.ValidationFailure,
            dns.exception.UnsupportedAlgorithm,
            dns.name.NameTooLong,
        ):
            return False
        return True

    def _walk(self, name: dns.name.Name, response: dns.message.Message, now: float) -> None:
        seen: set[dns.name.Name] = set()
        while name.is_subdomain(self.zone) and name not in seen:
            seen.add(name)
            if (texts := _get(response, name, dns.rdatatype.TXT)) is not None:
                self._check(texts, response, now)
            alias = _get(response, name, dns.rdatatype.CNAME)
            renaming = self._renaming(name, response)
            if renaming is not None:
                self._check(renaming, response, now)
                target = _renamed(name, renaming)
                # The CNAME made of it has no signature of its own (RFC 6672 section 5.3.1).
                if alias is not None and _target(alias) != target:
                    raise dns.exception.ValidationFailure
            elif alias is not None:
                self._check(alias, response, now)
                target = _target(alias)
            else:
                return
            name = target

    def _renaming(
        self, name: dns.name.Name, response: dns.message.Message
    ) -> dns.rrset.RRset | None:
        while name != self.zone:
            name = name.parent()
            if (found := _get(response, name, dns.rdatatype.DNAME)) is not None:
                return found
        return None

    def _check(self, rrset: dns.rrset.RRset, response: dns.message.Message, now: float) -> None:
        """Raises ValidationFailure where no signature of the zone fits `rrset`."""
        signatures = response.get_rrset(
            response.answer,
            rrset.name,
            dns.rdataclass.IN,
            dns.rdatatype.RRSIG,
            rrset.rdtype,
        )
        tried = 0
        for signature in signatures or ():
            assert isinstance(signature, dns.rdtypes.ANY.RRSIG.RRSIG)  # noqa: S101 - narrows
            keys = [
                key
                for key in self.keys
                if signature.signer == self.zone
                and dns.dnssec.key_id(key) == signature.key_tag
                and key.algorithm == signature.algorithm
            ][:_MAX_SAME_TAG]
            if not keys:
                continue
            known = dns.rdataset.from_rdata_list(0, keys)
            try:
                dns.dnssec.validate_rrsig(rrset, signature, {self.zone: known}, now=now)
            except dns.exception.ValidationFailure:
                tried += 1
                if tried == _MAX_SIGNATURES:
                    break
            else:
                return
        raise dns.exception.ValidationFailure


class KeyRing:
    """The keys of secure zones, asked of `stub` for at most `deadline` seconds each."""

    def __init__(self, stub: Stub, *, deadline: float, clock: Callable[[], float]) -> None:
        self._stub = stub
        self._deadline = deadline
        self._clock = clock
        self._memory: Memory[dns.name.Name, ZoneKeys | None] = Memory(
            self._fetch, clock=clock, size=_MAX_ZONES
        )

    async def keys(self, zone: dns.name.Name) -> ZoneKeys | None:
        """The keys of `zone`, which is secure.

        None where all of them are of kinds that can't be checked here: such a zone counts as
        unsigned (RFC 4035 section 5.2).
        """
        return await self._memory.get(zone)

    async def _fetch(
        self, zone: dns.name.Name, _before: ZoneKeys | None
    ) -> tuple[ZoneKeys | None, float]:
        heard = await self._stub.ask(zone, dns.rdatatype.DNSKEY, self._clock() + self._deadline)
        found = heard.response and _get(heard.response, zone, dns.rdatatype.DNSKEY)
        if not heard.secure or not found:
            return ZoneKeys(zone, ()), _FAILURE_SECONDS
        keys = tuple(
            key
            for key in found
            if isinstance(key, dns.rdtypes.ANY.DNSKEY.DNSKEY) and _can_be_checked(key)
        )
        return ZoneKeys(zone, keys[:_MAX_KEYS]) if keys else None, min(found.ttl, _KEPT_SECONDS)


def _can_be_checked(key: dns.rdtypes.ANY.DNSKEY.DNSKEY) -> bool:
    try:
        dns.dnssecalgs.get_algorithm_cls_from_dnskey(key)
    except dns.exception.UnsupportedAlgorithm:
        return False
    return dns.dnssec.default_policy.ok_to_validate(key)


def _get(
    response: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    return response.get_rrset(response.answer, name, dns.rdataclass.IN, rdtype)


def _target(alias: dns.rrset.RRset) -> dns.name.Name:
    record = alias[0]
    assert isinstance(record, dns.rdtypes.ANY.CNAME.CNAME)  # noqa: S101 - narrows for mypy
    return record.target


def _renamed(name: dns.name.Name, renaming: dns.rrset.RRset) -> dns.name.Name:
    record = renaming[0]
    assert isinstance(record, dns.rdtypes.ANY.DNAME.DNAME)  # noqa: S101 - narrows for mypy
    return name.relativize(renaming.name).concatenate(record.target)

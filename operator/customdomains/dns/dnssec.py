"""Whether an answer of a zone's own server is signed with the keys of the zone (RFC 4035).

The keys come from a resolver that vouches for them (the AD bit): the chain of trust from the root
to the zone is the resolver's work, the last link is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

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
import dns.rrset
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.RRSIG import RRSIG

from customdomains.dns.denial import Denial, denials
from customdomains.dns.memory import Memory
from customdomains.dns.stub import Stub

_MAX_KEYS = 16
_MAX_KEY_BYTES = 520
"""RSA of 4096 bits, the longest there is (RFC 5702 section 2.1)."""

_MAX_SIGNATURES = 8
"""Tried for one answer: each costs computing time, and who sends them is not always a friend."""

_MAX_SAME_TAG = 2
"""Keys that one signature is tried with; honest zones hardly ever have two of one tag."""

_KEPT_SECONDS = 300.0
_FAILURE_SECONDS = 5.0
_MAX_ZONES = 2048


_FAILURES = (dns.exception.ValidationFailure, dns.exception.UnsupportedAlgorithm)


class ZoneKeys:
    """The keys of a secure zone. Without any, no answer of it can be trusted."""

    def __init__(self, zone: dns.name.Name, keys: Iterable[DNSKEY]) -> None:
        self.zone = zone
        self._keys: dict[tuple[int, int], list[DNSKEY]] = {}
        for key in keys:
            same = self._keys.setdefault((dns.dnssec.key_id(key), key.algorithm), [])
            if len(same) < _MAX_SAME_TAG:
                same.append(key)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def vouch(
        self,
        name: dns.name.Name,
        response: dns.message.Message,
        now: float,
        rdtype: dns.rdatatype.RdataType,
    ) -> bool:
        """Whether every set of `response` that leads from `name` to its records of `rdtype` is
        signed, and there is one.

        `now` is in seconds since 1970. Sets at names outside the zone are not looked at.
        """
        validation = _Validation(self.zone, self._keys, response, now)
        try:
            validation.walk(name, rdtype)
        except (*_FAILURES, dns.name.NameTooLong):
            return False
        return validation.passed > 0

    def denial(
        self,
        name: dns.name.Name,
        response: dns.message.Message,
        now: float,
        rdtype: dns.rdatatype.RdataType,
    ) -> Denial | None:
        """What signed records of `response` show about records of `rdtype` at `name`, which is in
        the zone."""
        validation = _Validation(self.zone, self._keys, response, now)
        for rrset, denial in denials(name, self.zone, response.authority, rdtype):
            try:
                validation.check_denial(rrset)
            except _FAILURES:
                continue
            return denial
        return None


class _Validation:
    """One response held against the keys of `zone`; `passed` counts its sets that are signed."""

    def __init__(
        self,
        zone: dns.name.Name,
        keys: Mapping[tuple[int, int], list[DNSKEY]],
        response: dns.message.Message,
        now: float,
    ) -> None:
        self._zone = zone
        self._keys = keys
        self._response = response
        self._now = now
        self._tries = _MAX_SIGNATURES
        self.passed = 0

    def walk(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> None:
        """Check every set from `name` to the end of its alias chain in the zone.

        Raises ValidationFailure at the first that is not signed.
        """
        seen: set[dns.name.Name] = set()
        while name.is_subdomain(self._zone) and name not in seen:
            seen.add(name)
            if (wanted := self._get(name, rdtype)) is not None:
                self._check(wanted, self._response.answer)
            alias = self._get(name, dns.rdatatype.CNAME)
            renaming = self._renaming(name)
            if renaming is not None:
                self._check(renaming, self._response.answer)
                target = _renamed(name, renaming)
                # The CNAME made of it has no signature of its own (RFC 6672 section 5.3.1).
                if alias is not None and _target(alias) != target:
                    raise dns.exception.ValidationFailure
            elif alias is not None:
                self._check(alias, self._response.answer)
                target = _target(alias)
            else:
                return
            name = target

    def check_denial(self, rrset: dns.rrset.RRset) -> None:
        """Check one set of the authority section, which no wildcard may have made."""
        self._check(rrset, self._response.authority, labels=len(rrset.name) - 1)

    def _get(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        return get_set(self._response, name, rdtype)

    def _renaming(self, name: dns.name.Name) -> dns.rrset.RRset | None:
        while name != self._zone:
            name = name.parent()
            if (found := self._get(name, dns.rdatatype.DNAME)) is not None:
                return found
        return None

    def _check(
        self, rrset: dns.rrset.RRset, section: list[dns.rrset.RRset], labels: int | None = None
    ) -> None:
        signatures = _find(section, rrset.name, dns.rdatatype.RRSIG, rrset.rdtype)
        for signature in signatures or ():
            assert isinstance(signature, RRSIG)  # noqa: S101 - narrows for mypy
            keys = self._keys.get((signature.key_tag, signature.algorithm))
            if keys is None or signature.signer != self._zone:
                continue
            if labels is not None and signature.labels != labels:
                continue
            if self._tries == 0:
                break
            self._tries -= 1
            known = dns.rdataset.from_rdata_list(0, keys)
            try:
                dns.dnssec.validate_rrsig(rrset, signature, {self._zone: known}, now=self._now)
            except dns.exception.ValidationFailure:
                continue
            self.passed += 1
            return
        raise dns.exception.ValidationFailure


class KeyRing:
    """The keys of secure zones, asked of `stub` for at most `deadline` seconds each."""

    def __init__(self, stub: Stub, *, deadline: float, clock: Callable[[], float]) -> None:
        self._stub = stub
        self._deadline = deadline
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
        heard = await self._stub.ask(zone, dns.rdatatype.DNSKEY, self._deadline)
        found = heard.response and get_set(heard.response, zone, dns.rdatatype.DNSKEY)
        if not heard.secure or not found:
            return ZoneKeys(zone, ()), _FAILURE_SECONDS
        keys = tuple(key for key in found if isinstance(key, DNSKEY) and _can_be_checked(key))
        return ZoneKeys(zone, keys[:_MAX_KEYS]) if keys else None, min(found.ttl, _KEPT_SECONDS)


def _can_be_checked(key: DNSKEY) -> bool:
    if len(key.key) > _MAX_KEY_BYTES:
        return False
    try:
        dns.dnssecalgs.get_algorithm_cls_from_dnskey(key)
    except dns.exception.UnsupportedAlgorithm:
        return False
    return dns.dnssec.default_policy.ok_to_validate(key)


def get_set(
    response: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    """The set of the answer section, if it is there."""
    return _find(response.answer, name, rdtype)


def _find(
    section: list[dns.rrset.RRset],
    name: dns.name.Name,
    rdtype: dns.rdatatype.RdataType,
    covers: dns.rdatatype.RdataType = dns.rdatatype.NONE,
) -> dns.rrset.RRset | None:
    """Looked for in what is there: a message's own index does not know of what was taken out."""
    for rrset in section:
        if rrset.match(name, dns.rdataclass.IN, rdtype, covers):
            return rrset
    return None


def _target(alias: dns.rrset.RRset) -> dns.name.Name:
    record = alias[0]
    assert isinstance(record, dns.rdtypes.ANY.CNAME.CNAME)  # noqa: S101 - narrows for mypy
    return record.target


def _renamed(name: dns.name.Name, renaming: dns.rrset.RRset) -> dns.name.Name:
    record = renaming[0]
    assert isinstance(record, dns.rdtypes.ANY.DNAME.DNAME)  # noqa: S101 - narrows for mypy
    return name.relativize(renaming.name).concatenate(record.target)

"""Looking up TXT records through recursive resolvers, keeping what each of them said."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from customdomains.dns.addresses import is_address, join_server, resolve_servers, split_server
from customdomains.dns.exchange import ask
from customdomains.model.evidence import Evidence, Outcome, ServerAnswer

__all__ = ["TxtLookup", "resolve_servers", "texts_at"]

_MAY_KNOW_THE_ALIAS = {Outcome.SERVER_FAILURE, Outcome.REFUSED, Outcome.TIMED_OUT}


class TxtLookup:
    """Asks resolvers in order, as a stub resolver does, and never fails: it reports.

    `resolvers` are `address:port`; none means the system's (resolv.conf). `timeout` is seconds
    for one server, `deadline` seconds for a lookup once it has one of the `concurrency` places,
    so that waiting for a place never turns into "timed out". Raises ValueError for a resolver
    that is no address, dns.resolver.NoResolverConfiguration where the system names none.
    """

    def __init__(
        self,
        resolvers: tuple[str, ...],
        *,
        timeout: float = 2.0,
        deadline: float = 5.0,
        concurrency: int = 256,
    ) -> None:
        self._resolvers = resolvers or _system_resolvers()
        for resolver in self._resolvers:
            if not is_address(split_server(resolver)[0]):
                raise ValueError(f"{resolver!r}: a resolver is named by its address")
        self._timeout = timeout
        self._deadline = deadline
        self._places = asyncio.Semaphore(concurrency)

    async def look_up(self, name: str, *, nearby: bool = False) -> Evidence:
        """The TXT records at `name` (absolute, lower case, no trailing dot).

        A resolver is asked only where those before gave nothing conclusive; their answers stay
        in the evidence. An inconclusive answer may carry `cnames`: the resolver could not get
        the TXT records but knows the alias at the name. Raises ValueError for a name that
        cannot be in the DNS (a label over 63 bytes, 255 in all).
        """
        del nearby
        question = _parse(name)
        async with self._places:
            return Evidence(name, await self._ask_in_order(question))

    async def _ask_in_order(self, name: dns.name.Name) -> tuple[ServerAnswer, ...]:
        clock = asyncio.get_running_loop().time
        end = clock() + self._deadline
        answers: list[ServerAnswer] = []
        for server in self._resolvers:
            if (left := end - clock()) <= 0:
                break
            answer = await ask(server, name, dns.rdatatype.TXT, min(self._timeout, left))
            answers.append(answer)
            if answer.outcome.conclusive:
                return tuple(answers)
        # Only now, so that a dead resolver does not use up the time of the next one.
        for place, answer in enumerate(answers):
            if answer.outcome not in _MAY_KNOW_THE_ALIAS:
                continue
            if (left := end - clock()) <= 0:
                break
            alias = await ask(answer.server, name, dns.rdatatype.CNAME, min(self._timeout, left))
            if alias.cnames:
                # The outcome stays: what the TXT records are is still unknown, and the alias
                # alone must not pass for "the records are gone".
                answers[place] = replace(answer, cnames=alias.cnames, ttl=alias.ttl)
                break
        return tuple(answers)


async def texts_at(server: str, name: str, timeout: float) -> ServerAnswer:
    """The TXT records that `server` itself holds at `name` (recursion not desired).

    `server` is `address:port`, `timeout` seconds in all. Raises ValueError as `look_up` does.
    """
    return await ask(server, _parse(name), dns.rdatatype.TXT, timeout, recursion=False)


def _parse(name: str) -> dns.name.Name:
    try:
        return dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise ValueError(f"{name!r} cannot be a name in the DNS: {error}") from error


def _system_resolvers() -> tuple[str, ...]:
    system = dns.resolver.Resolver()
    return tuple(join_server(str(server), system.port) for server in system.nameservers)

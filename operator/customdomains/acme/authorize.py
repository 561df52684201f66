"""The authorizations of an order and their challenges (RFC 8555 sections 7.5 and 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from acme import messages

from customdomains.acme import wire
from customdomains.acme.account import Account
from customdomains.acme.challenges import answer_of, find, kind_of, pick, token_of
from customdomains.acme.errors import ProblemError, challenge_error
from customdomains.acme.pace import Pace
from customdomains.acme.registration import Identity
from customdomains.model.certificate import Challenge, OrderError
from customdomains.model.reasons import Reason

T = TypeVar("T")

_ANSWERS = 5


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A challenge that waits for our answer, for `name`, in the authorization at `url`."""

    name: str
    url: str
    challenge: messages.ChallengeBody


async def fetch_authorizations(
    account: Account, order: messages.Order
) -> tuple[messages.Authorization, ...]:
    """All authorizations of `order`, fetched at the same time, in its order."""
    answers = await _together([account.read(url) for url in order.authorizations])
    return tuple(wire.read_authorization(answer) for answer in answers)


def is_pending(authorization: messages.Authorization, names: tuple[str, ...]) -> bool:
    """Whether an authorization for one of `names` waits for a challenge's answer; if not, it is
    valid.

    Raises OrderError, order lost, where the authorization is for another name or can't become
    valid any more.
    """
    name = authorization.identifier.value
    if name.lower() not in {each.removeprefix("*.") for each in names}:
        raise OrderError(
            Reason.ORDER_FOREIGN, "The order asks to authorize another name", order_lost=True
        )
    if authorization.status == messages.STATUS_VALID:
        return False
    if authorization.status == messages.STATUS_INVALID:
        failed = [each for each in authorization.challenges if each.error is not None]
        raise _failed(name, (failed or authorization.challenges)[0], order_lost=True)
    if authorization.status != messages.STATUS_PENDING:
        raise OrderError(
            Reason.ORDER_INVALID,
            f"The CA's authorization for {name} is {authorization.status.name}",
            order_lost=True,
        )
    return True


async def authorize(
    account: Account,
    pace: Pace,
    names: tuple[str, ...],
    authorizations: Sequence[tuple[str, messages.Authorization]],
    *,
    kind: Challenge = Challenge.DNS,
    values: tuple[str, ...] | None = None,
    ready: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Answer the challenges of `kind` that wait for it, once each; whether all that is now valid.

    `authorizations` come with their URLs. Where it is not all valid, the CA is looking.
    A challenge whose answer is none of `values` (where they are known) is not answered: the CA
    would look for it in vain. `ready` is awaited before the first one is; what it raises passes
    through.

    Raises OrderError(CHALLENGE_FAILED) where the CA has looked in vain: with the order lost,
    or, where it would look again if asked (section 8.2), without, after asking a few times.
    """
    waiting, under_way = _standing(names, authorizations, kind)
    signer = await account.signer()
    for each in waiting:
        wanted = answer_of(each.challenge, signer.key)
        if values is not None and wanted is not None and wanted not in values:
            raise _outdated(each.name)
    if waiting and ready is not None:
        await ready()
    for number in range(_ANSWERS):
        if number > 0:
            await pace.pause()
        answers = await _together([_answer(account, pace, each, signer) for each in waiting])
        stuck = []
        for each, answer in zip(waiting, answers, strict=True):
            if answer.status == messages.STATUS_PENDING and answer.error is not None:
                # The CA has looked and will not look again by itself.
                stuck.append(_Waiting(each.name, each.url, answer))
            elif answer.status != messages.STATUS_VALID:
                under_way = True
        waiting = stuck
        if not waiting:
            return not under_way
    raise _failed(waiting[0].name, waiting[0].challenge, order_lost=False)


def _standing(
    names: tuple[str, ...],
    authorizations: Sequence[tuple[str, messages.Authorization]],
    kind: Challenge,
) -> tuple[list[_Waiting], bool]:
    """The challenges that wait for us, and whether the CA looks at any of the others."""
    waiting, under_way = [], False
    for url, authorization in authorizations:
        if not is_pending(authorization, names):
            continue
        pick((kind,), (authorization,))
        challenge = find(authorization, kind)
        if challenge is not None and challenge.status == messages.STATUS_PENDING:
            waiting.append(_Waiting(authorization.identifier.value, url, challenge))
        elif challenge is not None and challenge.status != messages.STATUS_VALID:
            under_way = True
    return waiting, under_way


async def _answer(
    account: Account, pace: Pace, waiting: _Waiting, signer: Identity
) -> messages.ChallengeBody:
    """Tell the CA that the record is in place (section 7.5.1); the challenge after that."""
    kind = kind_of(waiting.challenge)
    try:
        if kind is Challenge.DNS_PERSIST:
            # Its record hangs on the account alone, so any key of that will do.
            answer = await account.post(waiting.challenge.uri, b"{}")
        else:
            answer = await account.post_as(signer, waiting.challenge.uri, b"{}")
    except ProblemError as problem:
        # An answer that was sent again after a broken connection comes too late if the first
        # was heard; then the authorization has moved on.
        authorization = wire.read_authorization(await account.read(waiting.url))
        challenge = find(authorization, kind or Challenge.DNS)
        if challenge is None or challenge.status == messages.STATUS_PENDING:
            # To have read it, another key may have been needed.
            changed = (await account.signer()).pem != signer.pem
            raise (_outdated(waiting.name) if changed else problem) from None
    else:
        pace.heed(answer)
        challenge = wire.read_challenge(answer)
    if challenge.status == messages.STATUS_INVALID:
        raise _failed(waiting.name, challenge, order_lost=True)
    return challenge


def _outdated(name: str) -> OrderError:
    return OrderError(
        Reason.ORDER_INVALID,
        f"The challenge for {name} wants another value than the order was placed with, as the "
        "account's key was changed meanwhile; a new order is needed",
        order_lost=True,
    )


def _failed(name: str, challenge: messages.ChallengeBody, *, order_lost: bool) -> OrderError:
    return challenge_error(name, challenge.error, secret=token_of(challenge), order_lost=order_lost)


async def _together(calls: Sequence[Awaitable[T]]) -> list[T]:
    """What all `calls` return; raises the first failure once all have ended."""
    if len(calls) == 1:
        return [await calls[0]]
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]

"""Callers whom the API server knows, and who may do what it says they may."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

from customdomains.api.callers import Caller
from customdomains.api.remembering import Remembered
from customdomains.api.rights import Right
from customdomains.cluster import ApiClient
from customdomains.cluster.reviews import Subject, review_access, review_token


class Reviews:
    """Access with the tokens that the API server takes, such as those of ServiceAccounts.

    `home` is the namespace that is meant where a call names none. Tokens have to be meant for one
    of `audiences`; where there are none, for the API server.
    """

    def __init__(self, client: ApiClient, home: str, audiences: tuple[str, ...]) -> None:
        self.home = home
        self._client = client
        self._audiences = audiences
        self._subjects: Remembered[Subject | None] = Remembered("the caller")
        self._rights: Remembered[bool] = Remembered("the caller's rights")

    async def caller(self, token: str | None) -> Caller | None:
        """Whose token this is."""
        if token is None:
            return None
        ask = partial(review_token, self._client, token, self._audiences)
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        subject = await self._subjects.answer(digest, ask)
        return None if subject is None else _Reviewed(self, subject)

    async def may(self, subject: Subject, right: Right, namespace: str) -> bool:
        """Whether `subject` has the right there."""
        resource = right.resource
        ask = partial(review_access, self._client, subject, right.verb, resource, namespace)
        question = f"{right.verb} {resource.plural} {namespace} ".encode() + subject.fields
        return await self._rights.answer(hashlib.sha256(question).digest(), ask)


@dataclass(frozen=True, slots=True)
class _Reviewed:
    """Whom a token review has found."""

    reviews: Reviews
    subject: Subject

    @property
    def home(self) -> str:
        """The namespace that is meant where a call names none."""
        return self.reviews.home

    async def may(self, right: Right, namespace: str) -> bool:
        """Whether they have the right there."""
        return await self.reviews.may(self.subject, right, namespace)

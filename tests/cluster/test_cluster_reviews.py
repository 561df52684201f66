"""Reviews: what is made of an answer. That real ones are so is tested with the api.

The answers here are made up: they are those of authenticators and authorizers that a cluster may be
set up with, and this one is not.
"""

import json
from typing import Any

import pytest

from customdomains.cluster.kinds import CUSTOM_DOMAINS
from customdomains.cluster.reviews import Subject, review_access, review_token

USER = {"username": "jane", "uid": "7", "groups": ["b", "a"], "extra": {"k": ["v"]}}


class Answering:
    """Answers with this status, and keeps what it was asked."""

    def __init__(self, status: Any) -> None:
        self._status = status
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((resource.plural, body))
        return {**body, "status": self._status}


async def test_who_is_known_is_passed_on_whole():
    client = Answering({"authenticated": True, "user": USER})
    subject = await review_token(client, "secret", ())
    assert json.loads(subject.fields) == {
        "user": "jane",
        "uid": "7",
        "groups": ["b", "a"],
        "extra": {"k": ["v"]},
    }
    assert client.asked[0][1]["spec"] == {"token": "secret"}
    assert "secret" not in repr(subject)
    reviewer = Answering({"allowed": True})
    assert await review_access(reviewer, subject, "list", CUSTOM_DOMAINS, "team-a")
    kind, body = reviewer.asked[0]
    assert kind == "subjectaccessreviews"
    assert body["spec"] == {
        **json.loads(subject.fields),
        "resourceAttributes": {
            "namespace": "team-a",
            "verb": "list",
            "group": "customdomains.dev",
            "version": "v1",
            "resource": "customdomains",
        },
    }


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"authenticated": False, "user": USER},
        {"authenticated": "true", "user": USER},
        {"error": "the authenticator is away", "user": USER},
        {"authenticated": True},
        {"authenticated": True, "user": {"username": ""}},
        {"authenticated": True, "user": {"groups": ["system:masters"]}},
    ],
)
async def test_who_is_not_known_for_sure_is_nobody(status):
    assert await review_token(Answering(status), "secret", ()) is None


@pytest.mark.parametrize(
    ("audiences", "known"),
    [(["ours"], True), (["other", "ours"], True), (["other"], False), ([], False), (None, False)],
)
async def test_an_authenticator_has_to_say_that_the_token_is_for_us(audiences, known):
    status = {"authenticated": True, "user": USER}
    if audiences is not None:
        status["audiences"] = audiences
    client = Answering(status)
    assert (await review_token(client, "secret", ("ours", "ours-too")) is not None) is known
    assert client.asked[0][1]["spec"]["audiences"] == ("ours", "ours-too")


@pytest.mark.parametrize(
    "status", [None, {}, {"allowed": False}, {"allowed": "true"}, {"denied": False}]
)
async def test_what_is_not_allowed_in_so_many_words_is_not(status):
    subject = Subject(b'{"user":"jane"}')
    assert not await review_access(Answering(status), subject, "get", CUSTOM_DOMAINS, "team-a")

"""Bearer tokens."""

import logging
from pathlib import Path

import pytest
from api.calling import api_server, eventually, with_token

from customdomains.api import MountedFileError
from customdomains.api.auth import Tokens
from customdomains.api.callers import bearer
from customdomains.api.rights import Right
from customdomains.cluster.kinds import DNS_RECORDS

FIRST, SECOND, THIRD = "first-token-0123456789", "second-token-0123456789", "th\u00efrd"


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A file as kubelet mounts a Secret: a link to a link to a directory that is replaced."""
    write(tmp_path, "..1", f"{FIRST}\n\n  {SECOND} \n")
    (tmp_path / "tokens").symlink_to("..data/tokens")
    return tmp_path / "tokens"


def write(directory: Path, version: str, content: str) -> None:
    (directory / version).mkdir()
    (directory / version / "tokens").write_text(content, encoding="utf-8")
    swap = directory / "..new"
    swap.symlink_to(version)
    swap.rename(directory / "..data")


def tokens_of(path: Path) -> Tokens:
    return Tokens(path, "platform", ("platform", "team-a", "team-b"))


async def home_of(tokens: Tokens, token: str | None) -> str | None:
    caller = await tokens.caller(token)
    return None if caller is None else caller.home


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (f"Bearer {FIRST}", True),
        (f"bearer {SECOND}", True),
        (f"Bearer  {FIRST} ", True),
        (f"Bearer {FIRST}x", False),
        (f"Bearer {FIRST[:-1]}", False),
        ("Bearer ", False),
        ("Bearer", False),
        (FIRST, False),
        (f"Basic {FIRST}", False),
        ("Bearer \udcff", False),
        ("", False),
        (None, False),
    ],
)
async def test_which_headers_are_accepted(mounted, header, accepted):
    assert (await home_of(tokens_of(mounted), bearer(header)) is not None) is accepted


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_a_token_stops_the_start(tmp_path, content):
    (tmp_path / "tokens").write_text(content, encoding="utf-8")
    with pytest.raises(MountedFileError, match="has no token"):
        tokens_of(tmp_path / "tokens")


def test_a_file_that_is_not_there_or_not_text_stops_the_start(tmp_path):
    with pytest.raises(MountedFileError, match="No such file"):
        tokens_of(tmp_path / "tokens")
    (tmp_path / "tokens").write_bytes(b"secret\xff\n")
    with pytest.raises(MountedFileError) as caught:
        tokens_of(tmp_path / "tokens")
    assert "secret" not in str(caught.value)


async def test_a_token_is_for_the_namespace_behind_it(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{FIRST}\n{SECOND} team-a\n\t{THIRD}  team-b \n{FIRST} platform\n")
    tokens = tokens_of(path)
    homes = [await home_of(tokens, token) for token in (FIRST, SECOND, THIRD, "team-a")]
    assert homes == ["platform", "team-a", "team-b", None]
    here, elsewhere = "team-a", ("platform", "team-b", "team-aa", "")
    caller = await tokens.caller(SECOND)
    assert await caller.may(Right("delete"), here)
    assert not any([await caller.may(Right("get"), namespace) for namespace in elsewhere])


async def test_the_platform_s_records_are_for_the_platform_s_tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"{FIRST}\n{SECOND} team-a\n")
    right = Right("list", DNS_RECORDS)
    for namespace in ("records", "team-a"):
        assert await (await tokens_of(path).caller(FIRST)).may(right, namespace)
        assert not await (await tokens_of(path).caller(SECOND)).may(right, namespace)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{SECOND} team-c", "line 2: it names a namespace that is not served"),
        (f"team-a {SECOND}", "line 2: it names a namespace that is not served; possible are those"),
        (f"{SECOND} {THIRD}", "api.namespace and api.namespaces: platform, team-a, team-b"),
        (f"{SECOND} team-a {THIRD}", "line 2: it has 3 words"),
        (f"{FIRST} team-a", "line 2: it has the token of a line above with another namespace"),
    ],
)
def test_a_line_that_is_wrong_stops_the_start_and_is_not_shown(tmp_path, line, said):
    path = tmp_path / "tokens"
    path.write_text(f"{FIRST}\n{line}\n", encoding="utf-8")
    with pytest.raises(MountedFileError) as caught:
        tokens_of(path)
    assert str(caught.value).startswith(f"the token file {path} is wrong in line 2: ")
    assert said in str(caught.value)
    assert not any(token in str(caught.value) for token in (FIRST, SECOND, THIRD))


async def test_rotation_follows_the_swap_and_survives_a_gap(mounted, monkeypatch, caplog):
    monkeypatch.setattr("customdomains.api.mounted.LOOK_AGAIN", 0.0)
    caplog.set_level(logging.DEBUG)
    tokens = tokens_of(mounted)
    (mounted.parent / "..data").unlink()
    assert await tokens.caller(FIRST)
    write(mounted.parent, "..2", f"{SECOND}\n{THIRD}\n")
    assert not await tokens.caller(FIRST)
    assert await tokens.caller(SECOND)
    assert await tokens.caller(THIRD)
    write(mounted.parent, "..3", f"{SECOND} team-a\n{THIRD} team-c\n")
    assert await home_of(tokens, SECOND) == "team-a"
    assert not await tokens.caller(THIRD)
    assert "nobody access by line 2" in caplog.text
    write(mounted.parent, "..4", "")
    assert not await tokens.caller(SECOND)
    assert not await tokens.caller(None)
    assert not any(token in caplog.text for token in (FIRST, SECOND, THIRD))


@pytest.mark.cluster
async def test_calls_need_a_token_and_probes_do_not(client, namespace, mounted):
    async with api_server(client, namespace, token_file=mounted) as api:
        missing = await api("GET", "/domains")
        assert (missing.status, missing.code) == (401, "unauthorized")
        assert missing.headers["WWW-Authenticate"] == 'Bearer realm="customdomains"'
        wrong = await api("POST", "/domains", data=b"{", headers=with_token("wrong"))
        assert (wrong.status, wrong.code) == (401, "unauthorized")
        assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
        assert (await api("GET", "/domains", headers=with_token(FIRST))).status == 200
        assert (await api("GET", "/domains", headers=with_token(SECOND))).status == 200
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await api("GET", path)).status == 200
        write(mounted.parent, "..2", f"{SECOND}\n")

        async def revoked() -> bool:
            return (await api("GET", "/domains", headers=with_token(FIRST))).status == 401

        await eventually(revoked)
        assert (await api("GET", "/domains", headers=with_token(SECOND))).status == 200

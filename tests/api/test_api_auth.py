"""Bearer tokens."""

import logging
from pathlib import Path

import pytest
from api.calling import api_server, eventually

from customdomains.api import TokenFileError
from customdomains.api.auth import Tokens

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
def test_which_headers_are_accepted(mounted, header, accepted):
    assert Tokens(mounted).accept(header) is accepted


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_a_token_stops_the_start(tmp_path, content):
    (tmp_path / "tokens").write_text(content, encoding="utf-8")
    with pytest.raises(TokenFileError, match="has no token"):
        Tokens(tmp_path / "tokens")


def test_a_file_that_is_not_there_or_not_text_stops_the_start(tmp_path):
    with pytest.raises(TokenFileError, match="No such file"):
        Tokens(tmp_path / "tokens")
    (tmp_path / "tokens").write_bytes(b"secret\xff\n")
    with pytest.raises(TokenFileError) as caught:
        Tokens(tmp_path / "tokens")
    assert "secret" not in str(caught.value)


def test_rotation_follows_the_swap_and_survives_a_gap(mounted, monkeypatch, caplog):
    monkeypatch.setattr("customdomains.api.auth._LOOK_AGAIN", 0.0)
    caplog.set_level(logging.DEBUG)
    tokens = Tokens(mounted)
    (mounted.parent / "..data").unlink()
    assert tokens.accept(f"Bearer {FIRST}")
    write(mounted.parent, "..2", f"{SECOND}\n{THIRD}\n")
    assert not tokens.accept(f"Bearer {FIRST}")
    assert tokens.accept(f"Bearer {SECOND}")
    assert tokens.accept(f"Bearer {THIRD}")
    write(mounted.parent, "..3", "")
    assert not tokens.accept(f"Bearer {SECOND}")
    assert not tokens.accept("Bearer ")
    assert not any(token in caplog.text for token in (FIRST, SECOND, THIRD))


@pytest.mark.cluster
async def test_calls_need_a_token_and_probes_do_not(client, namespace, mounted):
    async with api_server(client, namespace, token_file=mounted) as api:
        missing = await api("GET", "/domains")
        assert (missing.status, missing.code) == (401, "unauthorized")
        assert missing.headers["WWW-Authenticate"] == 'Bearer realm="customdomains"'
        wrong = await api("POST", "/domains", data=b"{", headers=bearer("wrong"))
        assert (wrong.status, wrong.code) == (401, "unauthorized")
        assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]
        assert (await api("GET", "/domains", headers=bearer(FIRST))).status == 200
        assert (await api("GET", "/domains", headers=bearer(SECOND))).status == 200
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await api("GET", path)).status == 200
        write(mounted.parent, "..2", f"{SECOND}\n")

        async def revoked() -> bool:
            return (await api("GET", "/domains", headers=bearer(FIRST))).status == 401

        await eventually(revoked)
        assert (await api("GET", "/domains", headers=bearer(SECOND))).status == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}

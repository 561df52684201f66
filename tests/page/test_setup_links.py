"""Keys of setup links: who has signed which link."""

import logging
from dataclasses import replace

import pytest
from page.setting import KEY

from customdomains.api.mounted import MountedFileError
from customdomains.api.page.links import Link, LinkKeys

LINK = Link("tenants", "0123456789abcdef0123456789abcdef", 1_800_000_000)
OTHER_ID = "f" * 32
OLD, NEW = f"old-{KEY}", f"new-{KEY}"


@pytest.fixture
def keys(key_file):
    return LinkKeys(key_file)


def test_a_link_that_was_signed_is_read(keys):
    assert keys.read(LINK.registration_id, keys.sign(LINK)) == LINK


def test_each_part_of_a_link_counts(keys):
    signed = keys.sign(LINK)
    end, namespace, signature = signed.split(".")
    others = [
        f"{int(end) + 1}.{namespace}.{signature}",
        f"0{end}.{namespace}.{signature}",
        f"{end}.other.{signature}",
        f"{end}.{namespace}.{signature[:-1]}A",
        f"{end}.{namespace}.{signature[:-1]}",
        f"{end}.{namespace}.",
        f"{end}.{namespace}",
        f"{signed}=",
        f" {signed}",
        f"{signed}\n",
        signed.replace(".", ","),
        signed.upper(),
        "",
        "\udcff",
        "٣" + signed,
    ]
    assert [keys.read(LINK.registration_id, each) for each in others] == [None] * len(others)
    assert keys.read(OTHER_ID, signed) is None


def test_parts_can_t_be_moved_between_namespace_and_end(keys):
    """What is signed is not just the parts in a row."""
    signature = keys.sign(replace(LINK, namespace="1", end=12)).split(".")[2]
    assert keys.read(LINK.registration_id, f"1.21.{signature}") is None
    assert keys.read(LINK.registration_id, f"2.11.{signature}") is None


def test_other_keys_sign_otherwise(keys, tmp_path):
    (tmp_path / "other").write_text(NEW)
    assert LinkKeys(tmp_path / "other").read(LINK.registration_id, keys.sign(LINK)) is None


def test_keys_are_rotated_while_links_go_on(key_file, monkeypatch, caplog):
    monkeypatch.setattr("customdomains.api.mounted.LOOK_AGAIN", 0.0)
    caplog.set_level(logging.DEBUG)
    key_file.write_text(OLD)
    keys = LinkKeys(key_file)
    before = keys.sign(LINK)
    key_file.write_text(f"{NEW}\n\n {OLD} \n")
    assert keys.read(LINK.registration_id, before) == LINK
    after = keys.sign(LINK)
    assert after != before
    key_file.write_text(f"{NEW}\n")
    assert keys.read(LINK.registration_id, before) is None
    assert keys.read(LINK.registration_id, after) == LINK
    key_file.write_text("short\n")
    assert keys.read(LINK.registration_id, after) == LINK
    assert "goes on counting" in caplog.text
    key_file.unlink()
    assert keys.read(LINK.registration_id, after) == LINK
    assert not any(key in caplog.text for key in (OLD, NEW))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no key; it needs one a line"),
        (b" \n\n", "has no key"),
        (f"{KEY}\nsecret-but-short\n".encode(), "too short, number 2; each needs at least 32"),
        (b"secret\xff", "can't be read: it is not UTF-8"),
    ],
)
def test_keys_that_can_t_be_used_stop_the_start(key_file, content, said):
    key_file.write_bytes(content)
    with pytest.raises(MountedFileError) as caught:
        LinkKeys(key_file)
    assert said in str(caught.value)
    assert str(key_file) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(MountedFileError, match="No such file"):
        LinkKeys(tmp_path / "keys")


def test_keys_are_not_shown(keys):
    assert KEY not in repr(keys) + repr(vars(keys)) + repr(vars(keys._keys))

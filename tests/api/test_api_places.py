"""Places: how they are shared by namespaces."""

from contextlib import ExitStack

import pytest

from customdomains.api.errors import Busy
from customdomains.api.places import Places, Share


def take_all(stack: ExitStack, share: Share, name: str) -> int:
    """Take as many places as there are for `share`, one a domain."""
    for number in range(10_000):
        try:
            stack.enter_context(share.one(f"{name}-{number}"))
        except Busy:
            return number
    raise AssertionError


def test_who_is_alone_may_have_them_all():
    places = Places(16, 4)
    with ExitStack() as stack:
        assert take_all(stack, places.share(), "a") == 16
    assert len(places) == 0


@pytest.mark.parametrize("namespaces", [2, 3, 8])
def test_nobody_takes_the_others_part(namespaces):
    places = Places(16, 4)
    shares = [places.share() for _ in range(namespaces)]
    part = 16 // (2 * namespaces)
    with ExitStack() as stack:
        assert take_all(stack, shares[0], "greedy") == 16 - part * (namespaces - 1)
        for number, share in enumerate(shares[1:]):
            assert take_all(stack, share, f"late-{number}") == part
        assert len(places) == 16
    assert take_all(ExitStack(), shares[-1], "again") == 16 - part * (namespaces - 1)


def test_one_domain_has_its_own_bound():
    share = Places(16, 2).share()
    with share.one("a"), share.one("a"):
        with pytest.raises(Busy), share.one("a"):
            pass
        with share.one("b"):
            assert len(share) == 3
    with share.one("a"):
        assert len(share) == 1


def test_the_end_wakes_all_who_wait():
    places = Places(16, 2)
    shares = places.share(), places.share()
    with shares[0].one("a") as first, shares[1].one("b") as second:
        assert not any((first.is_set(), second.is_set(), shares[1].ended))
        places.end()
        assert first.is_set()
        assert second.is_set()
        assert shares[0].ended
        assert shares[1].ended

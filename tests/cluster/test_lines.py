"""Lines come out whole however the bytes were cut."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customdomains.cluster.lines import LineTooLong, split_lines


async def stream(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(text=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60), max_size=10))
async def test_cuts_do_not_matter(text: bytes, cuts: list[int]):
    places = [0, *sorted(cuts), len(text)]
    chunks = [text[a:b] for a, b in pairwise(places)]
    batches = [batch async for batch in split_lines(stream(chunks), 100)]
    assert [line for batch in batches for line in batch] == text.split(b"\n")[:-1]
    assert len(batches) == len(chunks)


async def test_a_line_without_an_end_is_bounded():
    with pytest.raises(LineTooLong):
        async for _ in split_lines(stream([b"x" * 6, b"x" * 6]), 10):
            pass

"""Lines out of a stream of chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator


class LineTooLong(Exception):  # noqa: N818 - says what is wrong
    """A line goes on beyond the bound."""


async def split_lines(
    chunks: AsyncIterator[bytes], bound: int
) -> AsyncGenerator[list[bytes], None]:
    """The complete lines in `chunks`, without their ends, as many at a time as came together.

    Every chunk gives a list, an empty one where no line ended in it, so that the consumer knows
    that something came. What follows the last line end is dropped: it is half a line. A line
    that is longer than `bound` bytes before its end is seen raises LineTooLong.
    """
    pending: list[bytes] = []
    size = 0
    async for chunk in chunks:
        *complete, tail = chunk.split(b"\n")
        if complete and pending:
            complete[0] = b"".join((*pending, complete[0]))
            pending.clear()
            size = 0
        if tail:
            pending.append(tail)
            size += len(tail)
            if size > bound:
                raise LineTooLong(f"a line is longer than {bound} bytes")
        yield complete

"""A stretch of a stream that is parsed at a time, and where its bytes stand in the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Part(NamedTuple):
    """A stretch of a stream: its bytes, the place of the first, and that byte's line (from 1).

    `places` is set where the text was recoded for the parsers: for each byte of `data`, and for its end,
    the place in the decoded stream. Without it a byte stands at `offset` and its index.
    """

    data: bytes
    offset: int = 0
    line: int = 1
    places: NDArray[np.int64] | None = None

    def streamed(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the places in the decoded stream of places in `data`."""
        return at + self.offset if self.places is None else self.places[at]

    def streamed_one(self, at: int) -> int:
        """Give the place in the decoded stream of one place in `data`."""
        return at + self.offset if self.places is None else int(self.places[at])

    def found(self, at: int) -> int:
        """Give the place in `data` of a place in the decoded stream."""
        return at - self.offset if self.places is None else int(np.searchsorted(self.places, at))

    def cut(self, start: int, end: int) -> Part:
        """Give the part of this part between two places."""
        line = self.line + self.data.count(b"\n", 0, start)
        places = None if self.places is None else self.places[start : end + 1]
        return Part(self.data[start:end], self.offset + start, line, places)

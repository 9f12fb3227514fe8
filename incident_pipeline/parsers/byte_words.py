"""Bytes compared as numbers: eight at a time at any place of a part, and the clock `08:00:00` in them.

Little-endian throughout: the first byte of a word is its lowest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD: Final = 8
_PLACES: Final = tuple(np.uint64(8 * place) for place in range(_WORD))
_BYTE: Final = np.uint64(255)
_COLON: Final = ord(":")
_TENS: Final = 10


def words_of(padded: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Give the eight bytes at every place of a buffer as a number, without a copy (not at the last seven)."""
    return np.ndarray((max(len(padded) - _WORD + 1, 0),), dtype="<u8", buffer=padded.data, strides=(1,))


def byte_at(words: NDArray[np.uint64], place: int) -> NDArray[np.uint8]:
    """Give one byte of each word."""
    return ((words >> _PLACES[place]) & _BYTE).astype(np.uint8)


def word(text: bytes) -> tuple[np.uint64, np.uint64]:
    """Give a text of up to eight bytes as a number, and the mask of the bytes it takes."""
    held = np.uint64(int.from_bytes(text, "little"))
    return held, np.uint64((1 << 8 * len(text)) - 1)


def begins_with(words: NDArray[np.uint64], text: bytes) -> NDArray[np.bool_]:
    """Say which words begin with these bytes."""
    held, mask = word(text)
    return np.asarray((words & mask) == held)


def clock_seconds(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read `hh:mm:ss`: the second of the day, and which are times of day (a leap second is not)."""
    fine = (byte_at(words, 2) == _COLON) & (byte_at(words, 5) == _COLON)
    seconds = np.zeros(len(words), np.int64)
    for place, limit in ((0, 24), (3, 60), (6, 60)):
        # Below the digits the bytes wrap around to high numbers, as those above are.
        tens, ones = byte_at(words, place) - np.uint8(48), byte_at(words, place + 1) - np.uint8(48)
        number = tens.astype(np.int64) * _TENS + ones
        fine &= (tens < _TENS) & (ones < _TENS) & (number < limit)
        seconds = seconds * 60 + number
    return seconds, fine


def places_of(data: bytes, text: bytes) -> NDArray[np.int64]:
    """Give where a rare text stands in a part."""
    found = []
    at = data.find(text)
    while at >= 0:
        found.append(at)
        at = data.find(text, at + len(text))
    return np.array(found, np.int64)

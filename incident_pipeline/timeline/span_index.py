"""Trace and span ids as whole numbers, and an index to find a span by them.

Ids of up to 32 bytes become words of 64 bits that hold the bytes as they are; longer ones are replaced by
their SHA-256. The index sorts spans by a key of 64 bits that is made of the words, with the trace in its
upper part, so that the spans of a trace lie together and a search stays near. A key is no proof: every span
found is compared word for word, and where two different ids of spans share a key, other keys are made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD: Final = 8
_WORDS: Final = 4
_LONGEST: Final = _WORDS * _WORD
_HALF: Final = 29
_PART_BITS: Final = 16
_SALTS: Final = 8
_ZEROS: Final = np.uint64(0x3030303030303030)
"""Eight times the digit 0."""
_TRACE_BITS: Final = 24
"""Upper bits of the key, from the trace; the rest is from the span."""
_ODD: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93)
"""Multipliers of splitmix64 (Steele, Lea, Flood 2014) and their kin."""


@dataclass(frozen=True)
class Ids:
    """The ids of rows: per row the words of its trace, span and parent span, side by side.

    They share a line of a processor's cache, so that picking a row costs one access to memory.
    """

    words: NDArray[np.uint64]
    """Shape (rows, words)."""
    trace: slice
    span: slice
    parent: slice
    has_trace: NDArray[np.bool_]
    has_span: NDArray[np.bool_]
    has_parent: NDArray[np.bool_]

    def parts(self, rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
        """Split rows by trace into parts of about `size`; rows of one trace stay together, in their order."""
        bits = min(max(int(rows.size // size), 1).bit_length() - 1, _PART_BITS)
        if not bits:
            return [rows]
        number = np.concatenate(
            [mixed(self.words[piece, self.trace]) for piece in np.array_split(rows, 1 << bits)]
        )
        part = (number >> np.uint64(64 - bits)).astype(np.uint16)
        edges = np.cumsum(np.bincount(part, minlength=1 << bits))[:-1]
        return np.split(rows[np.argsort(part, kind="stable")], edges)


@dataclass(frozen=True)
class SpanIndex:
    """Spans by key: `order` are the places they were given in, sorted by key, first of equals first."""

    order: NDArray[np.int64]
    keys: NDArray[np.uint64]
    words: NDArray[np.uint64]
    """Words of trace and span id, in the order of the index."""
    salt: int
    exact: dict[bytes, int] | None = None
    """Place in the index by all words, where no salt keeps the keys apart."""

    def find(self, trace: NDArray[np.uint64], span: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Give for each wanted span the place of the first such in the index, else -1."""
        if self.exact is not None:
            wanted = np.concatenate([trace, span], axis=1)
            return np.array([self.exact.get(words.tobytes(), -1) for words in wanted], np.int64)
        if not self.keys.size:
            return np.full(len(trace), -1, np.int64)
        keys = _keys(trace, span, self.salt)
        at = np.minimum(np.searchsorted(self.keys, keys), self.keys.size - 1)
        held = self.words.take(at, axis=0)
        same = self.keys[at] == keys
        for word in range(trace.shape[1]):
            same &= held[:, word] == trace[:, word]
        for word in range(span.shape[1]):
            same &= held[:, trace.shape[1] + word] == span[:, word]
        return np.where(same, at, -1)


def read_ids(events: pa.Table) -> Ids:
    """Read the ids of an event table. An empty one, or one of zeros (W3C Trace Context), is no id."""
    pieces = [
        [_read(chunk) for chunk in events[name].cast(pa.string()).chunks if len(chunk)]
        for name in ("trace_id", "span_id", "parent_span_id")
    ]
    trace, span, parent = (max((words.shape[1] for words, _ in column), default=1) for column in pieces)
    span = max(span, parent)
    ids = np.zeros((events.num_rows, trace + 2 * span), np.uint64)
    there = np.zeros((3, events.num_rows), np.bool_)
    for number, (column, start) in enumerate(zip(pieces, (0, trace, trace + span), strict=True)):
        at = 0
        for words, held in column:
            ids[at : at + held.size, start : start + words.shape[1]] = words
            there[number, at : at + held.size] = held
            at += held.size
    spans = slice(trace, trace + span), slice(trace + span, trace + 2 * span)
    return Ids(ids, slice(0, trace), *spans, *there)


def index_spans(words: NDArray[np.uint64], width: int) -> SpanIndex:
    """Index spans by their words, of shape (spans, words): first `width` of the trace, then the span's."""
    for salt in range(_SALTS):
        keys = _keys(words[:, :width], words[:, width:], salt)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        again = np.flatnonzero(keys[1:] == keys[:-1])
        if np.array_equal(words.take(order[again], axis=0), words.take(order[again + 1], axis=0)):
            return SpanIndex(order, keys, words.take(order, axis=0), salt)
    exact: dict[bytes, int] = {}
    for place, one in enumerate(words):
        exact.setdefault(one.tobytes(), place)
    return SpanIndex(np.arange(len(words)), keys, words, 0, exact)


def mixed(words: NDArray[np.uint64], salt: int = 0) -> NDArray[np.uint64]:
    """Give a number of 64 bits per row of words, the same for the same words."""
    number = np.full(len(words), salt, np.uint64)
    for word, factor in zip(words.T, _ODD, strict=False):
        number ^= word
        number *= np.uint64(factor)
        number ^= number >> np.uint64(_HALF)
    number *= np.uint64(_ODD[-1])
    number ^= number >> np.uint64(_HALF)
    return number


def _keys(trace: NDArray[np.uint64], span: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    low = np.uint64(64 - _TRACE_BITS)
    keys = mixed(trace, salt)
    keys >>= low
    keys <<= low
    keys |= mixed(span, salt) >> np.uint64(_TRACE_BITS)
    return keys


def _read(chunk: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Give the words of one chunk of a column, of shape (rows, words), and where there is an id."""
    chunk = pc.fill_null(chunk, "")
    ends = np.frombuffer(chunk.buffers()[1], np.int32, len(chunk) + 1, chunk.offset * 4)
    length = np.diff(ends)
    there = length > 0
    longest = int(length.max())
    if longest > _LONGEST or (longest and (longest % _WORD or int(length[there].min()) != longest)):
        return _read_each(chunk)
    width = longest // _WORD
    if not width:
        return np.zeros((len(chunk), 1), np.uint64), there
    # All ids are equally long, so they stand one after the other as so many words each.
    data = np.frombuffer(chunk.buffers()[2], np.uint8)[ends[0] : ends[-1]].view(np.uint64).reshape(-1, width)
    words = data
    if len(data) < len(chunk):
        words = np.zeros((len(chunk), width), np.uint64)
        words[there] = data
    blank = words[:, 0] == _ZEROS
    for word in range(1, width):
        blank &= words[:, word] == _ZEROS
    return words, there & ~blank


def _read_each(chunk: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Read ids of several lengths, one distinct id after the other."""
    encoded = chunk.dictionary_encode()
    names = [name.encode() for name in encoded.dictionary.to_pylist()]
    held = np.array([bool(name.strip(b"0")) for name in names])
    fixed = [
        (name if len(name) <= _LONGEST else hashlib.sha256(name).digest()).ljust(_LONGEST, b"\0")
        for name in names
    ]
    words = np.frombuffer(b"".join(fixed), np.uint64).reshape(-1, _WORDS)
    codes = np.asarray(encoded.indices)
    return words[codes], held[codes]

"""JSON lines whose objects look alike, read as columns: where each value stands, without decoding a line.

A first line of a kind is decoded and shows a shape: stretches that are the same in every such line (keys,
punctuation) and values between them. A line has the shape when all its fixed stretches stand where its
quotes put them, byte for byte, so that its values lie where they lie in the first. What is certain that
way is what a decoder would say; every other line is left to the row loop.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.parsers.columns import BACKSLASH, line_ranges
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json, is_json
from incident_pipeline.parsers.jsontext import lines as lines_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MAX_SHAPES: Final = 64
"""Kinds of lines that are looked for in a part; the rest is read line by line."""
_MAX_LINE: Final = 65_536
_MAX_DEPTH: Final = 16
_BLOCK: Final = 2_048
_MAX_FIXED: Final = 2_048
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[ \t]+|[^\s{}\[\]:,"]+', re.DOTALL)
_SCALAR: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false")
SCALAR_GRAMMAR: Final = (
    r"^(?:0|-?[1-9][0-9]{0,17}|-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,64}(?:[eE][+-]?[0-9]{1,4})?|[eE][+-]?[0-9]{1,4})"
    r"|true|false)$"
)
_QUOTE: Final = 34
_SIMPLE: Final = np.isin(np.arange(256), list(b'"/nrt'))
"""What may follow a backslash in lines that are read as columns: no doubled backslash, no code point."""


class Value(NamedTuple):
    """A value of a shape: its name (dotted), whether it is text, the stretch before it."""

    name: str
    is_text: bool


@dataclass(frozen=True)
class Shape:
    """Lines of one look: fixed stretches around values.

    `fixed[i]` stands before value `i`, `fixed[-1]` behind the last. `quotes` counts the quotes in a line;
    `opened[i]` is which of them stands before value `i`, -1 where it is no text.
    """

    values: tuple[Value, ...]
    fixed: tuple[bytes, ...]
    quotes: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its values, in the order of the line."""
        return tuple(value.name for value in self.values)


class Matched(NamedTuple):
    """The lines of one shape (numbers of lines), and where each of their values lies."""

    shape: Shape
    rows: NDArray[np.int64]
    starts: list[NDArray[np.int64]]
    ends: list[NDArray[np.int64]]


def are_documents(data: bytes) -> bool:
    """Tell whether a part is documents over many lines, which are no matter of columns."""
    first = next(lines_of(data), None)
    if first is None or data[first[0] : first[0] + 1] not in (b"{", b"["):
        return False
    return not is_json(data[first[0] : first[1]])


class Lines:
    """A part as lines, with the quotes that are not escaped."""

    def __init__(
        self, data: bytes, ranges: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    ) -> None:
        """Look over a part; `ranges` are the objects in it, in order, where they are not its lines."""
        self.data = data
        self.buffer = np.frombuffer(data, np.uint8)
        self.starts, self.ends = line_ranges(self.buffer) if ranges is None else ranges
        quotes = np.flatnonzero(self.buffer == _QUOTE)
        self.slashes = np.flatnonzero(self.buffer == BACKSLASH) if b"\\" in data else np.zeros(0, np.int64)
        if len(self.slashes):
            quotes = quotes[(quotes == 0) | (self.buffer[quotes - 1] != BACKSLASH)]
        self.quotes = quotes
        self.first_quote = np.searchsorted(quotes, self.starts)
        behind = (
            np.append(self.first_quote[1:], len(quotes))
            if ranges is None
            else np.searchsorted(quotes, self.ends)
        )
        self.counts = behind - self.first_quote
        # Eight bytes at every place, so that fixed stretches are compared as numbers.
        padded = np.frombuffer(data + bytes(_MAX_FIXED + 8), np.uint8)
        self.words = np.ndarray((len(data) + _MAX_FIXED,), dtype="<u8", buffer=padded.data, strides=(1,))

    def plain(self) -> NDArray[np.int64]:
        """Give the lines that may be read as columns: one object each, in UTF-8, of bearable length."""
        starts, ends = self.starts, self.ends
        sizes = ends - starts
        last = self.buffer[np.maximum(ends - 1, 0)]
        heads = self.buffer[np.minimum(starts, len(self.buffer) - 1)]
        fine = (sizes > 1) & (sizes < _MAX_LINE) & (heads == ord("{")) & (last == ord("}"))
        fine &= (self.counts > 0) & (self.counts % 2 == 0)
        if len(self.slashes):
            meaning = self.buffer[np.minimum(self.slashes + 1, len(self.buffer) - 1)]
            hard = self.slashes[~_SIMPLE[meaning]]
            fine[np.searchsorted(self.ends, hard)[: len(hard)] % max(len(fine), 1)] = False
        if not self.data.isascii():
            fine &= _is_utf8(self.data, starts, ends)
        return np.flatnonzero(fine)


def match_shapes(
    lines: Lines, known: list[Shape], shape_of: Callable[[bytes], Shape | None]
) -> tuple[list[Matched], NDArray[np.int64]]:
    """Sort lines by shape; give the groups, and the lines that have none. `known` shapes grow."""
    left = lines.plain()
    found: list[Matched] = []
    for shape in known:
        left = _take(lines, shape, left, found)
    hopeless: list[int] = []
    for _ in range(_MAX_SHAPES):
        if not len(left):
            break
        first = int(left[0])
        seen = shape_of(lines.data[lines.starts[first] : lines.ends[first]])
        rest = _take(lines, seen, left, found) if seen is not None else left
        if seen is None or len(rest) == len(left):
            hopeless.append(first)
            left = left[1:]
            continue
        if len(known) < _MAX_SHAPES:
            known.append(seen)
        left = rest
    return found, np.concatenate([np.array(hopeless, np.int64), left])


def _take(lines: Lines, shape: Shape, left: NDArray[np.int64], found: list[Matched]) -> NDArray[np.int64]:
    """Move the lines of a shape from `left` to `found`."""
    having = lines.counts[left] == shape.quotes
    if not having.any():
        return left
    rows = left[having]
    # Block by block, since each fixed stretch is a walk over the lines: a block stays in the cache.
    blocks = [_places(lines, shape, rows[at : at + _BLOCK]) for at in range(0, len(rows), _BLOCK)]
    fits = np.concatenate([block[0] for block in blocks])
    if not fits.any():
        return left
    starts = [np.concatenate(parts) for parts in zip(*(block[1] for block in blocks), strict=True)]
    ends = [np.concatenate(parts) for parts in zip(*(block[2] for block in blocks), strict=True)]
    if not fits.all():
        starts, ends = [one[fits] for one in starts], [one[fits] for one in ends]
    found.append(Matched(shape, rows[fits], starts, ends))
    having[having] = fits
    return np.asarray(left[~having])


def _places(
    lines: Lines, shape: Shape, rows: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Say which of the lines have a shape, and where its values would lie in each."""
    first = lines.first_quote[rows]
    fits = np.ones(len(rows), bool)
    starts: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    quote = 0
    at = lines.starts[rows]
    for value, fixed in zip(shape.values, shape.fixed, strict=False):
        fits &= _equal(lines, at, fixed)
        begin = at + len(fixed)
        # A value that is text ends at the next quote, any other before the stretch with the next quote.
        quote += fixed.count(b'"')
        starts.append(begin)
        index = len(starts)
        following = shape.fixed[index]
        if value.is_text:
            fits &= lines.quotes[first + quote - 1] == begin - 1
            end = lines.quotes[first + quote]
        elif b'"' in following:
            end = lines.quotes[first + quote] - following.index(b'"')
        else:
            end = lines.ends[rows] - len(following)
        fits &= end >= begin if value.is_text else end > begin
        ends.append(end)
        at = end
    fits &= _equal(lines, at, shape.fixed[-1]) & (at + len(shape.fixed[-1]) == lines.ends[rows])
    for index, value in enumerate(shape.values):
        if not value.is_text and fits.any():
            fits &= are_scalars(lines, starts[index], ends[index], fits)
    return fits, starts, ends


def _equal(lines: Lines, at: NDArray[np.int64], fixed: bytes) -> NDArray[np.bool_]:
    """Say where the bytes `fixed` stand at these places."""
    equal: NDArray[np.bool_] | None = None
    for offset in range(0, len(fixed), 8):
        # The last word overlaps the one before rather than being cut, where there is one before.
        offset = min(offset, max(len(fixed) - 8, 0))  # noqa: PLW2901 - the last word overlaps the one before
        piece = fixed[offset : offset + 8]
        words = lines.words[at + offset if offset else at]
        if len(piece) < 8:  # noqa: PLR2004 - digits, and bytes of a word
            words &= np.uint64((1 << (8 * len(piece))) - 1)
        same = words == np.uint64(int.from_bytes(piece, "little"))
        equal = same if equal is None else equal & same
    return np.ones(len(at), bool) if equal is None else equal


def are_scalars(
    lines: Lines, starts: NDArray[np.int64], ends: NDArray[np.int64], fits: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Say which stretches are numbers, true or false, in the one way that JSON has for them."""
    sizes = ends - starts
    good = fits & (sizes > 0) & (sizes <= _LONGEST)
    rows = np.flatnonzero(good)
    if not len(rows):
        return good
    odd = rows[~_are_simple(lines, starts[rows], sizes[rows])]
    if len(odd):
        texts = pa.array([lines.data[a:b] for a, b in zip(starts[odd], ends[odd], strict=True)], pa.binary())
        good[odd] = pc.match_substring_regex(texts, SCALAR_GRAMMAR).to_numpy(zero_copy_only=False)
    return good


def _are_simple(lines: Lines, at: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which stretches surely are decimal numbers, true or false; eight bytes at a time."""
    word = lines.words[at] & _KEPT[np.minimum(sizes, 8)]
    words = (word == _word(b"true")) & (sizes == len(b"true"))
    words |= (word == _word(b"false")) & (sizes == len(b"false"))
    signed = (word & np.uint64(255)) == ord("-")
    if signed.any():
        at, sizes = at + signed, sizes - signed
    bad, early = np.zeros(len(at), np.uint64), np.zeros(len(at), np.uint64)
    dots = np.zeros(len(at), np.int8)
    head = lines.words[at]
    for place in range(0, int(sizes.max()), 8):
        kept = _KEPT[np.clip(sizes - place, 0, 8)]
        word = ((lines.words[at + place] if place else head) & kept) | (_ZEROS & ~kept)
        # A high bit where the byte is a point, which then becomes a digit.
        other = word ^ _POINTS
        points = ~(((other & _LOW) + _LOW) | other | _LOW)
        bad |= points & (points - np.uint64(1))
        dots += points != 0
        early |= points & _EARLY.get(place, np.uint64(0))
        word ^= (points >> np.uint64(7)) * np.uint64(ord(".") ^ ord("0"))
        bad |= ((word & _HIGH) ^ _ZEROS) | (((word + _SIXES) & _HIGH) ^ _ZEROS)
    first, second = head & np.uint64(255), head >> np.uint64(8) & np.uint64(255)
    fits = (sizes > 0) & (bad == 0) & (dots <= 1) & (first != ord("."))
    fits &= lines.buffer[np.minimum(at + np.maximum(sizes, 1), len(lines.buffer)) - 1] != ord(".")
    fits &= (first != ord("0")) | ((sizes == 1) & ~signed) | ((sizes > 1) & (second == ord(".")))
    return np.asarray(words | (fits & ((sizes <= _WHOLE) | (early != 0))))


def _word(text: bytes) -> np.uint64:
    """Give up to eight bytes as they stand in a word."""
    return np.uint64(int.from_bytes(text, "little"))


_WHOLE: Final = 18
"""Digits before the point that are surely written as they are read."""
_KEPT: Final = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
"""The bits of a word's first bytes."""
_ZEROS, _POINTS, _SIXES, _LOW, _HIGH = (_word(bytes([byte] * 8)) for byte in (0x30, 0x2E, 0x06, 0x7F, 0xF0))
_EARLY: Final = {0: _KEPT[8], 8: _KEPT[8], 16: _KEPT[3]}
"""The bits of the bytes in which the point stands behind at most `_WHOLE` digits, by the word's place."""
_LONGEST: Final = 40


def shape_of(line: bytes, reading: type[ShapeReader] | None = None) -> Shape | None:
    """Work out the shape of a line; None where it holds what is not read as columns."""
    try:
        value = decode_json(line)
    except NotJsonError:
        return None
    if not isinstance(value, dict):
        return None
    reader = (reading or ShapeReader)(line)
    if not reader.object("", 0) or reader.at != len(line):
        return None
    names = [name for name, _, _, _ in reader.found]
    if not names or len(set(names)) < len(names):
        return None
    fixed, at = [], 0
    for _, start, end, _ in reader.found:
        fixed.append(line[at:start])
        at = end
    fixed.append(line[at:])
    values = tuple(Value(name, is_text) for name, _, _, is_text in reader.found)
    if any(BACKSLASH in piece or len(piece) > _MAX_FIXED for piece in fixed):
        return None
    return Shape(values, tuple(fixed), sum(piece.count(b'"') for piece in fixed))


class ShapeReader:
    """Reads an object whose values are text, numbers, true, false, null, and objects of such."""

    def __init__(self, line: bytes) -> None:
        """Read this line."""
        self.line = line
        self.at = 0
        self.found: list[tuple[str, int, int, bool]] = []
        self.keys: set[str] = set()

    def next(self) -> re.Match[bytes] | None:
        """Give the next token."""
        while (match := _TOKEN.match(self.line, self.at)) is not None:
            self.at = match.end()
            if match[0][:1] not in (b" ", b"\t"):
                return match
        return None

    def object(self, prefix: str, depth: int) -> bool:
        """Read an object; False where it holds something else."""
        token = self.next()
        if token is None or token[0] != b"{" or depth > _MAX_DEPTH:
            return False
        while (key := self.next()) is not None and key[0][:1] == b'"':
            name = prefix + str(json.loads(key[0])) if b"\\" not in key[0] else None
            colon = self.next()
            if name is None or name in self.keys or colon is None or colon[0] != b":":
                return False
            self.keys.add(name)
            if not self.value(name, depth):
                return False
            comma = self.next()
            if comma is None or comma[0] not in (b",", b"}"):
                return False
            if comma[0] == b"}":
                return True
        return False

    def value(self, name: str, depth: int) -> bool:
        """Read a value of an object."""
        before = self.at
        token = self.next()
        if token is None:
            return False
        text = token[0]
        if text[:1] == b'"':
            self.found.append((name, token.start() + 1, token.end() - 1, True))
            return True
        if text == b"{":
            self.at = before
            return self.object(name + ".", depth + 1)
        if text == b"null":
            return True
        if _SCALAR.fullmatch(text):
            self.found.append((name, token.start(), token.end(), False))
            return True
        return False


def _is_utf8(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which lines are UTF-8."""
    good = np.ones(len(starts), bool)
    at = 0
    while at < len(data):
        try:
            data[at:].decode() if at else data.decode()
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(ends, at + error.start, side="left"))
            row = min(row, len(starts) - 1)
            good[row] = False
            at = int(ends[row]) + 1
            if (~good).sum() > _MAX_SHAPES:
                good[row:] = False
                return good
        else:
            return good
    return good


def unescape(column: pa.Array) -> pa.Array:
    """Give a column of JSON texts, as they stand between their quotes, with simple escapes resolved."""
    has = pc.fill_null(pc.match_substring(column, "\\"), False)
    if not pc.any(has).as_py():
        return column
    plain = column.filter(has)
    for text, meaning in (('\\"', '"'), ("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\/", "/")):
        plain = pc.replace_substring(plain, text, meaning)
    return pc.replace_with_mask(column, has, plain)

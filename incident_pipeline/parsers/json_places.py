"""Walk a JSON document by places: every value with its byte range and its pointer (RFC 6901).

Answers of query APIs nest their records in envelopes; a row must point at its own record, so envelopes
are walked here instead of being decoded to values that have forgotten where they stood. A document that
is cut off gives what is whole in it, and the rest as a problem.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from incident_pipeline.parsers.jsontext import (
    NotJsonError,
    Record,
    decode_json,
    documents,
    elements,
    is_json,
    lines,
    too_deep,
    value_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_KEY: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_MARKS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_GAP: Final = re.compile(rb"[ \t\r\n,]*+")
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_CLOSERS: Final = {b"{": b"}", b"[": b"]"}
_LOOK_AHEAD: Final = 100


class Place(NamedTuple):
    """A JSON value in a decoded stream; `pointer` is relative to its document or line."""

    data: bytes
    start: int
    end: int
    pointer: str

    @classmethod
    def of(cls, data: bytes, record: Record) -> Place:
        """Give the place of a record."""
        return cls(data, record.start, record.end, record.pointer or "")

    @property
    def raw(self) -> bytes:
        """The value's bytes."""
        return self.data[self.start : self.end]

    @property
    def opener(self) -> bytes:
        """The value's first byte: what kind of value it is."""
        return self.data[self.start : self.start + 1]

    def record(self) -> Record:
        """Decode the value; what is no JSON comes as a problem."""
        raw = self.raw
        if too_deep(raw):
            return Record(self.start, self.end, None, None, "nested too deeply")
        try:
            return Record(self.start, self.end, self.pointer or None, decode_json(raw))
        except NotJsonError as error:
            return Record(self.start, self.end, None, None, str(error))

    def members(self) -> dict[str, Place]:
        """Give the members of an object; none for any other value. Of equal keys the last counts.

        The last member of an object that is cut off reaches to the end of what is there.
        """
        if self.opener != b"{":
            return {}
        try:
            raws = _MEMBERS.decode(memoryview(self.data)[self.start : self.end])
        except _BROKEN:
            raws = {}
        found: dict[str, Place] = {}
        at = _after_space(self.data, self.start + 1)
        while (match := _KEY.match(self.data, at, self.end)) is not None:
            key = _text(match[0])
            at = _after_space(self.data, match.end())
            if self.data[at : at + 1] != b":":
                break
            at = _after_space(self.data, at + 1)
            stop = self._end_of(at, raws.get(key))
            found[key] = Place(self.data, at, stop, f"{self.pointer}/{_escaped(key)}")
            at = _after_space(self.data, stop)
            if self.data[at : at + 1] != b",":
                break
            at = _after_space(self.data, at + 1)
        return found

    def find(self, *names: str) -> Place | None:
        """Give the value that a path of member names leads to."""
        place: Place | None = self
        for name in names:
            place = place.members().get(name) if place is not None else None
        return place

    def items(self) -> Iterator[Record]:
        """Give the elements of a list, decoded; what is broken or cut off comes as a problem."""
        if self.opener == b"[":
            yield from elements(self.data, self.start, self.end, self.pointer)

    def parts(self) -> Iterator[Place]:
        """Give the places of a list's objects without decoding them; of one cut off, as far as it goes."""
        try:
            raws = _RAWS.decode(memoryview(self.data)[self.start : self.end])
        except _BROKEN:
            found = [(record.start, record.end) for record in self.items()]
        else:
            found = []
            at = self.start + 1
            for raw in raws:
                start = _after_gap(self.data, at)
                at = start + len(memoryview(raw))
                found.append((start, at))
        for index, (start, end) in enumerate(found):
            if self.data[start : start + 1] == b"{":
                yield Place(self.data, start, end, f"{self.pointer}/{index}")

    def _end_of(self, at: int, raw: msgspec.Raw | None) -> int:
        """Give the end of the value at `at`, quickly where `raw` are its bytes (they may be a twin key's)."""
        if raw is not None:
            view = memoryview(raw)
            stop = at + len(view)
            if (
                self.data[stop : stop + 1] in (b",", b"}", b" ", b"\n", b"\r", b"\t")
                and self.data[at:stop] == view
            ):
                return stop
        stop_or_none = value_end(self.data, at, self.end)
        return self.end if stop_or_none is None else stop_or_none


def roots(data: bytes) -> Iterator[Place]:
    """Give the documents of a stream: one per line, the elements of a list, or one over many lines.

    A document that is broken or cut off is one place as well; only lines that are records of their own
    stand each for itself.
    """
    for place, _ in checked_roots(data):
        yield place


def checked_roots(data: bytes) -> Iterator[tuple[Place, bool]]:
    """Give the documents of a stream as `roots` does, each with whether it is whole."""
    first = next(lines(data), None)
    if first is None:
        return
    is_row = data[first[0] : first[0] + 1] == b"["
    if data[first[0] : first[0] + 1] == b"{" and not is_json(data[first[0] : first[1]]):
        last = len(data.rstrip(b" \t\r\n"))
        if is_json(data[first[0] : last]):
            yield Place(data, first[0], last, ""), True
            return
        stop = value_end(data, first[0], last)
        is_row = stop is not None and stop < last and is_json(data[first[0] : stop])
        if not is_row and (first[1] >= last or not _has_json_line(data)):
            yield Place(data, first[0], last, ""), False
            return
    for start, end in documents(data) if is_row else lines(data):
        if data[start : start + 1] != b"[":
            yield Place(data, start, end, ""), is_json(data[start:end])
            continue
        for record in elements(data, start, end):
            yield Place.of(data, record), record.problem is None


def completed(head: bytes) -> Any:
    """Give what is whole of a JSON document that is cut off after `head`; None when nothing is.

    The head is cut back to its last comma outside strings, and what is open there is closed.
    """
    stack: list[bytes] = []
    cut, closers = 0, b""
    for match in _MARKS.finditer(head):
        mark = match[0]
        if mark in (b"{", b"["):
            stack.append(_CLOSERS[mark])
        elif mark in (b"}", b"]"):
            if not stack or stack.pop() != mark:
                return None
        elif mark == b",":
            cut, closers = match.start(), b"".join(reversed(stack))
    if not cut or len(closers) > _LOOK_AHEAD:
        return None
    try:
        return decode_json(head[:cut] + closers)
    except NotJsonError:
        return None


def _has_json_line(data: bytes) -> bool:
    """Tell JSON lines of which the first is broken from a document over several lines."""
    return any(
        data[start : start + 1] == b"{" and data[start - 1 : start] == b"\n" and is_json(data[start:end])
        for start, end in islice(lines(data), 1, _LOOK_AHEAD)
    )


def _after_gap(data: bytes, at: int) -> int:
    match = _GAP.match(data, at)
    return match.end() if match else at


def _after_space(data: bytes, at: int) -> int:
    match = _SPACE.match(data, at)
    return match.end() if match else at


def _text(quoted: bytes) -> str:
    if b"\\" not in quoted:
        return quoted[1:-1].decode("utf-8", "replace")
    try:
        return (
            str(json.loads(quoted.decode("utf-8", "replace"), strict=False))
            .encode("utf-8", "replace")
            .decode()
        )
    except ValueError:
        return quoted[1:-1].decode("utf-8", "replace")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")

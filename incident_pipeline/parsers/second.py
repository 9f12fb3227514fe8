"""Read a second time what the chosen format rejects: several formats in one stream, split by record.

Concatenated logs, `kubectl logs` of a pod with a sidecar, a JSON logger whose runtime prints traces: lines
that the format of the stream does not take are read by the other line formats that recognise them. What
a line is, is told from the line alone and from the lines rejected before it in the stream, never from
where the stream was cut; the rows go among the others by their place. What nobody takes stays in
quarantine with the first format's reason.

Asking every format about a line costs a hundred times as much as parsing it, so formats found before are
asked first, a shape that nobody took is not asked about again, and failures are paid for: after
`_FREE` of them one line in `_SHARE` is put to all formats.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from incident_pipeline.parsers.detect import Sample
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import LineFormat
from incident_pipeline.parsers.part import Part
from incident_pipeline.parsers.stream import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Reject, Rows
    from incident_pipeline.parsers.sink import MemorySink

_SURE: Final = 0.5
"""A format found before that is this sure of a line gets it without asking the others."""
_ENOUGH: Final = 0.3
_FREE: Final = 256
_SHARE: Final = 256
_SHAPES: Final = 4_096
_SHAPE_OF: Final = 48
_LINE: Final = 65_536
"""A line is told by this many of its bytes."""
_SETTLE: Final = 1024**2
"""A stretch is parsed as soon as it is this long, up to its last record, which may go on."""
_DIGITS: Final = re.compile(rb"\d+")


class _Line(NamedTuple):
    start: int
    end: int
    reason: str


class _Stretch:
    """Lines in a row that one format takes."""

    def __init__(self, parser: Format, line: _Line) -> None:
        self.parser = parser
        self.lines = [line]
        self.last = 0
        """Which of the lines begins the last record."""

    @property
    def start(self) -> int:
        return self.lines[0].start

    @property
    def end(self) -> int:
        return self.lines[-1].end


class SecondReading:
    """The second reading of a stream's rejected lines; parts are given in order."""

    def __init__(self, rows: Rows, formats: Sequence[Format], first: Format | None) -> None:
        """Read for these rows; `first` is the format that rejects."""
        self._rows = rows
        self._first = first if first is not None and first.splitting == "records" else None
        self._candidates = [
            item
            for item in formats
            if item is not first
            and item.splitting != "whole"
            and item.stands_alone
            and item.kinds
            and not item.binary
        ]
        self._clock = rows.clock.fresh()
        self._order = {item: number for number, item in enumerate(self._candidates)}
        self._found: dict[Format, int] = {}
        self._nobodys: set[bytes] = set()
        self._asked = 0
        self._failed = 0
        self._carry: tuple[Part, _Stretch] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many records were read of which other format, in the order in which they came up."""
        return {item.id: count for item, count in self._found.items() if count}

    def read(self, part: Part, held: MemorySink) -> None:
        """Read what was rejected of a part whose rows are in `held`, and put the rows among those."""
        rejects = self._rows.take_rejects()
        carried, self._carry = self._carry, None
        if not rejects and carried is None:
            return
        self._rows.flush(rejects=False)
        before = held.table("events")
        whole, stretch = part, None
        if carried is not None:
            whole, stretch = _joined(carried[0], part), carried[1]
        clock, self._rows.clock = self._rows.clock, self._clock
        self._walk(whole, rejects, stretch)
        self._rows.clock = clock
        self._rows.flush(rejects=False)
        _merge(held, before)

    def finish(self) -> None:
        """Read what waited for the end of the stream."""
        if self._carry is not None:
            whole, stretch = self._carry
            self._carry = None
            clock, self._rows.clock = self._rows.clock, self._clock
            self._close(whole, stretch)
            self._rows.clock = clock

    def _walk(self, whole: Part, rejects: list[Reject], stretch: _Stretch | None) -> None:
        data = whole.data
        reach = -1
        for reject in rejects:
            if reject[1] <= reach:
                continue  # inside a range whose lines were looked at one by one
            found = [] if reject[0] < reach else _lines_of(whole, reject)
            parsers = [
                self._parser_of(data[line.start : min(line.end, line.start + _LINE)]) for line in found
            ]
            if not any(parsers) and len(found) != 1:
                self._close(whole, stretch)
                stretch = None
                self._rows.put_reject(reject)
                continue
            reach = reject[1]
            for line, parser in zip(found, parsers, strict=True):
                touches = stretch is not None and not data[stretch.end : line.start].strip()
                indented = data[line.start - 1 : line.start] in (b" ", b"\t")
                if stretch is not None and touches and _goes_on(stretch, parser, is_indented=indented):
                    stretch.lines.append(line)
                    if parser is not None and parser.begins_record(data[line.start : line.end]):
                        stretch.last = len(stretch.lines) - 1
                    continue
                self._close(whole, stretch)
                stretch = None
                if parser is None:
                    self._keep(whole, line)
                else:
                    stretch = _Stretch(parser, line)
        if stretch is not None:
            self._end_part(whole, stretch)

    def _end_part(self, whole: Part, stretch: _Stretch) -> None:
        """Parse what is open at the end of a part, or let it wait where it may go on in the next."""
        if whole.data[stretch.end :].strip():
            self._close(whole, stretch)
            return
        if stretch.end - stretch.start > _SETTLE and stretch.last:
            done = _Stretch(stretch.parser, stretch.lines[0])
            done.lines, stretch.lines = stretch.lines[: stretch.last], stretch.lines[stretch.last :]
            stretch.last = 0
            self._close(whole, done)
        if stretch.end - stretch.start > RECORD_LIMIT:
            self._close(whole, stretch)
            return
        at = stretch.start
        stretch.lines = [_Line(line.start - at, line.end - at, line.reason) for line in stretch.lines]
        self._carry = (whole.cut(at, len(whole.data)), stretch)

    def _close(self, whole: Part, stretch: _Stretch | None) -> None:
        """Parse a stretch; when its format takes nothing of it after all, the first reasons stay."""
        if stretch is None:
            return
        rows = self._rows
        before = rows.handed_over - rows.rejects_count
        kept = rows.take_rejects()
        rows.begin(whole.cut(stretch.start, stretch.end))
        stretch.parser.parse(whole.data[stretch.start : stretch.end], rows)
        count = rows.handed_over - rows.rejects_count - before
        refused = rows.take_rejects()
        for reject in kept + (refused if count else []):
            rows.put_reject(reject)
        if count:
            self._found[stretch.parser] = self._found.get(stretch.parser, 0) + count
        else:
            for line in stretch.lines:
                self._keep(whole, line)

    def _keep(self, whole: Part, line: _Line) -> None:
        self._rows.put_reject((whole.streamed_one(line.start), whole.streamed_one(line.end), line.reason))

    def _parser_of(self, line: bytes) -> Format | None:
        """Give the format that takes a line."""
        if self._first is not None and self._first.begins_record(line):
            return None  # a broken record of its own
        self._asked += 1
        sample = Sample(line, truncated=False, type=self._rows.source.type)
        best, score = self._best(sample, tuple(self._found))
        if score >= _SURE:
            return best
        shape = _DIGITS.sub(b"0", line[:_SHAPE_OF])
        is_paid = self._failed < _FREE or self._failed * _SHARE <= self._asked
        if shape not in self._nobodys and is_paid:
            best, score = self._best(sample, self._candidates)
            if score < _SURE:
                self._failed += 1
                if len(self._nobodys) < _SHAPES:
                    self._nobodys.add(shape)
            if best is not None and score >= _ENOUGH:
                self._found.setdefault(best, 0)
        return best if score >= _ENOUGH else None

    def _best(self, sample: Sample, formats: Sequence[Format]) -> tuple[Format | None, float]:
        best, top = None, (0.0, 0)
        for item in formats:
            key = (round(item.takes(sample), 3), -self._order[item])
            if key > top and key[0] > 0:
                best, top = item, key
        return best, top[0]


def _goes_on(stretch: _Stretch, parser: Format | None, *, is_indented: bool) -> bool:
    """Tell whether a line goes on with a stretch: one that nobody takes joins a text record before it."""
    if parser is not None:
        return parser is stretch.parser
    if isinstance(stretch.parser, LineFormat):
        return stretch.parser.continuation == "join"
    return stretch.parser.joins_indented and is_indented


def _lines_of(whole: Part, reject: Reject) -> list[_Line]:
    """Give the lines of rejected bytes, or none where those are not whole lines."""
    start, end = whole.found(reject[0]), whole.found(reject[1])
    data = whole.data
    begins = data.rfind(b"\n", 0, start) + 1
    stop = data.find(b"\n", end)
    if data[begins:start].strip() or data[end : stop if stop >= 0 else len(data)].strip():
        return []
    return [_Line(start + first, start + last, reject[2]) for first, last in lines(data[start:end])]


def _joined(before: Part, part: Part) -> Part:
    """Put two parts together that follow each other."""
    places = None
    if before.places is not None or part.places is not None:
        first = before.streamed(np.arange(len(before.data)))
        places = np.concatenate([first, part.streamed(np.arange(len(part.data) + 1))])
    return Part(before.data + part.data, before.offset, before.line, places)


def _merge(held: MemorySink, before: pa.Table) -> None:
    """Put the rows that were added to a sink since `before` among the others, by their place."""
    after = held.table("events")
    added = after.num_rows - before.num_rows
    if not added or not before.num_rows:
        return
    starts = after.column("byte_start").to_numpy()
    # The first rows keep their order among themselves, whatever it is.
    keys = np.concatenate([np.maximum.accumulate(starts[: before.num_rows]), starts[before.num_rows :]])
    order = np.argsort(keys, kind="stable")
    held.put("events", after.combine_chunks().take(order).to_batches())

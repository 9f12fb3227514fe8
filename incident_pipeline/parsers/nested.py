"""Parse what lies inside another record with its own format, and give its rows the places of the whole.

A tool's answer wraps what it fetched: an object of an API, or the text of a log or a table in one JSON
string. The inner format is detected as an artifact's is; its rows point into the envelope.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.parsers.detect import Sample, choose
from incident_pipeline.parsers.rows import Event, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from incident_pipeline.parsers.columns import Bulk
    from incident_pipeline.parsers.format import Format

_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL
)


class InnerText:
    """The text of a JSON string as bytes, and where each of them stands in the string as written."""

    def __init__(self, raw: bytes, start: int) -> None:
        """Take the inside of a string (without its quotes) and where it begins."""
        pieces: list[bytes] = []
        self._from: list[int] = []
        self._to: list[int] = []
        self._run: list[bool] = []
        at = size = 0
        for match in _ESCAPE.finditer(raw):
            if match.start() > at:
                size = self._add(pieces, raw[at : match.start()], size, start + at, run=True)
            size = self._add(pieces, _unescaped(match[0]), size, start + match.start(), run=False)
            at = match.end()
        if at < len(raw):
            size = self._add(pieces, raw[at:], size, start + at, run=True)
        self._add(pieces, b"", size, start + len(raw), run=True)
        self.data = b"".join(pieces)

    def _add(self, pieces: list[bytes], piece: bytes, size: int, place: int, *, run: bool) -> int:
        pieces.append(piece)
        self._from.append(size)
        self._to.append(place)
        self._run.append(run)
        return size + len(piece)

    def place(self, at: int) -> int:
        """Give where a byte of the text stands in the string as written."""
        index = bisect_right(self._from, at) - 1
        return self._to[index] + (at - self._from[index] if self._run[index] else 0)


class NestedRows(Rows):
    """Rows of what lies inside: places, pointers and attributes are put right, then they are handed on."""

    def __init__(
        self,
        rows: Rows,
        data: bytes,
        place: Callable[[int], int],
        point: Callable[[str | None], str | None],
        known: Mapping[str, str],
    ) -> None:
        """Hand on to `rows`; `place` and `point` turn inner places and pointers into outer ones."""
        super().__init__(rows.source, data, rows.zone, clock=rows.clock, anchor=rows.anchor)
        self._outer, self._place, self._point, self._known = rows, place, point, known
        self.given = 0

    def event(self, event: Event) -> None:
        """Hand an event on."""
        self.given += 1
        self._outer.event(
            event._replace(
                start=self._place(event.start),
                end=self._place(event.end),
                pointer=self._point(event.pointer),
                attributes={**self._known, **event.attributes},
            )
        )

    def bulk(self, bulk: Bulk) -> None:
        """Refuse columns: only `parts.parse_part` hands them over, and it never runs inside a record."""
        message = f"no columns inside another record ({len(bulk.starts)} rows)"
        raise NotImplementedError(message)

    def series(
        self,
        series_id: str,
        name: str | None,
        labels: Mapping[str, str],
        *,
        unit: str | None = None,
        service: str | None = None,
        pointer: str | None = None,
    ) -> str:
        """Hand a series on."""
        pointer = self._point(pointer)
        return self._outer.series(series_id, name, labels, unit=unit, service=service, pointer=pointer)

    def samples(
        self,
        series_id: str,
        times: Sequence[int | None],
        values: Sequence[float | None],
        starts: Sequence[int],
        ends: Sequence[int],
        exemplars: Sequence[str | None] | None = None,
    ) -> None:
        """Hand samples on."""
        self.given += len(times)
        places = [[self._place(at) for at in column] for column in (starts, ends)]
        self._outer.samples(series_id, times, values, places[0], places[1], exemplars)

    def reject(self, start: int, end: int, reason: str, *, own: bool = False) -> None:  # noqa: ARG002 - see below
        """Hand what is broken on; it lies inside a record of the outer format, so it is no other's line."""
        self._outer.reject(self._place(start), self._place(end), reason, own=True)

    def assume(self, text: str) -> None:
        """Hand a note on."""
        self._outer.assume(text)


def inner_format(data: bytes, formats: Sequence[Format], kind: str) -> Format | None:
    """Detect the format of what lies inside; None when no format knows it."""
    sample = Sample.of(data, kind)
    choice = choose(sample, [item for item in formats if not item.binary], None)
    return choice.parser


def _unescaped(raw: bytes) -> bytes:
    try:
        value: Any = json.loads(b'"' + raw + b'"', strict=False)
    except ValueError:
        return raw
    return str(value).encode("utf-8", "replace")

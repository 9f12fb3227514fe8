"""Tempo as text: the list of a search, and a trace drawn as a tree.

A search names a trace, how long it took, when it began and its root. In a tree a branch names a span, its
service and duration, the lines below it its times and attributes, and the depth of the branch its parent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_TRACE: Final = re.compile(
    r"Trace \((?:traceID|trace_id|traceId)=(?P<id>[0-9a-fA-F]{1,32})\)"
    r"(?: \(durationMs=(?P<ms>\d{1,15}(?:\.\d{1,9})?)\))?"
)
_START: Final = re.compile(
    r"\s*startTime=(?P<time>.{1,60}?) rootServiceName=(?P<service>.{1,200}?) rootTraceName=(?P<name>.{1,500})"
)
_SPAN: Final = re.compile(
    r"(?P<branch>(?:[\s│|]{0,400}[├└|`+][─-]{1,3} ?)?)(?P<name>.{1,500}?) \((?P<service>[^()]{1,200})\)"
    r" - (?P<length>\d{1,15}(?:\.\d{1,9})?)(?P<unit>ns|µs|us|ms|s)"
    r" \(span_id=(?P<id>[0-9a-fA-F]{1,16})\)(?P<rest>.{0,500})"
)
_TIMES: Final = re.compile(r"[\s│|]{0,400}Datetime: start=(?P<start>.{1,60}?) end=(?P<end>[^\s].{0,60})")
_PAIR: Final = re.compile(
    r"([\w./-]{1,200})=(?:'((?:[^'\\]|\\.){0,2000})'|\"((?:[^\"\\]|\\.){0,2000})\"|(\S{1,500}))"
)
_LINE_PAIR: Final = re.compile(r"[\s│|*-]{0,400}([\w./-]{1,200})\s{0,3}[:=]\s{0,3}(.{1,4000})")
_HEADINGS: Final = ("Resource labels", "Attributes", "Resource attributes", "Span attributes", "Labels")
_SHIFTS: Final = {"ns": 0, "us": 3, "µs": 3, "ms": 6, "s": 9}


class TempoText(Format):
    """The parser of Tempo's answers as text."""

    id = "tempo_text"
    aliases = ("tempo_search", "tempo_tree")
    title = "Tempo search and trace tree as text"
    spec = "own shape: the text that tools make of Tempo's answers"
    kinds = (Kind.SPAN, Kind.TOOL_OUTPUT)
    splitting: ClassVar[Splitting] = "whole"

    def score(self, sample: Sample) -> float:
        """Recognise the heading of a trace with its times, or branches with span ids."""
        texts = [line.decode("utf-8", "replace") for line in sample.lines]
        found = [_TRACE.match(line.strip()) or _START.fullmatch(line) or _SPAN.match(line) for line in texts]
        return 0.95 if any(found) and found[0] else 0.9 if sum(map(bool, found)) > 1 else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every trace of a search and every span of a tree."""
        block: list[tuple[int, int, str]] = []
        reader = _Reader(rows)
        for start, end in lines(data):
            # `lines` strips; the depth of a branch is in the white space before it.
            begin = data.rfind(b"\n", 0, start) + 1
            line = text_of(data, begin, end, rows)
            if _TRACE.match(line.strip()) or _SPAN.match(line):
                reader.take(block)
                block = []
            block.append((start, end, line))
        reader.take(block)


class _Reader:
    """Reads blocks of lines; keeps the trace and the open branches of its tree."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.trace_id: str | None = None
        self.branches: list[tuple[int, str]] = []

    def take(self, block: list[tuple[int, int, str]]) -> None:
        """Read a block: what begins with a trace or a span, with the lines that follow."""
        if not block:
            return
        start, _, line = block[0]
        end = block[-1][1]
        trace, span = _TRACE.match(line.strip()), _SPAN.match(line)
        if span is not None:
            self._span(span, start, end, [text for _, _, text in block[1:]])
        elif trace is not None:
            self._trace(trace, start, end, [text for _, _, text in block[1:]])
        else:
            for one_start, one_end, _ in block:
                self.rows.reject(one_start, one_end, "no trace and no span begins with this line")

    def _trace(self, match: re.Match[str], start: int, end: int, rest: list[str]) -> None:
        self.trace_id = _padded(match["id"])
        self.branches = []
        found = next((hit for line in rest if (hit := _START.fullmatch(line)) is not None), None)
        stamp = parse_time(found["time"], self.rows.zone) if found is not None else UNKNOWN
        attributes = {"record": "trace_summary"}
        if match["ms"]:
            attributes["duration_ms"] = match["ms"]
        attributes.update(_pairs(line for line in rest if _START.fullmatch(line) is None))
        self.rows.event(
            Event(
                start=start,
                end=end,
                kind=Kind.SPAN if found is not None else Kind.TOOL_OUTPUT,
                message=found["name"].strip() if found is not None else match[0],
                attributes=attributes,
                stamp=stamp,
                end_ns=_end(stamp.time_ns, match["ms"], "ms"),
                service=found["service"] if found is not None else None,
                trace_id=self.trace_id,
            )
        )

    def _span(self, match: re.Match[str], start: int, end: int, rest: list[str]) -> None:
        depth = len(match["branch"])
        while self.branches and self.branches[-1][0] >= depth:
            self.branches.pop()
        parent = self.branches[-1][1] if self.branches else None
        span_id = match["id"].lower().rjust(16, "0")
        self.branches.append((depth, span_id))
        times = next((hit for line in rest if (hit := _TIMES.match(line)) is not None), None)
        stamp = parse_time(times["start"], self.rows.zone) if times is not None else UNKNOWN
        end_ns = parse_time(times["end"].strip(), self.rows.zone).time_ns if times is not None else None
        if end_ns is None:
            end_ns = _end(stamp.time_ns, match["length"], match["unit"])
        attributes = _pairs(line for line in rest if _TIMES.match(line) is None)
        attributes["duration"] = match["length"] + match["unit"]
        failed = "error" in match["rest"].lower() or attributes.get("status.code", "").lower() == "error"
        attributes["status.code"] = "error" if failed else attributes.get("status.code", "unset").lower()
        self.rows.event(
            Event(
                start=start,
                end=end,
                kind=Kind.SPAN,
                message=match["name"].strip(),
                attributes=attributes,
                stamp=stamp,
                end_ns=end_ns if stamp.time_ns is None or end_ns is None or end_ns >= stamp.time_ns else None,
                service=match["service"],
                severity=Severity.ERROR if failed else None,
                trace_id=self.trace_id,
                span_id=span_id,
                parent_span_id=parent,
            )
        )


def _pairs(found: Iterable[str]) -> dict[str, str]:
    """Give the attributes that lines name: several `k='v'` on a line, or one `k: v`; other text as `text`."""
    attributes: dict[str, str] = {}
    other: list[str] = []
    for line in found:
        heading, _, rest = line.strip(" \t│|").partition(":")
        body = rest if heading in _HEADINGS else line
        prefix = "resource." if heading.startswith("Resource") else ""
        pairs = list(_PAIR.finditer(body))
        if pairs:
            attributes.update({prefix + pair[1]: pair[2] or pair[3] or pair[4] or "" for pair in pairs})
        elif (single := _LINE_PAIR.fullmatch(body)) is not None:
            attributes[prefix + single[1]] = single[2].strip()
        elif body.strip(" \t│|") and heading not in _HEADINGS:
            other.append(body.strip(" \t│|"))
    if other:
        attributes["text"] = "\n".join(other)
    return attributes


def _padded(text: str) -> str | None:
    lowered = text.lower()
    return lowered.rjust(16 if len(lowered) <= 16 else 32, "0") if lowered.strip("0") else None  # noqa: PLR2004 - 64 bits


def _end(start_ns: int | None, length: str | None, unit: str) -> int | None:
    if start_ns is None or not length:
        return None
    whole, _, fraction = length.partition(".")
    shift = _SHIFTS[unit]
    nanos = int(whole) * 10**shift + (int(fraction[:shift].ljust(shift, "0")) if fraction and shift else 0)
    return start_ns + nanos if start_ns + nanos < 2**63 else None


FORMATS: Final[tuple[Format, ...]] = (TempoText(),)

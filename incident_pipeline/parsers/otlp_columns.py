"""Log records of OTLP/JSON as columns: the rows of `formats.otlp` for requests that hold log records only.

A request is decoded down to its records, which stay raw; records that look alike are read at once
(`json_columns`). A request with anything else in it is left to the row loop as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind, TimeBasis
from incident_pipeline.parsers.columns import (
    Bulk,
    Slices,
    bytes_of,
    constant,
    line_ranges,
    map_column,
    map_distinct,
    sizes,
    strays,
    truths,
)
from incident_pipeline.parsers.formats import otlp
from incident_pipeline.parsers.formats.otlp_records import BROKEN, Emitter, emitter_of
from incident_pipeline.parsers.formats.otlp_values import attribute_map, severity_number
from incident_pipeline.parsers.json_columns import (
    Lines,
    Matched,
    Shape,
    ShapeReader,
    are_documents,
    match_shapes,
    shape_of,
    unescape,
)
from incident_pipeline.parsers.severity import severity_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.parsers.formats.otlp_structs import Document
    from incident_pipeline.parsers.rows import Rows

_DIGITS: Final = np.isin(np.arange(256), list(b"0123456789"))
_PRINTED: Final = (np.arange(256) >= 32) & (np.arange(256) < 127)  # noqa: PLR2004 - printed ASCII
_NANOS: Final = 19
"""Digits of the nanoseconds of our time; other times are read one by one."""
_ATTRIBUTE: Final = "\0"
"""Before the key of an attribute, where a shape names its values."""
_FIELDS: Final = {"timeUnixNano": "time", "observedTimeUnixNano": "observed", "severityText": "level",
                  "traceId": "trace", "spanId": "span"}  # fmt: skip


class _RecordReader(ShapeReader):
    """Reads a log record: its attributes are named by their keys."""

    def value(self, name: str, depth: int) -> bool:  # noqa: ARG002 - of the base class
        """Read a member of the record, or of what stands in it."""
        before = self.at
        token = self.next()
        if token is None:
            return False
        is_text, start, end = token[0][:1] == b'"', token.start(), token.end()
        if name in _FIELDS and is_text:
            self.found.append((_FIELDS[name], start + 1, end - 1, True))
            return True
        if name == "severityNumber" and token[0].isdigit():
            self.found.append(("number", start, end, False))
            return True
        if name in ("flags", "droppedAttributesCount"):
            return token[0] == b"0"
        if name == "body":
            return token[0] == b"{" and self._typed("body", ("stringValue",))
        self.at = before
        return name == "attributes" and self._attributes()

    def _attributes(self) -> bool:  # noqa: PLR0911 - a way out per token
        token = self.next()
        if token is None or token[0] != b"[":
            return False
        seen: set[bytes] = set()
        while (token := self.next()) is not None and token[0] == b"{":
            head = [self.next() for _ in range(7)]
            words = [item[0] if item is not None else b"" for item in head]
            key = words[2]
            if [*words[:2], *words[3:6], words[6]] != [b'"key"', b":", b",", b'"value"', b":", b"{"]:
                return False
            if key[:1] != b'"' or b"\\" in key:
                return False
            kinds = ("stringValue", "intValue", "doubleValue")
            if key in seen:
                return False
            seen.add(key)
            if not self._typed(_ATTRIBUTE + key[1:-1].decode(), kinds) or not self._is(b"}"):
                return False
            token = self.next()
            if token is None or token[0] not in (b",", b"]"):
                return False
            if token[0] == b"]":
                return True
        return False

    def _typed(self, name: str, kinds: tuple[str, ...]) -> bool:
        """Read what stands in a typed value behind its brace."""
        kind, colon, token = self.next(), self.next(), self.next()
        if kind is None or colon is None or token is None or colon[0] != b":":
            return False
        word, is_text = kind[0][1:-1].decode(), token[0][:1] == b'"'
        if word not in kinds or (not is_text and word != "doubleValue"):
            return False
        if not is_text and not token[0].lstrip(b"-")[:1].isdigit():
            return False
        self.found.append((name, token.start() + is_text, token.end() - is_text, is_text))
        return self._is(b"}")

    def _is(self, wanted: bytes) -> bool:
        token = self.next()
        return token is not None and token[0] == wanted


@dataclass
class _Records:
    """The records of a part, by group: where the first of each lies, its line, how many there are."""

    firsts: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """The bytes of each record, of all groups in order."""
    lines: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    emitters: list[Emitter] = field(default_factory=list)
    pointers: list[str] = field(default_factory=list)

    def extend(self, other: _Records) -> None:
        """Take the groups of another."""
        self.firsts += other.firsts
        self.sizes += other.sizes
        self.lines += other.lines
        self.counts += other.counts
        self.emitters += other.emitters
        self.pointers += other.pointers

    def places(self) -> tuple[NDArray[np.int64], ...]:
        """Give of each record its start, its end, its group, and its number in the group."""
        counts, sizes = np.array(self.counts, np.int64), np.array(self.sizes, np.int64)
        groups = np.repeat(np.arange(len(counts)), counts)
        heads = np.cumsum(counts) - counts
        # A comma stands between two records of a group.
        steps = np.cumsum(sizes + 1) - (sizes + 1)
        starts = steps - steps[heads][groups] + np.array(self.firsts, np.int64)[groups]
        return starts, starts + sizes, groups, np.arange(len(sizes)) - heads[groups]


def otlp_columns(data: bytes, rows: Rows) -> tuple[Bulk | None, list[tuple[int, int, int]]]:
    """Read what can be read as columns; give it, and the lines that are left (start, end, number from 0)."""
    if are_documents(data):
        return None, [(0, len(data), 0)]
    starts, ends = line_ranges(np.frombuffer(data, np.uint8))
    records = _Records()
    slow = ends > starts
    for number, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if data[start : start + 1] == b"{" and _take_line(data, start, end, number, records):
            slow[number] = False
    bulk = None
    if records.sizes:
        bulk, odd = _bulk(data, records, rows)
        slow[odd] = True
    left = np.flatnonzero(slow)
    return bulk, list(zip(starts[left].tolist(), ends[left].tolist(), left.tolist(), strict=True))


def _take_line(data: bytes, start: int, end: int, number: int, records: _Records) -> bool:
    """Take the records of a request; False, and nothing taken, where it holds anything but log records."""
    line = data[start:end]
    try:
        document: Document = otlp.DOCUMENT.decode(line)
    except BROKEN:
        return False
    others = (
        document.trace,
        document.result,
        document.resource_spans,
        document.batches,
        document.resource_metrics,
    )
    if document.resource_logs is None or any(other is not None for other in others):
        return False
    mine = _Records()
    at = 0
    for index, group in enumerate(document.resource_logs):
        scopes = (group.scope_spans, group.instrumentation_library_spans, group.instrumentation_library_logs,
                  group.scope_metrics, group.instrumentation_library_metrics)  # fmt: skip
        if any(scope is not None for scope in scopes):
            return False
        resource = attribute_map(group.resource.attributes if group.resource else None)
        for place, scope in enumerate(group.scope_logs or ()):
            if scope.spans is not None or scope.logs is not None or scope.metrics is not None:
                return False
            if not scope.log_records:
                continue
            sizes = [len(memoryview(raw)) for raw in scope.log_records]
            first = line.find(bytes(scope.log_records[0]), at)
            if first < 0:
                return False
            mine.emitters.append(emitter_of(resource, scope.scope or scope.instrumentation_library))
            mine.pointers.append(f"/resourceLogs/{index}/scopeLogs/{place}/logRecords/")
            mine.firsts.append(start + first)
            mine.lines.append(number)
            mine.counts.append(len(sizes))
            mine.sizes += sizes
            at = first + sum(sizes) + len(sizes) - 1
    records.extend(mine)
    return bool(mine.sizes)


def _shape_of(record: bytes) -> Shape | None:
    return shape_of(record, _RecordReader)


def _bulk(data: bytes, records: _Records, rows: Rows) -> tuple[Bulk | None, NDArray[np.int64]]:
    """Build the columns of the records; give the lines of records that turn out odd, too."""
    begins, stops, of_group, of_number = records.places()
    objects = Lines(data, (begins, stops))
    of_line = np.array(records.lines, np.int64)[of_group]
    found, lost = match_shapes(objects, rows.state.setdefault("otlp_columns", []), _shape_of)
    count = len(begins)
    matched_rows = np.zeros(count, bool)
    widths = np.zeros(count, np.int64)
    for matched in found:
        widths[matched.rows] = len(matched.shape.values)
        matched_rows[matched.rows] = True
    bases = np.cumsum(widths) - widths
    starts, ends = np.empty(int(widths.sum()), np.int64), np.empty(int(widths.sum()), np.int64)
    indices = {role: np.full(count, -1, np.int64) for role in (*_FIELDS.values(), "number", "body")}
    for matched in found:
        base = bases[matched.rows]
        for number, (begin, end) in enumerate(zip(matched.starts, matched.ends, strict=True)):
            starts[base + number] = begin
            ends[base + number] = end
        for number, name in enumerate(matched.shape.names):
            if name in indices:
                indices[name][matched.rows] = base + number
    slices = Slices(data, starts, ends)

    def texts(numbers: NDArray[np.int64]) -> pa.Array:
        taken = slices.take(numbers)
        return unescape(taken) if len(objects.slashes) else taken

    column = {role: texts(numbers) for role, numbers in indices.items()}
    odd = ~matched_rows
    odd[lost] = True
    odd |= _no_nanos(column["time"])
    odd |= truths(pc.equal(column["observed"], "")) | truths(pc.equal(column["number"], "0"))
    ids = {}
    for role in ("trace", "span"):
        ids[role], strange = _ids(column[role])
        odd |= strange
    bad_lines = np.unique(of_line[odd])
    good = ~np.isin(of_line, bad_lines) if len(bad_lines) else np.ones(count, bool)
    if not good.any():
        return None, bad_lines
    attributes = _attributes(records, texts, found, bases, of_group, good)
    kept = pa.array(good)

    def filtered(values: pa.Array) -> pa.Array:
        return values if good.all() else values.filter(kept)

    column = {role: filtered(values) for role, values in column.items()}
    level = pc.if_else(pc.equal(column["level"], ""), None, column["level"])
    severity = pc.coalesce(
        map_distinct(column["number"], severity_number, pa.int8()),
        map_distinct(level, severity_of, pa.int8()),
    )
    groups = pa.array(of_group[good])
    emitters = records.emitters
    numbers = pa.array(of_number[good]).cast(pa.string())
    size = int(good.sum())
    return Bulk(
        kind=Kind.LOG,
        starts=objects.starts[good],
        ends=objects.ends[good],
        lines=of_line[good],
        message=pc.fill_null(column["body"], ""),
        attributes=attributes,
        time_ns=column["time"].cast(pa.int64()),
        time_precision=constant("ns", size),
        time_basis=constant(TimeBasis.EXPLICIT, size),
        time_raw=column["time"],
        service=pa.array([emitter.service for emitter in emitters], pa.string()).take(groups),
        host=pa.array([emitter.host for emitter in emitters], pa.string()).take(groups),
        severity=severity,
        severity_raw=pc.coalesce(level, column["number"]),
        trace_id=filtered(ids["trace"]),
        span_id=filtered(ids["span"]),
        pointer=pc.binary_join_element_wise(pa.array(records.pointers).take(groups), numbers, ""),
    ), bad_lines


def _attributes(
    records: _Records, texts: object, found: list[Matched], bases: NDArray[np.int64],
    of_group: NDArray[np.int64], good: NDArray[np.bool_],
) -> pa.MapArray:  # fmt: skip
    """Build the attributes: those of resource and scope, and over them those of the record."""
    count = len(bases)
    counts = np.zeros(count, np.int64)
    codes_of: dict[tuple[tuple[str, str], ...], int] = {}
    emitted = np.array(
        [codes_of.setdefault(tuple(item.attributes.items()), len(codes_of)) for item in records.emitters]
    )
    distinct = list(codes_of)
    plans: list[tuple[NDArray[np.int64], list[tuple[str, int]]]] = []
    constants: list[str] = []
    for matched in found:
        own = {name[1:]: number for number, name in enumerate(matched.shape.names) if name[:1] == _ATTRIBUTE}
        for number, name in enumerate(matched.shape.names):
            if name == "observed":
                own["observed_time_unix_nano"] = number
        chosen = matched.rows[good[matched.rows]]
        said = emitted[of_group[chosen]]
        order = np.argsort(said, kind="stable")
        for part in np.split(chosen[order], np.flatnonzero(np.diff(said[order])) + 1):
            if not len(part):
                continue
            merged = dict(own)
            for name, value in distinct[int(emitted[of_group[part[0]]])]:
                if name not in own:
                    constants.append(value)
                    merged[name] = -len(constants)
            plan = sorted(merged.items())
            counts[part] = len(plan)
            plans.append((part, plan))
    offsets = np.cumsum(counts) - counts
    total = int(counts.sum())
    picked, keys = np.empty(total, np.int64), np.empty(total, np.int32)
    names: dict[str, int] = {}
    for part, plan in plans:
        codes = np.array([names.setdefault(name, len(names)) for name, _ in plan], np.int32)
        values = np.array([number for _, number in plan], np.int64)
        places = offsets[part][:, None] + np.arange(len(plan))
        keys[places] = codes
        picked[places] = np.where(values >= 0, bases[part][:, None] + values, values)
    own_values = texts(np.where(picked >= 0, picked, -1))  # type: ignore[operator]
    shared = pa.array(constants, pa.string()).take(pa.array(-picked - 1, mask=picked >= 0))
    words = pa.array(list(names), pa.string()).take(pa.array(keys))
    return map_column(counts[good], words, pc.coalesce(own_values, shared))


def _no_nanos(column: pa.Array) -> NDArray[np.bool_]:
    """Say which texts are no nanoseconds of 19 digits that surely fit 64 bits."""
    data, offsets = bytes_of(column)
    odd = (np.diff(offsets) != _NANOS) | strays(column, _DIGITS)
    if not len(data):
        return np.ones(len(column), bool)
    first = data[np.minimum(offsets[:-1], len(data) - 1)]
    return np.asarray(odd | (first == ord("9")) | (first == ord("0")))


def _ids(column: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Give ids of 16 or 32 characters in lower case (empty and zero ones as null), and which are none."""
    lowered = pc.if_else(pc.equal(column, ""), None, pc.ascii_lower(column))
    odd = ~np.isin(sizes(lowered), (0, 16, 32)) | strays(lowered, _PRINTED)
    zeros = pc.is_in(lowered, pa.array(["0" * 16, "0" * 32]))
    return pc.if_else(zeros, None, lowered), odd

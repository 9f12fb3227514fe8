"""Structured logs in JSON as columns: the rows of `formats.json_lines`, worked out for many lines at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.columns import (
    Bulk,
    Slices,
    bytes_of,
    constant,
    map_column,
    map_distinct,
    sizes,
    strays,
    truths,
)
from incident_pipeline.parsers.formats import json_lines
from incident_pipeline.parsers.formats.otlp_values import severity_number
from incident_pipeline.parsers.json_columns import (
    Lines,
    Matched,
    Shape,
    are_documents,
    match_shapes,
    shape_of,
    unescape,
)
from incident_pipeline.parsers.json_fields import DURATION, Plan, plan_of
from incident_pipeline.parsers.severity import severity_of, status_severity
from incident_pipeline.parsers.time_columns import parse_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.parsers.rows import Rows

_ID_BYTES: Final = np.isin(np.arange(256), list(b"0123456789abcdefghijklmnopqrstuvwxyz_-"))
_LONGEST_ID: Final = 64
_ROLES: Final = ("time", "level", "number", "message", "trace", "span", "service", "logger", "host", "status",
                 "method", "url", "duration")  # fmt: skip
_REQUEST: Final = {
    "status": "http.response.status_code",
    "method": "http.request.method",
    "url": "url.full",
    "duration": "duration_s",
}


@dataclass(frozen=True)
class _Layout:
    """What the values of a shape become: which value plays which role, and the attributes by key."""

    roles: dict[str, int]
    attributes: tuple[tuple[str, int], ...]
    is_access: bool


def json_log_columns(data: bytes, rows: Rows) -> tuple[Bulk | None, list[tuple[int, int, int]]]:
    """Read what can be read as columns; give it, and the lines that are left (start, end, number from 0)."""
    if are_documents(data):
        return None, [(0, len(data), 0)]
    lines = Lines(data)
    known: list[Shape] = rows.state.setdefault("json_columns", [])
    found, left = match_shapes(lines, known, shape_of)
    named = json_lines.service_of_file(rows)
    kept: list[tuple[Matched, _Layout]] = []
    for matched in found:
        layout = _layout_of(matched.shape)
        if layout is None:
            left = np.append(left, matched.rows)
        else:
            kept.append((matched, layout))
    skipped = np.ones(len(lines.starts), bool)
    for matched, _ in kept:
        skipped[matched.rows] = False
    bulk, bad = _bulk(lines, kept, rows, named) if kept else (None, np.zeros(0, np.int64))
    skipped[bad] = True
    blank = lines.ends <= lines.starts
    slow = np.flatnonzero(skipped & ~blank)
    return bulk, list(zip(lines.starts[slow].tolist(), lines.ends[slow].tolist(), slow.tolist(), strict=True))


def _layout_of(shape: Shape) -> _Layout | None:
    """Work out roles and attributes; None where roles hang on more than the keys."""
    names = shape.names
    plan = plan_of(tuple(names))
    index = {name: number for number, name in enumerate(names)}
    roles = {role: index[name] for role in _ROLES if (name := getattr(plan, role)) is not None}
    if not _is_plain(plan, roles):
        return None
    taken = {
        roles[role]
        for role in ("time", "level", "message", "trace", "span", "service", "host")
        if role in roles
    }
    attributes = {name: number for number, name in enumerate(names) if number not in taken}
    if plan.is_access:
        for role in _REQUEST:
            if role in roles:
                attributes.pop(names[roles[role]])
        for role, name in _REQUEST.items():
            if role in roles:
                attributes[name] = roles[role]
    return _Layout(roles, tuple(sorted(attributes.items())), plan.is_access)


def _is_plain(plan: Plan, roles: dict[str, int]) -> bool:
    if plan.time == "instant.epochSecond" or len(set(roles.values())) < len(roles):
        return False
    if plan.trace is not None and (plan.trace == "trace" or plan.trace.startswith(("dd.", "logging."))):
        return False
    if plan.span is not None and plan.span.startswith(("dd.", "logging.")):
        return False
    # A duration in another unit than seconds is computed, not copied.
    return not (plan.is_access and plan.duration is not None and DURATION[plan.duration] != 0)


def _bulk(  # noqa: C901, PLR0915 - a column after the other
    lines: Lines, kept: list[tuple[Matched, _Layout]], rows: Rows, named: str | None
) -> tuple[Bulk, NDArray[np.int64]]:
    """Build the columns of all matched lines, in their order; give the lines that turn out odd, too."""
    order = np.sort(np.concatenate([matched.rows for matched, _ in kept]))
    position = [np.searchsorted(order, matched.rows) for matched, _ in kept]
    count = len(order)
    widths = np.zeros(count, np.int64)
    for (matched, _), at in zip(kept, position, strict=True):
        widths[at] = len(matched.shape.values)
    bases = np.cumsum(widths) - widths
    starts, ends = np.empty(int(widths.sum()), np.int64), np.empty(int(widths.sum()), np.int64)
    indices = {role: np.full(count, -1, np.int64) for role in _ROLES}
    access = np.zeros(count, bool)
    for (matched, layout), at in zip(kept, position, strict=True):
        base = bases[at]
        for number, (begin, end) in enumerate(zip(matched.starts, matched.ends, strict=True)):
            starts[base + number] = begin
            ends[base + number] = end
        for role, number in layout.roles.items():
            indices[role][at] = base + number
        access[at] = layout.is_access
    slices = Slices(lines.data, starts, ends)
    escapes = len(lines.slashes) > 0

    def texts(indices: NDArray[np.int64]) -> pa.Array:
        taken = slices.take(indices)
        return unescape(taken) if escapes else taken

    column = {role: texts(numbers) for role, numbers in indices.items() if (numbers >= 0).any()}
    nothing = pa.nulls(count, pa.string())
    odd = np.zeros(count, bool)
    times = parse_times(column.get("time", nothing), rows.zone)
    odd |= (indices["time"] >= 0) & ~times.known
    trace, odd_trace = _ids(column.get("trace", nothing))
    span, odd_span = _ids(column.get("span", nothing))
    odd |= odd_trace | odd_span
    level = column.get("level", nothing)
    severity = map_distinct(level, severity_of, pa.int8())
    if "number" in column:
        severity = pc.coalesce(severity, map_distinct(column["number"], severity_number, pa.int8()))
    service = _not_empty(column.get("service", nothing))
    if "logger" in column:
        unnamed = pa.array(indices["service"] < 0)
        logger = map_distinct(column["logger"], json_lines.plain_name, pa.string())
        service = pc.if_else(unnamed, pc.coalesce(service, logger), service)
    message = column.get("message", nothing)
    if access.any():
        is_access = pa.array(access)
        status, method, url = (column.get(role, nothing) for role in ("status", "method", "url"))
        odd |= access & ~truths(pc.match_substring_regex(status, r"^[1-5][0-9]{2}$"))
        if "duration" in column:
            odd |= access & truths(pc.invert(pc.match_substring_regex(column["duration"], _DECIMAL)))
        path = pc.list_element(pc.split_pattern(pc.fill_null(url, ""), "?", max_splits=1), 0)
        line = pc.binary_join_element_wise(method, pc.binary_join_element_wise(path, status, " -> "), " ")
        message = pc.if_else(
            is_access,
            pc.if_else(pc.equal(pc.coalesce(message, constant("", count)), ""), line, message),
            message,
        )
        of_status = map_distinct(status, _status_severity, pa.int8())
        severity = pc.if_else(pc.and_(is_access, pc.is_null(level)), of_status, severity)
        if named is not None:
            lacks = access & (indices["service"] < 0)
            if (lacks & ~odd).any():
                rows.assume(f"service {named!r} assumed from the file name")
            service = pc.if_else(pc.and_(pa.array(lacks), pc.is_null(service)), named, service)
    good = ~odd
    chosen = order[good]
    wordless = (indices["message"] < 0) & ~access
    if wordless.any():
        whole = Slices(lines.data, lines.starts[order], lines.ends[order])
        message = pc.coalesce(message, whole.take(np.where(wordless, np.arange(count), -1)))
    attributes = _attributes(texts, kept, position, bases, good)
    raw = column.get("time", nothing)

    def filtered(values: pa.Array) -> pa.Array:
        return values.filter(pa.array(good)) if odd.any() else values

    return Bulk(
        kind=Kind.LOG,
        starts=lines.starts[chosen],
        ends=lines.ends[chosen],
        lines=chosen,
        message=filtered(message),
        attributes=attributes,
        time_ns=filtered(pa.array(times.ns, mask=~times.known)),
        time_precision=filtered(times.precisions()),
        time_basis=filtered(times.bases()),
        time_raw=filtered(raw),
        service=filtered(service),
        host=filtered(_not_empty(column.get("host", nothing))),
        severity=filtered(severity),
        severity_raw=filtered(level),
        trace_id=filtered(trace),
        span_id=filtered(span),
    ), order[odd]


_DECIMAL: Final = r"^(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?$"


def _status_severity(status: str) -> int | None:
    return status_severity(int(status)) if json_lines.STATUS_TEXT.fullmatch(status) else None


def _attributes(
    texts: object, kept: list[tuple[Matched, _Layout]], position: list[NDArray[np.int64]],
    bases: NDArray[np.int64], good: NDArray[np.bool_],
) -> pa.MapArray:  # fmt: skip
    """Build the attributes of the good rows: entries sorted by key within a row."""
    counts = np.zeros(len(bases), np.int64)
    for (_, layout), at in zip(kept, position, strict=True):
        counts[at] = len(layout.attributes)
    counts[~good] = 0
    offsets = np.cumsum(counts) - counts
    total = int(counts.sum())
    picked, keys = np.empty(total, np.int64), np.empty(total, np.int32)
    names: dict[str, int] = {}
    for (_, layout), at in zip(kept, position, strict=True):
        own = at[good[at]]
        for number, (name, value) in enumerate(layout.attributes):
            picked[offsets[own] + number] = bases[own] + value
            keys[offsets[own] + number] = names.setdefault(name, len(names))
    words = pa.array(list(names), pa.string()).take(pa.array(keys))
    return map_column(counts[good], words, texts(picked))  # type: ignore[operator]


def _ids(column: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Give ids in lower case, those of zeros only as null; and which are no ids of the plain kind."""
    if column.null_count == len(column):
        return column, np.zeros(len(column), bool)
    lowered = pc.ascii_lower(column)
    data, offsets = bytes_of(lowered)
    present = truths(pc.is_valid(column))
    odd = present & ((sizes(lowered) == 0) | (sizes(lowered) > _LONGEST_ID)) | strays(lowered, _ID_BYTES)
    zeros = present & (data[np.minimum(offsets[:-1], max(len(data) - 1, 0))] == ord("0"))
    if zeros.any():
        empty = pc.equal(pc.utf8_trim(lowered, "0"), "")
        lowered = pc.if_else(empty, None, lowered)
    return lowered, odd


def _not_empty(column: pa.Array) -> pa.Array:
    if column.null_count == len(column):
        return column
    return pc.if_else(pc.equal(column, ""), None, column)

"""Span measures: duration, own time, parent and child, call target, failure.

All spans of an incident become one columnar table of numpy arrays, in canonical order (start, then
event id), duplicates dropped. Own time is the span's duration minus the sum of its children's, clipped
at 0 because asynchronous children outlive their parents. Only durations of the same host are
subtracted, so clock skew between hosts does not enter. Names of attributes follow the OpenTelemetry
semantic conventions, current and previous.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.signals.attributes import MISSING, Coded, coded, integers, lookup, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.tables import IncidentTables

_ID_IN_NAME: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|(?<![A-Za-z0-9])(?:[0-9a-f]{12,}|\d{3,})(?![A-Za-z0-9])"
)
_LOCAL_NAMES: Final = frozenset({"localhost", "host.docker.internal"})
_SERVER_ERROR: Final = 500
_THROTTLED: Final = 429
_TIMEOUT: Final = 408
_COLUMNS: Final = (
    "time_ns", "end_time_ns", "service", "host", "message", "trace_id", "span_id", "parent_span_id",
    "attributes", "artifact_sha256",
)  # fmt: skip
_OUTBOUND: Final = ("client", "producer")


@dataclass(frozen=True)
class Spans:
    """Every span once. All arrays have one entry per span; times and durations are nanoseconds.

    `row` indexes the event table the spans were read from; `parent` indexes this table (-1: none held);
    `peer` is the name of what a client span called, as the span says.
    """

    row: NDArray[np.int64]
    reference: NDArray[np.bool_]
    service: Coded
    operation: Coded
    """`service`, a tab, and the span's name with ids masked."""
    host: Coded
    version: Coded
    peer: Coded
    start: NDArray[np.int64]
    duration: NDArray[np.int64]
    own: NDArray[np.int64]
    parent: NDArray[np.int64]
    children: NDArray[np.int64]
    trace: NDArray[np.int64]
    outbound: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    status: NDArray[np.int64]
    """HTTP status code, 0 where none."""
    span_code: NDArray[np.int64]
    """Code of the span's id within `span_ids`, for joining logs."""
    span_keys: pa.Array
    """Distinct `trace_id:span_id` keys that `span_code` indexes."""

    def __len__(self) -> int:
        """Give the number of spans."""
        return len(self.row)

    def parent_service(self) -> NDArray[np.int32]:
        """Give, per span, the code of the calling service, `MISSING` where no parent is held."""
        codes = np.full(len(self), MISSING, dtype=np.int32)
        held = self.parent >= 0
        codes[held] = self.service.codes[self.parent[held]]
        return codes

    def end(self) -> NDArray[np.int64]:
        """Give the end of each span."""
        return self.start + self.duration


def operation_name(name: str) -> str:
    """Mask ids in a span name, so that one operation has one name."""
    return _ID_IN_NAME.sub("*", name)


def read_spans(tables: IncidentTables) -> Spans:
    """Read the spans of both roles from the event table."""
    events = tables.events
    is_span = pc.equal(events.column("kind").cast(pa.string()), "span")
    timed = pc.and_(pc.is_valid(events.column("time_ns")), pc.is_valid(events.column("span_id")))
    rows = np.flatnonzero(pc.fill_null(pc.and_(is_span, timed), False).to_numpy(zero_copy_only=False))
    rows = _canonical(events, rows)
    # One gather of the columns that are read: a copy of all of them costs more than the analysis.
    table = events.select(list(_COLUMNS)).take(pa.array(rows))

    key = _span_key(table.column("trace_id"), table.column("span_id"))
    parent_key = _span_key(table.column("trace_id"), table.column("parent_span_id"))
    keys = pc.unique(key)
    code = integers(pc.index_in(key, keys), MISSING)
    references = [a.sha256 for a in tables.evidence.artifacts if a.role == "reference"]
    reference = pc.is_in(table.column("artifact_sha256").cast(pa.string()), pa.array(references, pa.string()))
    first = np.zeros(table.num_rows, dtype=bool)
    first[np.unique(code, return_index=True)[1]] = True
    if not first.all():
        table = table.filter(pa.array(first))
        rows, code = rows[first], code[first]
        parent_key = parent_key.filter(pa.array(first))
        reference = reference.filter(pa.array(first))

    position = np.full(len(keys) + 1, MISSING, dtype=np.int64)
    position[code] = np.arange(len(code))
    parent = position[integers(pc.index_in(parent_key, keys), MISSING)]
    parent = _without_circles(parent)

    start = integers(table.column("time_ns"))
    end = integers(pc.coalesce(table.column("end_time_ns"), table.column("time_ns")))
    duration = np.maximum(end - start, 0)
    held = parent >= 0
    children = np.bincount(parent[held], minlength=len(start)).astype(np.int64)
    below = np.bincount(parent[held], weights=duration[held], minlength=len(start)).astype(np.int64)
    kind = lookup(table, "span.kind")
    outbound = pc.fill_null(pc.is_in(kind, pa.array(_OUTBOUND)), False).to_numpy(zero_copy_only=False)
    status = numbers(lookup(table, "http.response.status_code", "http.status_code"))
    service = coded(table.column("service"))
    return Spans(
        row=rows,
        reference=np.asarray(reference.to_numpy(zero_copy_only=False), dtype=bool),
        service=service,
        operation=_operations(table, service),
        host=coded(table.column("host")),
        version=coded(lookup(table, "resource.service.version", "service.version")),
        peer=_peers(table, outbound),
        start=start,
        duration=duration,
        own=np.maximum(duration - below, 0),
        parent=parent,
        children=children,
        trace=coded(table.column("trace_id")).codes.astype(np.int64),
        outbound=outbound,
        failed=_failed(table, status, outbound),
        status=status,
        span_code=code,
        span_keys=keys,
    )


def _without_circles(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut each circle of parents at its earliest span, which then has no parent: such links are damage."""
    count = len(parent)
    reached, steps = np.append(parent, MISSING), 1
    while steps < count and (reached >= 0).any():
        reached, steps = reached[reached], 2 * steps
    cut, seen = parent.copy(), set[int]()
    # After as many steps as there are spans only those on a circle are left. In time order, so the first
    # one met of a circle is its earliest.
    for span in np.unique(reached[reached >= 0]).tolist():
        if span in seen:
            continue
        cut[span] = MISSING
        following = span
        while following not in seen:
            seen.add(following)
            following = int(parent[following])
    return cut


def _canonical(events: pa.Table, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order rows by time, then artifact and place in it, which are looked at only where times are equal."""
    times = integers(events.column("time_ns").take(pa.array(rows)))
    order = np.argsort(times, kind="stable")
    equal = times[order][1:] == times[order][:-1]
    tied = np.concatenate([[False], equal]) | np.concatenate([equal, [False]])
    if len(rows) and tied.any():
        some = order[tied]
        equals = events.select(["artifact_sha256", "byte_start", "event_id"]).take(pa.array(rows[some]))
        artifacts, ids = (
            np.array(equals.column(n).to_pylist(), dtype="S") for n in ("artifact_sha256", "event_id")
        )
        order[tied] = some[np.lexsort((ids, integers(equals.column("byte_start")), artifacts, times[some]))]
    return rows[order]


def span_codes(spans: Spans, trace_ids: pa.ChunkedArray, span_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """Give, per record, the index into `spans` of the span it hangs from, -1 where none is held."""
    position = np.full(len(spans.span_keys) + 1, MISSING, dtype=np.int64)
    position[spans.span_code] = np.arange(len(spans))
    return position[integers(pc.index_in(_span_key(trace_ids, span_ids), spans.span_keys), MISSING)]


def _span_key(traces: pa.ChunkedArray, spans: pa.ChunkedArray) -> pa.Array:
    traces = pc.fill_null(traces.cast(pa.string()), "")
    return pc.binary_join_element_wise(traces, spans.cast(pa.string()), ":").combine_chunks()


def _operations(table: pa.Table, service: Coded) -> Coded:
    names = coded(table.column("message"))
    masked = [operation_name(name) for name in names.names]
    plain = sorted(set(masked)) or [""]
    position = {name: index for index, name in enumerate(plain)}
    mapping = np.array([position[name] for name in masked] + [0], dtype=np.int64)
    pair = (service.codes.astype(np.int64) + 1) * len(plain) + mapping[names.codes]
    kept, codes = np.unique(pair, return_inverse=True)
    owners = ("", *service.names)
    labels = tuple(f"{owners[int(p) // len(plain)]}\t{plain[int(p) % len(plain)]}" for p in kept)
    return Coded(codes.astype(np.int32), labels)


def _failed(table: pa.Table, status: NDArray[np.int64], outbound: NDArray[np.bool_]) -> NDArray[np.bool_]:
    flagged = pc.fill_null(pc.equal(pc.utf8_lower(lookup(table, "status.code")), "error"), False)
    failed = np.asarray(flagged.to_numpy(zero_copy_only=False), dtype=bool)
    refused = outbound & ((status == _THROTTLED) | (status == _TIMEOUT))
    return np.asarray(failed | (status >= _SERVER_ERROR) | refused, dtype=bool)


def _peers(table: pa.Table, outbound: NDArray[np.bool_]) -> Coded:
    named = coded(
        lookup(
            table,
            "peer.service",
            "server.address",
            "net.peer.name",
            "messaging.destination.name",
            "db.namespace",
            "db.name",
            "db.system.name",
            "db.system",
        )
    )
    fallback = coded(lookup(table, "db.system.name", "db.system", "messaging.system", "rpc.service"))
    usable = np.array([_is_name(name) for name in named.names] + [False])
    names = sorted({n for n in named.names if _is_name(n)} | set(fallback.names))
    position = {name: index for index, name in enumerate(names)}
    own = np.array([position.get(n, MISSING) for n in named.names] + [MISSING], dtype=np.int32)
    other = np.array([position[n] for n in fallback.names] + [MISSING], dtype=np.int32)
    codes = np.where(usable[named.codes], own[named.codes], other[fallback.codes])
    return Coded(np.where(outbound, codes, MISSING).astype(np.int32), tuple(names))


def _is_name(text: str) -> bool:
    """Say whether this names a remote system: addresses and the local host do not."""
    if text in _LOCAL_NAMES:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return True
    return False

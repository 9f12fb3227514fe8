"""Merge what was told twice, and only that: every merge names its rule and what it was merged into.

1. Native ids: the same id given by the source (an alert's fingerprint, start and status; a span's ids and
   times; a message's, audit entry's or record's own id) is the same event, wherever it was read.
2. Same record: equal time, emitter, severity and normalised message in *different* artifacts. Repeats
   inside one artifact are real and stay; the k-th in one artifact pairs with the k-th in the other.
   Between stamps of different precision the coarser one decides.

Nothing vanishes: a merged event keeps its row and place, so counts before and after agree (SOLVE-IT
DFT-1308, DFT-1310). Chat messages that repeat an alert are messages of their own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.signals.attributes import lookup
from incident_pipeline.timeline.columns import booleans, number_groups
from incident_pipeline.timeline.order import UNIT_NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from incident_pipeline.timeline.order import Placed

KEPT: Final = -1
"""Target of a row that is not merged."""

SAME_RECORD: Final = "same_record"
"""Name of the second rule; the native ids carry names of their own."""

_ANSI: Final = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"

_WORDED: Final = (
    Kind.LOG, Kind.AUDIT, Kind.K8S_EVENT, Kind.CHANGE, Kind.CHAT, Kind.TICKET, Kind.TRANSCRIPT,
    Kind.RUNBOOK_STEP,
)  # fmt: skip
"""Kinds whose message says what happened. A span's does not (it is the operation), nor an alert's."""

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True)
class NativeId:
    """What makes up the id that a source gives to its events of one kind."""

    rule: str
    kind: Kind
    columns: tuple[str, ...]
    """Columns of the event table that belong to the id."""
    attributes: tuple[tuple[str, ...], ...]
    """Attributes that belong to the id, each with its spellings. The first has to be there."""
    time_from: tuple[str, ...] = ()
    """Attribute that carries the event's own time; where it is missing, `time_ns` counts."""


# Apart from alerts, whose wording changes with every evaluation, the message is part of the id: an
# edited message or a reused id is something new to say.
NATIVE_IDS: Final = (
    NativeId("alert_fingerprint", Kind.ALERT, (), (("fingerprint",), ("status",)), ("startsAt", "starts_at")),
    NativeId(
        "alert_key", Kind.ALERT, (), (("dedup_key", "incident_key"), ("status",)), ("startsAt", "starts_at")
    ),
    NativeId(
        "span_id", Kind.SPAN, ("trace_id", "span_id", "service", "time_ns", "end_time_ns", "message"), ()
    ),
    NativeId("message_id", Kind.CHAT, ("message",), (("client_msg_id", "message_id"),)),
    NativeId("audit_id", Kind.AUDIT, ("message",), (("auditID", "eventID"), ("stage",))),
    NativeId("insert_id", Kind.LOG, ("time_ns", "message"), (("insertId",), ("logName",))),
    NativeId("journal_cursor", Kind.LOG, ("message",), (("__CURSOR",),)),
    NativeId("kubernetes_uid", Kind.K8S_EVENT, ("time_ns", "message"), (("metadata.uid",), ("count",))),
)


@dataclass(frozen=True)
class Merges:
    """Per row of the event table: the row it was merged into (or `KEPT`), and by which rule."""

    target: NDArray[np.int64]
    rule: NDArray[np.object_]


def merge_repeats(events: pa.Table, placed: Placed, order: NDArray[np.int64]) -> Merges:
    """Find what was told twice. The most finely stamped telling is kept, of equals the first in order."""
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    target = np.full(order.size, KEPT, np.int64)
    rule = np.full(order.size, None, object)
    kinds = events["kind"]
    for native in NATIVE_IDS:
        rows = np.flatnonzero(booleans(pc.equal(kinds, native.kind.value)) & (target == KEPT))
        repeats, kept = _native_repeats(native, events, rows, placed, rank)
        target[repeats], rule[repeats] = kept, native.rule
    if np.unique(placed.artifact).size > 1:
        rows = np.flatnonzero(booleans(_is_worded(kinds)) & placed.timed & (target == KEPT))
        for row, twin in _same_records(events, rows, placed, rank):
            target[row], rule[row] = twin, SAME_RECORD
    # What was kept by the first rule may have gone into another by the second.
    while np.any(chained := (target != KEPT) & (target[target] != KEPT)):
        target[chained] = target[target[chained]]
    return Merges(target=target, rule=rule)


def _native_repeats(
    native: NativeId, events: pa.Table, rows: NDArray[np.int64], placed: Placed, rank: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows that repeat a native id, and for each the row that is kept."""
    events = events.take(pa.array(rows))
    parts: list[pa.Array] = [events[name].combine_chunks() for name in native.columns]
    parts += [lookup(events, *spellings) for spellings in native.attributes]
    required = parts[len(native.columns)] if native.attributes else events["span_id"].combine_chunks()
    if native.time_from:
        clock = events["time_ns"].combine_chunks().cast(pa.string())
        parts.append(pc.coalesce(lookup(events, *native.time_from), clock))
    chosen = np.flatnonzero(booleans(pc.not_equal(pc.fill_null(required, ""), "")))
    if not chosen.size:
        return chosen, chosen
    group = number_groups([part.take(pa.array(chosen)) for part in parts])
    members = rows[chosen]
    by_group = np.lexsort((rank[members], placed.unit[members], group))
    group, members = group[by_group], members[by_group]
    first = np.append(True, group[1:] != group[:-1])
    head = members[np.maximum.accumulate(np.where(first, np.arange(members.size), 0))]
    return members[~first], head[~first]


def _same_records(
    events: pa.Table, rows: NDArray[np.int64], placed: Placed, rank: NDArray[np.int64]
) -> Iterable[tuple[int, int]]:
    """Give (row, kept row) for records that different artifacts hold alike."""
    emitter = pc.coalesce(events["service"], events["host"]).combine_chunks()
    second = pa.array(placed.time // _SECOND)
    coarse = [events["kind"].combine_chunks(), emitter, events["severity"].combine_chunks(), second]
    rows = _shared(rows, [part.take(pa.array(rows)) for part in coarse], placed)
    messages = _normalised(events["message"].combine_chunks().take(pa.array(rows)))
    spoken = booleans(pc.not_equal(messages, ""))
    rows, messages = rows[spoken], messages.filter(pa.array(spoken))
    parts = [*(part.take(pa.array(rows)) for part in coarse), messages]
    group = number_groups(parts)
    shared = np.flatnonzero(_spans_artifacts(group, placed.artifact[rows]))
    rows, group = rows[shared], group[shared]
    trace, span = (
        events[name].combine_chunks().take(pa.array(rows)).to_pylist() for name in ("trace_id", "span_id")
    )
    ids = dict(zip(rows.tolist(), zip(trace, span, strict=True), strict=True))
    by_group = np.lexsort((rank[rows], placed.artifact[rows], placed.unit[rows], group))
    tellings: dict[int, list[int]] = defaultdict(list)
    for at in by_group.tolist():
        tellings[int(group[at])].append(int(rows[at]))
    for members in tellings.values():
        yield from _pairs(members, placed, ids)


def _pairs(
    members: list[int], placed: Placed, ids: dict[int, tuple[str | None, str | None]]
) -> Iterable[tuple[int, int]]:
    """Pair equal records across artifacts; `members` come finest first, then by artifact and place."""
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    taken: set[tuple[int, int]] = set()
    passed: dict[tuple[int, int, int], int] = defaultdict(int)
    for row in members:
        unit, artifact, time = int(placed.unit[row]), int(placed.artifact[row]), int(placed.time[row])
        moment = (unit, time // unit)
        candidates = kept[moment]
        # What lies before `passed` can't pair with this artifact any more: a long run is walked once.
        at = passed[*moment, artifact]
        while at < len(candidates) and _spent(candidates[at], artifact, placed, taken):
            at += 1
        passed[*moment, artifact] = at
        match = next(
            (
                other
                for other in candidates[at:]
                if not _spent(other, artifact, placed, taken) and _compatible(ids[row], ids[other])
            ),
            None,
        )
        if match is not None:
            taken.add((match, artifact))
            yield row, match
            continue
        for coarser in UNIT_NS.values():
            if coarser >= unit:
                kept[coarser, time // coarser].append(row)


def _spent(kept: int, artifact: int, placed: Placed, taken: set[tuple[int, int]]) -> bool:
    """Say whether a kept row has its pair from this artifact already, or comes from it."""
    return (kept, artifact) in taken or bool(placed.artifact[kept] == artifact)


def _compatible(one: tuple[str | None, str | None], other: tuple[str | None, str | None]) -> bool:
    return all(not a or not b or a == b for a, b in zip(one, other, strict=True))


def _shared(rows: NDArray[np.int64], parts: list[pa.Array], placed: Placed) -> NDArray[np.int64]:
    return rows[_spans_artifacts(number_groups(parts), placed.artifact[rows])]


def _spans_artifacts(group: NDArray[np.int64], artifact: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which rows belong to a group that holds rows of several artifacts."""
    size = int(group.max(initial=-1)) + 1
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    np.minimum.at(low, group, artifact)
    np.maximum.at(high, group, artifact)
    several: NDArray[np.bool_] = (low != high)[group]
    return several


def _normalised(messages: pa.Array) -> pa.Array:
    plain = pc.replace_substring_regex(pc.fill_null(messages, ""), _ANSI, "")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))


def _is_worded(kinds: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(kinds, pa.array([kind.value for kind in _WORDED]))

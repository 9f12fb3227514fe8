"""Merge what was told twice, and only that: every merge names its rule and what it was merged into.

1. Same bytes: an artifact listed under two names is one artifact of the seal, whose rows stand once.
2. Native ids (`native_ids`): the same id given by the source is the same event, wherever it was read.
3. Same record: equal time, emitter, severity and normalised message in *different* artifacts. Repeats
   inside one artifact are real and stay; the k-th in one artifact pairs with the k-th in the other.
   Between stamps of different precision the coarser one decides.

Values are compared, never hashes of them, so nothing vanishes on a collision. A merged event keeps its row
and place, so counts before and after agree (SOLVE-IT DFT-1308, DFT-1310). Chat messages that repeat an
alert are messages of their own.
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
from incident_pipeline.timeline.columns import booleans, held_keys, number_groups, take
from incident_pipeline.timeline.native_ids import NATIVE_IDS
from incident_pipeline.timeline.order import UNIT_NS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from incident_pipeline.timeline.native_ids import NativeId
    from incident_pipeline.timeline.order import Placed

KEPT: Final = -1
"""Target of a row that is not merged."""

SAME_RECORD: Final = "same_record"
"""Name of the last rule; the native ids carry names of their own."""

_ANSI: Final = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
_UNTIDY: Final = r"[\x00-\x1f\x7f]|  |^ | $"
"""What `_normalised` could change: control characters and space at the ends or twice."""

_WORDED: Final = (
    Kind.LOG, Kind.AUDIT, Kind.K8S_EVENT, Kind.CHANGE, Kind.CHAT, Kind.TICKET, Kind.TRANSCRIPT,
    Kind.RUNBOOK_STEP,
)  # fmt: skip
"""Kinds whose message says what happened. A span's does not (it is the operation), nor an alert's."""

_SECOND: Final = 1_000_000_000


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
    kinds = events["kind"].combine_chunks()
    held = held_keys(events)
    for native in NATIVE_IDS:
        if not native.may_occur(held):
            continue
        wanted = booleans(pc.equal(kinds, native.kind.value)) & (target == KEPT)
        repeats, kept = _native_repeats(native, events, np.flatnonzero(wanted), placed, rank)
        target[repeats], rule[repeats] = kept, native.rule
    if np.unique(placed.artifact).size > 1:
        rows = np.flatnonzero(booleans(_is_worded(kinds)) & placed.timed & (target == KEPT))
        repeats, kept = _same_records(events, rows, placed, rank)
        target[repeats], rule[repeats] = kept, SAME_RECORD
    # What was kept by one rule may have gone into another row by a later one.
    while np.any(chained := (target != KEPT) & (target[target] != KEPT)):
        target[chained] = target[target[chained]]
    return Merges(target=target, rule=rule)


def _native_repeats(
    native: NativeId, events: pa.Table, rows: NDArray[np.int64], placed: Placed, rank: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows that repeat a native id, and for each the row that is kept."""
    columns = [*native.columns, "attributes"] if native.attributes else [*native.columns]
    events = events.select(list(dict.fromkeys([*columns, "span_id", "time_ns"]))).take(pa.array(rows))
    named = [lookup(events, *spellings) for spellings in native.attributes]
    required = named[: native.needs] if named else [events["span_id"].combine_chunks()]
    there = np.ones(rows.size, np.bool_)
    for part in required:
        there &= booleans(pc.not_equal(pc.fill_null(part, ""), ""))
    chosen = np.flatnonzero(there)
    if chosen.size < 2:  # noqa: PLR2004 - one alone repeats nothing
        return chosen[:0], chosen[:0]
    parts: list[pa.Array] = [*named, *(events[name].combine_chunks() for name in native.columns)]
    if native.time_from:
        clock = events["time_ns"].combine_chunks().cast(pa.string())
        parts.append(pc.coalesce(lookup(events, *native.time_from), clock))
    group = number_groups([part.take(pa.array(chosen)) for part in parts])
    if int(group.max()) + 1 == chosen.size:
        return chosen[:0], chosen[:0]
    members = rows[chosen]
    by_group = np.lexsort((rank[members], placed.unit[members], group))
    return _onto_first(group[by_group], members[by_group])


def _same_records(
    events: pa.Table, rows: NDArray[np.int64], placed: Placed, rank: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows that another artifact holds alike, and for each the row that is kept."""
    service, host = (take(events[name], rows) for name in ("service", "host"))
    coarse = number_groups(
        [
            take(events["kind"], rows),
            pc.coalesce(service, host),
            take(events["severity"], rows),
            pa.array(placed.time[rows] // _SECOND),
        ]
    )
    some = _spans_artifacts(coarse, placed.artifact[rows])
    rows, coarse = rows[some], coarse[some]
    messages = _normalised(take(events["message"], rows))
    spoken = booleans(pc.not_equal(messages, ""))
    rows, coarse, messages = rows[spoken], coarse[spoken], messages.filter(pa.array(spoken))
    group = number_groups([pa.array(coarse), messages])
    shared = np.flatnonzero(_spans_artifacts(group, placed.artifact[rows]))
    rows, group = rows[shared], group[shared]
    traces = number_groups([take(events[name], rows) for name in ("trace_id", "span_id")])
    plain = _uniform(group, placed.unit[rows]) & _uniform(group, traces)
    merged = [_by_occurrence(rows[plain], group[plain], placed, rank)]
    rest = list(_mixed(events, rows[~plain], group[~plain], placed, rank))
    merged.append((np.array([row for row, _ in rest], np.int64), np.array([to for _, to in rest], np.int64)))
    return np.concatenate([row for row, _ in merged]), np.concatenate([to for _, to in merged])


def _by_occurrence(
    rows: NDArray[np.int64], group: NDArray[np.int64], placed: Placed, rank: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair the k-th record of each artifact with the k-th of the first that has so many.

    For groups of one precision whose trace ids agree: what `_pairs` does with them, without walking.
    """
    # Groups hold one second of time; equal precision needs equal moments.
    moment = placed.time[rows] // np.maximum(placed.unit[rows], 1)
    artifact = placed.artifact[rows]
    by_place = np.lexsort((rank[rows], artifact, moment, group))
    rows, group, moment, artifact = rows[by_place], group[by_place], moment[by_place], artifact[by_place]
    same_moment = (group[1:] == group[:-1]) & (moment[1:] == moment[:-1])
    run = np.flatnonzero(np.append(True, ~(same_moment & (artifact[1:] == artifact[:-1]))))
    nth = np.arange(rows.size) - np.repeat(run, np.diff(np.append(run, rows.size)))
    moment_number = np.cumsum(np.append(0, ~same_moment)) if rows.size else moment
    by_nth = np.lexsort((artifact, nth, moment_number))
    key = moment_number[by_nth] * (int(nth.max(initial=0)) + 1) + nth[by_nth]
    return _onto_first(key, rows[by_nth])


def _onto_first(
    group: NDArray[np.int64], members: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the members of each run of equal groups but its first, and for each that first."""
    if not members.size:
        return members, members
    first = np.append(True, group[1:] != group[:-1])
    head = members[np.maximum.accumulate(np.where(first, np.arange(members.size), 0))]
    return members[~first], head[~first]


def _mixed(
    events: pa.Table,
    rows: NDArray[np.int64],
    group: NDArray[np.int64],
    placed: Placed,
    rank: NDArray[np.int64],
) -> Iterable[tuple[int, int]]:
    """Give (row, kept row) where precisions or trace ids differ within a group."""
    trace, span = (take(events[name], rows).to_pylist() for name in ("trace_id", "span_id"))
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


def _uniform(group: NDArray[np.int64], value: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which rows belong to a group whose rows all have one value."""
    low, high = _extremes(group, value)
    uniform: NDArray[np.bool_] = (low == high)[group]
    return uniform


def _spans_artifacts(group: NDArray[np.int64], artifact: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which rows belong to a group that holds rows of several artifacts."""
    low, high = _extremes(group, artifact)
    several: NDArray[np.bool_] = (low != high)[group]
    return several


def _extremes(
    group: NDArray[np.int64], value: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    size = int(group.max(initial=-1)) + 1
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    np.minimum.at(low, group, value)
    np.maximum.at(high, group, value)
    return low, high


def _normalised(messages: pa.Array) -> pa.Array:
    messages = pc.fill_null(messages, "")
    untidy = np.flatnonzero(booleans(pc.match_substring_regex(messages, _UNTIDY)) | _wide(messages))
    if not untidy.size:
        return messages
    plain = pc.replace_substring_regex(messages.take(pa.array(untidy)), _ANSI, "")
    tidy = pc.utf8_trim_whitespace(pc.replace_substring_regex(plain, r"\s+", " "))
    mask = np.zeros(len(messages), np.bool_)
    mask[untidy] = True
    return pc.replace_with_mask(messages, pa.array(mask), tidy)


def _wide(messages: pa.Array) -> NDArray[np.bool_]:
    """Say which messages hold anything but ASCII: they may begin or end with space of other scripts."""
    wide: NDArray[np.bool_] = np.asarray(pc.binary_length(messages)) != np.asarray(pc.utf8_length(messages))
    return wide


def _is_worded(kinds: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(kinds, pa.array([kind.value for kind in _WORDED]))

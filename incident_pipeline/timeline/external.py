"""The full order of an event table that is larger than memory: the rows of `build`, from file to file.

The events are scattered twice, in the manner of an external bucket sort (Knuth, TAOCP vol. 3, section
5.4.9): by trace, to find depths, and by time, to order and compare. Buckets of time are cut at whole
seconds, as no stamp stands for longer, and hold about as many rows each (`BUCKET_ROWS`): bursts make cuts
by the clock uneven. In memory are one bucket, eight bytes per event for its depth and parent, and whole the
events that people and control planes wrote, whose native ids do not go with a time.

Times are taken as stamped: clocks are compared by `correction`, which looks at all events at once.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from incident_pipeline.evidence.merkle import leaf_hash, root_of_leaves
from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.table import TableWriter
from incident_pipeline.serialise import write_with
from incident_pipeline.timeline.causality import NO_ROW, UNLINKED, Links, link
from incident_pipeline.timeline.columns import booleans
from incident_pipeline.timeline.dedupe import KEPT, merge_repeats
from incident_pipeline.timeline.leaves import table_leaves
from incident_pipeline.timeline.narrow import IDS, NARROW, artifacts_of, decoded, read_narrow
from incident_pipeline.timeline.order import Placed, canonical_order, overlapped, settle
from incident_pipeline.timeline.table import TIMELINE, order_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BUCKET_ROWS: Final = 1_000_000

_SECOND: Final = 1_000_000_000
_BY_TIME: Final = pa.array([Kind.LOG.value, Kind.SPAN.value, Kind.SPAN_EVENT.value])
"""Kinds whose repeats have the same time, so that they are found within a bucket."""
_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class OrderedFile:
    """What was written: rows, how many of them are merged or have no time, and the Merkle root (hex)."""

    rows: int
    merged: int
    untimed: int
    buckets: int
    merkle_root: str


@dataclass(frozen=True)
class _Told:
    """Merges among the events that are held whole: row numbers, ascending, with target id and rule."""

    number: NDArray[np.int64]
    into: pa.Array
    rule: pa.Array


@dataclass(frozen=True)
class _Edges:
    """Where buckets of time begin, in seconds, and the rows within a second of either side, by bucket."""

    starts: NDArray[np.int64]
    first: list[list[Placed]]
    last: list[list[Placed]]


def order_file(
    events: Path, order: Path, *, digests: Sequence[str] | None = None, bucket_rows: int = BUCKET_ROWS
) -> OrderedFile:
    """Order an event table and write the full order, as `build_timeline` has it without corrected clocks.

    Args:
        events: an event table as Parquet.
        order: where the full order goes (schema `TIMELINE`).
        digests: the artifacts that enter; all when None.
        bucket_rows: rows to hold in memory at once, about.
    """
    digests = sorted(set(digests)) if digests is not None else artifacts_of(events)
    found: list[OrderedFile] = []

    def write(aside: Path) -> None:
        with tempfile.TemporaryDirectory(dir=order.parent, prefix=".order-") as scratch:
            found.append(_order(events, aside, Path(scratch), digests, bucket_rows))

    write_with(order, write)
    return found[0]


def _order(events: Path, aside: Path, scratch: Path, digests: Sequence[str], bucket_rows: int) -> OrderedFile:
    rows, starts, traced = _scatter_traces(events, scratch, digests, bucket_rows)
    links = Links(np.full(rows, NO_ROW, np.int32), np.full(rows, UNLINKED, np.int32))
    for path in traced:
        _link_bucket(path, links)
    edges = _Edges(starts, [[] for _ in range(starts.size + 1)], [[] for _ in range(starts.size + 1)])
    held = _scatter_times(events, scratch, digests, edges)
    told = _merge_held(held, links)
    counts = {"merged": 0, "untimed": 0, "buckets": 0}
    leaves: list[bytes] = []
    # Row groups are cut by position, not by bucket, so that buckets leave no trace in the file.
    with TableWriter(aside, TIMELINE) as writer:

        def pieces() -> Iterator[pa.Table]:
            for table in _buckets(scratch, edges, links, told):
                counts["merged"] += table.num_rows - table["merged_into"].null_count
                counts["untimed"] += table["time_ns"].null_count
                counts["buckets"] += 1
                for batch in table.to_batches():
                    writer.write(batch)
                yield table

        leaves += [leaf_hash(leaf) for leaf in table_leaves(pieces())]
    return OrderedFile(rows=rows, merkle_root=root_of_leaves(leaves).hex(), **counts)


def _scatter_traces(
    events: Path, scratch: Path, digests: Sequence[str], bucket_rows: int
) -> tuple[int, NDArray[np.int64], list[Path]]:
    """Count the events, cut time into buckets, and put what has a trace aside, traces kept whole."""
    count = max(pq.read_metadata(events).num_rows // bucket_rows, 1)
    rows = 0
    seconds: dict[int, int] = {}
    with _Scatter(scratch, "trace") as scatter:
        for batch in read_narrow(events, ("time_ns", "kind", "artifact_sha256", *IDS), digests):
            rows += batch.num_rows
            times = np.asarray(batch["time_ns"].drop_null())
            for second, many in zip(*np.unique(times // _SECOND, return_counts=True), strict=True):
                seconds[int(second)] = seconds.get(int(second), 0) + int(many)
            linked = batch.filter(pc.and_(pc.is_valid(batch["trace_id"]), pc.is_valid(batch["span_id"])))
            scatter.put(linked.drop_columns(["time_ns"]), _digit_sums(linked["trace_id"]) % count)
        paths = list(scatter.paths.values())
    known = np.array(sorted(seconds), np.int64)
    sizes = np.cumsum([seconds[second] for second in known.tolist()], dtype=np.int64)
    # A bucket begins where the rows before it fill one more bucket.
    filled = np.append(0, sizes[:-1]) // bucket_rows
    return rows, known[np.flatnonzero(np.diff(filled, prepend=0))], paths


def _digit_sums(ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """Give a number per id, from its last characters: equal ids have equal numbers."""
    tail = pc.utf8_slice_codeunits(ids, -4).combine_chunks().dictionary_encode()
    numbers = np.array([int.from_bytes(text.encode()[:7], "big") for text in tail.dictionary.to_pylist()])
    return numbers.astype(np.int64)[np.asarray(tail.indices)] if len(numbers) else np.zeros(0, np.int64)


def _link_bucket(path: Path, links: Links) -> None:
    table = decoded(_read(path))
    number = np.asarray(table["number"])
    found = link(table)
    links.depth[number] = found.depth
    links.parent[number] = np.where(found.parent >= 0, number[found.parent], NO_ROW)


def _scatter_times(events: Path, scratch: Path, digests: Sequence[str], edges: _Edges) -> list[pa.Table]:
    """Put the events into buckets of time, and give those to hold whole."""
    held = []
    with _Scatter(scratch, "time") as scatter:
        for batch in read_narrow(events, NARROW, digests):
            placed = _placed(batch)
            second = placed.time // _SECOND
            bucket = np.where(placed.timed, np.searchsorted(edges.starts, second, side="right"), -1)
            scatter.put(batch, bucket)
            for at in np.unique(bucket[placed.timed]).tolist():
                inside = bucket == at
                if at:
                    edges.first[at].append(_rows(placed, inside & (second == edges.starts[at - 1])))
                if at < edges.starts.size:
                    edges.last[at].append(_rows(placed, inside & (second == edges.starts[at] - 1)))
            apart = pc.invert(pc.is_in(batch["kind"].cast(pa.string()), value_set=_BY_TIME))
            held.append(decoded(batch.filter(apart)))
    return held


def _merge_held(held: list[pa.Table], links: Links) -> _Told:
    nothing = _Told(np.zeros(0, np.int64), pa.nulls(0, pa.string()), pa.nulls(0, pa.string()))
    if not held:
        return nothing
    table = pa.concat_tables(held).combine_chunks()
    placed = _placed(table)
    number = np.asarray(table["number"])
    depth = links.depth[number].astype(np.int64)
    order = canonical_order(placed, Links(depth, depth))
    merges = merge_repeats(table, placed, order)
    rows = np.flatnonzero(merges.target != KEPT)
    if not rows.size:
        return nothing
    into = table["event_id"].combine_chunks().take(pa.array(merges.target[rows]))
    return _Told(number[rows], into, pa.array(merges.rule[rows].tolist(), pa.string()))


def _buckets(scratch: Path, edges: _Edges, links: Links, told: _Told) -> Iterator[pa.Table]:
    """Give the full order bucket by bucket; those without a time come last."""
    position = 0
    before: tuple[Placed, NDArray[np.int64]] | None = None
    for bucket in (*range(edges.starts.size + 1), -1):
        path = scratch / f"time{bucket}"
        if not path.is_file():
            continue
        table = decoded(_read(path)).combine_chunks()
        path.unlink()
        number = np.asarray(table["number"])
        placed = _placed(table)
        depth = links.depth[number].astype(np.int64)
        order = canonical_order(placed, Links(depth, depth))
        around = [*(edges.last[bucket - 1] if bucket > 0 else ())]
        around += edges.first[bucket + 1] if 0 <= bucket < edges.starts.size else ()
        overlap = overlapped(_joined([placed, *around]))[: order.size]
        caused = _caused(placed, links.parent[number].astype(np.int64), depth, number)
        basis = _settle(placed, overlap, caused, order, number, before)
        merged = _merged(table, placed, order, told, number)
        bounds = (placed.time, placed.time + placed.unit)
        ids = table["event_id"].combine_chunks()
        yield order_table(ids, placed, bounds, depth, order, basis, merged, first=position)
        position += order.size
        before = _rows(placed, order[-1:]), number[order[-1:]]


def _settle(
    placed: Placed,
    overlap: NDArray[np.bool_],
    caused: NDArray[np.bool_],
    order: NDArray[np.int64],
    number: NDArray[np.int64],
    before: tuple[Placed, NDArray[np.int64]] | None,
) -> NDArray[np.int8]:
    """Settle a bucket with the row that stands before it, if any."""
    if before is None:
        return settle(placed, overlap, caused, order, number)
    end = order.size
    return settle(
        _joined([placed, before[0]]),
        np.append(overlap, False),
        np.append(caused, False),
        np.append(end, order),
        np.append(number, before[1]),
    )[:end]


def _caused(
    placed: Placed, parent: NDArray[np.int64], depth: NDArray[np.int64], number: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say whose parent has the same time: such a parent lies in the same bucket."""
    at = np.minimum(np.searchsorted(number, parent), number.size - 1)
    here = (parent >= 0) & (number[at] == parent)
    caused: NDArray[np.bool_] = (
        here & (depth > 0) & placed.timed & placed.timed[at] & (placed.time == placed.time[at])
    )
    return caused


def _merged(
    table: pa.Table, placed: Placed, order: NDArray[np.int64], told: _Told, number: NDArray[np.int64]
) -> tuple[pa.Array, pa.Array]:
    """Give per row of a bucket the id it was merged into and the rule."""
    ids = table["event_id"].combine_chunks()
    own = np.flatnonzero(booleans(pc.is_in(table["kind"], value_set=_BY_TIME)))
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    part = table if own.size == order.size else table.take(pa.array(own))
    merges = merge_repeats(part, _rows(placed, own), np.argsort(rank[own]))
    rows = np.flatnonzero(merges.target != KEPT)
    at = np.searchsorted(number, told.number)
    at = np.minimum(at, number.size - 1)
    here = np.flatnonzero(number[at] == told.number)
    pool = pa.concat_arrays([ids.take(pa.array(own[merges.target[rows]])), told.into.take(pa.array(here))])
    rules = pa.concat_arrays(
        [pa.array(merges.rule[rows].tolist(), pa.string()), told.rule.take(pa.array(here))]
    )
    place = np.full(order.size, -1, np.int64)
    place[np.append(own[rows], at[here])] = np.arange(len(pool))
    picked = pa.array(place, mask=place < 0)
    return pool.take(picked), rules.take(picked)


def _placed(table: pa.Table) -> Placed:
    """Read the places of a narrow table; artifacts keep the ranks they have among all."""
    placed = Placed.of(table)
    return replace(placed, artifact=np.asarray(table["artifact_sha256"], np.int64))


def _rows(placed: Placed, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Placed:
    return Placed(
        placed.time[rows], placed.timed[rows], placed.unit[rows], placed.artifact[rows], placed.offset[rows]
    )


def _joined(parts: Sequence[Placed]) -> Placed:
    return Placed(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("time", "timed", "unit", "artifact", "offset")
        )
    )


class _Scatter:
    """Tables in files by bucket, in the order in which they come."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._open = ExitStack()
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        self.paths: dict[int, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def put(self, table: pa.Table, bucket: NDArray[np.int64]) -> None:
        """Add each row to its bucket."""
        table = table.unify_dictionaries().combine_chunks()
        if not table.num_rows:
            return
        if bucket.min() != bucket.max():
            order = np.argsort(bucket, kind="stable")
            table, bucket = table.take(pa.array(order)), bucket[order]
        edges = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1]))
        for start, stop in zip(edges.tolist(), [*edges.tolist()[1:], bucket.size], strict=True):
            self._writer(int(bucket[start]), table.schema).write_table(table.slice(start, stop - start))

    def _writer(self, bucket: int, schema: pa.Schema) -> pa.ipc.RecordBatchStreamWriter:
        if bucket not in self._writers:
            path = self.paths[bucket] = self._folder / f"{self._name}{bucket}"
            self._writers[bucket] = self._open.enter_context(
                pa.ipc.new_stream(path, schema, options=_OPTIONS)
            )
        return self._writers[bucket]


def _read(path: Path) -> pa.Table:
    with path.open("rb") as file, pa.ipc.open_stream(file) as stream:
        return stream.read_all()

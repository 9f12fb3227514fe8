"""Speed and memory of the order: against polars and DuckDB on the same files, and how both grow.

    python benchmarks/timeline.py [FOLDER] [MILLIONS]     5 million events (and 4 times as many) by default

Every case runs in a process of its own, cases take turns, medians of three. Inputs come from a seed: four
hours, 14 services, 48 templates, a burst of half an hour with 2.5 times as many events, 6 % of the records
shipped again in another artifact; spans in shuffled traces up to some fifty deep.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from incident_pipeline.parsers.table import EVENTS

REPEATS = 3
CHUNK = 500_000
START = 1_790_000_000_000_000_000
HOURS_NS = 4 * 3600 * 1_000_000_000
WORDS = ("request", "order", "payment", "session", "cache", "stock", "cart", "user")
VERBS = (
    "accepted for",
    "timed out after",
    "was retried by",
    "completed within",
    "could not reach",
    "refreshed",
)


def hexes(numbers: np.ndarray, words: int) -> pa.Array:
    """Give ids of 16 hex digits per word, from an array of shape (rows, words)."""
    text = np.ascontiguousarray(numbers, ">u8").tobytes().hex().encode()
    width = 16 * words
    offsets = np.arange(0, len(text) + 1, width, dtype=np.int32)
    return pa.StringArray.from_buffers(len(text) // width, pa.py_buffer(offsets), pa.py_buffer(text))


def write_events(path: Path, rows: int) -> None:
    """Write an event table of logs and spans in source order, artifact after artifact."""
    shipped = int(rows * 0.06)
    with pq.ParquetWriter(path, EVENTS, compression="zstd", compression_level=1,
                          use_dictionary=["kind", "service", "host", "source", "time_precision", "time_basis",
                                          "artifact_sha256", "artifact_uri", "severity_raw"]) as writer:  # fmt: skip
        for first in range(0, rows - shipped, CHUNK):
            count = min(CHUNK, rows - shipped - first)
            table = events(first, count, rows - shipped, "a")
            writer.write_table(table, row_group_size=131_072)
            again = min(int(CHUNK * 0.064), count)
            share = events(first, count, rows - shipped, "b").slice(0, again if first + count < rows - shipped
                                                                     else max(shipped - written(first), 0))  # fmt: skip
            writer.write_table(share, row_group_size=131_072)


def written(first: int) -> int:
    """Give how many records were shipped again before the chunk that begins at `first`."""
    return first // CHUNK * int(CHUNK * 0.064)


def events(first: int, count: int, total: int, artifact: str) -> pa.Table:
    """Give a chunk of the events; shipped again, they stand in another artifact with ids of its own."""
    rng = np.random.default_rng(first + 1)
    place = (first + np.arange(count)) / total
    # Half of the second hour has 2.5 times as many.
    burst = np.interp(place, [0, 0.3, 0.3 + 0.5 * 0.5, 1], [0, 0.35, 0.475, 1])
    times = START + (burst * HOURS_NS).astype(np.int64) + rng.integers(0, 2_000_000_000, count)
    span = rng.random(count) < 0.35
    precision = np.where(span, 0, rng.integers(0, 3, count))
    times -= times % np.array([1, 1_000, 1_000_000])[precision]
    service, template = rng.integers(0, 14, count), rng.integers(0, 48, count)
    numbers = rng.integers(0, 10**9, count)
    heads = pa.array([f"{WORDS[i % 8]} {VERBS[i % 6]} step {i}: " for i in range(48)])
    message = pa.compute.binary_join_element_wise(
        heads.take(pa.array(template)), pa.array(numbers).cast(pa.string()), " ms, tenant ",
        pa.array(numbers % 997).cast(pa.string()), ", region eu-central, attempt 1", "")  # fmt: skip
    trace = np.repeat(rng.integers(1, 2**63, (count // 40 + 1, 2), np.uint64), 40, axis=0)[:count]
    own = rng.integers(1, 2**63, (count, 1), np.uint64)
    parent = np.roll(own, 1, axis=0)
    names = pa.array([f"service-{i}" for i in range(14)])
    digest = {"a": "0a" * 32, "b": "0b" * 32}[artifact]
    ids = rng.integers(1, 2**63, (count, 2), np.uint64) ^ np.uint64(ord(artifact))
    entries = np.arange(0, 3 * count + 1, 3, dtype=np.int32)
    keys = pa.array(["http.request.method", "k8s.namespace", "thread"]).take(
        pa.array(np.tile([0, 1, 2], count))
    )
    values = pa.array(["GET", "shop", "worker-1"]).take(pa.array(np.tile([0, 1, 2], count)))
    offsets = (first + np.arange(count)) * 300
    given = {
        "event_id": hexes(ids, 2), "time_ns": pa.array(times), "end_time_ns": pa.array(times + 5_000, mask=~span),
        "time_precision": pa.array(["ns", "us", "ms"]).take(pa.array(precision)), "time_basis": constant("explicit", count),
        "kind": pa.array(["log", "span"]).take(pa.array(span.astype(np.int64))), "source": constant("loki", count),
        "service": names.take(pa.array(service)), "severity": pa.array(np.where(template < 6, 17, 9).astype(np.int8)),
        "message": message, "trace_id": hexes(trace, 2), "span_id": hexes(own, 1), "parent_span_id": hexes(parent, 1),
        "attributes": pa.MapArray.from_arrays(entries, keys, values), "artifact_sha256": constant(digest, count),
        "artifact_uri": constant(f"logs/{artifact}.jsonl", count), "byte_start": pa.array(offsets),
        "byte_end": pa.array(offsets + 299),
    }  # fmt: skip
    return pa.table([given.get(field.name, pa.nulls(count, field.type)) for field in EVENTS], schema=EVENTS)


def constant(text: str, count: int) -> pa.Array:
    """Give a text as a column."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), [text]).cast(pa.string())


def write_spans(path: Path, rows: int) -> None:
    """Write shuffled spans of traces of 20 to 80."""
    rng = np.random.default_rng(7)
    sizes = rng.integers(20, 81, rows // 40)
    sizes = sizes[np.cumsum(sizes) <= rows]
    sizes = np.append(sizes, rows - sizes.sum())
    trace = np.repeat(np.arange(sizes.size), sizes)
    place = np.arange(rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    back = np.minimum(np.where(rng.random(rows) < 0.6, 1, rng.integers(1, 9, rows)), place)
    ids, traces = (
        rng.integers(1, 2**63, (rows, 1), np.uint64),
        rng.integers(1, 2**63, (sizes.size, 2), np.uint64),
    )
    shuffled = rng.permutation(rows)
    above = hexes(ids[np.arange(rows) - back][shuffled], 1)
    above = pa.compute.if_else(pa.array((back == 0)[shuffled]), pa.scalar(None, pa.string()), above)
    columns = {
        "kind": constant("span", rows), "artifact_sha256": constant("0a" * 32, rows),
        "trace_id": hexes(traces[trace[shuffled]], 2), "span_id": hexes(ids[shuffled], 1), "parent_span_id": above,
    }  # fmt: skip
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=1, row_group_size=131_072)


def order_ours(path: Path) -> dict[str, object]:
    """Order an event table from file to file, Merkle root included."""
    from incident_pipeline.timeline import order_file  # noqa: PLC0415 - imports are not measured

    began = time.process_time()
    done = order_file(path, path.with_name("order.parquet"))
    return {"cpu": time.process_time() - began, "rows": done.rows, "merged": done.merged}


def order_polars(path: Path, columns: list[str] | None = None) -> dict[str, object]:
    """Read, drop repeats, sort and write, eagerly; with all columns, or those that ours reads."""
    import polars as pl  # noqa: PLC0415 - imports are not measured

    began = time.process_time()
    frame = pl.read_parquet(path, columns=columns)
    rows = frame.height
    plain = (
        pl.col("message")
        .str.replace_all(r"\x1b\[[0-9;]*m", "")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )
    frame = frame.with_columns(plain.alias("plain"))
    frame = frame.unique(["time_ns", "kind", "service", "severity", "span_id", "plain"], keep="first")
    frame = frame.sort(["time_ns", "artifact_sha256", "byte_start"]).drop("plain")
    frame.write_parquet(path.with_name("polars.parquet"), compression="zstd", compression_level=1)
    return {"cpu": time.process_time() - began, "rows": rows, "merged": rows - frame.height}


def order_polars_narrow(path: Path) -> dict[str, object]:
    """Do the same on the columns that ours reads."""
    from incident_pipeline.timeline.narrow import NARROW  # noqa: PLC0415 - imports are not measured

    return order_polars(path, [*NARROW, "parent_span_id"])


def depth_ours(path: Path) -> dict[str, object]:
    """Read the spans and find their depths and parents."""
    from incident_pipeline.timeline.causality import link  # noqa: PLC0415 - imports are not measured

    began = time.process_time()
    table = pq.read_table(path, read_dictionary=["kind", "artifact_sha256"])
    read = time.process_time() - began
    depth = link(table).depth
    return {
        "cpu": time.process_time() - began,
        "read": read,
        "sum": int(depth.sum()),
        "max": int(depth.max()),
    }


def depth_duckdb(path: Path, bounded: bool = False) -> dict[str, object]:
    """Read the spans and find their depths with a recursive CTE; bounded, it ends on cycles."""
    import duckdb  # noqa: PLC0415 - imports are not measured

    began = time.process_time()
    con = duckdb.connect()
    con.execute(
        "create table s as select trace_id, span_id, parent_span_id from read_parquet(?)", [str(path)]
    )
    read = time.process_time() - began
    union, bound = ("union", "where d.depth < 1000000") if bounded else ("union all", "")
    found = con.sql(f"""
        with recursive d as (
            select trace_id, span_id, 0 as depth from s where parent_span_id is null
            {union} select s.trace_id, s.span_id, d.depth + 1
            from s join d on s.trace_id = d.trace_id and s.parent_span_id = d.span_id {bound}
        ) select trace_id, span_id, depth from d""").to_arrow_table()  # noqa: S608 - no outside text in it
    depth = found["depth"].combine_chunks().to_numpy()
    return {
        "cpu": time.process_time() - began,
        "read": read,
        "sum": int(depth.sum()),
        "max": int(depth.max()),
    }


def depth_duckdb_bounded(path: Path) -> dict[str, object]:
    """Do the same so that it ends on cycles, as ours does."""
    return depth_duckdb(path, bounded=True)


CASES = {
    step.__name__: step
    for step in (
        order_ours,
        order_polars,
        order_polars_narrow,
        depth_ours,
        depth_duckdb,
        depth_duckdb_bounded,
    )
}


def peak_mib() -> float:
    """Give the most memory this process had (`getrusage` would count what its parent had before it)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measured(case: str, path: Path) -> dict[str, float]:
    """Run one case in a process of its own."""
    command = [sys.executable, __file__, "--case", case, str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def compared(path: Path, cases: tuple[str, ...], repeats: int = REPEATS) -> dict[str, dict[str, float]]:
    """Give the medians of cases that took turns; counts have to be the same every time."""
    runs = [{case: measured(case, path) for case in cases} for _ in range(repeats)]
    found = {}
    for case in cases:
        found[case] = {name: statistics.median(run[case][name] for run in runs) for name in runs[0][case]}
        others = ", ".join(
            f"{name} {value:,.0f}" for name, value in found[case].items() if name not in ("cpu", "peak")
        )
        print(f"  {case:<22} {found[case]['cpu']:7.2f} CPU-s  {found[case]['peak']:6,.0f} MiB  {others}")
    return found


def run(folder: Path, millions: float = 5) -> None:
    """Write the inputs and show all cases, ratios and growth."""
    rows = int(millions * 1_000_000)
    sizes = {factor: folder / f"events{factor}.parquet" for factor in ("fifth", "one", "four")}
    for path, count in zip(sizes.values(), (rows // 5, rows, rows * 4), strict=True):
        if not path.is_file():
            write_events(path, count)
    print(f"dedupe + sort + write of {rows:,} events")
    order = compared(sizes["one"], ("order_ours", "order_polars", "order_polars_narrow"))
    ours, whole, narrow = (order[case] for case in ("order_ours", "order_polars", "order_polars_narrow"))
    print(f"  ours / polars: CPU {ours['cpu'] / whole['cpu']:.2f}, peak {ours['peak'] / whole['peak']:.2f}; on the same "
          f"columns CPU {ours['cpu'] / narrow['cpu']:.2f}, peak {ours['peak'] / narrow['peak']:.2f}")  # fmt: skip
    print(f"growth: {rows // 5:,} and {rows * 4:,} events")
    small = compared(sizes["fifth"], ("order_ours",))["order_ours"]
    large = compared(sizes["four"], ("order_ours",), repeats=1)["order_ours"]
    print(f"  peak x4 / x1 {large['peak'] / ours['peak']:.2f}; CPU per event x4 / x0.2 "
          f"{large['cpu'] / 4 / (small['cpu'] * 5):.2f}")  # fmt: skip
    spans = folder / "spans.parquet"
    if not spans.is_file():
        write_spans(spans, rows)
    print(f"causal depth of {rows:,} shuffled spans")
    depth = compared(spans, ("depth_ours", "depth_duckdb", "depth_duckdb_bounded"))
    if len({(found["sum"], found["max"]) for found in depth.values()}) != 1:
        raise SystemExit("the depths differ")
    linked = depth["depth_ours"]
    for case in ("depth_duckdb", "depth_duckdb_bounded"):
        other = depth[case]
        print(f"  ours / {case}: CPU {linked['cpu'] / other['cpu']:.2f}, without reading "
              f"{(linked['cpu'] - linked['read']) / (other['cpu'] - other['read']):.2f}")  # fmt: skip


def main(arguments: list[str]) -> None:
    """Run one case for `measured`, or all."""
    if arguments[:1] == ["--case"]:
        found = CASES[arguments[1]](Path(arguments[2]))
        print(json.dumps(found | {"peak": peak_mib()}))
        return
    if arguments:
        folder = Path(arguments[0])
        folder.mkdir(parents=True, exist_ok=True)
        run(folder, float(arguments[1]) if arguments[1:] else 5)
        return
    with tempfile.TemporaryDirectory() as name:
        run(Path(name))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Compare parsing with other readers of the same bytes: CPU of each in its own process, interleaved.

    python benchmarks/parsing.py [--records N] [--repeats N] [--folder DIR] [json_lines nginx syslog otlp memory]

Each measurement is a process of its own that imports first and is measured from then on: CPU seconds, user
and system of all its threads, and the most memory it held. Medians of the repeats.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson
import pandas as pd
import parsing_inputs
import polars as pl
import pyarrow as pa

from incident_pipeline.parsers import Assume, Reading, all_formats, parse_into_folder
from incident_pipeline.parsers.masking import mask_ids
from incident_pipeline.parsers.table import EVENTS, event_ids, write_table
from incident_pipeline.results import ResultsFolder

NGINX = (
    r"^(?P<address>\S+) (?P<identity>\S+) (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    r'"(?P<method>\S+) (?P<url>\S+) (?P<protocol>[^"]*)" (?P<status>\d{3}) (?P<size>\d+|-) '
    r'"(?P<referrer>[^"]*)" "(?P<agent>[^"]*)"$'
)
SYSLOG = r"^(?P<time>\w{3} [ \d]\d \d\d:\d\d:\d\d) (?P<host>\S+) (?P<tag>[^\[:]+)(?:\[(?P<pid>\d+)\])?: (?P<message>.*)$"
LIMITS = {
    "json_lines polars": 1.5, "json_lines polars_zstd1": 1.5, "json_lines pandas": 0.5, "nginx polars_places": 1.1,
    "syslog polars_places": 1.1, "otlp orjson": 1.0, "otlp polars": 0.25,
}  # fmt: skip


def ours(path: Path, out: Path) -> None:
    parse_into_folder(ResultsFolder(out / "ours"), [path], Reading(assume=Assume(year=2026)))


def polars_json(path: Path, out: Path) -> None:
    pl.scan_ndjson(path).sink_parquet(out / "polars.parquet")


def polars_json_zstd1(path: Path, out: Path) -> None:
    pl.scan_ndjson(path).sink_parquet(out / "polars.parquet", compression="zstd", compression_level=1)


def pandas_json(path: Path, _: Path) -> None:
    pd.read_json(path, lines=True)


def polars_text(path: Path, out: Path, pattern: str, *, places: bool) -> None:
    """Write the fields of text with typed times; with `places`, as zstd-1 and with each line's byte range."""
    lines = pl.scan_csv(path, has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
    size = pl.col("line").str.len_bytes().cast(pl.Int64)
    end = (size + 1).cum_sum() - 1
    ranges = [(end - size).alias("byte_start"), end.alias("byte_end")] if places else []
    groups = lines.select(*ranges, pl.col("line").str.extract_groups(pattern)).unnest("line")
    time = (
        pl.col("time").str.to_datetime("%d/%b/%Y:%H:%M:%S %z", strict=False)
        if pattern is NGINX
        else (pl.lit("2026 ") + pl.col("time")).str.to_datetime("%Y %b %e %H:%M:%S", strict=False)
    )
    typed = groups.with_columns(time.alias("time"))
    if places:
        typed.sink_parquet(out / "polars.parquet", compression="zstd", compression_level=1)
    else:
        typed.sink_parquet(out / "polars.parquet")


def polars_otlp(path: Path, _: Path) -> None:
    pl.read_ndjson(path)


def orjson_otlp(path: Path, out: Path) -> None:
    """Write the columns of the event table from a plain loop; bytes are those of the request's line."""
    batches = []
    at = 0
    columns: list[list[object]] = [[] for _ in range(12)]
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            for group in orjson.loads(line)["resourceLogs"]:
                resource_ = {item["key"]: _value(item["value"]) for item in group["resource"]["attributes"]}
                common = {f"resource.{key}": value for key, value in resource_.items()}
                for scope in group["scopeLogs"]:
                    common["scope.name"] = scope["scope"]["name"]
                    for record in scope["logRecords"]:
                        attributes = common | {i["key"]: _value(i["value"]) for i in record["attributes"]}
                        attributes["observed_time_unix_nano"] = record["observedTimeUnixNano"]
                        row = (
                            int(record["timeUnixNano"]), record["timeUnixNano"], resource_["service.name"],
                            resource_["k8s.pod.name"], record["severityNumber"], record["severityText"],
                            record["body"]["stringValue"], record["traceId"], record["spanId"],
                            sorted(attributes.items()), number, at,
                        )  # fmt: skip
                        for column, value in zip(columns, row, strict=True):
                            column.append(value)
            at += len(line)
            if len(columns[0]) > 50_000:
                batches.append(_batch(columns))
                columns = [[] for _ in range(12)]
    batches.append(_batch(columns))
    write_table(out / "orjson.parquet", pa.Table.from_batches(batches, EVENTS))


def _batch(columns: list[list[object]]) -> pa.RecordBatch:
    times, raws, services, hosts, numbers, words, messages, traces, spans, attributes, lines, starts = columns
    count, text = len(times), pa.array(messages, pa.string())
    places = pa.array(starts, pa.int64()).to_numpy()
    nothing = pa.nulls(count, pa.string())

    def of(value: str) -> pa.Array:
        return pa.repeat(pa.scalar(value, pa.string()), count)

    return pa.record_batch(
        [
            event_ids("ab" * 32, places, places + 1, pa.array(range(count), pa.int64()).to_numpy()),
            pa.array(times, pa.int64()), pa.nulls(count, pa.int64()), pa.array(raws, pa.string()), of("ns"),
            of("explicit"), of("log"), nothing, pa.array(services, pa.string()), pa.array(hosts, pa.string()),
            nothing, pa.array(numbers, pa.int8()), pa.array(words, pa.string()), text, pa.array(traces, pa.string()),
            pa.array(spans, pa.string()), nothing, pa.array(attributes, EVENTS.field("attributes").type),
            of("ab" * 32), of("x"), pa.array(lines, pa.int64()), pa.array(places), pa.array(places), nothing,
            mask_ids(text),
        ],
        schema=EVENTS,
    )  # fmt: skip


def _value(value: dict[str, object]) -> str:
    return str(next(iter(value.values())))


READERS: dict[str, dict[str, Callable[[Path, Path], None]]] = {
    "json_lines": {
        "ours": ours, "polars": polars_json, "polars_zstd1": polars_json_zstd1, "pandas": pandas_json,
    },
    "nginx": {
        "ours": ours, "polars_places": partial(polars_text, pattern=NGINX, places=True),
        "polars_lean": partial(polars_text, pattern=NGINX, places=False),
    },
    "syslog": {
        "ours": ours, "polars_places": partial(polars_text, pattern=SYSLOG, places=True),
        "polars_lean": partial(polars_text, pattern=SYSLOG, places=False),
    },
    "otlp": {"ours": ours, "orjson": orjson_otlp, "polars": polars_otlp},
}  # fmt: skip


def measure(kind: str, reader: str, path: Path, out: Path) -> tuple[float, int]:
    """Give CPU seconds and most MiB of one reading, in a process of its own."""
    command = [sys.executable, __file__, "--one", kind, reader, str(path), str(out)]
    done = subprocess.run(command, check=True, capture_output=True)
    cpu, peak = json.loads(done.stdout.splitlines()[-1])
    return cpu, peak


def one(kind: str, reader: str, path: Path, out: Path) -> None:
    all_formats()
    pa.array([1]).to_pandas()  # what Arrow imports on first use
    before = time.process_time()
    READERS[kind][reader](path, out)
    spent = time.process_time() - before
    print(json.dumps([spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024]))


def compare(kind: str, records: int, repeats: int, folder: Path) -> None:
    """Show what a reading costs against each of the others."""
    path = folder / f"{kind}-{records}.log"
    if not path.exists():
        parsing_inputs.write(kind, records, path)
    readers = READERS[kind]
    runs = [{name: measure(kind, name, path, folder) for name in readers} for _ in range(repeats)]
    cpu = {name: statistics.median(run[name][0] for run in runs) for name in readers}
    peak = {name: max(run[name][1] for run in runs) for name in readers}
    size = path.stat().st_size / 1e6
    print(f"{kind}: {records:,} records, {size:.0f} MB; ours {cpu['ours']:.2f} CPU-s, {peak['ours']} MiB")
    for name in readers:
        if name != "ours":
            ratio = statistics.median(run["ours"][0] / run[name][0] for run in runs)
            limit = LIMITS.get(f"{kind} {name}")
            print(f"  {ratio:.2f} x {name} ({cpu[name]:.2f} CPU-s, {peak[name]} MiB; to be at most {limit})")


def memory(records: int, folder: Path) -> None:
    """Show memory and CPU while the input grows threefold: JSON lines, nginx, syslog and OTLP together."""
    for scale in (1, 3):
        paths = []
        for kind in READERS:
            base = folder / f"{kind}-{records}.log"
            if not base.exists():
                parsing_inputs.write(kind, records, base)
            path = folder / f"{kind}-{records}-x{scale}.log"
            with path.open("wb") as joined:
                for _ in range(scale):
                    with base.open("rb") as once:
                        shutil.copyfileobj(once, joined)
            paths.append(path)
        size = sum(path.stat().st_size for path in paths) / 1e9
        command = [sys.executable, __file__, "--many", str(folder / "many"), *map(str, paths)]
        done = subprocess.run(command, check=True, capture_output=True)
        cpu, peak, events = json.loads(done.stdout.splitlines()[-1])
        print(
            f"memory: {size:.2f} GB, {events:,} events: {peak} MiB, {cpu:.1f} CPU-s, {cpu / events * 1e6:.2f} us each"
        )


def many(out: Path, paths: list[Path]) -> None:
    all_formats()
    before = time.process_time()
    report = parse_into_folder(ResultsFolder(out), paths, Reading(assume=Assume(year=2026)))
    spent = time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps([spent, peak, sum(item.events for item in report.artifacts)]))


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
        return
    if sys.argv[1:2] == ["--many"]:
        many(Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
        return
    options = argparse.ArgumentParser()
    options.add_argument("--records", type=int, default=1_000_000)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--folder", type=Path)
    options.add_argument("sections", nargs="*", default=[*READERS, "memory"])
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for section in given.sections:
            if section == "memory":
                memory(given.records, folder)
            else:
                compare(section, given.records, given.repeats, folder)


if __name__ == "__main__":
    main()

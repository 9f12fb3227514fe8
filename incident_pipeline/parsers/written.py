"""Write the tables of a results folder as JSON Lines or CSV beside the Parquet files, batch by batch.

CSV follows RFC 4180 and is safe to open in a spreadsheet: a text that a spreadsheet would run as a formula
gets an apostrophe in front (OWASP, CSV injection). Maps are JSON in one cell.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from incident_pipeline.serialise import compact_json, write_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incident_pipeline.results import ResultsFolder

As = Literal["parquet", "jsonl", "csv"]
_ROWS: Final = 4_096
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula, also in full width."""


def write_as(folder: ResultsFolder, form: As) -> tuple[Path, ...]:
    """Write events, samples, series and quarantine once more as `form`; `parquet` is there already."""
    if form == "parquet":
        return ()
    written = []
    for path in (folder.events, folder.samples, folder.series, folder.quarantine):
        target = path.with_suffix(f".{form}")
        _write(path, target, form)
        written.append(target)
    return tuple(written)


def _write(source: Path, target: Path, form: As) -> None:
    def write(aside: Path) -> None:
        with aside.open("wb") as file:
            file.writelines(_json_lines(source) if form == "jsonl" else _csv_lines(source))

    write_with(target, write)


def _rows(source: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(source) as file:
        maps = [field.name for field in file.schema_arrow if pa.types.is_map(field.type)]
        for batch in file.iter_batches(_ROWS):
            for row in batch.to_pylist():
                for name in maps:
                    row[name] = dict(row[name] or ())
                yield row


def _json_lines(source: Path) -> Iterator[bytes]:
    for row in _rows(source):
        # JSON has no NaN and no infinity: a measurement that is none is null, as in the other tables.
        value = row.get("value")
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124
            row["value"] = str(value)
        yield compact_json(row).rstrip(b"\n") + b"\n"


def _csv_lines(source: Path) -> Iterator[bytes]:
    with pq.ParquetFile(source) as file:
        yield _line(file.schema_arrow.names)
    for row in _rows(source):
        yield _line([_cell(value) for value in row.values()])


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return compact_json(value).decode().rstrip("\n") if value else ""
    if not isinstance(value, str):
        return str(value)
    return f"'{value}" if value.startswith(_FORMULA) else value

"""Where the rows of a parse go: into memory, or into Parquet files that grow while evidence is read.

A sink takes batches in the order of the rows. Files appear when everything went well and not before:
a digest that turns out wrong at the last byte of an artifact leaves nothing behind.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Protocol, Self

import pyarrow as pa

from incident_pipeline.parsers.table import EVENTS, QUARANTINE, SAMPLES, SERIES, TableWriter
from incident_pipeline.serialise import publishing

if TYPE_CHECKING:
    from types import TracebackType

    from incident_pipeline.results import ResultsFolder

SCHEMAS: Final = {"events": EVENTS, "samples": SAMPLES, "series": SERIES, "quarantine": QUARANTINE}
"""The tables of a parse by name."""


class Sink(Protocol):
    """Takes the rows of a parse."""

    def take(self, table: str, batch: pa.RecordBatch) -> None:
        """Take rows of one of the tables in `SCHEMAS`."""


class MemorySink:
    """Rows kept as tables."""

    def __init__(self) -> None:
        """Begin with empty tables."""
        self._batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in SCHEMAS}

    def take(self, table: str, batch: pa.RecordBatch) -> None:
        """Keep a batch."""
        self._batches[table].append(batch)

    def table(self, name: str) -> pa.Table:
        """Give one of the tables."""
        return pa.Table.from_batches(self._batches[name], schema=SCHEMAS[name])

    def put(self, name: str, batches: list[pa.RecordBatch]) -> None:
        """Let these batches take the place of a table's rows."""
        self._batches[name] = batches

    def pass_on(self, sink: Sink) -> None:
        """Hand everything kept to another sink, and keep it no longer."""
        for name, batches in self._batches.items():
            for batch in batches:
                sink.take(name, batch)
            batches.clear()


class ParquetSink:
    """Rows written into the four Parquet files of a results folder, which appear when the block ends well."""

    def __init__(self, folder: ResultsFolder) -> None:
        """Write into this folder."""
        self._paths = {
            "events": folder.events,
            "samples": folder.samples,
            "series": folder.series,
            "quarantine": folder.quarantine,
        }
        self._files = ExitStack()
        self._writers: dict[str, TableWriter] = {}
        self.counts = dict.fromkeys(SCHEMAS, 0)
        """Rows taken, by table."""

    def __enter__(self) -> Self:
        """Open files aside."""
        with ExitStack() as opening:
            for name, path in self._paths.items():
                aside = opening.enter_context(publishing(path))
                self._writers[name] = opening.enter_context(TableWriter(aside, SCHEMAS[name]))
            self._files = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish the files, or remove them when something went wrong."""
        self._files.__exit__(kind, error, trace)

    def take(self, table: str, batch: pa.RecordBatch) -> None:
        """Write a batch."""
        self.counts[table] += batch.num_rows
        self._writers[table].write(batch)

"""Read the stored full order back: rows of `timeline.parquet` joined with their events, in order.

The order may hold many millions of rows, so it is never held whole: DuckDB joins and sorts the two files
within a fixed amount of memory, spilling to a temporary folder, and rows come in batches. Rows of the
order without an event, or the other way round, are an error here: then the files are of different runs.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, Final, Self

import duckdb

from incident_pipeline.errors import MalformedInputError, MissingArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from incident_pipeline.results import ResultsFolder

    Row = dict[str, Any]

MEMORY_LIMIT: Final = "512MB"
_ROWS_AT_ONCE: Final = 2_048
_ORDER: Final = (
    "event_id", "position", "time_ns", "interval_low_ns", "interval_high_ns", "depth", "order_basis",
    "merged_into", "rule",
)  # fmt: skip
_EVENT: Final = (
    "end_time_ns", "time_raw", "time_precision", "time_basis", "kind", "source", "service", "host",
    "actor", "severity", "severity_raw", "message", "trace_id", "span_id", "parent_span_id",
    "artifact_sha256", "artifact_uri", "line", "byte_start", "byte_end", "json_pointer",
)  # fmt: skip
_COLUMNS: Final = (*_ORDER, *_EVENT, "attributes")


class StoredOrder:
    """The full order of an incident as it stands in its results folder. Use as a context manager.

    Rows are dicts: the columns of `timeline.TIMELINE`, then those of the event table (with `attributes` as
    a dict). `time_ns` is the one of the order: of a resolved alert its end.
    """

    def __init__(self, folder: ResultsFolder) -> None:
        """Open the order of a results folder; events are read as redacted where a redacted view stands.

        Raises:
            MissingArtifactError: the folder has no timeline.
        """
        self._order = folder.timeline_table
        self._events = folder.redacted_events if folder.redaction.is_file() else folder.events
        for path in (self._order, self._events, folder.timeline):
            if not path.is_file():
                message = f"{folder.root}: there is no {path.name}."
                advice = "Give the results folder of one incident, with its timeline made."
                raise MissingArtifactError(message, advice=advice)
        self._spill = tempfile.TemporaryDirectory(prefix="incident-pipeline-order-")
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": 2,
                "memory_limit": MEMORY_LIMIT,
                "temp_directory": self._spill.name,
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "python_enable_replacements": False,
            },
        )

    def __enter__(self) -> Self:
        """Give the order itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it and drop what was spilled."""
        self._connection.close()
        self._spill.cleanup()

    def counts(self) -> tuple[int, int, int]:
        """Give the number of rows, of merged ones and of ones without a time.

        Raises:
            MalformedInputError: the order names events that the event table does not hold, or one twice.
        """
        total, matched, distinct, merged, untimed = self._one(
            "SELECT count(*), count(e.event_id), count(DISTINCT t.event_id), count(t.merged_into), "
            "count(*) - count(t.time_ns) FROM read_parquet($order) t "
            "LEFT JOIN (SELECT event_id FROM read_parquet($events)) e USING (event_id)",
            order=self._order,
            events=self._events,
        )
        if not total == matched == distinct:
            message = (
                f"{self._order}: {total:,} rows name {distinct:,} events, "
                f"of which {self._events.name} holds {matched:,}."
            )
            raise MalformedInputError(message, advice="Make the timeline again from the same events.")
        return int(total), int(merged), int(untimed)

    def rows(self, ids: Sequence[str] | None = None) -> Iterator[Row]:
        """Give rows in the order of the timeline: all, or those of some event ids."""
        where = "" if ids is None else "WHERE event_id IN (SELECT unnest($ids))"
        return self._read(where, "position", {} if ids is None else {"ids": list(ids)})

    def members(self, event_id: str) -> list[Row]:
        """Give the rows that were merged into an event."""
        return list(self._read("WHERE merged_into = $id", "position", {"id": event_id}))

    def at(self, position: int) -> list[Row]:
        """Give the row at a position."""
        return list(self._read("WHERE position = $at", "position", {"at": position}))

    def named(self, prefix: str, limit: int) -> list[Row]:
        """Give up to `limit` rows whose event id begins with `prefix`."""
        return list(self._read("WHERE starts_with(event_id, $prefix)", "position", {"prefix": prefix}, limit))

    def between(self, low: int, high: int, *, clock: bool, limit: int) -> list[Row]:
        """Give up to `limit` rows with low <= time < high, in nanoseconds.

        Args:
            low: UTC nanoseconds; with `clock`, of the day.
            high: as `low`.
            clock: compare the time of day, whatever the day.
            limit: how many at most.
        """
        time = "time_ns % 86400000000000" if clock else "time_ns"
        where = f"WHERE {time} >= $low AND {time} < $high"
        return list(self._read(where, "position", {"low": low, "high": high}, limit))

    def beside(self, position: int) -> list[Row]:
        """Give the rows right before and right after a position that stand for themselves."""
        return [
            row
            for where, order in (("<", "position DESC"), (">", "position"))
            for row in self._read(
                f"WHERE merged_into IS NULL AND position {where} $at", order, {"at": position}, 1
            )
        ]

    def overlapping(self, row: Row, limit: int) -> tuple[int, list[Row]]:
        """Count the rows of other artifacts whose interval overlaps that of a row, and give the nearest.

        Merged rows do not count: they stand with the row they were merged into.
        """
        if row["interval_low_ns"] is None:
            return 0, []
        inside = (
            "merged_into IS NULL AND interval_low_ns < $high AND interval_high_ns > $low "
            "AND event_id <> $id AND artifact_sha256 <> $sha"
        )
        values = {
            "low": row["interval_low_ns"],
            "high": row["interval_high_ns"],
            "id": row["event_id"],
            "sha": row["artifact_sha256"],
        }
        (count,) = self._one(
            f"SELECT count(*) FROM read_parquet($order) JOIN "  # noqa: S608 - no value stands in the text
            f"(SELECT event_id, artifact_sha256 FROM read_parquet($events)) USING (event_id) WHERE {inside}",
            order=self._order,
            events=self._events,
            **values,
        )
        nearest = self._read(
            f"WHERE {inside}", "abs(position - $at), position", {**values, "at": row["position"]}, limit
        )
        return int(count), sorted(nearest, key=lambda one: int(one["position"]))

    def _one(self, sql: str, **values: object) -> tuple[Any, ...]:
        found = self._connection.execute(sql, {name: _plain(value) for name, value in values.items()})
        row = found.fetchone()
        return tuple(row or ())

    def _read(
        self, where: str, order: str, values: dict[str, object], limit: int | None = None
    ) -> Iterator[Row]:
        columns = ", ".join((*(f"t.{name}" for name in _ORDER), *(f"e.{name}" for name in _EVENT)))
        sql = (
            f"SELECT * FROM (SELECT {columns}, e.attributes FROM read_parquet($order) t "  # noqa: S608 - parts are constants of this module
            f"JOIN read_parquet($events) e USING (event_id)) {where} ORDER BY {order}"
            + ("" if limit is None else f" LIMIT {int(limit)}")
        )
        values = {"order": str(self._order), "events": str(self._events), **values}
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, values)
            while batch := cursor.fetchmany(_ROWS_AT_ONCE):
                for values_of_row in batch:
                    row = dict(zip(_COLUMNS, values_of_row, strict=True))
                    row["attributes"] = dict(row["attributes"] or {})
                    yield row
        finally:
            cursor.close()


def _plain(value: object) -> object:
    return value if isinstance(value, (str, int)) or value is None else str(value)

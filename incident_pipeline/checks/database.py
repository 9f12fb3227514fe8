"""The database a check runs in: one incident's tables in memory, loaded, derived, then locked.

In-process DuckDB with one thread (so that sums of floats do not depend on scheduling), no file access,
no extensions, a limit on memory and time, read-only transactions, and a configuration nobody can change
any more. What a query may say is `guard.py`'s business; what the tables are is written in `schema.sql`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import tempfile
import threading
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final, Self

import duckdb

from incident_pipeline.checks.guard import RefusedQueryError, inspect, unstable_functions
from incident_pipeline.checks.load import loaded_tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from incident_pipeline.model.check import Scalar
    from incident_pipeline.signals.tables import IncidentTables

QUERY_SECONDS: Final = 20.0
"""A check that runs longer is stopped and counts as not run."""
MEMORY_LIMIT: Final = "2GB"
SPILL_LIMIT: Final = "8GB"
MAX_TEXT: Final = 500
"""Characters of a text cell that are kept: rows explain a number, they are no place to store evidence."""
DECIMALS: Final = 6
"""Floats are rounded to this many decimals before they are compared or written."""


class CheckNotRunError(Exception):
    """A check could not be run; the message says why in one sentence. Never leaves this package."""


@dataclass(frozen=True)
class QueryResult:
    """What a query gave: its column names and its rows of plain values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]


class IncidentDatabase:
    """The tables of one incident, ready for checks. Use as a context manager."""

    def __init__(self, tables: IncidentTables, *, seconds: float = QUERY_SECONDS) -> None:
        """Load the tables, derive `spans`, `calls` and their like, and lock the door."""
        self._seconds = seconds
        self._spill = tempfile.TemporaryDirectory(prefix="incident-pipeline-checks-")
        self._connection = duckdb.connect(":memory:", config=_settings(self._spill.name))
        try:
            _load(self._connection, tables)
            self._unstable = unstable_functions(self._connection)
            self._connection.execute("SET enable_external_access = false")
            self._connection.execute("SET lock_configuration = true")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Give the database itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Drop the tables and what they spilled."""
        self._connection.close()
        self._spill.cleanup()

    def query(self, sql: str, parameters: Mapping[str, Scalar]) -> QueryResult:
        """Run one check's query and give its rows (two at most: a check has one).

        Raises:
            CheckNotRunError: the query is refused, wrong, too slow or too large.
        """
        try:
            inspect(self._connection, sql, self._unstable)
        except RefusedQueryError as error:
            raise CheckNotRunError(str(error)) from error
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            self._connection.interrupt()

        timer = threading.Timer(self._seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            return self._run(sql, parameters)
        except duckdb.InterruptException as error:
            message = f"the query was stopped after {self._seconds:g} s"
            raise CheckNotRunError(message) from error
        except duckdb.OutOfMemoryException as error:
            # Its own message counts bytes, which differ from run to run.
            message = f"the query needs more than {MEMORY_LIMIT} of memory"
            raise CheckNotRunError(message) from error
        except duckdb.Error as error:
            reason = "it was stopped" if stopped.is_set() else str(error).strip().splitlines()[0][:300]
            message = f"the query failed: {reason}"
            raise CheckNotRunError(message) from error
        finally:
            timer.cancel()
            timer.join()

    def _run(self, sql: str, parameters: Mapping[str, Scalar]) -> QueryResult:
        self._connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            cursor = (
                self._connection.execute(sql, dict(parameters))
                if parameters
                else self._connection.execute(sql)
            )
            columns = tuple(str(column[0]) for column in cursor.description or ())
            rows = cursor.fetchmany(2)
        finally:
            self._connection.execute("ROLLBACK")
        return QueryResult(columns, tuple(tuple(plain(cell) for cell in row) for row in rows))


def plain(cell: object) -> Scalar:
    """Turn a cell into what JSON can hold: floats rounded, what is not finite becomes null, texts cut."""
    match cell:
        case None | bool() | int():
            return cell
        case float() | decimal.Decimal():
            number = float(cell)
            return round(number, DECIMALS) + 0.0 if math.isfinite(number) else None
        case bytes():
            text = cell[:MAX_TEXT].hex()
        case dt.datetime() | dt.date() | dt.time():
            text = cell.isoformat()
        case list() | tuple() | dict():
            text = json.dumps(cell, sort_keys=True, ensure_ascii=False, default=str)
        case _:
            text = str(cell)
    return text[:MAX_TEXT]


def _settings(spill: str) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "threads": 1,
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": spill,
        "max_temp_directory_size": SPILL_LIMIT,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }


def _load(connection: duckdb.DuckDBPyConnection, tables: IncidentTables) -> None:
    loaded = loaded_tables(tables)
    for name, table in loaded.items():
        connection.register(name, table)
    connection.execute(resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8"))
    for name in loaded:
        connection.unregister(name)

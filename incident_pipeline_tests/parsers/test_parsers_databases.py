"""PostgreSQL's text and CSV logs, MySQL's error and slow query logs: lines written from the manuals."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

NS = 10**9


def at(text: str) -> int:
    """Read an ISO time by the standard library, not by our own reader."""
    moment = datetime.fromisoformat(text)
    return int(moment.astimezone(UTC).timestamp()) * NS + moment.microsecond * 1000


PREFIXES = {
    "%m [%p] %q%u@%d ": "2026-11-23 08:05:32.864 UTC [149] shop@orders ",
    "%t [%p-%l] ": "2026-11-23 08:05:32 UTC [149-7] ",
    "%t:%r:%u@%d:[%p]: (RDS)": "2026-11-23 08:05:32 UTC:10.0.0.9(51234):shop@orders:[149]:",
    "%m [%p]: db=%d,user=%u,app=%a,client=%h ": (
        "2026-11-23 08:05:32.864 UTC [149]: db=orders,user=shop,app=api,client=10.0.0.9 "
    ),
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_postgresql_reads_any_line_prefix(look: Callable[..., Look], prefix: str) -> None:
    row = look(f"{prefix}ERROR:  deadlock detected\n").event
    assert (row["severity"], row["severity_raw"], row["message"]) == (17, "ERROR", "deadlock detected")
    assert row["attributes"]["pid"] == "149"
    assert row["time_ns"] // NS == at("2026-11-23T08:05:32+00:00") // NS
    assert row["time_basis"] == "explicit"


def test_postgresql_details_name_their_entry_and_statements_keep_their_lines(
    look: Callable[..., Look],
) -> None:
    seen = look(
        '2026-11-23 08:05:32.864 CET [7] ERROR:  column "x" does not exist at character 8\n'
        "2026-11-23 08:05:32.864 CET [7] STATEMENT:  SELECT x\n\tFROM t\n\tWHERE y;\n"
        "2026-11-23 08:05:33.000 CET [8] LOG:  duration: 2474.307 ms  statement: SELECT 1\n",
        pin="postgresql_text",
    )
    error, statement, slow = seen.events
    assert error["time_ns"] == at("2026-11-23T08:05:32.864+01:00")
    assert statement["attributes"]["postgresql.belongs_to"] == "ERROR"
    assert statement["message"] == "SELECT x\n\tFROM t\n\tWHERE y;"
    assert seen.bytes_of(statement).endswith(b"WHERE y;")
    assert slow["attributes"]["duration_s"] == "2.474307"
    assert not seen.quarantine


def test_postgresql_csv(look: Callable[..., Look]) -> None:
    fields = [
        "2026-11-23 08:05:32.864 UTC", "shop", "orders", "81", "10.0.0.9:4242", "5ff.51", "5", "SELECT",
        "2026-11-23 08:00:00 UTC", "3/81", "0", "FATAL", "28000", 'role "x"\ndoes not exist', "", "", "", "",
        "", "select 1,\n2", "", "", "psql", "client backend",
    ]  # fmt: skip
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(fields)
    seen = look(out.getvalue() + "2026-11-23 08:05:33 UTC,too,short\n")
    row = seen.event
    assert seen.parsed.report.format == "postgresql_csv"
    assert (row["severity"], row["message"]) == (21, 'role "x"\ndoes not exist')
    assert row["attributes"]["query"] == "select 1,\n2"
    assert next(csv.reader(io.StringIO(seen.bytes_of(row).decode()))) == fields
    assert [seen.bytes_of(item) for item in seen.quarantine] == [b"2026-11-23 08:05:33 UTC,too,short"]


ERRORS = {
    "8.0": "2026-11-23T08:05:32.484123Z 5 [Warning] [MY-010453] [Server] root has no password\n",
    "5.7": "2026-11-23T09:05:32.484123+01:00 5 [Warning] root has no password\n",
    "MariaDB": "2026-11-23  8:05:32 5 [Warning] root has no password\n",
    "5.5": "261123  8:05:32 [Warning] root has no password\n",
}


@pytest.mark.parametrize("line", ERRORS.values(), ids=ERRORS)
def test_mysql_error_log_of_every_generation(look: Callable[..., Look], line: str) -> None:
    seen = look(line)
    row = seen.event
    assert seen.parsed.report.format == "mysql_error"
    assert (row["service"], row["severity"], row["severity_raw"]) == ("mysql", 13, "Warning")
    assert row["message"] == "root has no password"
    assert row["time_ns"] // NS == at("2026-11-23T08:05:32+00:00") // NS


def test_mysql_lines_of_innodb_without_a_time_continue_the_one_before(look: Callable[..., Look]) -> None:
    seen = look("261123 08:05:32  InnoDB: Setting file ./ibdata1\nInnoDB: Database physically writes\n")
    assert "physically writes" in seen.event["message"]


SLOW = """\
/usr/sbin/mysqld, Version: 8.0.15 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-11-23T08:05:34.811234Z
# User@Host: root[root] @ db.example [10.0.0.9]  Id:    14
# Query_time: 2.475469  Lock_time: 0.000287 Rows_sent: 10  Rows_examined: 3145718
use orders;
SET timestamp=1795421132;
SELECT a
  FROM t;
# User@Host: app[app] @  []  Id:    15
# Query_time: 0.5  Lock_time: 0.0 Rows_sent: 1  Rows_examined: 2
# administrator command: Quit;
"""


def test_mysql_slow_log(look: Callable[..., Look]) -> None:
    seen = look(SLOW)
    started, first, second = seen.events
    assert (started["kind"], started["time_ns"]) == ("object_state", None)
    assert first["time_ns"] == 1795421132 * NS
    assert first["message"] == "SELECT a\n  FROM t;"
    assert first["actor"] == "root"
    wanted = {"duration_s": "2.475469", "rows_examined": "3145718", "db.name": "orders", "thread": "14"}
    assert wanted.items() <= first["attributes"].items()
    # Without SET timestamp the time is that of the last `# Time`, when it was logged.
    assert second["time_ns"] == at("2026-11-23T08:05:34.811234+00:00")
    assert second["attributes"]["time.kind"] == "end"
    assert second["message"] == "# administrator command: Quit;"
    assert not seen.quarantine


def test_pieces_of_a_rotated_slow_log_go_to_quarantine(look: Callable[..., Look]) -> None:
    seen = look("# Filesort: No\nSET timestamp=1795421132;\nSELECT 1;\n" + SLOW, pin="mysql_slow")
    assert len(seen.events) == 3
    (piece,) = seen.quarantine
    assert seen.bytes_of(piece).startswith(b"# Filesort")

"""Wide CSV, as dashboards export it. The tables are ours."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings
from record_fuzz import mutants
from sample_cover import check_covered, measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

WIDE = """\
time,cart-redis-cpu,cart-redis-p95latency,shop-cpu,shop-p95latency
2026-01-02T03:04:05+02:00,1.5,20,,3
2026-01-02T03:04:20+02:00,1,NaN,2e1,3
2026-01-02T03:04:35+02:00,,,,
"""
GRAFANA = """\
sep=;
"Time";"cpu{host=""a"", job=""shop""}";"{pod=b}";"p95-latency"
2026-01-02 03:04:05;12 %;3;1
2026-01-02 03:05:05;13 %;;2
"""


def test_columns_are_objects_and_metrics(look: Callable[..., Look]) -> None:
    seen = look(WIDE)
    rows = measured(seen)
    # The second opinion: csv and datetime of the standard library.
    expected = [
        (name.rpartition("-")[2], {"object": name.rpartition("-")[0]}, value)
        for record in csv.DictReader(io.StringIO(WIDE))
        for name, value in record.items()
        if name != "time" and (value or record["shop-p95latency"] == "")
    ]
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    assert [row[3] for row in rows] == [None if row[2] in ("", "NaN") else float(row[2]) for row in expected]
    first = int(datetime.fromisoformat("2026-01-02T03:04:05+02:00").timestamp())
    assert [row[2] for row in rows[:3]] == [first * 10**9] * 3
    assert [row[3] for row in rows[-4:]] == [None] * 4
    assert (seen.events, seen.quarantine) == ([], [])
    assert {row["service"] for row in seen.series} == {"cart-redis", "shop"}
    assert seen.bytes_of(seen.samples[0]) == WIDE.splitlines()[1].encode()


def test_what_grafana_exports(look: Callable[..., Look]) -> None:
    seen = look(GRAFANA, tz="UTC")
    time = 1_767_323_045_000_000_000
    assert measured(seen)[:3] == [
        ("cpu", {"host": "a", "job": "shop"}, time, 12.0),
        ("{pod=b}", {"pod": "b"}, time, 3.0),
        ("p95-latency", {}, time, 1.0),
    ]
    assert [row["unit"] for row in seen.series] == ["%", None, None]
    assert seen.bytes_of(seen.samples[-1]) == GRAFANA.splitlines()[-1].encode()
    long = look('"Series";"Time";"Value"\n"cpu a";"2026-01-02T03:04:05Z";1\n')
    assert measured(long) == [("cpu a", {}, time, 1.0)]


def test_tables_of_events_stay_events(look: Callable[..., Look]) -> None:
    seen = look("timestamp,service,count\n2026-01-02T03:04:05Z,shop,3\n")
    assert (len(seen.events), seen.samples) == (1, [])
    late = look("time,a,b\n" + "2026-01-02T03:04:05Z,1,2\n" * 60 + "2026-01-02T03:04:06Z,restarted,\n")
    assert (len(late.samples), late.event["attributes"]) == (120, {"a": "restarted"})


@given(mutants((WIDE.encode(), GRAFANA.encode())))
@settings(max_examples=200, deadline=None)
def test_damaged_tables_are_covered(look: Callable[..., Look], data: bytes) -> None:
    seen = look(data, pin="csv_table")
    rest = data.removeprefix(b"\xef\xbb\xbf").lstrip().removeprefix(b"sep=;\n")
    header = rest.lstrip().partition(b"\n")[0].strip()[:8]
    if b'"' not in data and b"\r" not in data:
        check_covered(seen, remark=header or b"\0")

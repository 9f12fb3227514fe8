from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers.csv_records import csv_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8).map(str.strip)


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=4), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_records_agree_with_the_csv_module(rows: list[list[str]], newline: str) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator=newline).writerows(rows)
    data = buffer.getvalue().encode()
    found = list(csv_records(data, ","))
    assert [list(record.fields) for record in found] == rows
    texts = [data[record.start : record.end].decode() for record in found]
    assert [next(csv.reader(io.StringIO(text, newline=""))) for text in texts] == rows


def test_campaigns(look: Callable[..., Look]) -> None:
    data = (
        "campaign,channel,send_start,audience\n"
        "always-on,social,2024-01-01T00:00:00Z,n/a\n"
        '"big, ""one""\nline",email,2026-11-23T08:27:35.630Z,180000\n'
    )
    seen = look(data, type="change", uri="business/campaigns.csv")
    assert seen.parsed.report.format == "csv_table"
    first, second = seen.events
    assert (first["kind"], first["time_raw"], first["line"]) == ("change", "2024-01-01T00:00:00Z", 2)
    assert (
        first["message"] == "campaign=always-on channel=social send_start=2024-01-01T00:00:00Z audience=n/a"
    )
    assert second["attributes"] == {"campaign": 'big, "one"\nline', "channel": "email", "audience": "180000"}
    assert seen.bytes_of(second).startswith(b'"big, ""one""\nline",email')
    assert look(data).events[0]["kind"] == "log"


def test_columns_by_name_and_broken_records(look: Callable[..., Look]) -> None:
    data = (
        "\ufeffdatetime;timestamp;Level;Message;Service\r\n"
        "2024-07-24T10:57:02.877297Z;123456789;error;boom;api\r\n"
        " ;1435789661000000;;plain;\r\n"
        "a;b;c;d;e;f;g\r\n"
        '2024-07-24T10:57:03Z;1;info;"open;x\r\n'
        "2024-07-24T10:57:04Z;1;info;last;api\r\n"
    )
    seen = look(data)
    first, second, third = seen.events
    assert (first["time_precision"], first["severity"], first["message"], first["service"]) == (
        "us",
        17,
        "boom",
        "api",
    )
    assert (second["time_ns"], second["message"], second["severity"]) == (1435789661 * 10**9, "plain", None)
    assert third["message"] == "last"
    assert [row["reason"] for row in seen.quarantine] == [
        "more fields than the header has names",
        "a quote that never closes",
    ]


def test_long_table_of_measurements(look: Callable[..., Look]) -> None:
    data = (
        "timestamp,service,metric,value\n"
        "2026-06-20T09:00:00Z,pay,errors,0.5\n"
        "2026-06-20T09:01:00Z,pay,errors,NaN\n"
        "2026-06-20T09:00:00Z,web,errors,1\n"
        "2026-06-20T09:00:00Z,web,errors,many\n"
    )
    seen = look(data, type="metrics")
    assert [(row["name"], row["service"]) for row in seen.series] == [("errors", "pay"), ("errors", "web")]
    assert [row["value"] for row in seen.samples] == [0.5, None, 1.0]
    assert seen.bytes_of(seen.samples[0]) == b"2026-06-20T09:00:00Z,pay,errors,0.5"
    assert seen.event["attributes"]["value"] == "many"

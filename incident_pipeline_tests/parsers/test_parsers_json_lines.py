from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


def one(look: Callable[..., Look], uri: str = "logs/app.jsonl", **record: Any) -> dict[str, Any]:
    seen = look(json.dumps(record), uri=uri)
    assert seen.parsed.report.format == "json_lines"
    assert not seen.quarantine
    return seen.event


def test_zap(look: Callable[..., Look]) -> None:
    row = look(
        '{"level":"warn","ts":1795422436.9511081,"logger":"api","msg":"slow","n":1.50,"deep":{"a":{"b":null,"c":[1]}}}'
    ).event
    assert (row["time_ns"], row["time_raw"], row["time_precision"]) == (
        1795422436951108100,
        "1795422436.9511081",
        "ns",
    )
    assert (row["severity"], row["severity_raw"], row["service"], row["message"]) == (
        13,
        "warn",
        "api",
        "slow",
    )
    assert row["attributes"] == {"n": "1.50", "deep.a.c": "[1]", "logger": "api"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {
                "@timestamp": "2026-01-01T00:00:00.5Z",
                "log.level": "ERROR",
                "message": "x",
                "service.name": "s",
                "trace.id": "AB" * 16,
            },
            ("s", 17, "ERROR", "x", "ab" * 16),
        ),
        (
            {
                "name": "renovate",
                "hostname": "h",
                "pid": 7,
                "level": 20,
                "msg": "x",
                "time": "2023-03-24T14:26:16.243Z",
                "v": 0,
            },
            ("renovate", 5, "20", "x", None),
        ),
        (
            {"time": 1679667976243, "level": 50, "msg": "x", "pid": 1, "hostname": "h"},
            (None, 17, "50", "x", None),
        ),
        (
            {
                "timestamp": "2025-10-28T19:15:10.8Z",
                "level": "TRACE",
                "fields": {"message": "x"},
                "target": "a::b",
            },
            (None, 1, "TRACE", "x", None),
        ),
        (
            {"t": {"$date": "2021-03-22T21:21:20.349+00:00"}, "s": "W", "c": "NETWORK", "msg": "x"},
            (None, 13, "W", "x", None),
        ),
        (
            {
                "instant": {"epochSecond": 1679667976, "nanoOfSecond": 5},
                "level": "FATAL",
                "loggerName": "com.acme.Main",
                "message": "x",
            },
            (None, 21, "FATAL", "x", None),
        ),
        (
            {
                "timestamp": "2026-01-01T00:00:00Z",
                "service": "s",
                "severity_text": "INFO",
                "msg": "x",
                "trace_id": "same",
            },
            ("s", 9, "INFO", "x", "same"),
        ),
        (
            {"ts": "2026-01-01T00:00:00Z", "level": "info", "msg": "x", "dd.trace_id": "255"},
            (None, 9, "info", "x", "00000000000000ff"),
        ),
        (
            {"ts": "2026-01-01T00:00:00Z", "msg": "x", "trace": "Traceback: ..."},
            (None, None, None, "x", None),
        ),
    ],
)
def test_dialects(look: Callable[..., Look], record: dict[str, Any], expected: tuple[Any, ...]) -> None:
    row = one(look, **record)
    assert row["time_ns"] is not None
    assert (row["service"], row["severity"], row["severity_raw"], row["message"], row["trace_id"]) == expected


def test_access_log_is_composed(look: Callable[..., Look]) -> None:
    record = {
        "ts": 1795421137.631549,
        "ip": "203.0.113.1",
        "m": "GET",
        "uri": "/p/a?utm=1",
        "st": 503,
        "rt": 0.0407,
        "trace": "ab" * 16,
    }
    seen = look(json.dumps(record), uri="logs/edge_access.jsonl")
    row = seen.event
    assert (row["message"], row["severity"], row["severity_raw"], row["service"]) == (
        "GET /p/a -> 503",
        17,
        None,
        "edge",
    )
    assert row["attributes"] == {
        "http.response.status_code": "503",
        "http.request.method": "GET",
        "url.full": "/p/a?utm=1",
        "duration_s": "0.0407",
        "ip": "203.0.113.1",
    }
    assert "service 'edge' assumed from the file name" in seen.parsed.report.assumptions


def test_access_fields_keep_an_own_message_and_level(look: Callable[..., Look]) -> None:
    row = one(
        look,
        ts=1761019822.5,
        level="info",
        msg="handled request",
        request={"method": "GET", "uri": "/"},
        status=404,
        duration=0.25,
    )
    assert (row["message"], row["severity"], row["attributes"]["http.response.status_code"]) == (
        "handled request",
        9,
        "404",
    )
    assert row["attributes"]["duration_s"] == "0.25"
    other = one(
        look,
        time="2026-01-01T00:00:00Z",
        method="GET",
        path="/x",
        status=404,
        duration_ms=1500,
        service="web",
    )
    assert (other["severity"], other["service"], other["attributes"]["duration_s"]) == (13, "web", "1.500")


def test_no_service_is_made_up_from_other_names(look: Callable[..., Look]) -> None:
    assert one(look, uri="logs/app.log", ts=1761019822.5, msg="x")["service"] is None
    assert one(look, uri="x/edge_access.log", ts=1761019822.5, msg="x")["service"] is None


def test_compose_prefix(look: Callable[..., Look]) -> None:
    data = (
        b'caddy-1  | {"level":"info","ts":1761019822.3,"msg":"up"}\n'
        b'caddy-1  | {"level":"info","ts":1761019823,"msg":"x"}\n'
        b"caddy-1  | not json\n"
    )
    seen = look(data, pin="json_lines")
    first, _ = seen.events
    assert (first["service"], first["message"]) == ("caddy", "up")
    assert seen.bytes_of(first) == data.split(b"\n")[0]
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"caddy-1  | not json"]


def test_list_of_records_has_pointers(look: Callable[..., Look]) -> None:
    records = [{"time": "2026-01-01T00:00:00Z", "level": "info", "msg": f"m{index}"} for index in range(3)]
    seen = look(json.dumps(records, indent=2))
    assert [row["json_pointer"] for row in seen.events] == ["/0", "/1", "/2"]
    assert [seen.json_of(row) for row in seen.events] == records


def test_broken_lines_are_quarantined_and_the_rest_goes_on(look: Callable[..., Look]) -> None:
    good = b'{"ts":1761019822,"msg":"ok"}'
    data = (
        b"\xef\xbb\xbf"
        + good
        + b"\r\n\r\n{oops}\r\n"
        + good
        + b"\r\n42\r\n"
        + b'{"ts":1761019822,"msg":"caf\xff"}\r\n'
        + good[:20]
    )
    seen = look(data)
    assert [row["message"] for row in seen.events] == ["ok", "ok", "cafÿ"]
    assert [row["line"] for row in seen.events] == [1, 4, 6]
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"{oops}", b"42", good[:20]]
    assert seen.bytes_of(seen.events[0]) == good
    assert seen.parsed.report.lines == 7


def test_time_of_a_second_field_when_the_first_is_none(look: Callable[..., Look]) -> None:
    row = one(look, timestamp=123, datetime=" ", ts="2024-07-24T10:57:02.877297Z", message="x")
    assert row["time_raw"] == "2024-07-24T10:57:02.877297Z"
    assert row["attributes"]["timestamp"] == "123"


def test_a_record_without_a_message_tells_itself(look: Callable[..., Look]) -> None:
    assert one(look, ts=1761019822, a=1)["message"] == '{"ts": 1761019822, "a": 1}'


def test_zone_of_the_artifact_and_of_the_operator(look: Callable[..., Look]) -> None:
    line = '{"time":"2026-11-23 08:00:00","msg":"x"}'
    assert look(line, tz="+02:00").event["time_ns"] == 1795413600 * 10**9
    row = look(line, timezone="+01:00", tz="+02:00").event
    assert (row["time_ns"], row["time_basis"]) == (1795417200 * 10**9, "assumed_zone")
    wrong = look(line, timezone="Mars/Base")
    assert wrong.event["time_ns"] == 1795420800 * 10**9
    assert any("Mars/Base" in text for text in wrong.parsed.report.assumptions)

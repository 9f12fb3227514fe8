from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(text: str) -> int:
    """Read an ISO time with the standard library, independently of the product."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_logfmt_quotes_escapes_bare_keys_and_colours(look: Callable[..., Look]) -> None:
    seen = look(
        f'\x1b[36mts\x1b[0m=2024-01-02T03:04:05.678Z level=warn msg="a \\"b\\" \\u00e9" up '
        f"traceID={_TRACE.upper()} n=1 n=2\n"
        "free text\n"
    )
    row = seen.event
    assert seen.parsed.report.format == "logfmt"
    assert row["time_ns"] == _ns("2024-01-02T03:04:05.678+00:00")
    assert (row["message"], row["severity"], row["severity_raw"]) == ('a "b" é', 13, "warn")
    assert row["trace_id"] == _TRACE
    assert (row["attributes"]["up"], row["attributes"]["n"]) == ("true", '["1", "2"]')
    assert [seen.bytes_of(rejected) for rejected in seen.quarantine] == [b"free text"]


def test_klog_lines_and_their_pairs(look: Callable[..., Look]) -> None:
    first, second = look(
        'E0517 15:04:22.619632       1 reflector.go:253] "Reconcile failed" err="not found" pod="ns/a"\n'
        "goroutine 1 [running]:\n"
        "I0517 15:04:23.000001 1 main.go:9] plain\n",
        collected_at="2024-06-01T00:00:00Z",
    ).events
    assert first["time_ns"] == _ns("2024-05-17T15:04:22.619632+00:00")
    assert (first["severity"], first["severity_raw"]) == (17, "E")
    assert first["message"] == "Reconcile failed\ngoroutine 1 [running]:"
    assert first["attributes"]["err"] == "not found"
    assert (second["message"], second["attributes"]["code.location"]) == ("plain", "main.go:9")


def test_redis_signs_signals_and_the_banner(look: Callable[..., Look]) -> None:
    seen = look(
        "1:M 25 Apr 2024 05:32:35.019 # Warning: no config\n                _._\n"
        "1:signal-handler (1714024483) Received SIGTERM\n1:M 25 Apr 2024 05:54:43.946 * saved\n",
        tz="UTC",
    )
    warning, signal, saved = seen.events
    assert warning["time_ns"] == _ns("2024-04-25T05:32:35.019+00:00")
    assert (warning["severity"], warning["severity_raw"], warning["service"]) == (13, "#", "redis")
    assert warning["message"].endswith("_._")
    assert signal["time_ns"] == 1_714_024_483 * 10**9
    assert saved["severity"] == 10


def test_mongodb_before_and_since_4_4(look: Callable[..., Look]) -> None:
    text = look("2018-02-05T13:44:56.657+0100 D2 STORAGE  [conn1] slow\n").event
    assert text["time_ns"] == _ns("2018-02-05T12:44:56.657+00:00")
    assert (text["severity"], text["attributes"]["mongodb.context"]) == (5, "conn1")
    structured = look(
        '{"t":{"$date":"2021-03-22T21:21:20.349+00:00"},"s":"E","c":"NETWORK","id":1,"ctx":"x","msg":"m","attr":{"a":1}}\n'
    )
    assert structured.parsed.report.format == "mongodb_structured"
    row = structured.event
    assert (row["severity"], row["message"], row["service"], row["attributes"]["attr.a"]) == (
        17,
        "m",
        "mongodb",
        "1",
    )


def test_rabbitmq(look: Callable[..., Look]) -> None:
    row = look(
        "2024-01-02 03:04:05.678901+02:00 [error] <0.123.0> closing AMQP connection\n  {reason}\n"
    ).event
    assert row["time_ns"] == _ns("2024-01-02T03:04:05.678901+02:00")
    assert (row["severity"], row["service"], row["attributes"]["erlang.pid"]) == (17, "rabbitmq", "<0.123.0>")

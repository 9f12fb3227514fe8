"""OTLP in protobuf: messages encoded here by hand from the field numbers of opentelemetry-proto."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Look
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers.protobuf_wire import Field, WireError, fields, signed, varint, zigzag

TRACE = bytes.fromhex("5b8efff798038103d269b633813fc60c")
SPAN = bytes.fromhex("eee19b7ec3c1b174")


def number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(index: int, value: bytes | str | float, *, fixed: bool = False) -> bytes:
    if isinstance(value, float):
        return number(index << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return (
            number(index << 3 | 1) + struct.pack("<Q", value) if fixed else number(index << 3) + number(value)
        )
    raw = value.encode() if isinstance(value, str) else value
    return number(index << 3 | 2) + number(len(raw)) + raw


def pair(key: str, value: bytes) -> bytes:
    return field(1, key) + field(2, value)


def request(*items: bytes, service: str = "cart") -> bytes:
    resource = field(1, field(1, pair("service.name", field(1, service))))
    scope = field(1, field(1, "lib") + field(2, "1.2"))
    return field(1, resource + field(2, scope + b"".join(field(2, item) for item in items)))


def span(name: str = "GET /cart", start: int = 1795422467640814001) -> bytes:
    event = field(1, start + 5, fixed=True) + field(2, "exception")
    event += field(3, pair("exception.message", field(1, "boom")))
    return (
        field(1, TRACE)
        + field(2, SPAN)
        + field(4, SPAN[::-1])
        + field(5, name)
        + field(6, 2)
        + field(7, start, fixed=True)
        + field(8, start + 10, fixed=True)
        + field(9, pair("http.status_code", field(3, 500)))
        + field(9, pair("ids", field(5, field(1, field(3, 1)) + field(1, field(1, "b")))))
        + field(11, event)
        + field(15, field(2, "bad") + field(3, 2))
    )


def log(body: str = "no stock") -> bytes:
    return (
        field(1, 1795422467640814001, fixed=True)
        + field(2, 17)
        + field(3, "Error")
        + field(5, field(1, body))
        + field(6, pair("n", field(3, 2**64 - 3)))
        + field(9, TRACE)
        + field(10, SPAN)
    )


def metric() -> tuple[bytes, bytes]:
    point = field(3, 1795422467000000000, fixed=True) + field(4, 2.5) + field(7, pair("zone", field(1, "a")))
    histogram = field(3, 1795422467000000000, fixed=True) + field(4, 3, fixed=True) + field(5, 4.5)
    histogram += field(6, struct.pack("<2Q", 1, 2)) + field(7, struct.pack("<d", 0.5))
    gauge = field(1, "load") + field(3, "1") + field(5, field(1, point))
    return gauge, field(1, "latency") + field(9, field(1, histogram))


def test_spans_with_their_events(look: Callable[..., Look]) -> None:
    data = request(span(), span("POST /pay"))
    seen = look(data, uri="traces.pb")
    assert seen.parsed.report.format == "otlp_protobuf"
    first, event, second, _ = seen.events
    assert (first["time_ns"], first["end_time_ns"]) == (1795422467640814001, 1795422467640814011)
    assert (first["trace_id"], first["span_id"], first["parent_span_id"]) == (
        TRACE.hex(),
        SPAN.hex(),
        SPAN[::-1].hex(),
    )
    assert (first["service"], first["severity"], first["message"]) == ("cart", 17, "GET /cart")
    attributes = first["attributes"]
    assert (attributes["http.status_code"], attributes["ids"]) == ("500", '[1,"b"]')
    assert (attributes["span.kind"], attributes["status.message"], attributes["scope.version"]) == (
        "server",
        "bad",
        "1.2",
    )
    assert (event["kind"], event["message"], event["time_ns"]) == (
        "span_event",
        "exception: boom",
        1795422467640814006,
    )
    # the rows' bytes are the messages themselves
    assert [seen.bytes_of(row) for row in (first, second)] == [span(), span("POST /pay")]


def test_logs_and_metrics(look: Callable[..., Look]) -> None:
    seen = look(request(log(), log("späte Antwort")), uri="logs.pb")
    first, second = seen.events
    assert (first["message"], first["severity"], first["severity_raw"]) == ("no stock", 17, "Error")
    assert (first["attributes"]["n"], first["trace_id"]) == ("-3", TRACE.hex())
    assert (second["message"], seen.bytes_of(second)) == ("späte Antwort", log("späte Antwort"))
    gauge, histogram = metric()
    measured = look(request(gauge, histogram), uri="metrics.pb")
    assert not measured.quarantine
    assert {(row["name"], row["labels"].get("le")) for row in measured.series} == {
        ("load", None),
        ("latency_count", None),
        ("latency_sum", None),
        ("latency_bucket", "0.5"),
        ("latency_bucket", "+Inf"),
    }
    assert [row["value"] for row in measured.samples] == [2.5, 3.0, 4.5, 1.0, 3.0]


@pytest.mark.parametrize("width", ["fixed", "varint"])
def test_frames(look: Callable[..., Look], width: str) -> None:
    messages = [request(span()), request(log()), request(span("late"))]
    data = b"".join(
        (len(item).to_bytes(4, "big") if width == "fixed" else number(len(item))) + item for item in messages
    )
    seen = look(data, uri="traces.pb")
    assert seen.parsed.report.format == "otlp_protobuf"
    assert [row["message"] for row in seen.events if row["kind"] != "span_event"] == [
        "GET /cart",
        "no stock",
        "late",
    ]
    assert not seen.quarantine


def test_what_is_cut_off_costs_the_last_record_only(look: Callable[..., Look]) -> None:
    data = request(span(), span("POST /pay"))
    seen = look(data[:-20], uri="traces.pb")
    assert [row["message"] for row in seen.events] == ["GET /cart", "exception: boom"]
    (lost,) = seen.quarantine
    assert (lost["byte_start"], lost["byte_end"]) == (data.index(span("POST /pay")), len(data) - 20)


def test_text_and_other_messages_are_not_taken_for_otlp(look: Callable[..., Look]) -> None:
    other = field(1, field(2, "x" * 40)) + field(2, 7)
    assert look(other + b"\0", uri="x.pb").parsed.report.format is None
    assert look(b"\n{not protobuf\0", uri="x.pb").parsed.report.format is None


@given(st.integers(0, 2**64 - 1))
def test_varints(value: int) -> None:
    assert varint(number(value), 0, 10) == (value, len(number(value)))
    assert signed(value) % 2**64 == value
    assert zigzag((value << 1 ^ value >> 63) & (2**64 - 1)) % 2**64 == value or value >= 2**63


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_or_refused(data: bytes) -> None:
    found: list[Field] = []
    with contextlib.suppress(WireError):
        found.extend(fields(data, 0, len(data)))
    places = [place for item in found for place in (item.start, item.end)]
    assert places == sorted(places)
    assert all(place <= len(data) for place in places)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=6), st.integers(0, 400))
def test_broken_messages_never_raise(look: Callable[..., Look], at: int, junk: bytes, cut: int) -> None:
    data: Any = request(span(), log())
    broken = data[:at] + junk + data[at + cut % 7 :]
    seen = look(broken[: len(broken) - cut % 40], uri="x.pb", pin="otlp_protobuf")
    assert seen.events or seen.samples or seen.quarantine


def test_a_varint_that_never_ends_is_refused() -> None:
    with pytest.raises(WireError, match="does not end"):
        varint(b"\xff" * 20, 0, 20)

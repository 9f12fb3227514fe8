"""Prometheus remote write and remote read. The messages are ours, encoded here by the wire format's rules."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_fuzz import mutants
from sample_cover import measured

from incident_pipeline.parsers.formats.prometheus_remote import _beginning

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
START_MS = 1_700_000_000_000


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def label(name: str, value: str) -> bytes:
    return message(1, message(1, name.encode()) + message(2, value.encode()))


def measure(value: float, time_ms: int, *, number: int = 2) -> bytes:
    return message(number, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms))


def snappy(data: bytes) -> bytes:
    return bytes(pa.Codec("snappy").compress(data, asbytes=True))


EXEMPLAR = message(
    3, label("trace_id", TRACE) + b"\x11" + struct.pack("<d", 2.5) + b"\x18" + varint(START_MS + 7)
)
HISTOGRAM = message(
    4, b"\x08\x05\x19" + struct.pack("<d", 12.5) + b"\x78" + varint(START_MS)
)  # count 5, sum 12.5
SERIES = [
    label("__name__", "up")
    + label("job", "shop")
    + measure(1, START_MS)
    + measure(float("nan"), START_MS + 15_000),
    label("__name__", "latency") + measure(0.25, START_MS) + EXEMPLAR + HISTOGRAM,
]
WRITE = b"".join(message(1, one) for one in SERIES)
READ = message(1, WRITE)
SYMBOLS = ("", "__name__", "up", "job", "shop")
WRITE_2 = b"".join(message(4, one.encode()) for one in SYMBOLS) + message(
    5, message(1, bytes([1, 2, 3, 4])) + measure(7, START_MS)
)
EXPECTED = [
    ("up", {"job": "shop"}, START_MS * 10**6, 1.0),
    ("up", {"job": "shop"}, (START_MS + 15_000) * 10**6, None),
    ("latency", {}, START_MS * 10**6, 0.25),
    ("latency_count", {}, START_MS * 10**6, 5.0),
    ("latency_sum", {}, START_MS * 10**6, 12.5),
    ("latency_exemplar", {}, (START_MS + 7) * 10**6, 2.5),
]


@pytest.mark.parametrize("data", [WRITE, READ, snappy(WRITE), snappy(READ)])
def test_messages_bare_and_compressed(look: Callable[..., Look], data: bytes) -> None:
    seen = look(data)
    assert (seen.parsed.report.format, seen.quarantine) == ("prometheus_remote", [])
    assert measured(seen) == EXPECTED
    assert [row["exemplar_trace_id"] for row in seen.samples] == [None] * 5 + [TRACE]
    first = seen.bytes_of(seen.samples[0])
    # The second opinion: the double and the varint stand where the row points, or the row is all of it.
    assert struct.unpack_from("<d", first, 1) == (1.0,) if data in (WRITE, READ) else first == data


def test_version_2_has_a_table_of_symbols(look: Callable[..., Look]) -> None:
    seen = look(WRITE_2)
    assert measured(seen) == [("up", {"job": "shop"}, START_MS * 10**6, 7.0)]
    wrong = look(message(4, b"") + message(5, message(1, bytes([1, 9])) + measure(7, START_MS)))
    assert (wrong.samples, [row["reason"][:9] for row in wrong.quarantine]) == ([], ["no series"])


def test_what_is_cut_off_costs_one_series(look: Callable[..., Look]) -> None:
    seen = look(WRITE[:-4], pin="remote_write")
    assert (measured(seen), len(seen.quarantine)) == (EXPECTED[:2], 1)
    cut = look(snappy(WRITE)[:-4], pin="remote_write")
    assert (cut.samples, [(row["byte_start"], row["byte_end"]) for row in cut.quarantine]) == (
        [],
        [(0, len(cut.data))],
    )
    bomb = look(varint(2**27) + b"\xfe\x01\x00" * 20, pin="remote_write")
    assert (bomb.samples, len(bomb.quarantine)) == ([], 1)


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_the_beginning_of_a_block_is_that_of_its_content(pieces: list[bytes]) -> None:
    data = b"".join(pieces) + b"abcabcabcabcabcabcabcabc" * 20 + b"".join(pieces)
    assert _beginning(snappy(data), len(data)) == data


@given(mutants((WRITE, READ, snappy(WRITE), WRITE_2)), st.sampled_from(["prometheus_remote", None]))
@settings(max_examples=200, deadline=None)
def test_damaged_messages_never_raise(look: Callable[..., Look], data: bytes, pin: str | None) -> None:
    seen = look(data, pin=pin)
    assert all(
        0 <= row["byte_start"] < row["byte_end"] <= len(data) for row in seen.samples + seen.quarantine
    )

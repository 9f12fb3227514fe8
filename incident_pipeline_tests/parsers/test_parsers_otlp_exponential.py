"""Exponential histograms of OTLP, in JSON and in protobuf: bounds worked out by hand from the data model."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from sample_cover import measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

AT = 1_700_000_000_000_000_000
EXPECTED = [
    ("size_count", None, 7.0),
    ("size_sum", None, 4.5),
    ("size_min", None, -1.5),
    ("size_max", None, 3.5),
    ("size_bucket", "-1", 3.0),  # scale 0: powers of 2, so from -2 to -1
    ("size_bucket", "0", 4.0),
    ("size_bucket", "2", 5.0),  # from 1 to 2
    ("size_bucket", "4", 7.0),  # from 2 to 4
    ("size_bucket", "+Inf", 7.0),
]


def rows_of(seen: Look) -> list[tuple[str | None, str | None, float | None]]:
    assert all(time == AT for _, _, time, _ in measured(seen))
    return [(name, labels.get("le"), value) for name, labels, _, value in measured(seen)]


def in_json(**point: object) -> str:
    whole = {"timeUnixNano": str(AT), **point}
    metric = {"name": "size", "exponentialHistogram": {"dataPoints": [whole]}}
    return json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def test_in_json(look: Callable[..., Look]) -> None:
    point = {
        "count": "7", "sum": 4.5, "min": -1.5, "max": 3.5, "scale": 0, "zeroCount": "1",
        "positive": {"offset": 0, "bucketCounts": ["1", "2", "0"]}, "negative": {"bucketCounts": ["3"]},
    }  # fmt: skip
    assert rows_of(look(in_json(**point))) == EXPECTED


def test_in_protobuf(look: Callable[..., Look]) -> None:
    point = (
        b"\x19" + struct.pack("<Q", AT) + b"\x21" + struct.pack("<Q", 7) + b"\x29" + struct.pack("<d", 4.5)
        + b"\x30\x00" + b"\x39" + struct.pack("<Q", 1) + field(8, b"\x08\x00" + field(2, bytes([1, 2, 0])))
        + field(9, b"\x10\x03") + b"\x61" + struct.pack("<d", -1.5) + b"\x69" + struct.pack("<d", 3.5)
    )  # fmt: skip
    metric = field(1, b"size") + field(10, field(1, point))
    assert rows_of(look(field(1, field(2, field(2, metric))), pin="otlp_protobuf")) == EXPECTED


def test_finer_scales_and_scales_that_are_none(look: Callable[..., Look]) -> None:
    fine = look(in_json(count=1, scale=1, positive={"offset": 0, "bucketCounts": [1]}))
    assert rows_of(fine)[1] == ("size_bucket", "1.41421356237", 1.0)
    coarse = look(in_json(count=1, scale=-10, positive={"offset": 0, "bucketCounts": [1]}))
    assert rows_of(coarse)[1:] == [("size_bucket", "+Inf", 1.0)]
    wrong = look(in_json(count=1, scale=99, positive={"bucketCounts": [1]}))
    assert (wrong.samples, ["scale" in row["reason"] for row in wrong.quarantine]) == ([], [True])

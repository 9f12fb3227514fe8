from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.parsers.formats.prometheus_pairs import scan_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look


VALUES = st.one_of(st.floats().map(repr), st.sampled_from(["NaN", "+Inf", "-Inf", "0", "1e-7", "abc"]))
SPACE = st.sampled_from(["", " ", "\n ", "\t"])


def answer(result: Any, kind: str = "matrix", **extra: Any) -> str:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **extra})


@given(
    st.lists(st.tuples(st.integers(10**9, 2 * 10**9), st.integers(0, 999), VALUES), max_size=20), SPACE, SPACE
)
def test_pair_scanner_agrees_with_json(pairs: list[tuple[int, int, str]], inner: str, outer: str) -> None:
    items = [
        f'[{inner}{second}.{milli:03d}{inner},{inner}"{value}"{inner}]' for second, milli, value in pairs
    ]
    array = ("[" + outer + (outer + "," + outer).join(items) + outer + "]").encode()
    found = scan_pairs(array, 100)
    assert not found.broken
    assert found.times == [second * 10**9 + milli * 10**6 for second, milli, _ in pairs]
    for (_, text), value in zip(json.loads(array), found.values, strict=True):
        expected = math.nan if text == "abc" else float(text)
        assert value is None if math.isnan(expected) else value == expected
    parts = [
        json.loads(array[start - 100 : end - 100])
        for start, end in zip(found.starts, found.ends, strict=True)
    ]
    assert parts == json.loads(array)


@given(
    st.lists(
        st.sampled_from(['[1000000000,"1"]', "[1]", "7", '{"a":1}', '["x","1"]', "null", "[1000000000.5,2]"]),
        max_size=8,
    )
)
def test_what_is_no_pair_is_named(items: list[str]) -> None:
    array = ("[" + ",".join(items) + "]").encode()
    found = scan_pairs(array, 0)
    good = [item for item in items if item.startswith("[1000000000")]
    assert [array[start:end].decode() for start, end in zip(found.starts, found.ends, strict=True)] == good
    assert [array[start:end].decode() for start, end, _ in found.broken] == [
        item for item in items if item not in good
    ]


def test_matrix(look: Callable[..., Look]) -> None:
    result = [
        {
            "metric": {"__name__": "up", "job": "api", "instance": "a:1"},
            "values": [[1795421143.098, "1"], [1795421144, "NaN"]],
        },
        {"metric": {"__name__": "up", "service": "web", "job": "j"}, "values": [[1795421143.098, "+Inf"]]},
        {"metric": {"__name__": "up", "code": "200"}, "values": []},
    ]
    seen = look(answer(result))
    assert seen.parsed.report.format == "prometheus_query_range"
    assert [(row["name"], row["service"], row["json_pointer"]) for row in seen.series] == [
        ("up", "api", "/data/result/0"),
        ("up", "web", "/data/result/1"),
        ("up", None, "/data/result/2"),
    ]
    assert [row["value"] for row in seen.samples] == [1.0, None, math.inf]
    assert seen.samples[0]["time_ns"] == 1795421143098000000
    assert [seen.json_of(row) for row in seen.samples] == [*result[0]["values"], *result[1]["values"]]


@pytest.mark.parametrize(
    "extra", [{"_query": {"expr": 'rate(x{job="edge"}[5m])'}}, {"query": "rate(x{service='edge'}[5m])"}]
)
def test_name_and_service_of_an_expression(look: Callable[..., Look], extra: dict[str, Any]) -> None:
    row = look(answer([{"metric": {"code": "200"}, "values": [[1, "1"]]}], **extra)).series[0]
    assert row["name"].startswith("rate(x")
    assert (row["service"], row["labels"]) == ("edge", {"code": "200"})


def test_name_of_the_file(look: Callable[..., Look]) -> None:
    row = look(answer([{"metric": {}, "values": [[1, "1"]]}]), uri="metrics/p95.json.gz").series[0]
    assert (row["name"], row["service"]) == ("p95", None)


def test_vector_scalar_string_and_histograms(look: Callable[..., Look]) -> None:
    vector = look(answer([{"metric": {"__name__": "up"}, "value": [1795421143.5, "2"]}], "vector"))
    assert vector.json_of(vector.samples[0]) == [1795421143.5, "2"]
    scalar = look(answer([1795421143.5, "2"], "scalar"))
    assert (scalar.samples[0]["value"], scalar.json_of(scalar.samples[0])) == (2.0, [1795421143.5, "2"])
    assert look(answer([1795421143.5, "text"], "string")).samples[0]["value"] is None
    pair = [1795421143.5, {"count": "3", "sum": "1.5", "buckets": []}]
    many = look(answer([{"metric": {"__name__": "h"}, "histograms": [pair, pair]}]))
    names = {row["series_id"]: row["name"] for row in many.series}
    assert [(names[row["series_id"]], row["value"]) for row in many.samples] == [
        ("h_count", 3.0),
        ("h_count", 3.0),
        ("h_sum", 1.5),
        ("h_sum", 1.5),
    ]
    assert many.json_of(many.samples[0]) == pair
    single = look(answer([{"metric": {"__name__": "h"}, "histogram": pair}], "vector"))
    assert single.json_of(single.samples[0]) == pair


def test_an_empty_result_is_an_answer(look: Callable[..., Look]) -> None:
    seen = look(answer([]))
    assert (seen.parsed.report.format, seen.quarantine, seen.samples) == ("prometheus_query_range", [], [])


def test_a_failed_query_is_told(look: Callable[..., Look]) -> None:
    row = look(json.dumps({"status": "error", "errorType": "timeout", "error": "query timed out"})).event
    assert (row["kind"], row["message"], row["severity"]) == ("tool_output", "query timed out", 17)


def test_a_cut_off_answer_is_quarantined_whole(look: Callable[..., Look]) -> None:
    text = answer(
        [{"metric": {"__name__": "up"}, "values": [[1795421143 + index, "1"] for index in range(9000)]}]
    )
    text = text.replace(", ", ",")
    seen = look(text[:-9])
    assert seen.parsed.report.format == "prometheus_query_range"
    assert [(row["byte_start"], row["byte_end"]) for row in seen.quarantine] == [(0, len(text) - 9)]


def test_answers_on_lines_keep_their_series_apart(look: Callable[..., Look]) -> None:
    line = answer([{"metric": {"__name__": "up"}, "values": [[1795421143, "1"]]}])
    seen = look(f"{line}\n{line}\n")
    assert len({row["series_id"] for row in seen.series}) == len(seen.series) == 2

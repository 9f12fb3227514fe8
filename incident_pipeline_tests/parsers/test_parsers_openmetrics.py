"""OpenMetrics and Prometheus text. The expositions are ours, written from the specifications."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_fuzz import mutants
from sample_cover import check_covered, measured

from incident_pipeline.parsers import Source, parse_artifact

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPEN = f"""\
# TYPE shop_requests counter
# HELP shop_requests Requests "taken", by code.
shop_requests_total{{code="200",service="shop"}} 1027 1700000000.25 # {{trace_id="{TRACE}"}} 1 1700000000.1
shop_requests_total{{code="500",service="shop"}} 3 1700000000.25
# TYPE shop_latency_seconds histogram
# UNIT shop_latency_seconds seconds
shop_latency_seconds_bucket{{le="0.1"}} 8 # {{}} 0.05
shop_latency_seconds_bucket{{le="+Inf"}} 10 # {{trace_id="{TRACE}"}} 2.5 1700000000
shop_latency_seconds_count 10
shop_latency_seconds_sum 9.5
# TYPE shop_build info
shop_build_info{{version="1.2",note="a\\\\b\\"c\\nd"}} 1
# TYPE shop_state stateset
shop_state{{shop_state="up"}} 1
shop_state{{shop_state="down"}} 0
# TYPE shop_queue gaugehistogram
shop_queue_bucket{{le="+Inf"}} 4
shop_queue_gcount 4
shop_queue_gsum 2
# TYPE shop_wait summary
shop_wait{{quantile="0.5"}} NaN
shop_wait_count 0
shop_wait_sum 0
# EOF
"""
PLAIN = """\
# HELP http_requests_total The total number of requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1700000000123
http_requests_total { method = "post" , code = "400", }    3 1700000000123

# a remark
temperature_celsius{dir="C:\\\\data",text="a \\"b\\"\\nc"} -12.5e-1
up 1
weird +Inf -3982045
stale NaN 1700000000123
"""
OPEN_REMARK = b"# "


def test_an_openmetrics_exposition_is_read_whole(look: Callable[..., Look]) -> None:
    seen = look(OPEN)
    assert (seen.parsed.report.format, seen.quarantine) == ("openmetrics_text", [])
    rows = measured(seen)
    # The second opinion: every line without a mark is one sample, its value the first word behind the name.
    lines = [line for line in OPEN.splitlines() if not line.startswith("#")]
    second = [re.sub(r"\{.*?\}(?= )", "", line).split() for line in lines]
    assert [name for name, _, _, _ in rows] == [words[0] for words in second]
    assert [("NaN" if value is None else value) for _, _, _, value in rows] == [
        ("NaN" if words[1] == "NaN" else float(words[1])) for words in second
    ]
    assert [seen.bytes_of(row).decode() for row in seen.samples] == lines
    assert [time for _, _, time, _ in rows[:3]] == [1_700_000_000_250_000_000] * 2 + [None]
    assert [row["exemplar_trace_id"] for row in seen.samples[:4]] == [TRACE, None, None, TRACE]
    assert rows[6][1] == {"version": "1.2", "note": 'a\\b"c\nd'}
    units = {row["name"]: (row["unit"], row["service"]) for row in seen.series}
    assert units["shop_latency_seconds_sum"] == ("seconds", None)
    assert units["shop_requests_total"] == (None, "shop")


@pytest.mark.parametrize(
    ("lines", "bad", "reason"),
    [
        ("a 1\nb  2", "b  2", "one space"),
        ("a 1_0", "a 1_0", "one space"),
        ('a{b="c",} 1', 'a{b="c",} 1', "comma too many"),
        ('a{b="c",b="d"} 1', 'a{b="c",b="d"} 1', "twice"),
        ('a{1b="c"} 1', 'a{1b="c"} 1', "label set"),
        ("a 1 NaN", "a 1 NaN", "one space"),
        ("# TYPE a widget\na 1", "# TYPE a widget", "no type"),
        ("# a remark\na 1", "# a remark", "neither TYPE"),
        ("a 1\n# TYPE a gauge", "# TYPE a gauge", "after the samples"),
        ("# HELP a x\n# HELP a x", "# HELP a x", "twice"),
        ("# UNIT a seconds", "# UNIT a seconds", "unit"),
        ("# TYPE a_s info\n# UNIT a_s s", "# UNIT a_s s", "unit of type"),
        ("a 1\nb 1\na 2", "a 2", "not together"),
        ("# TYPE a counter\na 1", "a 1", "not of type counter"),
        ("# TYPE a counter\n# TYPE a_total gauge", "# TYPE a_total gauge", "one of the samples"),
        ("# TYPE a counter\na_total -1", "a_total -1", "negative"),
        ("# TYPE a counter\na_total NaN", "a_total NaN", "no number"),
        ("# TYPE a gauge\na 1 2\na 1 1", "a 1 1", "backwards"),
        ("# TYPE a gauge\na 1 2\na 1", "a 1", "without a time"),
        ("a 1\na 1", "a 1", "twice"),
        ('# TYPE a gauge\na{b="1"} 1\na{b="2"} 1\na{b="1"} 2', 'a{b="1"} 2', "not together"),
        ('# TYPE a gauge\na 1 # {b="c"} 1', 'a 1 # {b="c"} 1', "exemplar"),
        (
            f'# TYPE a counter\na_total 1 # {{b="{"x" * 128}"}} 1',
            f'a_total 1 # {{b="{"x" * 128}"}} 1',
            "128 characters",
        ),
        ("# TYPE a stateset\na 1", "a 1", "label of its set"),
        ('# TYPE a stateset\na{a="b"} 2', 'a{a="b"} 2', "neither 0 nor 1"),
        ("# TYPE a info\na_info 2", "a_info 2", "not 1"),
        ("# TYPE a histogram\na_bucket 1", "a_bucket 1", "threshold"),
        ('# TYPE a histogram\na_bucket{le="1"} 1', 'a_bucket{le="1"} 1', "+Inf"),
        ('# TYPE a histogram\na_bucket{le="+Inf"} 1.5', 'a_bucket{le="+Inf"} 1.5', "not whole"),
        ('# TYPE a summary\na{quantile="2"} 1', 'a{quantile="2"} 1', "between 0 and 1"),
        ("a 1\n\nb 1", "", "one space"),
    ],
)
def test_what_breaks_a_rule_goes_to_quarantine(
    look: Callable[..., Look], lines: str, bad: str, reason: str
) -> None:
    seen = look(f"{lines}\n# EOF\n", pin="openmetrics")
    assert [
        (seen.bytes_of(row).decode().strip("\n"), reason in row["reason"]) for row in seen.quarantine
    ] == [(bad, True)], seen.quarantine
    check_covered(seen, remark=b"# ")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ('a_bucket{le="2"} 1\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 1', "out of order"),
        ('a_bucket{le="1"} 2\na_bucket{le="+Inf"} 1', "cumulative"),
        ('a_bucket{le="+Inf"} 1\na_count 2\na_sum 1', "count"),
        ('a_bucket{le="+Inf"} 1\na_count 1', "without"),
        ('a_bucket{le="-1"} 1\na_bucket{le="+Inf"} 1\na_count 1\na_sum 1', "below zero"),
    ],
)
def test_a_point_that_contradicts_itself_is_no_measurement(
    look: Callable[..., Look], lines: str, reason: str
) -> None:
    seen = look(f"# TYPE a histogram\n{lines}\n# EOF\n")
    assert seen.samples == []
    assert [seen.bytes_of(row).decode() for row in seen.quarantine] == lines.split("\n")
    assert all(reason in row["reason"] for row in seen.quarantine)


def test_what_is_cut_off_and_what_is_put_together(look: Callable[..., Look]) -> None:
    cut = look("# TYPE a gauge\na 1\na_b 1", pin="openmetrics_text")
    assert (len(cut.samples), [row["reason"][:8] for row in cut.quarantine]) == (2, ["no # EOF"])
    two = look("a 1\n# EOF\na 2\n# EOF\n")
    assert ([value for *_, value in measured(two)], two.quarantine) == ([1.0, 2.0], [])
    assert len(look("a 1\n# EOF\n# EOF\n").quarantine) == 1
    assert len(look(b'a{b="\xff"} 1\n# EOF\n').quarantine) == 1
    windows = look("a 1\r\n# EOF\r\n")
    assert (len(windows.samples), windows.quarantine) == (1, [])


def test_prometheus_text_is_read_leniently(look: Callable[..., Look]) -> None:
    seen = look(PLAIN)
    assert (seen.parsed.report.format, seen.quarantine) == ("prometheus_text", [])
    assert measured(seen) == [
        ("http_requests_total", {"method": "post", "code": "200"}, 1_700_000_000_123_000_000, 1027.0),
        ("http_requests_total", {"method": "post", "code": "400"}, 1_700_000_000_123_000_000, 3.0),
        ("temperature_celsius", {"dir": "C:\\data", "text": 'a "b"\nc'}, None, -1.25),
        ("up", {}, None, 1.0),
        ("weird", {}, -3_982_045_000_000, float("inf")),
        ("stale", {}, 1_700_000_000_123_000_000, None),
    ]
    mixed = look("a 1\n???\n# TYPE a widget\na{b=} 2\na 2\n", pin="prometheus_text")
    assert [mixed.bytes_of(row) for row in mixed.quarantine] == [b"???", b"# TYPE a widget", b"a{b=} 2"]
    assert [value for *_, value in measured(mixed)] == [1.0, 2.0]


def test_names_in_quotes_and_answers_of_promtool(look: Callable[..., Look]) -> None:
    seen = look('{"http.requests","a.b"="c"} 1\n{__name__="up"} 2\n', pin="prometheus_text")
    assert measured(seen) == [("http.requests", {"a.b": "c"}, None, 1.0), ("up", {}, None, 2.0)]
    asked = look('up{job="a"} => 1 @[1700000000.123]\nup{job="b"} => 0 @[1700000000.123]\n')
    assert measured(asked)[1] == ("up", {"job": "b"}, 1_700_000_000_123_000_000, 0.0)
    seconds = look("# TYPE up gauge\nup 1 1700000000\n")
    assert measured(seconds)[0][2] == 1_700_000_000_000_000_000
    assert any("as seconds" in text for text in seconds.parsed.report.assumptions)


def test_rows_do_not_depend_on_where_the_stream_is_cut() -> None:
    data = (PLAIN * 20).encode()
    source = Source(sha256="1" * 64, uri="metrics.txt")
    whole = parse_artifact(data, source, pin="prometheus_text")
    parts = parse_artifact(data, source, pin="prometheus_text", part_bytes=256)
    assert whole.samples.equals(parts.samples)
    assert whole.series.equals(parts.series)


@given(
    mutants((OPEN.encode(), PLAIN.encode())), st.sampled_from(["openmetrics_text", "prometheus_text", None])
)
@settings(max_examples=250, deadline=None)
def test_damaged_expositions_are_covered(look: Callable[..., Look], data: bytes, pin: str | None) -> None:
    seen = look(data, pin=pin)
    if seen.parsed.report.format in ("openmetrics_text", "prometheus_text"):
        check_covered(seen, remark=b"#")

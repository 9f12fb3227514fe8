"""InfluxDB line protocol. The lines are ours, written from the reference of the syntax."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_fuzz import mutants
from sample_cover import check_covered, measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

SAMPLE = """\
# a remark
cpu,host=db-1,region=eu\\ west usage=91.5,steal=-0.25 1700000000000000000
disk\\,io,host=db-1 reads=120i,writes=18446744073709551615u,rate=1e3 1700000010000000000
deploy,service=shop ok=true,text="rolled \\"out\\"
in two steps",count=2i 1700000020000000000
mem free=12
"""


def test_numbers_are_samples_and_texts_are_events(look: Callable[..., Look]) -> None:
    seen = look(SAMPLE)
    assert (seen.parsed.report.format, seen.quarantine) == ("influx_line", [])
    first = {"host": "db-1", "region": "eu west"}
    assert measured(seen) == [
        ("cpu.usage", first, 1_700_000_000_000_000_000, 91.5),
        ("cpu.steal", first, 1_700_000_000_000_000_000, -0.25),
        ("disk,io.reads", {"host": "db-1"}, 1_700_000_010_000_000_000, 120.0),
        ("disk,io.writes", {"host": "db-1"}, 1_700_000_010_000_000_000, float(2**64 - 1)),
        ("disk,io.rate", {"host": "db-1"}, 1_700_000_010_000_000_000, 1000.0),
        ("deploy.count", {"service": "shop"}, 1_700_000_020_000_000_000, 2.0),
        ("mem.free", {}, None, 12.0),
    ]
    event = seen.event
    assert (event["message"], event["service"]) == ('rolled "out"\nin two steps', "shop")
    assert seen.bytes_of(event) == SAMPLE[SAMPLE.index("deploy") : SAMPLE.index("\nmem")].encode()
    assert event["attributes"]["ok"] == "true"


@pytest.mark.parametrize(
    "line",
    [
        "cpu", "cpu 1", "cpu value=", "cpu value=1.1.1", "cpu value=NaN", "cpu value=1.5i", "cpu value=-1u",
        "cpu value=9223372036854775808i", "cpu value=18446744073709551616u", "cpu value=1e999",
        "cpu, value=1", "cpu,a value=1", "cpu,a= value=1", "cpu,a=1,a=2 value=1", "cpu =1", "cpu a=1 b",
        "cpu a=1 9223372036854775808", "cpu a=1 1 2", 'cpu a="b', 'cpu a="b"c', "cpu\x01a b=1", ",a=1 b=1",
    ],
)  # fmt: skip
def test_what_breaks_the_syntax_goes_to_quarantine(look: Callable[..., Look], line: str) -> None:
    seen = look(f"{line}\ncpu value=42\n", pin="influx")
    assert [seen.bytes_of(row).decode() for row in seen.quarantine] == [line]
    assert measured(seen) == [("cpu.value", {}, None, 42.0)]


def test_bytes_that_are_no_text_break_it_too(look: Callable[..., Look]) -> None:
    seen = look(b"cpu,a=\xff b=1\ncpu\0 b=1\ncpu b=1\n", pin="influx_line")
    assert (len(seen.quarantine), len(seen.samples)) == (2, 1)


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1700000000", 1_700_000_000_000_000_000),
        ("1700000000123", 1_700_000_000_123_000_000),
        ("1700000000123456", 1_700_000_000_123_456_000),
        ("1700000000123456789", 1_700_000_000_123_456_789),
        ("0", None),
        ("-5", None),
    ],
)
def test_the_size_of_a_time_tells_its_unit(look: Callable[..., Look], text: str, time_ns: int | None) -> None:
    seen = look(f"cpu value=1 {text}\n", pin="influx_line")
    assert [time for _, _, time, _ in measured(seen)] == [time_ns]
    assert bool(seen.parsed.report.assumptions) == (text not in ("0", "1700000000123456789"))


_WORD = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8).filter(
    lambda text: "\\" not in text and not text.startswith("#") and '"' not in text
)


def _escaped(text: str) -> str:
    for mark in ",= ":
        text = text.replace(mark, "\\" + mark)
    return text


@given(
    _WORD,
    st.dictionaries(_WORD, _WORD, max_size=3),
    st.dictionaries(_WORD, st.floats(-1e300, 1e300), min_size=1),
)
def test_what_is_written_is_read(
    look: Callable[..., Look], name: str, tags: dict[str, str], values: dict[str, float]
) -> None:
    head = ",".join([name.replace(",", "\\,"), *(f"{_escaped(k)}={_escaped(v)}" for k, v in tags.items())])
    body = ",".join(f"{_escaped(key)}={json.dumps(value)}" for key, value in values.items())
    seen = look(f"{head} {body} 1700000000000000000\n", pin="influx_line")
    assert seen.quarantine == []
    assert measured(seen) == [
        (f"{name}.{key}", tags, 1_700_000_000_000_000_000, value) for key, value in values.items()
    ]


@given(mutants((SAMPLE.encode(),)), st.sampled_from(["influx_line", None]))
@settings(max_examples=200, deadline=None)
def test_damaged_lines_are_covered(look: Callable[..., Look], data: bytes, pin: str | None) -> None:
    seen = look(data, pin=pin)
    if seen.parsed.report.format == "influx_line":
        check_covered(seen, remark=b"#")

"""Times and figures as text: written, and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.drafting.wording import (
    clock,
    duration,
    instant_ns,
    joined,
    number,
    plain,
    quoted,
    rfc3339,
)


@given(st.integers(min_value=-2_000_000_000 * 10**9, max_value=9_000_000_000 * 10**9))
def test_times_survive_the_round_trip(ns: int) -> None:
    assert instant_ns(rfc3339(ns)) == ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:00.5+01:00", 5 * 10**8),
        ("1969-12-31T19:00:00-0500", 0),
        ("1970-01-01 00:00:00", 0),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * 10**9),
        ("1970-13-01T00:00:00Z", None),
        ("yesterday", None),
    ],
)
def test_rfc3339_times_are_read(text: str, expected: int | None) -> None:
    assert instant_ns(text) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2.1, "2.1 s"), (9.96, "10 s"), (59.6, "60 s"), (120, "2 min"), (200, "3 min 20 s"),
     (3600, "1 h"), (7500, "2 h 5 min"), (-14, "-14 s")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (0.25, "0.25"), (123.456, "123"), (0.00001, "1.00e-05")]
)
def test_numbers_carry_no_noise(value: float, text: str) -> None:
    assert number(value) == text


def test_clock_and_lists() -> None:
    assert clock(1_760_000_400 * 10**9) == "09:00:00"
    assert joined([]) == ""
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    shown = plain(text)
    assert shown == plain(shown)
    assert all(character.isprintable() for character in shown)
    assert len(quoted(text)) <= 162

"""A seeded sample of the fuzzing over all formats; the full count is `benchmarks/hostile.py`."""

from __future__ import annotations

import pytest
from hostile import check_input, hostile_input, seeds

from incident_pipeline.parsers import known_formats

INPUTS = seeds()


def test_most_formats_have_seeds() -> None:
    """New formats get theirs by `record_seeds.py`."""
    missing = set(known_formats()) - set(INPUTS)
    assert len(missing) <= len(known_formats()) // 10, f"run record_seeds.py: nothing for {sorted(missing)}"


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_damaged_inputs_are_read_or_quarantined(first: int) -> None:
    for number in range(first, first + 50):
        data, pin = hostile_input(number, INPUTS)
        failure = check_input(data, pin)
        assert failure is None, f"input {number}: {failure}"

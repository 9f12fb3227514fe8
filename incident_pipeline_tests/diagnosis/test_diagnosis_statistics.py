"""Group statistics agree with the plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.signals.statistics import group_quantiles, spread, two_proportions, weighted_quantile


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-1000, 1000)), max_size=60),
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]),
)
def test_group_quantiles_are_the_lower_empirical_ones(pairs: list[tuple[int, int]], quantile: float) -> None:
    groups = np.array([group for group, _ in pairs], dtype=np.int64)
    values = np.array([value for _, value in pairs], dtype=np.int64)
    found = group_quantiles(groups, values, 5, quantile)
    for group in range(5):
        own = sorted(value for g, value in pairs if g == group)
        expected = own[int(quantile * (len(own) - 1))] if own else None
        assert np.isnan(found[group]) if expected is None else found[group] == expected


def test_spread_ignores_one_spike_and_is_never_below_half_the_deviation() -> None:
    calm = np.arange(40.0)
    assert spread(np.append(calm, 60.0)) == pytest.approx(spread(calm), rel=0.1)
    assert spread(np.array([0.0] * 9 + [10.0])) == pytest.approx(1.5)
    assert spread(np.array([3.0])) == 0.0


def test_two_proportions_are_symmetric_and_zero_for_equal_shares() -> None:
    one, ten = np.array([1.0]), np.array([10.0])
    _, _, z = two_proportions(one, ten, one, ten)
    assert z[0] == 0
    _, _, there = two_proportions(one, ten, ten, ten)
    _, _, back = two_proportions(ten, ten, one, ten)
    assert there[0] == back[0] > 2


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0.1, 2.0)), min_size=1, max_size=20))
def test_weighted_quantile_does_not_depend_on_order(pairs: list[tuple[int, float]]) -> None:
    values, weights = [float(v) for v, _ in pairs], [w for _, w in pairs]
    low, high = weighted_quantile(values, weights, 0.0), weighted_quantile(values, weights, 1.0)
    assert low == min(values)
    assert min(values) <= high <= max(values)
    assert weighted_quantile(values[::-1], weights[::-1], 0.0) == low

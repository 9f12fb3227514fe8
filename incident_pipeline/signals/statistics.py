"""Robust statistics over groups, on numpy arrays: what several analyses share.

Spread follows Tukey and Rousseeuw: the interquartile range over 1.349, never less than half the
standard deviation, so that neither one spike nor one flat stretch decides. The two-proportion test is
the pooled z with a small floor under the variance, for samples of a few records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IQR_OF_NORMAL: Final = 1.349
_VARIANCE_FLOOR: Final = 0.002


def spread(values: NDArray[np.float64]) -> float:
    """Give a robust standard deviation; 0 for fewer than two values."""
    if len(values) < 2:  # noqa: PLR2004 - a spread needs two values
        return 0.0
    low, high = np.percentile(values, [25, 75])
    return float(max((high - low) / _IQR_OF_NORMAL, 0.5 * np.std(values)))


def group_quantiles(
    groups: NDArray[np.integer], values: NDArray[np.number], count: int, quantile: float
) -> NDArray[np.float64]:
    """Give the lower empirical quantile of `values` per group 0..count-1; NaN for empty groups."""
    order = np.lexsort((values, groups))
    ordered, sizes = values[order], np.bincount(groups, minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    position = starts + np.floor(quantile * np.maximum(sizes - 1, 0)).astype(np.int64)
    out = np.full(count, np.nan)
    filled = sizes > 0
    out[filled] = ordered[position[filled]]
    return out


def two_proportions(
    hits0: NDArray[np.float64], n0: NDArray[np.float64], hits1: NDArray[np.float64], n1: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give the smoothed shares before and during, and the absolute pooled z between them."""
    p0 = (hits0 + 0.5) / (n0 + 1)
    p1 = (hits1 + 0.5) / (n1 + 1)
    pooled = (hits0 + hits1 + 1) / (n0 + n1 + 2)
    n0, n1 = np.maximum(n0, 1), np.maximum(n1, 1)
    z = np.abs(p1 - p0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1) + _VARIANCE_FLOOR)
    return p0, p1, z


def extent(times: NDArray[np.int64]) -> tuple[int, int]:
    """Give the first and last of sorted times, leaving out the outermost half per cent on either side.

    A single record with a broken clock must not stretch an incident over decades.
    """
    aside = len(times) // 200
    return int(times[aside]), int(times[len(times) - 1 - aside])


def weighted_quantile(values: list[float], weights: list[float], quantile: float) -> float:
    """Give the smallest value at which the sorted weights reach the quantile of their sum."""
    pairs = sorted(zip(values, weights, strict=True))
    total, reached = sum(weights), 0.0
    for value, weight in pairs:
        reached += weight
        if reached >= quantile * total:
            return value
    return pairs[-1][0]

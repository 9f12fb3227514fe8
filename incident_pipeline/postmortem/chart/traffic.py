"""The area at the top: requests per second at the front door, failed ones in red at the bottom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from incident_pipeline.drafting.wording import NS, number, plain
from incident_pipeline.postmortem.chart.scale import brief

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.drafting.traffic import Traffic
    from incident_pipeline.postmortem.chart.scale import TimeScale

HEIGHT: Final = 96
_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Area:
    """Paths of the two areas and the ticks of their axis, in SVG coordinates below `top`."""

    component: str
    label: str
    source: str
    top: int
    height: int
    failed_path: str
    other_path: str
    ticks: list[tuple[float, str]]


def traffic_area(traffic: Traffic, scale: TimeScale, top: int) -> Area | None:
    """Lay out the traffic, or give None when none of it lies in the picture."""
    inside = (traffic.time_ns >= scale.start) & (traffic.time_ns < scale.end)
    if not inside.any():
        return None
    index = (traffic.time_ns[inside] - scale.start) // scale.bucket_ns
    total = np.bincount(index, minlength=scale.buckets).astype(float)
    failed = np.bincount(index[traffic.failed[inside]], minlength=scale.buckets).astype(float)
    seconds = scale.bucket_ns / NS
    total, failed = total / seconds, failed / seconds
    highest = max(float(total.max()), 1e-9)
    unit = highest * 1.04
    floor = top + HEIGHT

    def y(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(floor - HEIGHT * values / unit)

    xs = np.array([scale.x(scale.start + int((i + 0.5) * scale.bucket_ns)) for i in range(scale.buckets)])
    step = _tick_step(highest)
    ticks = [
        (round(floor - HEIGHT * value / unit, 1), number(round(value, 6))) for value in _range(step, highest)
    ]
    return Area(
        component=traffic.component,
        label=plain(traffic.component)[:16],
        source=traffic.source,
        top=top,
        height=HEIGHT,
        failed_path=_band(xs, np.full(len(xs), float(floor)), y(failed)) if failed.any() else "",
        other_path=_band(xs, y(failed), y(total)),
        ticks=ticks,
    )


def _band(xs: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    forth = [f"{brief(x)} {brief(value)}" for x, value in zip(xs, high, strict=True)]
    back = [f"{brief(x)} {brief(value)}" for x, value in zip(xs[::-1], low[::-1], strict=True)]
    return "M" + "L".join(forth) + "L" + "L".join(back) + "z"


def _tick_step(highest: float) -> float:
    rough = highest / 2
    power = 10.0 ** np.floor(np.log10(rough))
    return float(next(nice for nice in _NICE if nice * power >= rough * 0.75) * power)


def _range(step: float, highest: float) -> list[float]:
    return [step * count for count in range(int(highest // step) + 1)]

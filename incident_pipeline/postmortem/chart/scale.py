"""The time axis: which stretch of time is drawn, in which buckets, with which ticks.

Evidence may reach from years back (a calendar) to hours after; the picture shows the incident with a calm
stretch before it and the recovery after it. All positions are pixels in the SVG's own coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.drafting.columns import times
from incident_pipeline.drafting.wording import NS, clock

if TYPE_CHECKING:
    from incident_pipeline.model.facts import Facts

LEFT: Final = 148
RIGHT: Final = 1188
WIDTH: Final = 1216

_STEPS_S: Final = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    21600,
    43200,
    86400,
)
_BUCKETS: Final = 80
_TICKS: Final = 8
_SHORTEST_NS: Final = 10 * NS
_CALM_NS: Final = 60 * NS
_MARGIN: Final = 0.6


@dataclass(frozen=True)
class TimeScale:
    """Maps UTC nanoseconds in `[start, end]` to pixels between `LEFT` and `RIGHT`."""

    start: int
    end: int
    bucket_ns: int

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return max(1, -(-(self.end - self.start) // self.bucket_ns))

    def x(self, ns: int) -> float:
        """Give the position of a time, clipped to the picture."""
        share = (min(max(ns, self.start), self.end) - self.start) / (self.end - self.start)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def shows(self, ns: int) -> bool:
        """Say whether a time lies inside the picture."""
        return self.start <= ns <= self.end

    @property
    def bar_width(self) -> float:
        """Give the width of a bar: a bucket with a small gap."""
        return max(round((RIGHT - LEFT) / self.buckets - 1.6, 1), 0.8)

    def bucket_x(self, index: int) -> float:
        """Give the left edge of a bucket."""
        return self.x(self.start + index * self.bucket_ns)

    def ticks(self) -> list[tuple[float, str]]:
        """Give round clock times with their positions."""
        step = _step((self.end - self.start) / NS / _TICKS)
        found = []
        at = -(-self.start // step) * step
        while at <= self.end:
            found.append((self.x(at), clock(at)))
            at += step
        return found


def brief(value: float) -> str:
    """Write a coordinate with at most one decimal and no needless zero."""
    return f"{value:.1f}".removesuffix(".0")


def time_scale(events: pa.Table, facts: Facts, samples: pa.Table) -> TimeScale | None:
    """Choose the stretch to draw, or None when nothing in the evidence has a time.

    Measurements bound the stretch only where there are neither logs nor spans: they often reach far
    beyond the incident.
    """
    telemetry = events.filter(
        pc.field("kind").isin(["log", "span", "alert", "chat"]) & pc.field("time_ns").is_valid()
    )
    if not pc.any(pc.is_in(telemetry.column("kind"), pa.array(["log", "span"]))).as_py():
        timed = samples.filter(pc.field("time_ns").is_valid())
        moments = np.sort(np.concatenate([times(telemetry), times(timed)]))
    else:
        moments = np.sort(times(telemetry))
    if not len(moments):
        return None
    # A few stray records (a clock at 1970, a log of last year) must not stretch the axis.
    trim = len(moments) // 200
    low, high = int(moments[trim]), int(moments[len(moments) - 1 - trim])
    begun, over = _core(facts, low, high)
    length = max(over - begun, _CALM_NS)
    start = max(min(low, begun), begun - length)
    end = min(max(high, over), over + int(_MARGIN * length))
    if end - start < _SHORTEST_NS:
        middle = (start + end) // 2
        start, end = middle - _SHORTEST_NS // 2, middle + _SHORTEST_NS // 2
    step = _step((end - start) / NS / _BUCKETS)
    start = start // step * step
    end = -(-end // step) * step
    return TimeScale(start, end, step)


def _core(facts: Facts, low: int, high: int) -> tuple[int, int]:
    starts = [] if facts.onset_ns is None else [facts.onset_ns]
    ends = [] if facts.ended_ns is None else [facts.ended_ns]
    if facts.first_alert is not None:
        starts.append(facts.alerts[facts.first_alert].start_ns)
        ends.extend(alert.end_ns or high for alert in facts.alerts[facts.first_alert :])
    if facts.front_door is not None and starts:
        ends.append(facts.front_door.last_failed_ns)
    if not starts:
        return low, high
    return min(starts), max(*ends, *starts) if ends else max(high, *starts)


def _step(seconds: float) -> int:
    """Give the first round step, in nanoseconds, that is at least this long."""
    fitting = next((step for step in _STEPS_S if step >= seconds), None)
    return int((fitting if fitting is not None else -(-seconds // 86400) * 86400) * NS)

"""A measure as a line in its component's lane: the one whose departure from the baseline was found.

Drawn for components of supported hypotheses, and for components that have no records of their own. The
line runs from the lowest to the highest value in the picture; its values stand in the title.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc

from incident_pipeline.drafting.wording import number, plain
from incident_pipeline.postmortem.chart.scale import RIGHT, TimeScale, brief

if TYPE_CHECKING:
    from incident_pipeline.drafting.inputs import DraftInputs

_LEAST: Final = 3
_MARGIN: Final = 5
_MOST_POINTS: Final = 200


@dataclass(frozen=True)
class MetricLine:
    """One measure over time, laid out in a lane."""

    metric: str
    title: str
    path: str


def metric_line(
    inputs: DraftInputs, component: str, scale: TimeScale, top: int, height: int
) -> MetricLine | None:
    """Lay out the leading measure of a component, or give None when none was found or held."""
    reasons = [
        reason
        for ranked in inputs.diagnosis.ranking
        if ranked.component == component
        for reason in ranked.reasons
        if isinstance(reason.facts.get("series_id"), str)
    ]
    for reason in sorted(reasons, key=lambda reason: -reason.score):
        samples = inputs.tables.samples.filter(
            (pc.field("series_id") == reason.facts["series_id"])
            & (pc.field("time_ns") >= scale.start)
            & (pc.field("time_ns") <= scale.end)
            & pc.is_finite(pc.field("value"))
        ).sort_by("time_ns")
        if samples.num_rows < _LEAST:
            continue
        moments = samples.column("time_ns").to_numpy()
        values = samples.column("value").to_numpy()
        chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).astype(int))
        low, high = float(values.min()), float(values.max())
        reach = height - 2 * _MARGIN
        unit = reach / (high - low) if high > low else 0.0
        points = [
            f"{brief(min(scale.x(int(moments[i])), RIGHT))} "
            f"{brief(top + height - _MARGIN - (float(values[i]) - low) * unit)}"
            for i in chosen
        ]
        metric = plain(str(reason.facts.get("metric") or "measure"))
        title = f"{metric} of {plain(component)}: {number(low)} to {number(high)}"
        return MetricLine(metric=metric, title=title, path="M" + "L".join(points))
    return None

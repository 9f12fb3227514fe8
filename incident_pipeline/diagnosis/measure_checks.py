"""Checks on measurements: whether one left its baseline, before the failures, along with them, there alone.

A measurement counts as moved by the share of its samples well beyond everything seen before, not by how
far: a share is the same on a slow and on a fast machine.
"""

# ruff: noqa: S608 - only constants of our own are formatted into the queries; values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from incident_pipeline.diagnosis.prediction import (
    BASELINE,
    DURING,
    bucket_ns,
    check,
)

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.windows import Windows
    from incident_pipeline.model.check import CheckSpec


MARGIN: Final = "0.25 * (max(value) - min(value)) + 0.005 * greatest(abs(min(value)), abs(max(value)))"
"""How far beyond all that was seen before counts as out: a quarter of its range, and half a per cent."""


def measure_left_baseline(measure: str, direction: Literal["up", "down"], windows: Windows) -> CheckSpec:
    """Predict that a measurement lies beyond all it was before for a good part of the incident."""
    side = "value > high + margin" if direction == "up" else "value < low - margin"
    return check(
        "measure",
        f"{measure} leaves its baseline",
        f"""
WITH calm AS (
  SELECT min(value) AS low, max(value) AS high, median(value) AS middle,
         {MARGIN} AS margin, count(*) AS samples_before
  FROM measures WHERE measure = $measure AND {BASELINE}
)
SELECT CASE WHEN any_value(samples_before) >= 3 THEN avg(({side})::INT) END AS value,
       any_value(middle) AS median_before, median(value) AS median_during,
       any_value(low) AS lowest_before, any_value(high) AS highest_before,
       any_value(samples_before) AS samples_before, count(*) AS samples_during
FROM measures, calm
WHERE measure = $measure AND {DURING}""",
        {"measure": measure, **windows.parameters()},
        (">=", 0.2, "of the samples"),
        "The measurement stays within what it was before the incident.",
    )


def measure_precedes(
    measure: str, direction: Literal["up", "down"], symptom: str, windows: Windows, events: Windows
) -> CheckSpec:
    """Predict that a measurement leaves its baseline no later than the symptom's first failing request."""
    side = "value > high + margin" if direction == "up" else "value < low - margin"
    return check(
        "precedes",
        f"{measure} moves before {symptom} fails",
        f"""
WITH calm AS (
  SELECT min(value) AS low, max(value) AS high, {MARGIN} AS margin
  FROM measures WHERE measure = $measure AND {BASELINE}
), cause AS (
  SELECT min(time_ns) AS moved FROM measures, calm WHERE measure = $measure AND ({side}) AND {DURING}
), effect AS (
  SELECT min(end_time_ns) AS failed, arg_min(event_id, (end_time_ns, event_id)) AS event_id
  FROM spans
  WHERE entry AND service = $symptom AND failed
    AND role = 'incident' AND time_ns >= $events_from AND time_ns < $events_to
)
SELECT (moved - failed) / 1e9 AS value, event_id AS first_failing_event_id FROM cause, effect""",
        {
            "measure": measure,
            "symptom": symptom,
            "events_from": events.incident_from,
            "events_to": events.incident_to,
            **windows.parameters(),
        },
        ("<=", 2.0, "s after the first failing request"),
        f"{symptom} failed before the measurement moved, so the measurement shows an effect.",
        decisive=False,
    )


def measure_is_specific(
    measure: str,
    name: str,
    component: str,
    direction: Literal["up", "down"],
    windows: Windows,
) -> CheckSpec:
    """Predict that the same measurement of others left its baseline less: the lead over the next.

    A lead of one sample in a few may be chance, so it takes more than a quarter.
    """
    side = "m.value > c.high + c.margin" if direction == "up" else "m.value < c.low - c.margin"
    return check(
        "specific",
        f"{name} of {component} moves more than that of any other",
        f"""
WITH calm AS (
  SELECT measure, min(value) AS low, max(value) AS high,
         {MARGIN} AS margin
  FROM measures WHERE name = $name AND {BASELINE} GROUP BY measure
), moved AS (
  SELECT m.measure, any_value(m.component) AS component, avg(({side})::INT) AS share, count(*) AS samples
  FROM measures m JOIN calm c USING (measure)
  WHERE m.name = $name AND m.role = 'incident' AND m.time_ns >= $incident_from AND m.time_ns < $incident_to
  GROUP BY m.measure
), leads AS (
  SELECT max(share) FILTER (measure = $measure) AS share_here,
         max(share) FILTER (component IS DISTINCT FROM $component) AS share_elsewhere,
         max(samples) FILTER (measure = $measure) AS samples, count(*) AS measurements
  FROM moved
)
SELECT share_here - share_elsewhere AS value, share_here, share_elsewhere, samples, measurements
FROM leads""",
        {
            "measure": measure,
            "name": name,
            "component": component,
            **windows.parameters(),
        },
        (">", 0.25, "of the samples ahead of the next"),
        "The same measurement moved as much elsewhere: a cause they share, or none of them.",
        decisive=False,
    )


def measure_dose_response(measure: str, direction: Literal["up", "down"], windows: Windows) -> CheckSpec:
    """Predict that failures rise with a measurement (or as it falls), bucket by bucket."""
    sign = "" if direction == "up" else "-"
    return check(
        "comoves",
        f"Failures follow {measure}",
        f"""
WITH amounts AS (
  SELECT time_ns // $bucket_ns AS bucket, avg(value) AS amount
  FROM measures WHERE measure = $measure AND role = 'incident' AND time_ns < $incident_to GROUP BY ALL
), failures AS (
  SELECT time_ns // $bucket_ns AS bucket, count(*) FILTER (failed AND entry) AS failing
  FROM spans WHERE role = 'incident' AND time_ns < $incident_to GROUP BY ALL
)
SELECT CASE WHEN stddev_pop(amount) > 0 AND stddev_pop(failing) > 0
            THEN {sign}corr(amount, failing) END AS value,
       count(*) AS buckets
FROM amounts JOIN failures USING (bucket)""",
        {"measure": measure, "bucket_ns": bucket_ns(windows), **windows.parameters()},
        (">=", 0.3, "correlation"),
        "Failures come and go without regard to the measurement.",
        decisive=False,
    )


def callees_stay(
    name: str, component: str, callees: tuple[str, ...], direction: Literal["up", "down"], windows: Windows
) -> CheckSpec:
    """Predict that the same measurement of what a component calls stays: the largest share that left."""
    side = "m.value > c.high + c.margin" if direction == "up" else "m.value < c.low - c.margin"
    return check(
        "callees",
        f"{name} of what {component} calls stays as it was",
        f"""
WITH calm AS (
  SELECT measure, min(value) AS low, max(value) AS high,
         {MARGIN} AS margin
  FROM measures
  WHERE name = $name AND component IN (SELECT unnest(string_split($callees, chr(10)))) AND {BASELINE}
  GROUP BY measure HAVING count(*) >= 3
), moved AS (
  SELECT m.measure, any_value(m.component) AS component, avg(({side})::INT) AS share
  FROM measures m JOIN calm c USING (measure)
  WHERE m.role = 'incident' AND m.time_ns >= $incident_from AND m.time_ns < $incident_to
  GROUP BY m.measure
)
SELECT max(share) AS value, arg_max(component, (share, component)) AS most_moved, count(*) AS measurements
FROM moved""",
        {"name": name, "callees": "\n".join(callees), **windows.parameters()},
        ("<", 0.2, "of the samples"),
        f"Something that {component} calls moved too, so {component} may only show what happens below it.",
        decisive=False,
    )

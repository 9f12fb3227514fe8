"""Checks on failures: where they begin, since when, whether first, with the load or not, and when they end.

They follow Bradford Hill's viewpoints as far as telemetry can show them: the cause precedes
(`precedes`), was absent before (`absent_before`), grows with the effect (`dose_response`), is specific
(`origin`) and goes away with its remedy (`reversal`). A prediction stands before its query ever runs.
They speak in counts, shares and orderings, because those survive a busy machine.
"""

# ruff: noqa: S608 - only constants of our own are formatted into the queries; values are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.diagnosis.prediction import (
    BASELINE,
    DURING,
    ENDS_HERE,
    MIN_SPANS,
    bucket_ns,
    check,
    grace_ns,
)

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.windows import Windows
    from incident_pipeline.model.check import CheckSpec


def origin(component: str, windows: Windows, *, least: float = 0.5) -> CheckSpec:
    """Predict that most chains of failing spans end at a component: it is where the failures come from."""
    return check(
        "origin",
        f"Chains of failing calls end at {component}",
        f"""
SELECT avg(({ENDS_HERE})::INT) AS value,
       count(*) AS failing_chains,
       count(*) FILTER ({ENDS_HERE}) AS ending_here,
       arg_min(event_id, (end_time_ns, event_id)) FILTER ({ENDS_HERE}) AS first_event_id
FROM spans
WHERE origin IS NOT NULL AND {DURING}""",
        {"component": component, **windows.parameters()},
        (">=", least, "of failing chains"),
        f"Failing requests fail elsewhere, so {component} at most passes failures on.",
    )


def absent_before(component: str, windows: Windows) -> CheckSpec:
    """Predict that a component failed far more rarely before: the share before by the share during."""
    return check(
        "absent_before",
        f"Failures that begin at {component} were absent before",
        f"""
WITH work AS (
  SELECT role, time_ns, {ENDS_HERE} AS here
  FROM spans WHERE {ENDS_HERE} OR (entry AND service = $component) OR (outbound AND peer = $component)
), shares AS (
  SELECT avg(here::INT) FILTER ({BASELINE}) AS before, avg(here::INT) FILTER ({DURING}) AS during,
         count(*) FILTER ({BASELINE}) AS spans_before, count(*) FILTER ({DURING}) AS spans_during
  FROM work
)
SELECT before / nullif(during, 0) AS value,
       before AS share_before, during AS share_during, spans_before, spans_during
FROM shares""",
        {"component": component, **windows.parameters()},
        ("<", 0.2, "of the share during"),
        f"{component} failed like this before the incident too, so something else changed.",
        decisive=False,
    )


def precedes(component: str, symptom: str, windows: Windows, *, tolerance: float = 1.0) -> CheckSpec:
    """Predict that a component's first failure ends no later than the symptom's first failing request."""
    return check(
        "precedes",
        f"{component} fails before {symptom} does",
        f"""
WITH first AS (
  SELECT min(end_time_ns) FILTER ({ENDS_HERE}) AS cause,
         arg_min(event_id, (end_time_ns, event_id)) FILTER ({ENDS_HERE}) AS cause_event_id,
         min(end_time_ns) FILTER (entry AND service = $symptom AND failed) AS effect,
         arg_min(event_id, (end_time_ns, event_id))
           FILTER (entry AND service = $symptom AND failed) AS effect_event_id
  FROM spans WHERE {DURING}
)
SELECT (cause - effect) / 1e9 AS value, cause_event_id, effect_event_id FROM first""",
        {"component": component, "symptom": symptom, **windows.parameters()},
        ("<=", tolerance, "s after the first failing request"),
        f"{symptom} failed before {component} did, so {component} can't be what started it.",
    )


def dose_response(component: str, windows: Windows, *, least: float = 0.3) -> CheckSpec:
    """Predict that failures grow with the calls to a component, bucket by bucket."""
    return check(
        "dose_response",
        f"Failures grow with the calls to {component}",
        """
WITH buckets AS (
  SELECT time_ns // $bucket_ns AS bucket,
         count(*) FILTER ((entry AND service = $component) OR (outbound AND peer = $component)) AS calls,
         count(*) FILTER (origin IS NOT NULL) AS failing_chains
  FROM spans WHERE role = 'incident' AND time_ns < $incident_to GROUP BY ALL
)
SELECT CASE WHEN stddev_pop(calls) > 0 AND stddev_pop(failing_chains) > 0
            THEN corr(calls, failing_chains) END AS value,
       count(*) AS buckets, sum(calls) AS calls, sum(failing_chains) AS failing_chains
FROM buckets""",
        {"component": component, "bucket_ns": bucket_ns(windows), **windows.parameters()},
        (">=", least, "correlation"),
        f"Failures come and go without regard to how much {component} is asked.",
        decisive=False,
    )


def reversal(component: str, undone_at: int, windows: Windows) -> CheckSpec:
    """Predict that failures at a component mostly end once something was changed to stop them."""
    return check(
        "reversal",
        f"Failures at {component} end after the remedy",
        f"""
WITH work AS (
  SELECT time_ns, failed FROM spans
  WHERE role = 'incident' AND ((entry AND service = $component) OR (outbound AND peer = $component))
), shares AS (
  SELECT avg(failed::INT) FILTER (time_ns >= $incident_from AND time_ns < $undone_at) AS during,
         avg(failed::INT) FILTER (time_ns >= $settled_at) AS after,
         count(*) FILTER (time_ns >= $settled_at) AS requests_after
  FROM work
)
SELECT CASE WHEN requests_after >= {MIN_SPANS} THEN after / nullif(during, 0) END AS value,
       during AS share_during, after AS share_after, requests_after
FROM shares""",
        {
            "component": component,
            "undone_at": undone_at,
            "settled_at": undone_at + grace_ns(windows.end - undone_at),
            **windows.parameters(),
        },
        ("<", 0.5, "of the share before the remedy"),
        "What was changed to stop it did not stop it, so the cause lies elsewhere.",
        decisive=False,
    )


def reversal_of_change(service: str, undone_at: int, windows: Windows) -> CheckSpec:
    """Predict that failures at a changed service mostly end once it was changed again."""
    return reversal(service, undone_at, windows).model_copy(
        update={
            "kind": "undone",
            "title": f"Failures at {service} end once it is changed again",
            "decisive": True,
            "why": f"{service} goes on failing after its change was undone, so that was not what broke it.",
        }
    )


def failures_follow(event_ns: int, windows: Windows) -> CheckSpec:
    """Predict that failing requests are rare before an event: their share before it by their share after."""
    return check(
        "follows",
        "Requests fail after the event, hardly before",
        """
WITH shares AS (
  SELECT avg(failed::INT) FILTER (time_ns < $event_ns) AS before,
         avg(failed::INT) FILTER (time_ns >= $event_ns) AS after,
         count(*) FILTER (time_ns < $event_ns) AS requests_before,
         arg_min(event_id, (time_ns, event_id)) FILTER (failed AND time_ns >= $event_ns) AS first_event_id
  FROM spans WHERE entry AND role = 'incident' AND time_ns < $incident_to
)
SELECT before / nullif(after, 0) AS value,
       before AS share_before, after AS share_after, requests_before, first_event_id
FROM shares""",
        {"event_ns": event_ns, **windows.parameters()},
        ("<", 0.2, "of the share after"),
        "Requests failed before the event already.",
    )

"""Checks on slowness: shares of spans beyond what 99 % of the calm ones took, and who leads in that share.

Bare durations mislead on a busy machine, where everything slows down; so each check on a service's own
slowness stands beside one that compares it with the others.
"""

# ruff: noqa: S608 - only constants of our own are formatted into the queries; values are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.diagnosis.prediction import (
    BASELINE,
    DURING,
    MIN_SPANS,
    bucket_ns,
    check,
)

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.windows import Windows
    from incident_pipeline.model.check import CheckSpec


def slow_by_itself(service: str, windows: Windows) -> CheckSpec:
    """Predict that a service's own work is slow: spans beyond 99 % of the calm ones of their operation."""
    return check(
        "slow",
        f"{service} is slow by itself",
        f"""
WITH calm AS (
  SELECT operation, quantile_cont(own_ns, 0.99) AS bound, count(*) AS spans_before
  FROM spans WHERE service = $component AND {BASELINE} GROUP BY operation HAVING count(*) >= {MIN_SPANS}
)
SELECT avg((own_ns > bound)::INT) AS value, count(*) AS spans_during, any_value(spans_before) AS spans_before
FROM spans JOIN calm USING (operation)
WHERE service = $component AND {DURING}""",
        {"component": service, **windows.parameters()},
        (">=", 0.1, "of its spans"),
        f"{service} works as fast as before: it waits for others, if anything.",
    )


def slower_than_others(service: str, windows: Windows) -> CheckSpec:
    """Predict that no other service became slower by itself: the lead in the share of slow spans."""
    return check(
        "specific",
        f"No other service became as slow by itself as {service}",
        f"""
WITH calm AS (
  SELECT service, operation, quantile_cont(own_ns, 0.99) AS bound
  FROM spans WHERE {BASELINE} GROUP BY ALL HAVING count(*) >= {MIN_SPANS}
), slow AS (
  SELECT service, avg((own_ns > bound)::INT) AS share
  FROM spans JOIN calm USING (service, operation) WHERE {DURING} GROUP BY service
)
SELECT max(share) FILTER (service = $component) - max(share) FILTER (service <> $component) AS value,
       max(share) FILTER (service = $component) AS share_here,
       max(share) FILTER (service <> $component) AS share_elsewhere,
       arg_max(service, (share, service)) FILTER (service <> $component) AS next
FROM slow""",
        {"component": service, **windows.parameters()},
        (">", 0, "lead over the next"),
        f"Another service slowed down more, so {service} is not where the time goes.",
        decisive=False,
    )


def callers_wait(service: str, windows: Windows) -> CheckSpec:
    """Predict that time is lost on the way to a service: its callers wait, and not for its own work.

    The share of calls that leave the caller waiting beyond 99 % of the calm ones, less the share of calls in
    which the service's own work took beyond 99 % of the calm ones: a service that is slow itself fails this.
    """
    return check(
        "gap",
        f"Callers of {service} wait longer than it works",
        f"""
WITH pairs AS (
  SELECT p.role, p.time_ns, p.service AS caller, p.operation AS asked, c.operation AS answered,
         p.own_ns AS waited_ns, c.own_ns AS worked_ns
  FROM spans p JOIN spans c ON c.role = p.role AND c.trace_id = p.trace_id AND c.parent_span_id = p.span_id
  WHERE c.service = $component AND p.service <> $component
), calm AS (
  SELECT caller, asked, answered, quantile_cont(waited_ns, 0.99) AS usual_wait,
         quantile_cont(worked_ns, 0.99) AS usual_work
  FROM pairs WHERE {BASELINE} GROUP BY ALL HAVING count(*) >= {MIN_SPANS}
)
SELECT avg((waited_ns > usual_wait)::INT) - avg((worked_ns > usual_work)::INT) AS value,
       avg((waited_ns > usual_wait)::INT) AS share_waiting,
       avg((worked_ns > usual_work)::INT) AS share_working_long, count(*) AS calls_during
FROM pairs JOIN calm USING (caller, asked, answered)
WHERE {DURING}""",
        {"component": service, **windows.parameters()},
        (">=", 0.5, "more of the calls"),
        f"Calls to {service} take no longer on the way than before, or it is its own work that takes longer.",
    )


def wait_is_specific(service: str, windows: Windows) -> CheckSpec:
    """Predict that callers of no other service wait as long: the lead in the share of late calls."""
    return check(
        "specific",
        f"Calls to no other service lose as much time as those to {service}",
        f"""
WITH pairs AS (
  SELECT p.role, p.time_ns, p.service AS caller, p.operation, c.service AS callee, p.own_ns
  FROM spans p JOIN spans c ON c.role = p.role AND c.trace_id = p.trace_id AND c.parent_span_id = p.span_id
  WHERE c.service <> p.service
), calm AS (
  SELECT caller, operation, callee, quantile_cont(own_ns, 0.99) AS bound
  FROM pairs WHERE {BASELINE} GROUP BY ALL HAVING count(*) >= {MIN_SPANS}
), late AS (
  SELECT callee, avg((own_ns > bound)::INT) AS share
  FROM pairs JOIN calm USING (caller, operation, callee) WHERE {DURING} GROUP BY callee
)
SELECT max(share) FILTER (callee = $component) - max(share) FILTER (callee <> $component) AS value,
       max(share) FILTER (callee = $component) AS share_here,
       max(share) FILTER (callee <> $component) AS share_elsewhere,
       arg_max(callee, (share, callee)) FILTER (callee <> $component) AS next
FROM late""",
        {"component": service, **windows.parameters()},
        (">", 0, "lead over the next"),
        f"Calls to another service lose as much, so it is not the way to {service} alone.",
        decisive=False,
    )


def slow_with_load(service: str, windows: Windows) -> CheckSpec:
    """Predict that requests get slower as more of them come, bucket by bucket."""
    return check(
        "dose_response",
        f"{service} gets slower as more requests come",
        """
WITH buckets AS (
  SELECT time_ns // $bucket_ns AS bucket, count(*) AS requests, median(duration_ns) AS typical_ns
  FROM spans
  WHERE entry AND service = $component AND role = 'incident' AND time_ns < $incident_to
  GROUP BY ALL
)
SELECT CASE WHEN count(*) >= 5 AND stddev_pop(requests) > 0 AND stddev_pop(typical_ns) > 0
            THEN corr(requests, typical_ns) END AS value, count(*) AS buckets
FROM buckets""",
        {"component": service, "bucket_ns": bucket_ns(windows), **windows.parameters()},
        (">=", 0.3, "correlation"),
        f"{service} gets slow without regard to how much it is asked.",
        decisive=False,
    )

"""Checks on a change: whether it broke its own service, at once, and for as long as it was in.

That a change came shortly before an onset is why it is suspected; it proves nothing, so nearness alone is
never checked.
"""

# ruff: noqa: S608 - only constants of our own are formatted into the queries; values are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.diagnosis.prediction import (
    ENDS_HERE,
    check,
)

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.windows import Windows
    from incident_pipeline.model.check import CheckSpec


def failures_after_change(service: str, change_ns: int, windows: Windows) -> CheckSpec:
    """Predict that failures begin at the changed service; null where nothing fails at all."""
    return check(
        "errors",
        f"{service} fails requests by itself after the change",
        f"""
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER ({ENDS_HERE}) END AS value,
       count(*) AS failing_chains,
       arg_min(event_id, (end_time_ns, event_id)) FILTER ({ENDS_HERE}) AS first_event_id
FROM spans
WHERE origin IS NOT NULL AND role = 'incident' AND time_ns >= $change_ns AND time_ns < $incident_to""",
        {"component": service, "change_ns": change_ns, **windows.parameters()},
        (">", 0, "failing chains"),
        f"No failure begins at {service} after its change: the change broke nothing there.",
    )


def calm_after_change(service: str, change_ns: int, windows: Windows) -> CheckSpec:
    """Predict that failures were there from the change on: how likely so long a calm would be by chance.

    With a share p of failing requests since the first failure, n healthy ones between the change and that
    failure come by chance with probability (1 - p)^n. A latent defect may lie still for a while, so it is
    not decisive.
    """
    return check(
        "change_nearby",
        f"{service} fails from the change on, not after a calm",
        f"""
WITH work AS (
  SELECT end_time_ns, {ENDS_HERE} AS here FROM spans
  WHERE role = 'incident' AND time_ns >= $change_ns AND time_ns < $incident_to
    AND ({ENDS_HERE} OR (entry AND service = $component))
), first AS (
  SELECT min(end_time_ns) FILTER (here) AS failure FROM work
), counted AS (
  SELECT count(*) FILTER (end_time_ns < failure) AS healthy_first, min(failure) AS failure,
         avg(here::INT) FILTER (end_time_ns >= failure) AS share_since
  FROM work, first
)
SELECT CASE WHEN failure IS NOT NULL THEN power(1 - least(share_since, 0.999), healthy_first) END AS value,
       healthy_first, share_since, (failure - $change_ns) / 1e9 AS seconds_to_first_failure
FROM counted""",
        {"component": service, "change_ns": change_ns, **windows.parameters()},
        (">=", 0.01, "probability"),
        f"{service} served healthily after its change before anything failed, longer than chance allows.",
        decisive=False,
    )


def persists_while_in_place(service: str, change_ns: int, windows: Windows) -> CheckSpec:
    """Predict that failures go on as long as the change stays: how likely the calm at the end is by chance.

    With a share p of failing requests from the first to the last failure, n healthy ones after the last come
    by chance with probability (1 - p)^n. Between 1 % and 20 % the evidence ends too early to tell: no data.
    """
    return check(
        "reversal",
        f"Failures at {service} go on while its change stays in place",
        f"""
WITH work AS (
  SELECT time_ns, {ENDS_HERE} AS here FROM spans
  WHERE role = 'incident' AND time_ns >= $change_ns AND ({ENDS_HERE} OR (entry AND service = $component))
), ends AS (
  SELECT min(time_ns) FILTER (here) AS first_failure, max(time_ns) FILTER (here) AS last_failure FROM work
), counted AS (
  SELECT avg(here::INT) FILTER (time_ns BETWEEN first_failure AND last_failure) AS share_failing,
         count(*) FILTER (time_ns > last_failure) AS healthy_at_end
  FROM work, ends
), judged AS (
  SELECT *,
         CASE WHEN share_failing > 0 THEN power(1 - least(share_failing, 0.999), healthy_at_end) END AS chance
  FROM counted
)
SELECT CASE WHEN chance < 0.01 OR chance >= 0.2 THEN chance END AS value,
       chance, share_failing, healthy_at_end
FROM judged""",
        {"component": service, "change_ns": change_ns, **windows.parameters()},
        (">=", 0.2, "probability"),
        "Failures ended although nobody undid the change, so it was not enough to cause them.",
    )

"""Checks on a change: whether it broke its own service, at once, and for as long as it was in.

That a change came shortly before an onset is why it is suspected; it proves nothing, so nearness alone is
never checked.
"""

# ruff: noqa: S608 - only constants of our own are formatted into the queries; values are bound

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.diagnosis.prediction import (
    ENDS_HERE,
    MIN_SPANS,
    check,
    grace_ns,
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


def log_errors_after_change(service: str, change_ns: int, windows: Windows) -> CheckSpec:
    """Predict that a service logs errors since its change, hardly before: share before by share after."""
    return check(
        "errors",
        f"{service} logs errors since the change, hardly before",
        """
WITH shares AS (
  SELECT avg((severity >= 17)::INT) FILTER (time_ns < $change_ns) AS before,
         avg((severity >= 17)::INT) FILTER (time_ns >= $change_ns) AS after,
         count(*) FILTER (time_ns < $change_ns) AS records_before,
         count(*) FILTER (time_ns >= $change_ns) AS records_after,
         arg_min(event_id, (time_ns, event_id)) FILTER (severity >= 17 AND time_ns >= $change_ns)
           AS first_event_id
  FROM logs WHERE service = $component AND role = 'incident' AND time_ns < $incident_to
)
SELECT CASE WHEN records_before > 0 AND records_after > 0
            THEN CASE WHEN after > 0 THEN before / after ELSE 1 END END AS value,
       before AS share_before, after AS share_after, records_before, records_after, first_event_id
FROM shares""",
        {"component": service, "change_ns": change_ns, **windows.parameters()},
        ("<", 0.2, "of the share after"),
        f"{service} logs no more errors than before its change: the change broke nothing there.",
    )


def log_calm_after_change(service: str, change_ns: int, windows: Windows) -> CheckSpec:
    """Predict that errors were logged from the change on, as `calm_after_change` does for requests.

    A roll-out takes a moment, so a record or two of the old version are allowed for.
    """
    return check(
        "change_nearby",
        f"{service} logs errors from the change on, not after a calm",
        """
WITH first AS (
  SELECT min(time_ns) FILTER (severity >= 17) AS failure FROM logs
  WHERE service = $component AND role = 'incident' AND time_ns >= $change_ns AND time_ns < $incident_to
), counted AS (
  SELECT count(*) FILTER (time_ns < failure) AS healthy_first, min(failure) AS failure,
         avg((severity >= 17)::INT) FILTER (time_ns >= failure) AS share_since
  FROM logs, first
  WHERE service = $component AND role = 'incident' AND time_ns >= $change_ns AND time_ns < $incident_to
)
SELECT CASE WHEN failure IS NOT NULL THEN power(1 - least(share_since, 0.9), healthy_first) END AS value,
       healthy_first, share_since, (failure - $change_ns) / 1e9 AS seconds_to_first_error
FROM counted""",
        {"component": service, "change_ns": change_ns, **windows.parameters()},
        (">=", 0.01, "probability"),
        f"{service} logged no error for longer after its change than chance allows.",
        decisive=False,
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
        "persists",
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


def event_then_failures(event_ns: int, windows: Windows) -> CheckSpec:
    """Predict that requests fail from an event on that names no component, as `calm_after_change` does."""
    return check(
        "change_nearby",
        "Requests fail from the event on, not after a calm",
        """
WITH first AS (
  SELECT min(end_time_ns) FILTER (failed) AS failure FROM spans
  WHERE entry AND parent_service IS NULL AND role = 'incident'
    AND time_ns >= $event_ns AND time_ns < $incident_to
), counted AS (
  SELECT count(*) FILTER (end_time_ns < failure) AS healthy_first, min(failure) AS failure,
         avg(failed::INT) FILTER (end_time_ns >= failure) AS share_since
  FROM spans, first
  WHERE entry AND parent_service IS NULL AND role = 'incident'
    AND time_ns >= $event_ns AND time_ns < $incident_to
)
SELECT CASE WHEN failure IS NOT NULL THEN power(1 - least(share_since, 0.999), healthy_first) END AS value,
       healthy_first, share_since, (failure - $event_ns) / 1e9 AS seconds_to_first_failure
FROM counted""",
        {"event_ns": event_ns, **windows.parameters()},
        (">=", 0.01, "probability"),
        "Requests succeeded after the event for longer than chance allows before any failed.",
        decisive=False,
    )


def event_persists(event_ns: int, windows: Windows) -> CheckSpec:
    """Predict that requests go on failing while nothing undoes an event (`persists_while_in_place`)."""
    return check(
        "persists",
        "Requests go on failing while nothing undoes the event",
        """
WITH work AS (
  SELECT time_ns, failed FROM spans
  WHERE entry AND parent_service IS NULL AND role = 'incident' AND time_ns >= $event_ns
), ends AS (
  SELECT min(time_ns) FILTER (failed) AS first_failure, max(time_ns) FILTER (failed) AS last_failure FROM work
), counted AS (
  SELECT avg(failed::INT) FILTER (time_ns BETWEEN first_failure AND last_failure) AS share_failing,
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
        {"event_ns": event_ns, **windows.parameters()},
        (">=", 0.2, "probability"),
        "Failures ended although nothing undid the event, so it was not enough to cause them.",
        decisive=False,
    )


def event_undone(undone_at: int, windows: Windows) -> CheckSpec:
    """Predict that failing requests mostly end once a later change that names no component either is in."""
    return check(
        "undone",
        "Failing requests end once the next such change is in",
        f"""
WITH shares AS (
  SELECT avg(failed::INT) FILTER (time_ns >= $incident_from AND time_ns < $undone_at) AS during,
         avg(failed::INT) FILTER (time_ns >= $settled_at) AS after,
         count(*) FILTER (time_ns >= $settled_at) AS requests_after
  FROM spans WHERE entry AND parent_service IS NULL AND role = 'incident'
)
SELECT CASE WHEN requests_after >= {MIN_SPANS} THEN after / nullif(during, 0) END AS value,
       during AS share_during, after AS share_after, requests_after
FROM shares""",
        {
            "undone_at": undone_at,
            "settled_at": undone_at + grace_ns(windows.end - undone_at),
            **windows.parameters(),
        },
        ("<", 0.5, "of the share before"),
        "Requests went on failing after it, so neither of the two made the difference.",
        decisive=False,
    )

"""Checks on demand: limits that were hit, dependencies that went down, load that rose, calls that multiplied.

A dependency that refuses too many calls and one that is down look alike from a failing request. What
tells them apart is what these checks count: orderly refusals, successes that go on, and whether demand
rose before the first failure.
"""

# ruff: noqa: S608 - only constants of our own are formatted into the queries; values are bound

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis.prediction import (
    BASELINE,
    DURING,
    SECOND,
    check,
    grace_ns,
)

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.windows import Windows
    from incident_pipeline.model.check import CheckSpec

MIN_REQUESTS: Final = 5
"""Requests below which calls per request say nothing."""


def refused(component: str, windows: Windows) -> CheckSpec:
    """Predict that a component fails calls by refusing them (HTTP 429), in order, rather than by breaking."""
    return check(
        "throttled",
        f"{component} fails calls by refusing them (429)",
        f"""
SELECT avg((http_status IS NOT DISTINCT FROM 429)::INT) AS value, count(*) AS failed_calls,
       count(*) FILTER (http_status = 429) AS refused,
       arg_min(event_id, (end_time_ns, event_id)) FILTER (http_status = 429) AS first_event_id
FROM calls
WHERE callee = $component AND failed AND {DURING}""",
        {"component": component, **windows.parameters()},
        (">=", 0.5, "of failing calls"),
        f"Most failing calls to {component} were not refused, so no limit explains them.",
    )


def successes_fell(component: str, windows: Windows, *, most: float = 0.8) -> CheckSpec:
    """Predict that a component serves fewer calls than before: successes per second, during by before."""
    return check(
        "successes",
        f"{component} serves fewer calls than before",
        _ratio_of_rates("callee = $component AND NOT failed", "calls"),
        {"component": component, **windows.parameters()},
        ("<", most, "times the rate before"),
        f"{component} serves as many calls as before, so it did not go down.",
    )


def demand_rose_first(component: str, windows: Windows, *, rose: bool = True) -> CheckSpec:
    """Predict that calls to a component rose before it first refused or failed one (or that they did not)."""
    return check(
        "demand",
        f"Calls to {component} {'rise' if rose else 'do not rise'} before it fails the first",
        f"""
WITH first AS (
  SELECT coalesce(min(end_time_ns) FILTER (failed AND {DURING}), $onset) AS failure
  FROM calls WHERE callee = $component
), counted AS (
  SELECT count(*) FILTER ({BASELINE}) AS before,
         count(*) FILTER (role = 'incident' AND time_ns >= failure - $lead_ns AND time_ns < failure) AS lead
  FROM calls, first WHERE callee = $component
), observed AS (
  SELECT count(DISTINCT time_ns // {SECOND}) AS seconds FROM spans WHERE {BASELINE}
)
SELECT (lead / ($lead_ns / 1e9)) / nullif(before / nullif(seconds, 0), 0) AS value,
       before AS calls_before, seconds AS seconds_before, lead AS calls_in_lead
FROM counted, observed""",
        {
            "component": component,
            "onset": windows.onset,
            "lead_ns": grace_ns(windows.incident_to - windows.onset),
            **windows.parameters(),
        },
        (">=" if rose else "<", 1.3, "times the rate before"),
        f"{component} began to fail calls while it was asked no more than usual."
        if rose
        else f"{component} was asked for more before it failed the first call: it need not have changed.",
    )


def load_rose(service: str, windows: Windows, *, least: float = 1.5) -> CheckSpec:
    """Predict that more requests enter a service than before: per second, during by before."""
    return check(
        "load",
        f"More requests reach {service} than before",
        _ratio_of_rates("entry AND service = $component", "spans"),
        {"component": service, **windows.parameters()},
        (">=", least, "times the rate before"),
        f"{service} is asked about as often as before, so load is not what changed.",
    )


def load_rose_after(service: str, event_ns: int, windows: Windows, *, least: float = 1.5) -> CheckSpec:
    """Predict that more requests enter a service after an event than before it."""
    return check(
        "load",
        f"More requests reach {service} after the event than before it",
        f"""
WITH seconds AS (
  SELECT time_ns // {SECOND} AS second, count(*) FILTER (entry AND service = $component) AS requests
  FROM spans WHERE role = 'incident' AND time_ns < $incident_to GROUP BY ALL
)
SELECT avg(requests) FILTER (second >= $event_ns // {SECOND})
         / nullif(avg(requests) FILTER (second < $event_ns // {SECOND}), 0) AS value,
       avg(requests) FILTER (second < $event_ns // {SECOND}) AS per_second_before,
       avg(requests) FILTER (second >= $event_ns // {SECOND}) AS per_second_after
FROM seconds""",
        {"component": service, "event_ns": event_ns, **windows.parameters()},
        (">=", least, "times the rate before"),
        "The event brought no more requests than there were.",
    )


def calls_per_request(
    caller: str, callee: str, windows: Windows, *, more: bool = True, until_failure: bool = False
) -> CheckSpec:
    """Predict that a service calls another more (or less) often per request: calls during by before.

    With `until_failure` only the stretch before the first failing call between them counts, so that repeated
    calls after a failure are not taken for their cause.
    """
    when = " before a call between them fails" if until_failure else ""
    return check(
        # Before anything failed, repeated calls can't be a reaction to failures: that is a matter of order.
        "precedes" if until_failure else "amplification",
        f"{caller} makes {'more' if more else 'fewer'} calls to {callee} per request{when}",
        f"""
WITH bound AS (
  SELECT coalesce(min(end_time_ns), $incident_to) AS until_ns FROM spans
  WHERE service = $caller AND outbound AND peer = $callee AND failed AND $until_failure AND {DURING}
), counted AS (
  SELECT count(*) FILTER (outbound AND peer = $callee AND {BASELINE}) AS calls_before,
         count(*) FILTER (entry AND {BASELINE}) AS requests_before,
         count(*) FILTER (outbound AND peer = $callee AND {DURING} AND time_ns < until_ns) AS calls_during,
         count(*) FILTER (entry AND {DURING} AND time_ns < until_ns) AS requests_during
  FROM spans, bound WHERE service = $caller
)
SELECT CASE WHEN requests_during >= {MIN_REQUESTS}
            THEN (calls_during / requests_during)
                 / nullif(calls_before / nullif(requests_before, 0), 0) END AS value,
       calls_before, requests_before, calls_during, requests_during
FROM counted""",
        {"caller": caller, "callee": callee, "until_failure": until_failure, **windows.parameters()},
        (">=" if more else "<=", 1.5 if more else 0.67, "times as many"),
        f"{caller} asks {callee} as often per request as before{when}.",
    )


def repeated_after_failure(caller: str, callee: str, windows: Windows, *, least: float = 1.3) -> CheckSpec:
    """Predict that failing calls are repeated: calls per request where one failed, by those elsewhere."""
    return check(
        "repeats",
        f"{caller} repeats failing calls to {callee}",
        f"""
WITH requests AS (
  SELECT trace_id, count(*) AS calls, bool_or(failed) AS any_failed
  FROM calls WHERE caller = $caller AND callee = $callee AND {DURING} GROUP BY ALL
)
SELECT avg(calls) FILTER (any_failed) / nullif(avg(calls) FILTER (NOT any_failed), 0) AS value,
       avg(calls) FILTER (any_failed) AS calls_where_failing,
       avg(calls) FILTER (NOT any_failed) AS calls_elsewhere,
       count(*) FILTER (any_failed) AS requests_failing
FROM requests""",
        {"caller": caller, "callee": callee, **windows.parameters()},
        (">=", least, "times as many calls"),
        f"{caller} gives up after one failing call, so it adds no load to a {callee} in trouble.",
    )


def _ratio_of_rates(which: str, table: str) -> str:
    # Telemetry may have holes (a reference made of several minutes): rates are per second with any span.
    return f"""
WITH counted AS (
  SELECT count(*) FILTER ({BASELINE}) AS before, count(*) FILTER ({DURING}) AS during,
         arg_min(event_id, (time_ns, event_id)) FILTER ({DURING}) AS first_event_id
  FROM {table} WHERE {which}
), observed AS (
  SELECT count(DISTINCT time_ns // {SECOND}) FILTER ({BASELINE}) AS seconds_before,
         count(DISTINCT time_ns // {SECOND}) FILTER ({DURING}) AS seconds_during
  FROM spans
)
SELECT (during / nullif(seconds_during, 0)) / nullif(before / nullif(seconds_before, 0), 0) AS value,
       before, seconds_before, during, seconds_during, first_event_id
FROM counted, observed"""


def logs_errors(component: str, windows: Windows) -> CheckSpec:
    """Predict that a component logs errors of its own; null where it logs nothing in the failing stretch."""
    return check(
        "errors",
        f"{component} itself logs errors",
        f"""
SELECT CASE WHEN count(*) > 0 THEN count(*) FILTER (severity >= 17) END AS value, count(*) AS records,
       arg_min(event_id, (time_ns, event_id)) FILTER (severity >= 17) AS first_event_id
FROM logs
WHERE service = $component AND {DURING}""",
        {"component": component, **windows.parameters()},
        (">", 0, "records"),
        f"{component} logs, and it logs no error: it saw nothing go wrong.",
        decisive=False,
    )

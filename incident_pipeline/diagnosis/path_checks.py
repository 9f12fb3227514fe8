"""Checks on the path a request takes inside a component: messages that appear, child calls that come or go.

They count given the work done (per span of an operation, per second with records), so that more traffic
alone changes nothing.
"""

# ruff: noqa: S608 - only constants of our own are formatted into the queries; values are bound

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.diagnosis.prediction import BASELINE, DURING, SECOND, check

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.windows import Windows
    from incident_pipeline.model.check import CheckSpec, Scalar

_CHILD: Final = """
WITH features AS (
  SELECT DISTINCT role, trace_id, parent_span_id AS span_id FROM spans
  WHERE service = $child_service AND operation = $child_operation
)"""
_LOG: Final = """
WITH features AS (
  SELECT DISTINCT role, trace_id, span_id FROM events
  WHERE kind IN ('log', 'span_event') AND coalesce(mask_id, message) = $mask_id
)"""
_JOINED: Final = """, joined AS (
  SELECT s.role, s.time_ns, f.span_id IS NOT NULL AS has FROM spans s LEFT JOIN features f
    ON f.role = s.role AND f.trace_id = s.trace_id AND f.span_id = s.span_id
  WHERE s.service = $component AND s.operation = $operation
)"""

MIN_CALM: Final = 5
"""Calm spans of an operation below which their share says nothing."""


@dataclass(frozen=True)
class Feature:
    """Something that hangs from the spans of an operation: a child call, or a log message."""

    service: str
    operation: str
    label: str
    """How a reader knows it."""
    child: tuple[str, str] | None = None
    """Service and operation of the child call."""
    mask_id: str | None = None
    """Mask of the log message."""

    def values(self) -> dict[str, Scalar]:
        """Give the parameters that select it."""
        child_service, child_operation = self.child or (None, None)
        return {
            "component": self.service,
            "operation": self.operation,
            "child_service": child_service,
            "child_operation": child_operation,
            "mask_id": self.mask_id,
        }

    def joined(self) -> str:
        """Give the clause `joined`: each span of the operation, and whether it has the feature."""
        return (_CHILD if self.child else _LOG) + _JOINED


def path_changed(feature: Feature, windows: Windows, *, more: bool) -> CheckSpec:
    """Predict that a larger (or smaller) share of an operation's spans has the feature, and lastingly.

    Each half of the failing stretch is held against the calm and the lesser change counts: what the ranking
    saw in one stretch as a whole may be a burst that came and went.
    """
    lesser = "least" if more else "greatest"
    return check(
        "path",
        f"{feature.operation} of {feature.service} {'more' if more else 'less'} often {feature.label}",
        f"""{feature.joined()}, middle AS (
  SELECT median(time_ns) AS half FROM joined WHERE {DURING}
), shares AS (
  SELECT avg(has::INT) FILTER ({BASELINE}) AS before, avg(has::INT) FILTER ({DURING}) AS during,
         avg(has::INT) FILTER ({DURING} AND time_ns < half) AS early,
         avg(has::INT) FILTER ({DURING} AND time_ns >= half) AS late,
         count(*) FILTER ({BASELINE}) AS spans_before, count(*) FILTER ({DURING}) AS spans_during
  FROM joined, middle
)
SELECT CASE WHEN spans_before >= {MIN_CALM} AND early IS NOT NULL AND late IS NOT NULL
            THEN {lesser}(early, late) - before END AS value,
       before AS share_before, during AS share_during, early AS share_early, late AS share_late,
       spans_before, spans_during
FROM shares""",
        {**feature.values(), **windows.parameters()},
        (">=" if more else "<=", 0.02 if more else -0.02, "more of its spans, in either half"),
        f"{feature.operation} {feature.label} as often as before, at least in a part of the incident.",
    )


def path_is_specific(component: str, above: tuple[str, ...], windows: Windows) -> CheckSpec:
    """Predict that what hangs from spans changed nowhere as much: the lead in the largest certain change.

    Over all operations and all that hangs from their spans (child calls, messages), the change of the share
    less twice its standard error counts. Callers `above` change because this component does: no rivals.
    """
    return check(
        "specific",
        f"The requests of no other service take another path as often as those of {component}",
        f"""
WITH features AS (
  SELECT role, trace_id, parent_span_id AS span_id, service || chr(9) || operation AS feature
  FROM spans WHERE parent_span_id IS NOT NULL
  UNION
  SELECT role, trace_id, span_id, coalesce(mask_id, message) FROM events
  WHERE kind IN ('log', 'span_event') AND span_id IS NOT NULL
), work AS (
  SELECT service, operation, role, trace_id, span_id, ({DURING}) AS during FROM spans
  WHERE (({BASELINE}) OR ({DURING})) AND service NOT IN (SELECT unnest(string_split($above, chr(10))))
), totals AS (
  SELECT service, operation, count(*) FILTER (NOT during) AS n0, count(*) FILTER (during) AS n1
  FROM work GROUP BY ALL HAVING n0 >= {MIN_CALM} AND n1 >= {MIN_CALM}
), counted AS (
  SELECT service, operation, count(*) FILTER (NOT during) AS h0, count(*) FILTER (during) AS h1
  FROM work JOIN features USING (role, trace_id, span_id) GROUP BY service, operation, feature
), compared AS (
  SELECT service, abs(h1 / n1 - h0 / n0) AS change, (h0 + h1 + 1) / (n0 + n1 + 2) AS pooled,
         1 / n0 + 1 / n1 AS per_span
  FROM counted JOIN totals USING (service, operation)
), moved AS (
  SELECT service, max(greatest(change - 2 * sqrt(pooled * (1 - pooled) * per_span), 0)) AS change
  FROM compared GROUP BY service
)
SELECT max(change) FILTER (service = $component) - max(change) FILTER (service <> $component) AS value,
       max(change) FILTER (service = $component) AS change_here,
       max(change) FILTER (service <> $component) AS change_elsewhere,
       arg_max(service, (change, service)) FILTER (service <> $component) AS next
FROM moved""",
        {"component": component, "above": "\n".join(above), **windows.parameters()},
        (">=", 0.02, "of its spans ahead of the next"),
        f"Requests changed their path elsewhere as much, so {component} may only show what happens there.",
        decisive=False,
    )


def path_was_steady(feature: Feature, windows: Windows) -> CheckSpec:
    """Predict that the change was not under way before: the drift over the calm, by the change since."""
    return check(
        "absent_before",
        f"How often {feature.operation} of {feature.service} {feature.label} was not changing before",
        f"""{feature.joined()}, middle AS (
  SELECT median(time_ns) AS half FROM joined WHERE {BASELINE}
), shares AS (
  SELECT avg(has::INT) FILTER ({BASELINE} AND time_ns < half) AS early,
         avg(has::INT) FILTER ({BASELINE} AND time_ns >= half) AS late,
         avg(has::INT) FILTER ({BASELINE}) AS before, avg(has::INT) FILTER ({DURING}) AS during,
         count(*) FILTER ({BASELINE}) AS spans_before
  FROM joined, middle
)
SELECT CASE WHEN spans_before >= {2 * MIN_CALM}
            THEN (late - early) / nullif(during - before, 0) END AS value,
       early AS share_early, late AS share_late, during AS share_during, spans_before
FROM shares""",
        {**feature.values(), **windows.parameters()},
        ("<", 0.5, "of the change"),
        f"How often {feature.operation} {feature.label} was changing that way before the incident already.",
        decisive=False,
    )


def errors_are_specific(component: str, above: tuple[str, ...], windows: Windows) -> CheckSpec:
    """Predict that errors rose nowhere as much: the lead in the rise of the share of errors among records."""
    return check(
        "specific",
        f"The share of errors rises in no other component's log as it does in that of {component}",
        f"""
WITH shares AS (
  SELECT service, avg((severity >= 17)::INT) FILTER ({BASELINE}) AS before,
         avg((severity >= 17)::INT) FILTER ({DURING}) AS during
  FROM logs
  WHERE service IS NOT NULL AND service NOT IN (SELECT unnest(string_split($above, chr(10))))
  GROUP BY service
), risen AS (
  SELECT service, during - coalesce(before, 0) AS rise FROM shares WHERE during IS NOT NULL
)
SELECT max(rise) FILTER (service = $component) - max(rise) FILTER (service <> $component) AS value,
       max(rise) FILTER (service = $component) AS rise_here,
       max(rise) FILTER (service <> $component) AS rise_elsewhere,
       arg_max(service, (rise, service)) FILTER (service <> $component) AS next
FROM risen""",
        {"component": component, "above": "\n".join(above), **windows.parameters()},
        (">", 0, "lead over the next"),
        f"Another component's log shows the errors as much, so {component} may only report them.",
        decisive=False,
    )


def template_appears(mask_id: str, service: str, windows: Windows) -> CheckSpec:
    """Predict that a log message appears: its rate during, by that and its rate before together."""
    return check(
        "template",
        f"{service} logs a message that it did not log before",
        f"""
WITH logged AS (
  SELECT event_id, role, time_ns, coalesce(mask_id, message) = $mask_id AS it
  FROM events WHERE service = $component AND kind IN ('log', 'span_event')
), counted AS (
  SELECT count(*) FILTER (it AND {BASELINE}) AS before, count(*) FILTER (it AND {DURING}) AS during,
         count(DISTINCT time_ns // {SECOND}) FILTER ({BASELINE}) AS seconds_before,
         count(DISTINCT time_ns // {SECOND}) FILTER ({DURING}) AS seconds_during,
         arg_min(event_id, (time_ns, event_id)) FILTER (it AND {DURING}) AS first_event_id
  FROM logged
), rates AS (
  SELECT *, coalesce(before / nullif(seconds_before, 0), 0) AS rate_before,
         during / nullif(seconds_during, 0) AS rate_during
  FROM counted
)
SELECT rate_during / nullif(rate_during + rate_before, 0) AS value,
       before, seconds_before, during, seconds_during, first_event_id
FROM rates""",
        {"mask_id": mask_id, "component": service, **windows.parameters()},
        (">=", 0.8, "of its rate"),
        f"{service} logged the same message before, so it tells nothing about this incident.",
        decisive=False,
    )

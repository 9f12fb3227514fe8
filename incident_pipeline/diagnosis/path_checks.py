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
    """Predict that a larger (or smaller) share of an operation's spans has the feature than before."""
    return check(
        "path",
        f"{feature.operation} of {feature.service} {'more' if more else 'less'} often {feature.label}",
        f"""{feature.joined()}, shares AS (
  SELECT avg(has::INT) FILTER ({BASELINE}) AS before, avg(has::INT) FILTER ({DURING}) AS during,
         count(*) FILTER ({BASELINE}) AS spans_before, count(*) FILTER ({DURING}) AS spans_during
  FROM joined
)
SELECT CASE WHEN spans_before >= {MIN_CALM} THEN during - before END AS value,
       before AS share_before, during AS share_during, spans_before, spans_during
FROM shares""",
        {**feature.values(), **windows.parameters()},
        (">=" if more else "<=", 0.02 if more else -0.02, "more of its spans"),
        f"{feature.operation} {feature.label} as often as before, so its path has not changed there.",
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

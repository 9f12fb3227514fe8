"""What all checks share: the clauses for the calm and the failing stretch, and how a check is put together.

Every query reads the tables of `checks/schema.sql`, gives one row, and has a column `value` that is null
when the tables hold nothing to say; columns that end in `event_id` name records that a reader should see.
Values reach a query as bound parameters only: names come from evidence, which is hostile input.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.check import CheckSpec, Prediction

if TYPE_CHECKING:
    from incident_pipeline.diagnosis.windows import Windows
    from incident_pipeline.model.check import Operator, Scalar

SECOND: Final = 1_000_000_000
MIN_SPANS: Final = 20
"""Spans that must be there before a lack of failures, or a percentile, says anything."""
BASELINE: Final = "role = $baseline_role AND time_ns >= $baseline_from AND time_ns < $baseline_to"
DURING: Final = "role = 'incident' AND time_ns >= $incident_from AND time_ns < $incident_to"
ENDS_HERE: Final = "coalesce($component IN (origin, origin_caller), false)"
"""A failing chain ends at the component (schema.sql says what the two columns mean)."""
DISCRIMINATING: Final = frozenset(
    {"specific", "callees", "origin", "precedes", "demand", "dose_response", "change_nearby", "undone"}
)
"""Kinds of checks that a rival would fail: nothing else moved as much (`specific`), what lies below stayed
(`callees`), failing chains end here (`origin`), it came first (`precedes`), demand had risen, or had not,
before the first failure (`demand`), failures grow with demand (`dose_response`), they began with the change
(`change_nearby`) and ended when it was undone (`undone`). All other kinds only confirm."""
_PARAMETER: Final = re.compile(r"\$(\w+)")


def bucket_ns(windows: Windows) -> int:
    """Give a bucket that cuts the failing stretch into some thirty parts, whole seconds."""
    return max(1, round(windows.seconds / 30)) * SECOND


def grace_ns(stretch: int) -> int:
    """Give a tenth of a stretch, 2 to 60 seconds: what a lead or an after-effect may take."""
    return min(max(stretch // 10, 2 * SECOND), 60 * SECOND)


def check(
    kind: str,
    title: str,
    sql: str,
    values: dict[str, Scalar],
    prediction: tuple[Operator, float, str],
    why: str,
    *,
    decisive: bool = True,
) -> CheckSpec:
    """Put a check together; of `values` it takes the parameters that the query names."""
    used = set(_PARAMETER.findall(sql))
    operator, value, unit = prediction
    return CheckSpec(
        id=kind,
        title=title,
        kind=kind,
        sql=sql.strip(),
        parameters={name: values[name] for name in sorted(used)},
        prediction=Prediction(operator=operator, value=value, unit=unit),
        decisive=decisive,
        why=why,
    )

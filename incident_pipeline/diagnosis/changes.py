"""Changes near the onset: a prior for components that deviate anyway, never a proof.

A change counts the more the closer it precedes the onset; one after the latest possible onset can't have
caused it. Innocent deploys shortly before an incident are common, so a change only amplifies what
telemetry shows, and a component without any deviation gets nothing from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.diagnosis.finding import EventPlace, Finding, shown, strongest
from incident_pipeline.signals.attributes import lookup

if TYPE_CHECKING:
    from incident_pipeline.signals.view import View

_SECOND: Final = 1_000_000_000
_REACH_SECONDS: Final = 1800.0
_HALF_SECONDS: Final = 60.0
_SLACK: Final = 2 * _SECOND


def change_findings(view: View, evidence: dict[str, float]) -> list[Finding]:
    """Find changes that precede the onset; `evidence` is, per component, what telemetry shows (0 to 1)."""
    if view.onset is None:
        return []
    events = view.tables.events
    rows = np.flatnonzero(
        pc.equal(events.column("kind").cast(pa.string()), "change").to_numpy(zero_copy_only=False)
    )
    table = events.take(pa.array(rows))
    kinds = lookup(table, "change.kind").to_pylist()
    findings = []
    for index, row in enumerate(table.select(["event_id", "time_ns", "service", "message"]).to_pylist()):
        service, time = row["service"], row["time_ns"]
        if not service or time is None or time > view.onset.latest + _SLACK:
            continue
        before = max(0.0, (view.onset.estimate - time) / _SECOND)
        seen = min(1.0, evidence.get(service, 0.0))
        if before > _REACH_SECONDS or seen <= 0:
            continue
        strength = seen / (1.0 + before / _HALF_SECONDS)
        kind = kinds[index] or "change"
        findings.append(
            Finding(
                component=service,
                term="change",
                strength=float(strength),
                detail=(
                    f"A {kind} of {service} was recorded {before:.0f} s before the onset: "
                    f"{shown(row['message'] or 'no summary')}"
                ),
                observed=before,
                unit="s",
                fault_class="change",
                facts={
                    "event_id": row["event_id"],
                    "change_kind": kind,
                    "change_ns": time,
                    "onset_ns": view.onset.estimate,
                },
                places=(EventPlace(int(rows[index])),),
            )
        )
    return strongest(findings)

"""Log templates that appeared or multiplied, for records that hang from no span that is held.

Counts per covered second before and during the incident are compared as Poisson rates, allowing for
the component's traffic. Severity weighs: an error that is new says more than a new line of chatter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from incident_pipeline.diagnosis.finding import EventPlace, Finding, shown, strongest
from incident_pipeline.model.event import Severity
from incident_pipeline.signals.attributes import coded, integers
from incident_pipeline.signals.templates import template_id
from incident_pipeline.signals.view import reference_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from incident_pipeline.signals.view import View

_SECOND: Final = 1_000_000_000
_BIN: Final = 5 * _SECOND
_DEAD_ZONE: Final = 3.0
_RANGE: Final = 10.0
_MIN_COUNT: Final = 2
_MIN_CALM_SECONDS: Final = 10.0


def novelty_findings(view: View, traffic: dict[str, float]) -> list[Finding]:
    """Find the components that log something new, or much more of it than their traffic accounts for."""
    loose = np.flatnonzero(view.record_span < 0)
    rows = view.records.rows[loose]
    if not len(rows):
        return []
    logs = view.tables.events.select(
        ["time_ns", "service", "severity", "event_id", "mask_id", "message"]
    ).take(pa.array(rows))
    time = integers(logs.column("time_ns"), -1)
    calm, during, calm_seconds, during_seconds = _phases(view, rows, time)
    if calm_seconds < _MIN_CALM_SECONDS or during_seconds <= 0:
        return []
    severity = integers(logs.column("severity").cast(pa.int64()), 0)
    service_of = coded(logs.column("service"))
    template = view.records.codes[loose]
    pair = service_of.codes.astype(np.int64) * max(len(view.records.texts), 1) + template
    used = np.flatnonzero((service_of.codes >= 0) & (calm | during))
    used = used[np.lexsort((used, time[used], pair[used]))]
    _, begins = np.unique(pair[used], return_index=True)
    findings = []
    for members in np.split(used, begins[1:]) if len(used) else []:
        service = service_of.names[service_of.codes[members[0]]]
        c0, hits = int(calm[members].sum()), members[during[members]]
        expected = (c0 + 0.5) / calm_seconds * during_seconds * traffic.get(service, 1.0)
        z = (len(hits) - expected) / np.sqrt(expected + expected * during_seconds / calm_seconds + 1.0)
        weight = _weight(int(severity[members].max()))
        if len(hits) < _MIN_COUNT or z <= _DEAD_ZONE or weight == 0:
            continue
        first = int(hits[0])
        line = shown(str(logs.column("message")[first].as_py() or ""))
        findings.append(
            Finding(
                component=service,
                term="log_novelty",
                strength=float(min(1.0, (z - _DEAD_ZONE) / _RANGE) * weight),
                detail=(
                    f"{service} logged \u201c{line}\u201d {len(hits)} times in {during_seconds:.0f} s, "
                    f"against {c0} in {calm_seconds:.0f} s before."
                ),
                baseline=60 * c0 / calm_seconds,
                observed=60 * len(hits) / during_seconds,
                unit="1/min",
                fault_class="code",
                facts={
                    "service": service,
                    "template_id": template_id(view.records.texts[int(template[first])]),
                    "mask_id": logs.column("mask_id")[first].as_py(),
                    "event_id": logs.column("event_id")[first].as_py(),
                    "example": line,
                    "severity": int(severity[members].max()),
                    "count": len(hits),
                    "calm_count": c0,
                    "first_ns": int(time[first]),
                },
                places=(EventPlace(int(rows[first])),),
            )
        )
    return strongest(findings, per_component=2)


def _phases(
    view: View, rows: NDArray[np.int64], time: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float, float]:
    """Give masks of calm and incident records, and the seconds that either covers."""
    reference = reference_rows(view.tables, rows)
    timed = time >= 0
    during = ~reference & timed & (time >= view.start) & (time < view.end)
    calm = timed & (reference if reference.any() else time < view.calm_before())
    return calm, during, _covered(time[calm] - view.start), _covered(time[during] - view.start)


def _covered(times: NDArray[np.int64]) -> float:
    return len(np.unique(times // _BIN)) * _BIN / _SECOND


def _weight(severity: int) -> float:
    if severity >= Severity.ERROR:
        return 1.0
    if severity >= Severity.WARN:
        return 0.6
    return 0.2

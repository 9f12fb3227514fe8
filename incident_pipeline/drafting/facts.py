"""Count and time what the draft states: alerts, changes, failed requests, mitigation, recovery.

Everything here follows from the event table of the `incident` artifacts, the onset of the diagnosis and
the outcomes of the checks. No sentence is written here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from incident_pipeline.drafting import happenings
from incident_pipeline.drafting.traffic import Traffic, front_door
from incident_pipeline.drafting.wording import NS, day, instant_ns, rfc3339
from incident_pipeline.model.facts import (
    AlertFact,
    ChangeFact,
    Facts,
    FrontDoor,
    MessageFact,
    MitigationFact,
    OutcomeFact,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.model.artifact import SealedEvidence
    from incident_pipeline.model.check import ValidatedChecks, ValidatedHypothesis
    from incident_pipeline.model.hypothesis import Diagnosis
    from incident_pipeline.model.report import ParseReport
    from incident_pipeline.model.timeline import Timeline
    from incident_pipeline.signals.tables import IncidentTables

_LEAD_NS: Final = 300 * NS
"""An alert up to five minutes before the estimated onset still belongs to the incident."""
_SHORTEST_SPAN_NS: Final = 5 * NS
_LONGEST_SPAN_NS: Final = 600 * NS
_DROP: Final = 0.5
"""A change counts as mitigation when the share of failures at least halves after it."""


def collect_facts(
    *,
    evidence: SealedEvidence,
    tables: IncidentTables,
    timeline: Timeline,
    diagnosis: Diagnosis,
    checks: ValidatedChecks,
    parse_report: ParseReport,
) -> Facts:
    """Collect all counts and times for one incident."""
    events = tables.events_of("incident")
    onset = instant_ns(diagnosis.onset) if diagnosis.onset else None
    alerts = happenings.alerts(events)
    changes = happenings.changes(events)
    messages = happenings.messages(events)
    first_alert = _first_alert(alerts, diagnosis, onset)
    detected = None if first_alert is None else alerts[first_alert].start_ns
    traffic = front_door(events, diagnosis.graph)
    door = _front_door(traffic, detected) if traffic is not None and diagnosis.verdict != "healthy" else None
    begun = onset if onset is not None else detected
    ended, ended_by = _end(alerts, first_alert, door)
    mitigation = _mitigation(changes, traffic, begun, detected, ended)
    outcomes = Counter(hypothesis.status for hypothesis in checks.hypotheses)
    results = Counter(check.outcome for hypothesis in checks.hypotheses for check in hypothesis.checks)
    fixed = None if mitigation is None else changes[mitigation.change].time_ns
    moments = (begun, instant_ns(evidence.start_time or ""), instant_ns(timeline.first_time or ""))
    known = next((moment for moment in moments if moment is not None), None)
    return Facts(
        incident_id=evidence.incident_id,
        date=None if known is None else day(known),
        onset=None if onset is None else rfc3339(onset),
        onset_ns=onset,
        front_door=door,
        requests_seen=0 if traffic is None else len(traffic.time_ns),
        requests_component=None if traffic is None else traffic.component,
        alerts=alerts,
        first_alert=first_alert,
        changes=changes,
        changes_held=len(
            {a.sha256 for a in evidence.artifacts if a.type == "change" and a.role == "incident"}
        ),
        messages=messages,
        first_human_message=_first_human(messages, begun),
        mitigation=mitigation,
        ended=None if ended is None else rfc3339(ended),
        ended_ns=ended,
        ended_by=ended_by,
        time_to_detect_s=_span(onset, detected),
        time_to_mitigate_s=_span(detected, fixed),
        time_to_recover_s=_span(onset, ended),
        hypotheses_supported=outcomes["supported"],
        hypotheses_refuted=outcomes["refuted"],
        hypotheses_inconclusive=outcomes["inconclusive"],
        outcomes=tuple(_outcome(hypothesis) for hypothesis in checks.hypotheses),
        checks_run=sum(results.values()),
        checks_held=results["holds"],
        checks_without_data=results["no_data"] + results["error"],
        lines_quarantined=sum(report.quarantined for report in parse_report.artifacts),
    )


def _outcome(hypothesis: ValidatedHypothesis) -> OutcomeFact:
    results = Counter(check.outcome for check in hypothesis.checks)
    return OutcomeFact(
        id=hypothesis.id,
        checks=len(hypothesis.checks),
        held=results["holds"],
        failed=results["fails"],
        without_data=results["no_data"] + results["error"],
    )


def _span(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else round((end - start) / NS, 3)


def _first_alert(alerts: Sequence[AlertFact], diagnosis: Diagnosis, onset: int | None) -> int | None:
    if not alerts:
        return None
    if onset is None:
        return 0
    interval = diagnosis.onset_interval
    earliest = instant_ns(interval.earliest) if interval else None
    floor = (onset if earliest is None else min(earliest, onset)) - _LEAD_NS
    return next((index for index, alert in enumerate(alerts) if alert.start_ns >= floor), 0)


def _first_human(messages: Sequence[MessageFact], begun: int | None) -> int | None:
    return next(
        (
            index
            for index, message in enumerate(messages)
            if not message.automated and (begun is None or message.time_ns >= begun)
        ),
        None,
    )


def _front_door(traffic: Traffic, detected: int | None) -> FrontDoor | None:
    hits = np.flatnonzero(traffic.failed)
    if not len(hits):
        return None
    first, last = int(hits[0]), int(hits[-1])
    start, end = int(traffic.time_ns[first]), int(traffic.time_ns[last])
    requests = last - first + 1
    statuses = Counter(int(value) for value in traffic.status[hits] if value)
    return FrontDoor(
        component=traffic.component,
        source=traffic.source,
        requests=requests,
        failed=len(hits),
        failed_percent=round(100 * len(hits) / requests, 1),
        first_failed=rfc3339(start),
        first_failed_ns=start,
        first_failed_event_id=str(traffic.event_id[first]),
        last_failed=rfc3339(end),
        last_failed_ns=end,
        last_failed_event_id=str(traffic.event_id[last]),
        duration_s=round((end - start) / NS, 3),
        failed_before_alert=None if detected is None else int((traffic.time_ns[hits] < detected).sum()),
        requests_total=len(traffic.time_ns),
        failed_total=len(hits),
        statuses={str(status): count for status, count in sorted(statuses.items())},
    )


def _end(
    alerts: Sequence[AlertFact], first_alert: int | None, door: FrontDoor | None
) -> tuple[int | None, Literal["alerts resolved", "last failed request"] | None]:
    if first_alert is not None:
        ends = [alert.end_ns for alert in alerts[first_alert:]]
        if None in ends:
            return None, None
        return max(end for end in ends if end is not None), "alerts resolved"
    return (door.last_failed_ns, "last failed request") if door is not None else (None, None)


def _mitigation(
    changes: Sequence[ChangeFact],
    traffic: Traffic | None,
    begun: int | None,
    detected: int | None,
    ended: int | None,
) -> MitigationFact | None:
    """Choose the change with the sharpest fall of failures after it; without traffic the last one."""
    if begun is None:
        return None
    after = [
        (index, change)
        for index, change in enumerate(changes)
        if not change.business and change.time_ns > (begun if detected is None else max(begun, detected))
    ]
    if traffic is None or not traffic.failed.any():
        inside = [index for index, change in after if ended is not None and change.time_ns <= ended]
        if not inside:
            return None
        return MitigationFact(
            change=inside[-1], failed_percent_before=None, failed_percent_after=None, span_s=0.0
        )
    best: tuple[float, int, MitigationFact] | None = None
    for index, change in after:
        span = min(max((change.time_ns - begun) // 2, _SHORTEST_SPAN_NS), _LONGEST_SPAN_NS)
        before = traffic.share(change.time_ns - span, change.time_ns)
        # Caches and queues drain for a while, so the second window starts half a window later.
        later = traffic.share(change.time_ns + span // 2, change.time_ns + span // 2 + span)
        if before is None or later is None or before <= 0 or later > before * _DROP:
            continue
        fact = MitigationFact(
            change=index,
            failed_percent_before=before,
            failed_percent_after=later,
            span_s=round(span / NS, 3),
        )
        if best is None or (before - later, -index) > (best[0], -best[1]):
            best = (before - later, index, fact)
    return best[2] if best else None

"""What alerts name: the place where users or monitors felt it. It breaks ties and proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.diagnosis.finding import EventPlace, Finding, strongest

if TYPE_CHECKING:
    from incident_pipeline.signals.view import View


def alert_findings(view: View) -> list[Finding]:
    """Give one finding per component that an alert of the incident names; later alerts count less."""
    findings = [
        Finding(
            component=alert.component,
            term="alert",
            strength=1.0 / (1 + rank),
            detail=f"The alert {alert.name} names {alert.component}.",
            facts={
                "alert": alert.name,
                "time_ns": alert.time_ns,
                "event_id": view.tables.events.column("event_id")[alert.row].as_py(),
            },
            places=(EventPlace(alert.row),),
        )
        for rank, alert in enumerate(view.alerts)
        if alert.component
    ]
    return strongest(findings)

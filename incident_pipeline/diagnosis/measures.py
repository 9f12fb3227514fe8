"""Names of measurements: what the measurement of an incident shares with that of its reference.

A series id is of one artifact, so the same measurement has another id in the reference; and instances
come and go. Checks therefore name a measurement by its component, metric and labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incident_pipeline.signals.series import Series


def measure_name(series: Series) -> str:
    """Name a measurement as Prometheus writes a series: `name{label="value"}`, instances left out."""
    owner = [("service", series.component)] if series.component else []
    inside = ",".join(f'{key}="{value}"' for key, value in (*owner, *series.labels))
    return f"{series.name}{{{inside}}}"

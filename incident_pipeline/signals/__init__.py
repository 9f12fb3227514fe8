"""Log templates, series and span measures: what timeline, diagnosis and retrieval all read."""

from __future__ import annotations

from incident_pipeline.signals.series import Samples, Series, read_series
from incident_pipeline.signals.spans import Spans, read_spans
from incident_pipeline.signals.tables import IncidentTables
from incident_pipeline.signals.templates import (
    MINED,
    Templates,
    assign_templates,
    mine_batches,
    mine_templates,
)

__all__ = [
    "MINED",
    "IncidentTables",
    "Samples",
    "Series",
    "Spans",
    "Templates",
    "assign_templates",
    "mine_batches",
    "mine_templates",
    "read_series",
    "read_spans",
]

"""Put every event in one defensible order: dedupe, causal depth, key entries and narrative."""

from __future__ import annotations

from typing import Final

from incident_pipeline.timeline.absence import absence
from incident_pipeline.timeline.build import BuiltTimeline, build_timeline
from incident_pipeline.timeline.correction import Correction, correct
from incident_pipeline.timeline.coverage import cover
from incident_pipeline.timeline.external import OrderedFile, order_file
from incident_pipeline.timeline.leaves import table_leaves, table_root
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.narrative import narrative
from incident_pipeline.timeline.plain_text import markdown, plain
from incident_pipeline.timeline.table import TIMELINE
from incident_pipeline.timeline.wording import message_of

CODE_VERSION: Final = "2"
"""Raised when the same events would give another order or other key entries."""

__all__ = [
    "CODE_VERSION",
    "TIMELINE",
    "BuiltTimeline",
    "Correction",
    "OrderedFile",
    "absence",
    "build_timeline",
    "correct",
    "cover",
    "markdown",
    "message_of",
    "narrative",
    "order_file",
    "plain",
    "rfc3339",
    "table_leaves",
    "table_root",
]

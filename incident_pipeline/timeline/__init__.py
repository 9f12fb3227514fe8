"""Put every event in one defensible order: dedupe, causal depth, key entries and narrative."""

from __future__ import annotations

from typing import Final

from incident_pipeline.timeline.build import TIMELINE, BuiltTimeline, build_timeline, table_rows
from incident_pipeline.timeline.moments import rfc3339
from incident_pipeline.timeline.narrative import narrative
from incident_pipeline.timeline.plain_text import markdown, plain
from incident_pipeline.timeline.wording import message_of

CODE_VERSION: Final = "1"
"""Raised when the same events would give another order or other key entries."""

__all__ = [
    "CODE_VERSION",
    "TIMELINE",
    "BuiltTimeline",
    "build_timeline",
    "markdown",
    "message_of",
    "narrative",
    "plain",
    "rfc3339",
    "table_rows",
]

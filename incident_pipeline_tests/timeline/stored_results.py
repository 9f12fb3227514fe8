"""A results folder with a timeline, made from plain rows: what export and explanation read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from incident_pipeline.parsers.table import write_table
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import write_json
from incident_pipeline.signals.tables import IncidentTables
from incident_pipeline.timeline import BuiltTimeline, build_timeline

Row = dict[str, Any]


def store(tables: IncidentTables, root: Path) -> tuple[ResultsFolder, BuiltTimeline]:
    built = build_timeline(tables)
    folder = ResultsFolder(root)
    write_table(folder.events, tables.events)
    write_table(folder.timeline_table, built.table)
    write_json(folder.timeline, built.timeline)
    write_json(folder.clocks, built.correction.table(tables.evidence.incident_id))
    return folder, built

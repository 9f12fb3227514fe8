"""Small tables and a picture for the Dagster UI, read from the result files. Metadata only: no raw lines."""

import base64

import dagster as dg

from incident_pipeline.defs.outcome import rows
from incident_pipeline.model.check import ValidatedChecks
from incident_pipeline.model.coverage import Coverage
from incident_pipeline.model.hypothesis import Diagnosis, Hypotheses
from incident_pipeline.model.report import ParseReport
from incident_pipeline.model.timeline import Timeline
from incident_pipeline.results import ResultsFolder
from incident_pipeline.timeline.picture import draw

_SHOWN = 12


def parse_rows(folder: ResultsFolder) -> dg.TableMetadataValue:
    """Show what each artifact was read as."""
    report = ParseReport.model_validate_json(folder.parse_report.read_bytes())
    return rows(
        [
            {
                "artifact": item.artifact_uri,
                "format": item.format or "unknown",
                "events": item.events,
                "samples": item.samples,
                "quarantined": item.quarantined,
            }
            for item in report.artifacts
        ]
    )


def timeline_rows(folder: ResultsFolder) -> dg.TableMetadataValue:
    """Show the first key entries by kind and place, without their text."""
    entries = _timeline(folder).entries
    return rows(
        [
            {
                "time": _short(entry.time),
                "type": entry.type,
                "service": entry.service or "",
                "why": entry.why_key,
                "order": entry.order_basis,
            }
            for entry in entries[:_SHOWN]
        ]
    )


def moment_rows(folder: ResultsFolder) -> dg.TableMetadataValue:
    """Show the seven times and how sure each is, without what people wrote."""
    found: list[dict[str, str | int | float | bool]] = [
        {"moment": item.name, "time": _short(item.time), "standing": item.standing}
        for item in _timeline(folder).moments
    ]
    return rows(found)


def coverage_rows(folder: ResultsFolder) -> dg.TableMetadataValue:
    """Show how each artifact that falls short does."""
    coverage = Coverage.model_validate_json(folder.coverage.read_bytes())
    found: list[dict[str, str | int | float | bool]] = [
        {"artifact": source.artifact_uri, "shortfall": gap.kind, "what": gap.detail}
        for source in coverage.sources
        for gap in source.shortfalls
    ]
    return rows(found[:_SHOWN])


def timeline_picture(folder: ResultsFolder) -> dg.MarkdownMetadataValue:
    """Draw the key entries as an inline picture."""
    picture = base64.b64encode(draw(_timeline(folder)).encode()).decode()
    return dg.MetadataValue.md(f"![timeline](data:image/svg+xml;base64,{picture})")


def ranking_rows(folder: ResultsFolder) -> dg.TableMetadataValue:
    """Show the leading components."""
    diagnosis = Diagnosis.model_validate_json(folder.diagnosis.read_bytes())
    return rows(
        [
            {
                "component": item.component,
                "score": item.score,
                "fault class": item.fault_class or "",
                "tied with": ", ".join(item.tied_with),
            }
            for item in diagnosis.ranking[:_SHOWN]
        ]
    )


def hypothesis_rows(folder: ResultsFolder) -> dg.TableMetadataValue:
    """Show the proposal."""
    proposed = Hypotheses.model_validate_json(folder.hypotheses.read_bytes())
    return rows(
        [
            {
                "id": item.id,
                "component": item.component,
                "kind": item.kind,
                "prior": item.confidence,
                "citations": len(item.evidence),
                "tests": len(item.tests),
            }
            for item in proposed.hypotheses
        ]
    )


def check_rows(folder: ResultsFolder) -> dg.TableMetadataValue:
    """Show every check with its prediction and what came out."""
    checked = ValidatedChecks.model_validate_json(folder.validated_checks.read_bytes())
    return rows(
        [
            {
                "hypothesis": item.id,
                "status": item.status,
                "check": check.title,
                "predicted": f"{check.prediction.operator} {check.prediction.value:g}",
                "observed": "no data" if check.value is None else f"{check.value:g}",
                "outcome": check.outcome,
            }
            for item in checked.hypotheses
            for check in item.checks
        ]
    )


def _short(time: str | None) -> str:
    """Give a time to the millisecond: a table in the UI is no place for nanoseconds."""
    return "unknown" if time is None else time.removesuffix("Z").replace("T", " ")[:23]


def _timeline(folder: ResultsFolder) -> Timeline:
    return Timeline.model_validate_json(folder.timeline.read_bytes())

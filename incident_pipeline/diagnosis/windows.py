"""The stretches of time that hypotheses and their checks compare: calm, failing, and after.

Where reference artifacts hold a kind of telemetry they are its baseline; otherwise the calm stretch of
the incident's own telemetry before the onset is. Spans and measurements are looked at apart, because
one may have a reference and the other not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.parsers.timestamps import parse_time

if TYPE_CHECKING:
    from incident_pipeline.model.hypothesis import Diagnosis
    from incident_pipeline.signals.tables import IncidentTables

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True)
class Windows:
    """A baseline and the failing stretch, UTC nanoseconds, ends excluded."""

    baseline_role: str
    baseline_from: int
    baseline_to: int
    incident_from: int
    """The earliest the onset may be."""
    onset: int
    incident_to: int
    """The first remedy or the end of the alerts, else the end of the evidence."""
    end: int
    """The end of the evidence."""

    @property
    def seconds(self) -> float:
        """The length of the failing stretch in seconds."""
        return (self.incident_to - self.incident_from) / _SECOND

    def parameters(self) -> dict[str, str | int | float | bool | None]:
        """Give the bounds as the checks name them."""
        return {
            "baseline_role": self.baseline_role,
            "baseline_from": self.baseline_from,
            "baseline_to": self.baseline_to,
            "incident_from": self.incident_from,
            "incident_to": self.incident_to,
        }


@dataclass(frozen=True)
class Stretches:
    """The windows for spans and other events, and those for measurements."""

    events: Windows
    measures: Windows
    local: Windows
    """As `events`, but with the incident's own calm, whatever the reference: traffic differs by day."""


def latest_onset(diagnosis: Diagnosis) -> int:
    """Give the latest the onset may be: a change after it can't have caused the incident."""
    onset = _nanoseconds(diagnosis.onset)
    interval = diagnosis.onset_interval
    return max(onset, _nanoseconds(interval.latest)) if interval else onset


def read_windows(diagnosis: Diagnosis, tables: IncidentTables, ended_at: int | None) -> Stretches:
    """Give the windows of an incident that has an onset.

    Args:
        diagnosis: gives the onset and how early it may lie.
        tables: where telemetry begins and ends.
        ended_at: when a remedy or the last resolved alert ended the failing stretch, if known.
    """
    onset = _nanoseconds(diagnosis.onset)
    interval = diagnosis.onset_interval
    earliest = min(onset, _nanoseconds(interval.earliest)) if interval else onset
    references = pa.array([a.sha256 for a in tables.evidence.artifacts if a.role == "reference"], pa.string())
    spans = tables.events.filter(pc.equal(tables.events.column("kind").cast(pa.string()), "span"))
    timed = spans if spans.num_rows else tables.events
    calm_events = pc.is_in(timed.column("artifact_sha256").cast(pa.string()), references)
    calm_series = pc.is_in(tables.series.column("artifact_sha256").cast(pa.string()), references)
    calm_ids = tables.series.column("series_id").cast(pa.string()).filter(calm_series)
    calm_samples = pc.is_in(tables.samples.column("series_id").cast(pa.string()), calm_ids.combine_chunks())
    bounds = (earliest, onset, latest_onset(diagnosis))
    own_events = timed.filter(pc.invert(calm_events))
    return Stretches(
        events=_split(timed.filter(calm_events), own_events, bounds, ended_at),
        measures=_split(
            tables.samples.filter(calm_samples),
            tables.samples.filter(pc.invert(calm_samples)),
            bounds,
            ended_at,
        ),
        local=_split(timed.slice(0, 0), own_events, bounds, ended_at),
    )


def _split(calm: pa.Table, own: pa.Table, bounds: tuple[int, int, int], ended_at: int | None) -> Windows:
    earliest, onset, latest = bounds
    reference = _range(calm)
    first, last = _range(own) or (earliest, onset)
    end = max(last, onset) + 1
    # As the onset is known to no more than its interval, as much again before it counts as neither.
    guard = min(latest - earliest, max(earliest - first, 0) // 5)
    role, start, stop = (
        ("reference", reference[0], reference[1] + 1) if reference else ("incident", first, earliest - guard)
    )
    return Windows(
        baseline_role=role,
        baseline_from=start,
        baseline_to=stop,
        incident_from=earliest,
        onset=onset,
        incident_to=end if ended_at is None else min(end, ended_at),
        end=end,
    )


def _range(table: pa.Table) -> tuple[int, int] | None:
    bounds = pc.min_max(table.column("time_ns"))
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    return None if low is None else (int(low), int(high))


def _nanoseconds(text: str | None) -> int:
    time = parse_time(text or "").time_ns
    if time is None:
        message = f"{text!r} is no time"
        raise ValueError(message)
    return time

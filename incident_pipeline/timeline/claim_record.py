"""What the other evidence recorded, in the form in which people's statements are checked against it.

Acts: changes, Kubernetes events, runbook steps and audit records, with their words; start-ups: log records in
which a service says that it starts. Measurements: every track of the incident with its deviation. What
people wrote is no record here: a claim can't vouch for another.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.model.event import Kind
from incident_pipeline.signals.attributes import integers, lookup
from incident_pipeline.signals.series import words
from incident_pipeline.signals.tracks import DEVIATES, log_tracks, metric_tracks, span_tracks
from incident_pipeline.timeline.columns import booleans, take

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from incident_pipeline.signals.tracks import Track
    from incident_pipeline.signals.view import View

_ACTS: Final = (Kind.CHANGE, Kind.K8S_EVENT, Kind.RUNBOOK_STEP, Kind.AUDIT)
_STARTS: Final = r"(?i)\b(?:(?:re|boot)?start(?:ed|ing|up)|listening on|ready to accept|booted)\b"
_MOST_ACTS: Final = 10_000
"""Acts beyond these are a machine's doing; an audit log may hold millions."""


@dataclass(frozen=True)
class Recorded:
    """An act on record: UTC nanoseconds, the component it was on (if known), its words, its event."""

    time: int
    component: str | None
    kind: str
    words: frozenset[str]
    event: str
    row: int
    """In the whole event table."""


@dataclass(frozen=True)
class Measured:
    """A track and, per sample, whether it deviates."""

    track: Track
    deviates: NDArray[np.bool_]

    def between(self, start: int, end: int) -> slice:
        """Give the samples with start <= time < end."""
        low, high = np.searchsorted(self.track.times, [start, end])
        return slice(int(low), int(high))


@dataclass(frozen=True)
class Record:
    """What claims are checked against."""

    components: tuple[str, ...]
    """Every name that telemetry, changes or alerts use, longest first."""
    named: re.Pattern[str]
    """Matches any of them."""
    acts: tuple[Recorded, ...]
    """By time."""
    starts: dict[str, tuple[tuple[int, str], ...]]
    """Per component: when it logged that it starts, and the event."""
    logged: dict[str, tuple[int, ...]]
    """Per component: the times of all its log records."""
    measured: tuple[Measured, ...]
    view: View

    def component_in(self, text: str) -> str | None:
        """Give the first component that a text names as a word of its own."""
        found = self.named.search(text) if self.components else None
        return None if found is None else next(n for n in self.components if n.lower() == found[0].lower())

    def logs_through(self, component: str, start: int, end: int) -> bool:
        """Say whether a component logged before, within and after a window."""
        times = self.logged.get(component, ())
        low, high = bisect_left(times, start), bisect_left(times, end)
        return 0 < low < high < len(times)

    def of(self, component: str | None, measures: Iterable[str]) -> tuple[Measured, ...]:
        """Give the tracks of a component (None: of all) that measure one of these."""
        wanted = frozenset(measures)
        return tuple(
            one
            for one in self.measured
            if one.track.measures in wanted and component in (None, one.track.component)
        )


def read_record(view: View, rows: NDArray[np.int64]) -> Record:
    """Read the record of the incident's own events; `rows` are theirs in the whole event table."""
    events = view.tables.events
    tracks = (
        *metric_tracks(view.series, view.alert_ns),
        *span_tracks(view.spans, view.alert_ns),
        *log_tracks(view.logs, view.alert_ns),
    )
    services = {name for name in pc.unique(events["service"].cast(pa.string())).to_pylist() if name}
    named = services | {series.component for series, _ in view.series if series.component}
    starts, logged = _starts(events, rows)
    components = tuple(sorted(named, key=lambda name: (-len(name), name)))
    any_name = "|".join(re.escape(name) for name in components)
    return Record(
        components=components,
        named=re.compile(rf"(?<![\w-])(?:{any_name})(?![\w-])", re.IGNORECASE),
        acts=_acts(events, rows),
        starts=starts,
        logged=logged,
        measured=tuple(Measured(track, track.z() > DEVIATES) for track in tracks),
        view=view,
    )


def act_words(text: str) -> frozenset[str]:
    """Give the words of an act in lower case, camel case split (`ScalingReplicaSet`)."""
    return words(text.replace("-", ""))


def _acts(events: pa.Table, rows: NDArray[np.int64]) -> tuple[Recorded, ...]:
    kinds = pc.is_in(events["kind"].cast(pa.string()), pa.array([kind.value for kind in _ACTS]))
    timed = booleans(pc.and_(kinds, pc.is_valid(events["time_ns"])))[rows]
    rows = rows[timed]
    time = integers(take(events["time_ns"], rows))
    rows = rows[np.argsort(time, kind="stable")][:_MOST_ACTS]
    table = events.take(pa.array(rows))
    named = lookup(table, "change.kind", "kind", "reason").to_pylist()
    columns = table.select(["time_ns", "service", "kind", "message", "event_id"]).to_pylist()
    return tuple(
        Recorded(
            time=row["time_ns"],
            component=row["service"],
            kind=kind or row["kind"],
            words=act_words(f"{kind or ''} {row['message'] or ''}"),
            event=row["event_id"],
            row=at,
        )
        for at, row, kind in zip(rows.tolist(), columns, named, strict=True)
    )


def _starts(
    events: pa.Table, rows: NDArray[np.int64]
) -> tuple[dict[str, tuple[tuple[int, str], ...]], dict[str, tuple[int, ...]]]:
    logs = pc.and_(
        pc.equal(events["kind"].cast(pa.string()), Kind.LOG.value),
        pc.and_(pc.is_valid(events["time_ns"]), pc.is_valid(events["service"])),
    )
    rows = rows[booleans(logs)[rows]]
    rows = rows[np.argsort(integers(take(events["time_ns"], rows)), kind="stable")]
    starting = booleans(pc.match_substring_regex(take(events["message"], rows), _STARTS))
    services = take(events["service"].cast(pa.string()), rows)
    times = integers(take(events["time_ns"], rows))
    starts: dict[str, list[tuple[int, str]]] = {}
    ids = take(events["event_id"], rows[starting]).to_pylist()
    for name, time, event in zip(
        services.filter(pa.array(starting)).to_pylist(), times[starting].tolist(), ids, strict=True
    ):
        starts.setdefault(name, []).append((time, event))
    # Only services that say when they start can be asked whether they did.
    logged = {name: tuple(times[booleans(pc.equal(services, name))].tolist()) for name in sorted(starts)}
    return {name: tuple(found) for name, found in sorted(starts.items())}, logged

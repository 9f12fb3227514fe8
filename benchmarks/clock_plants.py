"""Shift clocks in the recordings on purpose and see whether they are found, and the order with them.

    python benchmarks/clock_plants.py [INCIDENT...]     all recordings by default

A plant shifts all times of one service, or of one artifact, in the event table: by -3 s, by +250 ms, and by an
hour (a misread zone). The recordings come from one machine, so all clocks agree before. Printed per plant: the
offset found and its bounds against the reference clock, what became of it, and the share of pairs of
events in the same order as in the recording, of those pairs whose order both timelines call determined.

Verdicts: `applied` (found and reckoned with), `proposed` (a zone), `within` (the bounds hold the plant but not
tightly enough to act), `cannot tell` (nothing ties the clock). `WRONG` would be bounds that the truth lies
outside of, for any clock of the incident.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from incident_pipeline.ingest import open_bundle
from incident_pipeline.model.artifact import SealedArtifact
from incident_pipeline.parsers import Source, parse_artifact
from incident_pipeline.parsers.timestamps import format_time, parse_time
from incident_pipeline.timeline.causality import link
from incident_pipeline.timeline.correction import Correction, correct
from incident_pipeline.timeline.order import Placed, canonical_order
from incident_pipeline.timeline.unsettled import bounds_of

PROJECT = Path(__file__).parent.parent
SHIFTS = {"-3 s": -3_000_000_000, "+250 ms": 250_000_000, "+1 h": 3_600_000_000_000}
STAMPS = ("received_at", "startsAt", "endsAt")
EMITTED = ("log", "span", "span_event")
SAMPLED_ROWS = 1500
ENOUGH = 99.0


@dataclass(frozen=True)
class Ordered:
    """An order of events: place and interval per row, and the clocks it rests on."""

    position: np.ndarray
    low: np.ndarray
    high: np.ndarray
    correction: Correction


def main(names: list[str]) -> int:
    """Print one row per plant; give 1 when a bound is wrong or an order falls below 99 % though it was told."""
    failures = 0
    tally: dict[tuple[str, str], int] = {}
    head = ("incident", "planted in", "shift", "found", "bounds", "verdict", "pairs equal", "uncorrected")
    row = "{:<15} {:<34} {:>8} {:>12} {:>28} {:<12} {:>11} {:>11}"
    print(row.format(*head))
    for path in sorted((PROJECT / "data" / "incidents").glob("*.tar.zst")):
        name = path.name.removesuffix(".tar.zst")
        if names and name not in names:
            continue
        events = recorded(path)
        original = order(events)
        for where, rows in plants(events):
            for label, shift in SHIFTS.items():
                planted = plant(events, rows, shift)
                found = order(planted)
                verdict, offset, bounds = judge(found.correction, rows, shift)
                equal = agreement(original, found)
                plain = agreement(original, order(planted, corrected=False))
                tally[label, verdict] = tally.get((label, verdict), 0) + 1
                failures += verdict == "WRONG" or (equal < ENOUGH and verdict != "cannot tell")
                print(
                    row.format(
                        name, where, label, offset, bounds, verdict, f"{equal:.2f} %", f"{plain:.2f} %"
                    )
                )
    print()
    for (label, verdict), count in sorted(tally.items()):
        print(f"  {label:>8}: {verdict} {count}")
    print(f"  {failures} plants with a wrong bound or with fewer than {ENOUGH:g} % of pairs equal")
    return 1 if failures else 0


def recorded(path: Path) -> pa.Table:
    """Parse the events of a recording."""
    with tempfile.TemporaryDirectory() as scratch:
        parsed = []
        for item in open_bundle(path, Path(scratch)).artifacts:
            data, entry = item.path.read_bytes(), item.entry
            digest = hashlib.sha256(data).hexdigest()
            artifact = SealedArtifact(
                sha256=digest, size=len(data), stored_sha256=digest, uri=entry.uri, type=entry.type,
                source=entry.source, role=entry.role, format=entry.format, timezone=entry.timezone,
            )  # fmt: skip
            if entry.role == "incident":
                parsed.append((digest, parse_artifact(data, Source.of(artifact, "identity")).events))
    return pa.concat_tables(table for _, table in sorted(parsed, key=lambda item: item[0]))


def plants(events: pa.Table) -> list[tuple[str, np.ndarray]]:
    """Give what to shift: each service that emits spans, and each artifact, as rows of the table."""
    frame = events.select(["artifact_uri", "service", "kind"]).to_pandas()
    emitted = frame["kind"].isin(EMITTED)
    services = sorted(set(frame.loc[frame["kind"] == "span", "service"].dropna()))
    found = [(f"service {name}", np.flatnonzero(emitted & (frame["service"] == name))) for name in services]
    found += [
        (uri, np.flatnonzero(frame["artifact_uri"] == uri)) for uri in sorted(set(frame["artifact_uri"]))
    ]
    return found


def plant(events: pa.Table, rows: np.ndarray, shift: int) -> pa.Table:
    """Shift every time of some rows, those in attributes included."""
    chosen = np.zeros(events.num_rows, np.int64)
    chosen[rows] = shift
    for name in ("time_ns", "end_time_ns"):
        column = pa.array(
            [
                None if time is None else time + by
                for time, by in zip(events[name].to_pylist(), chosen.tolist(), strict=True)
            ],
            pa.int64(),
        )
        events = events.set_column(events.column_names.index(name), events.schema.field(name), column)
    attributes = [
        [(key, shifted(value, by) if by and key in STAMPS else value) for key, value in held]
        for held, by in zip(events["attributes"].to_pylist(), chosen.tolist(), strict=True)
    ]
    at = events.column_names.index("attributes")
    field = events.schema.field("attributes")
    return events.set_column(at, field, pa.array(attributes, field.type))


def shifted(text: str, by: int) -> str:
    """Shift a time in an attribute; what is no time, or says that there is none, stays."""
    time = parse_time(text).time_ns
    return text if time is None else format_time(time + by)


def order(events: pa.Table, *, corrected: bool = True) -> Ordered:
    """Put events in order as the timeline does, or by their stamps as they are."""
    placed = Placed.of(events)
    links = link(events)
    correction = correct(events, placed, links)
    by_reference = correction.placed(placed) if corrected else placed
    position = np.empty(events.num_rows, np.int64)
    position[canonical_order(by_reference, links)] = np.arange(events.num_rows)
    low, high = bounds_of(by_reference, correction) if corrected else (placed.time, placed.time + placed.unit)
    return Ordered(position, low, high, correction)


def agreement(one: Ordered, other: Ordered) -> float:
    """Give the percentage of pairs in the same order, of those that both call determined.

    Every pair of a row of an even sample with any other row is looked at.
    """
    size = one.position.size
    same = total = 0
    for at in np.unique(np.linspace(0, size - 1, min(SAMPLED_ROWS, size)).astype(np.int64)):
        fixed = np.ones(size, np.bool_)
        for ordered in (one, other):
            fixed &= (ordered.high <= ordered.low[at]) | (ordered.low >= ordered.high[at])
        fixed[at] = False
        equal = (one.position < one.position[at]) == (other.position < other.position[at])
        same += int((equal & fixed).sum())
        total += int(fixed.sum())
    return 100 * same / total if total else 100.0


def judge(correction: Correction, rows: np.ndarray, shift: int) -> tuple[str, str, str]:
    """Say what became of a plant, with the offset found and its bounds."""
    clocks = len(correction.estimates)
    hit = np.bincount(correction.clock[rows], minlength=clocks)
    everything = np.bincount(correction.clock, minlength=clocks)
    names = [estimate.clock for estimate in correction.estimates]
    moved = {name: 2 * hit[at] > everything[at] for at, name in enumerate(names)}
    tied = [item for item in correction.estimates if item.tied and item.reference != item.clock]
    truth = {item.clock: shift * (int(moved[item.clock]) - int(moved[item.reference])) for item in tied}
    if any(not item.low_ns <= truth[item.clock] <= item.high_ns and not item.contradicted for item in tied):
        return "WRONG", "", ""
    # The plant shows between a clock that was moved and one that was not, whichever is the reference.
    shown = [item for item in tied if truth[item.clock]]
    if not shown:
        return "cannot tell", "", ""
    main = max(
        shown, key=lambda item: (item.applied, item.zone_hours is not None, item.low_ns - item.high_ns)
    )
    verdict = "applied" if main.applied else "within"
    if main.zone_hours is not None:
        verdict = "proposed"
    low, high = main.low_ns / 1e9, main.high_ns / 1e9
    bounds = f"[{low:+.4f}, {high:+.4f}] s" if high - low < 1e4 else "one side only"
    return verdict, f"{main.offset_ns / 1e9:+.4f} s", bounds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

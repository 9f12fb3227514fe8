"""Hold the timelines of the recordings against what was really done.

    python benchmarks/timeline_truth.py [NAME...]

Three tables: every event of the truth files with whether the evidence shows it and which key entry tells it;
onset and mitigation with their errors in seconds; the phases. What the evidence holds of each act of the truth
stands in `TRACES`, judged by people once and checked against the event table here: a trace that is said to
be there and is not found ends the script with 1, as does a key entry that is missing, or more than 40 of them.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from incident_pipeline import stages
from incident_pipeline.model.timeline import Moment, Timeline, TimelineEntry
from incident_pipeline.parsers.table import read_table
from incident_pipeline.progress import listening
from incident_pipeline.settings import Settings
from incident_pipeline.timeline.selection import LIMIT
from incident_pipeline.workspace import Workspace

PROJECT = Path(__file__).parent.parent
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Trace:
    """What the evidence holds of an act: its record, only an effect, or nothing at its time.

    `near` is by how many seconds the trace may come before and after the act.
    """

    shows: Literal["record", "effect", "nothing"]
    kind: str
    pattern: str
    near: tuple[float, float]
    why: str


TRACES = {
    ("bad-deploy", "bad_deploy"): Trace("record", "change", r"api 2\.3\.0 -> 2\.4\.0", (1, 1), "change log"),
    ("bad-deploy", "mitigation"): Trace("record", "change", r"api 2\.4\.0 -> 2\.3\.0", (1, 1), "change log"),
    ("campaign-surge", "campaign_send"): Trace(
        "record", "change", "winter-drop-24", (1, 1), "campaign calendar"
    ),
    ("campaign-surge", "mitigation"): Trace("record", "change", r"strip utm_\*", (1, 1), "change log"),
    ("db-pool", "slow_query"): Trace(
        "record", "log", "pg_sleep", (0, 3), "PostgreSQL logs a slow query when it ends, 2.2 s later"
    ),
    ("db-pool", "mitigation"): Trace(
        "effect", "log", "pg_sleep", (0, 3), "no record of the act; the last slow query ends 2.2 s after it"
    ),
    ("purge-loop", "purge_loop"): Trace("record", "log", "cache purge", (0, 1), "edge logs every purge"),
    ("purge-loop", "mitigation"): Trace(
        "effect", "log", "cache purge", (1, 1), "no record of the act; the last of the purges"
    ),
    ("retry-storm", "provider_limit_cut"): Trace(
        "nothing",
        "log",
        "quote provider throttled",
        (0, 10),
        "the provider sends no telemetry; the first request over its new limit comes 8 s later",
    ),
    ("retry-storm", "mitigation"): Trace(
        "effect",
        "log",
        "quote provider throttled",
        (0, 3),
        "no record of the act; the last throttled request",
    ),
    ("slow-leak", "leak"): Trace(
        "nothing",
        "span",
        "/stock|/p/",
        (0, 10),
        "8 ms more per request: no record, the first span that is clearly slow comes seconds later",
    ),
}


def main(names: list[str]) -> int:
    """Build the timelines of the recordings and print the tables; 0 when everything observable is told."""
    bad = 0
    with tempfile.TemporaryDirectory() as scratch, listening(lambda *_: None):
        os.environ["INCIDENT_PIPELINE_CONFIG_DIR"] = f"{scratch}/config"
        workspace = Workspace.from_settings(
            Settings(incidents=str(PROJECT / "data" / "incidents")), out=Path(scratch)
        )
        told: dict[str, tuple[dict[str, Any], Timeline, list[dict[str, Any]]]] = {}
        for key in sorted(workspace.catalogue()):
            truth = json.loads((PROJECT / "data" / "truth" / f"{key}.json").read_bytes())
            if names and truth["scenario"] not in names:
                continue
            timeline, events = build(workspace, key)
            told[truth["scenario"]] = (truth, timeline, events)
    print("## Events of the truth\n")
    print("| incident | event | evidence | key entry | s after | rule | why |\n|---|---|---|---|---|---|---|")
    for name, (truth, timeline, events) in told.items():
        for injection in truth["injections"]:
            line, good = event_line(name, injection, timeline, events)
            print(line)
            bad += not good
    print("\n## Onset and mitigation, errors in seconds (bounds as stated by the timeline)\n")
    print(
        "| incident | key entries | crowded out | onset | error | truth in bounds | mitigated | error | truth in bounds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, (truth, timeline, _) in told.items():
        print(times_line(name, truth, timeline))
        bad += len(timeline.entries) > LIMIT
    print("\n## Phases (start + length in seconds), against the truth\n")
    print("| incident | truth: cause to mitigation, to the end | " + " | ".join(PHASES) + " |")
    print("|---|---|" + "---|" * len(PHASES))
    for name, (truth, timeline, _) in told.items():
        print(phases_line(name, truth, timeline))
    return 1 if bad else 0


PHASES = ("baseline", "undetected", "diagnosis", "mitigation", "recovery", "stable")


def build(workspace: Workspace, key: str) -> tuple[Timeline, list[dict[str, Any]]]:
    """Run the stages up to the timeline; give it and the event table."""
    stages.survey(workspace, key)
    stages.seal_evidence(workspace, key, now=datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
    stages.parse_events(workspace, key)
    stages.order_timeline(workspace, key)
    folder = workspace.folder(key)
    columns = ["kind", "message", "time_ns", "service", "event_id"]
    return (
        Timeline.model_validate_json(folder.timeline.read_bytes()),
        read_table(folder.events).select(columns).to_pylist(),
    )


def event_line(
    name: str, injection: dict[str, Any], timeline: Timeline, events: list[dict[str, Any]]
) -> tuple[str, bool]:
    """Say of one act of the truth what the evidence holds of it and which key entry tells it."""
    trace, at = TRACES[name, injection["what"]], nanoseconds(injection["ts"])
    held = [
        e
        for e in events
        if e["kind"] == trace.kind and e["time_ns"] and matches(trace, e["message"] or "", e["time_ns"] - at)
    ]
    told = [
        e
        for e in timeline.entries
        if e.type == trace.kind and e.time_ns and matches(trace, e.message, e.time_ns - at)
    ]
    entry = min(told, key=lambda e: abs((e.time_ns or 0) - at), default=None)
    if not held:
        return f"| {name} | {injection['what']} | TRACE NOT IN EVIDENCE | | | | {trace.why} |", False
    observable = {
        "record": "observable: its record",
        "effect": "observable: its effect",
        "nothing": "not observable at its time",
    }[trace.shows]
    good = entry is not None or trace.shows == "nothing"
    return f"| {name} | {injection['what']} | {observable} | {shown(entry, at)} | {trace.why} |", good


def matches(trace: Trace, message: str, late: int) -> bool:
    """Say whether a message is the trace, so many nanoseconds after the act."""
    before, after = trace.near
    return bool(re.search(trace.pattern, message)) and -before * SECOND <= late <= after * SECOND


def shown(entry: TimelineEntry | None, at: int) -> str:
    """Give the cells of a key entry."""
    if entry is None or entry.time_ns is None:
        return "NOT FOUND | | "
    return f"{entry.message[:48].replace('|', '/')} | {(entry.time_ns - at) / SECOND:+.3f} | {entry.rule}"


def times_line(name: str, truth: dict[str, Any], timeline: Timeline) -> str:
    """Give the errors of onset and mitigation."""
    moments = {moment.name: moment for moment in timeline.moments}
    cause = next(nanoseconds(i["ts"]) for i in truth["injections"] if i.get("root_cause"))
    helped = next((nanoseconds(i["ts"]) for i in truth["injections"] if i["what"] == "mitigation"), None)
    return (
        f"| {name} | {len(timeline.entries)} | {timeline.crowded_out} "
        f"| {against(moments['began'], cause)} | {against(moments['mitigated'], helped)} |"
    )


def against(moment: Moment, truth: int | None) -> str:
    """Give a moment, its error against the truth, and whether its bounds hold it."""
    when = "unknown" if moment.time is None else f"{moment.time[11:]} ({moment.standing})"
    if truth is None or moment.time_ns is None:
        return f"{when} | {'no truth' if truth is None else 'unknown'} | "
    low, high = moment.earliest_ns or moment.time_ns, moment.latest_ns or moment.time_ns
    # What is recorded to a millisecond holds the truth within one.
    inside = low - SECOND // 1000 <= truth <= high + SECOND // 1000
    return f"{when} | {(moment.time_ns - truth) / SECOND:+.3f} | {'yes' if inside else 'no'}"


def phases_line(name: str, truth: dict[str, Any], timeline: Timeline) -> str:
    """Give the phases in seconds since the recording started."""
    start = nanoseconds(truth["started"])
    marks = [*(nanoseconds(i["ts"]) for i in truth["injections"]), nanoseconds(truth["ended"])]
    cells = {
        phase.name: "unknown"
        if phase.start_ns is None or phase.end_ns is None
        else f"{(phase.start_ns - start) / SECOND:.1f} + {(phase.end_ns - phase.start_ns) / SECOND:.1f}"
        for phase in timeline.phases
    }
    seconds = " - ".join(f"{(mark - start) / SECOND:.1f}" for mark in marks)
    return f"| {name} | {seconds} | " + " | ".join(cells.get(phase, "-") for phase in PHASES) + " |"


def nanoseconds(text: str) -> int:
    """Read a time of a truth file."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1_000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

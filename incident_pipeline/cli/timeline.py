"""`timeline show`, `explain` and `export`: the order of events for people and for other tools."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.errors import ConfigError, MissingArtifactError
from incident_pipeline.settings import Settings

if TYPE_CHECKING:
    from incident_pipeline.evidence import EvidenceReader
    from incident_pipeline.model.timeline import Timeline, TimelineEntry
    from incident_pipeline.results import ResultsFolder
    from incident_pipeline.timeline.wall_clock import WallClock

app = typer.Typer(no_args_is_help=True, help="The timeline of an incident: show, explain, export.")

Results = Annotated[Path, typer.Argument(help="Results folder of one incident.")]
Zone = Annotated[
    str | None, typer.Option(help="Show times of this zone as well, such as Europe/Berlin or +02:00.")
]
_COULD_NOT_CHECK = 3
_STATES = {"corroborated": "green", "contradicted": "red", "reported": "yellow"}


class Form(StrEnum):
    """What a timeline is written as."""

    TIMESKETCH = "timesketch"
    CSV = "csv"
    MARKDOWN = "markdown"
    JSON = "json"


@app.command()
def show(path: Results, zone: Zone = None, as_json: Json = False) -> None:
    """Print the key entries, with the moments, the phases and what people said.

    The number before an entry is its position in the full order: `timeline explain PATH NUMBER` tells more.
    """
    from incident_pipeline.model.timeline import Timeline  # noqa: PLC0415 -- keep `--help` quick

    output = Output(as_json=as_json)
    folder = _folder(path)
    if not folder.timeline.is_file():
        raise MissingArtifactError(f"{folder.root}: there is no {folder.timeline.name}.")
    timeline = Timeline.model_validate_json(folder.timeline.read_bytes())
    clock = _wall_clock(zone)
    output.line(
        f"[bold]{shown(timeline.incident_id)}[/bold]  {timeline.shown:,} of {timeline.total:,} events"
    )
    _show_course(output, timeline, clock)
    day = None
    for entry in timeline.entries:
        found = _day(entry, clock)
        if found != day:
            day = found
            output.line(f"\n[bold]{shown(found)}[/bold]")
        output.line(_entry_line(entry, clock))
    for claim in timeline.claims:
        colour = _STATES[claim.state]
        output.line(
            f"[{colour}]{claim.state.upper():<12}[/{colour}] “{shown(claim.text)}” "
            f"[dim]{shown(claim.reason)}[/dim]"
        )
    output.result(timeline)


@app.command()
def explain(
    path: Results,
    entry: Annotated[
        str, typer.Argument(help="A position (17), an event id or its first digits, or a time in UTC.")
    ],
    as_json: Json = False,
) -> None:
    """Say what an entry is, where it was read, what was merged into it and why it stands where it does.

    The sealed bytes are read and their digest checked. Exit 1 when they were altered, 3 when they could
    not be read; the explanation is printed in that case, too.
    """
    from incident_pipeline.timeline.explain import (  # noqa: PLC0415 -- keep `--help` quick
        explain_entry,
        find_entry,
    )
    from incident_pipeline.timeline.explain_text import explanation_lines  # noqa: PLC0415
    from incident_pipeline.timeline.stored import StoredOrder  # noqa: PLC0415

    output = Output(as_json=as_json)
    folder = _folder(path)
    with StoredOrder(folder) as order:
        from incident_pipeline.model.timeline import Timeline  # noqa: PLC0415

        timeline = Timeline.model_validate_json(folder.timeline.read_bytes())
        row = find_entry(order, timeline, entry)
        found = explain_entry(folder, order, row, _reader(folder, row["artifact_sha256"]))
    for heading, line in explanation_lines(found):
        output.line(f"[bold]{heading:<10}[/bold] {shown(line)}")
    output.result(found)
    raise typer.Exit(0 if found.reading.outcome == "matches" else _COULD_NOT_CHECK)


@app.command()
def export(
    path: Results,
    form: Annotated[Form, typer.Option("--as", help="What to write.")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    zone: Zone = None,
    full: Annotated[bool, typer.Option("--all", help="Every event, not the key entries alone.")] = False,
    as_json: Json = False,
) -> None:
    """Write the timeline for Timesketch (JSONL), as CSV, Markdown or JSON, and say what was left out."""
    from incident_pipeline.timeline.exports import export_timeline  # noqa: PLC0415 -- keep `--help` quick

    output = Output(as_json=as_json)
    folder = _folder(path)
    done = export_timeline(folder, out, form.value, clock=_wall_clock(zone), full=full)
    left = ", ".join(f"{count:,} {reason}" for reason, count in done.left_out.items())
    merged = f"; {done.merged:,} events repeat another and name it" if full and done.merged else ""
    output.line(
        f"{done.written:,} of {done.total:,} events written, {left or 'none'} left out{merged}: "
        f"{shown(str(out))}"
    )
    output.result({"path": str(out), "form": form.value, **asdict(done)})


def _folder(path: Path) -> ResultsFolder:
    """Give the results folder at a path: itself, or the only one in it.

    Raises:
        MissingArtifactError: there is none.
        ConfigError: there are several.
    """
    from incident_pipeline.evidence.verify import result_folders  # noqa: PLC0415
    from incident_pipeline.results import ResultsFolder  # noqa: PLC0415

    folders = result_folders(path.resolve())
    if len(folders) > 1:
        names = ", ".join(folder.name for folder in folders)
        raise ConfigError(f"{path} holds several incidents: {names}.", advice="Give the folder of one.")
    return ResultsFolder(folders[0])


def _reader(folder: ResultsFolder, sha256: str) -> EvidenceReader | None:
    """Open the sealed bytes of one artifact for reading, entered in the access log; None without a vault."""
    from incident_pipeline.evidence import EvidenceReader, LocalVault  # noqa: PLC0415
    from incident_pipeline.export import layout  # noqa: PLC0415
    from incident_pipeline.redaction import RedactionMap  # noqa: PLC0415
    from incident_pipeline.stages import sealed  # noqa: PLC0415
    from incident_pipeline.workspace import Workspace  # noqa: PLC0415

    evidence = sealed(folder)
    evidence = evidence.model_copy(
        update={"artifacts": tuple(item for item in evidence.artifacts if item.sha256 == sha256)}
    )
    redactions = RedactionMap.read(folder)
    bag = next((parent for parent in folder.root.parents if layout.is_bag(parent)), None)
    if bag is not None:
        # An export must stay as it was signed, so nothing is entered in a log there.
        return EvidenceReader(LocalVault(bag / layout.DATA), evidence.artifacts, redactions)
    workspace = Workspace.from_settings(Settings.load(), out=folder.root.parent)
    if not workspace.vault_url and not workspace.vault_root.is_dir():
        return None
    vault = workspace.watched_vault(
        folder.root.name, evidence, action="timeline explain", reason="an entry was asked for"
    )
    return EvidenceReader(vault, evidence.artifacts, redactions)


def _wall_clock(zone: str | None) -> WallClock | None:
    from incident_pipeline.timeline.wall_clock import WallClock  # noqa: PLC0415

    return None if zone is None else WallClock.of(zone)


def _show_course(output: Output, timeline: Timeline, clock: WallClock | None) -> None:
    for moment in timeline.moments:
        time = "unknown" if moment.time is None else (clock.full(moment.time) if clock else moment.time)
        standing = "" if moment.time is None else moment.standing
        output.line(f"  {moment.name:<10} {time:<30} {standing:<9} [dim]{shown(moment.basis)}[/dim]")
    spans = [
        f"{phase.name} {(phase.end_ns - phase.start_ns) / 1e9:.1f} s"
        for phase in timeline.phases
        if phase.start_ns is not None and phase.end_ns is not None
    ]
    if spans:
        output.line("  " + ", ".join(spans))


def _day(entry: TimelineEntry, clock: WallClock | None) -> str:
    from incident_pipeline.timeline.narrative import day_of  # noqa: PLC0415

    return day_of(entry.time, clock)


def _entry_line(entry: TimelineEntry, clock: WallClock | None) -> str:
    from incident_pipeline.timeline.narrative import time_of  # noqa: PLC0415

    time = time_of(entry.time, clock, undetermined=entry.order_basis == "undetermined").removesuffix(" - ")
    colour = "red" if entry.type == "alert" else "cyan" if entry.type == "change" else "default"
    who = f"{entry.service}: " if entry.service else ""
    marker = f" {entry.marker.replace('_', ' ')}," if entry.marker else ""
    return (
        f"[dim]{entry.position:>8}[/dim] {time} [{colour}]{shown(entry.type)}[/{colour}] "
        f"{shown(who + entry.message)} [dim]({shown(marker.strip() + ' ' if marker else '')}"
        f"{shown(entry.why_key)})[/dim]"
    )

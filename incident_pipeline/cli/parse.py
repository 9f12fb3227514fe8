"""`parse`: files into the event table, without sealing."""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.errors import ConfigError, worst_exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.parsers.format import Format


class Form(Enum):
    """What the tables are written as."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"


class Order(Enum):
    """Which comes first in a date in figures."""

    DMY = "dmy"
    MDY = "mdy"


def parse(
    files: Annotated[list[Path] | None, typer.Argument(help="Files to parse.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the tables.")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="JSON Lines of cases to parse in one process, each into OUT/<case>/.")
    ] = None,
    pin: Annotated[str | None, typer.Option("--format", help="Parser to use instead of detection.")] = None,
    assume_tz: Annotated[
        str | None, typer.Option(help="Zone of times without one, as +02:00 or a name.")
    ] = None,
    assume_year: Annotated[int | None, typer.Option(help="Year of times without one.")] = None,
    date_order: Annotated[
        Order | None, typer.Option("--assume-date-order", help="How to read 03/04/2026.")
    ] = None,
    form: Annotated[Form, typer.Option("--as", help="Write the tables also as jsonl or csv.")] = Form.PARQUET,
    list_formats: Annotated[bool, typer.Option("--list-formats", help="List the formats and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Parse files into events, samples, series and quarantine (Parquet) and a parse report."""
    from incident_pipeline.evidence.signing import config_dir  # noqa: PLC0415 -- keep `--help` quick
    from incident_pipeline.parsers import (  # noqa: PLC0415
        Assume,
        Reading,
        load_formats,
        parse_cases,
        parse_into_folder,
    )
    from incident_pipeline.parsers.written import write_as  # noqa: PLC0415
    from incident_pipeline.results import ResultsFolder  # noqa: PLC0415
    from incident_pipeline.settings import Settings  # noqa: PLC0415

    output = Output(as_json=as_json)
    settings = Settings.load()
    base = Path(settings.config_dir).absolute() if settings.config_dir else config_dir()
    own = load_formats(Path(settings.formats) if settings.formats else base / "formats")
    reading = Reading(
        pin,
        Assume(tz=assume_tz, year=assume_year, date_order=date_order.value if date_order else None),
        formats=own,
    )
    if list_formats:
        _list(output, reading.all_formats)
        return
    if (cases is None) == (not files) or out is None:
        raise ConfigError(
            "Give files or --cases, and --out.", advice="incident-pipeline parse FILE... --out DIR"
        )
    if cases is not None:
        problems = parse_cases(cases, out, own)
        output.problems(problems)
        output.result({"problems": [problem.model_dump(mode="json") for problem in problems]})
        raise typer.Exit(worst_exit_code(problem.exit_code for problem in problems))
    if pin is not None:
        _check_pin(pin, reading.all_formats)
    folder = ResultsFolder(out)
    report = parse_into_folder(folder, files or [], reading)
    write_as(folder, form.value)
    output.problems(report.problems)
    for item in report.artifacts:
        output.line(
            f"{shown(item.artifact_uri)}: {item.format or 'unknown format'}, {item.events:,} events, "
            f"{item.samples:,} samples, {item.quarantined:,} quarantined"
        )
        for text in item.assumptions:
            output.line(f"  [dim]{shown(text)}[/dim]")
    output.result(report)
    raise typer.Exit(worst_exit_code(problem.exit_code for problem in report.problems))


def _list(output: Output, formats: Sequence[Format]) -> None:
    known = sorted(formats, key=lambda item: item.id)
    for item in known:
        output.line(f"[bold]{item.id}[/bold]  {shown(item.title)}")
    output.result(
        [
            {"id": item.id, "aliases": list(item.aliases), "title": item.title, "spec": item.spec}
            for item in known
        ]
    )


def _check_pin(pin: str, formats: Sequence[Format]) -> None:
    """Refuse a name that no format has.

    Raises:
        ConfigError: there is none; the closest names are given.
    """
    from incident_pipeline.parsers.detect import by_name  # noqa: PLC0415

    if by_name(formats, pin):
        return
    names = sorted({name for item in formats for name in (item.id, *item.aliases)})
    near = get_close_matches(pin.strip().lower().replace("-", "_"), names, n=5, cutoff=0.5)
    advice = (
        f"Did you mean {', '.join(near)}?" if near else "`incident-pipeline parse --list-formats` lists them."
    )
    raise ConfigError(f"--format {shown(pin)}: no such format.", advice=advice)

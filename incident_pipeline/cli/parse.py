"""`parse`: files into the event table, without sealing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.errors import ConfigError, worst_exit_code


def parse(
    out: Annotated[Path, typer.Option("--out", help="Folder for the tables.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Files to parse.")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="JSON Lines of cases to parse in one process, each into OUT/<case>/.")
    ] = None,
    pin: Annotated[str | None, typer.Option("--format", help="Parser to use instead of detection.")] = None,
    assume_tz: Annotated[
        str | None, typer.Option(help="Zone of times without one, as +02:00 or a name.")
    ] = None,
    assume_year: Annotated[int | None, typer.Option(help="Year of times without one.")] = None,
    as_json: Json = False,
) -> None:
    """Parse files into events, samples, series and quarantine (Parquet) and a parse report."""
    from incident_pipeline.parsers import (  # noqa: PLC0415 -- keep `--help` quick
        Assume,
        Reading,
        parse_cases,
        parse_into_folder,
    )
    from incident_pipeline.results import ResultsFolder  # noqa: PLC0415

    output = Output(as_json=as_json)
    if (cases is None) == (not files):
        raise ConfigError("Give either files or --cases.", advice="incident-pipeline parse FILE... --out DIR")
    if cases is not None:
        problems = parse_cases(cases, out)
        output.problems(problems)
        output.result({"problems": [problem.model_dump(mode="json") for problem in problems]})
        raise typer.Exit(worst_exit_code(problem.exit_code for problem in problems))
    reading = Reading(pin, Assume(tz=assume_tz, year=assume_year))
    report = parse_into_folder(ResultsFolder(out), files or [], reading)
    output.problems(report.problems)
    for item in report.artifacts:
        output.line(
            f"{shown(item.artifact_uri)}: {item.format or 'unknown format'}, {item.events:,} events, "
            f"{item.samples:,} samples, {item.quarantined:,} quarantined"
        )
    output.result(report)
    raise typer.Exit(worst_exit_code(problem.exit_code for problem in report.problems))

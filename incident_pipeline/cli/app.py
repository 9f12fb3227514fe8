"""The command's root: registers the commands and turns our errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from incident_pipeline import __version__
from incident_pipeline.cli import (
    evaluate,
    export,
    investigate,
    keys,
    log,
    parse,
    redact,
    retention,
    search,
    store,
    timeline,
    ui,
    verify,
    wargame,
)
from incident_pipeline.cli.output import Output
from incident_pipeline.errors import ConfigError, IncidentPipelineError, UnreadableInputError
from incident_pipeline.settings import PREFIX

app = typer.Typer(
    name="incident-pipeline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn the evidence of an outage into a postmortem that a sceptic can check, byte by byte.\n\n"
    "Exit codes: 0 good, 1 bad evidence or refuted, 2 wrong usage, 3 could not be checked.",
)
app.command()(investigate.demo)
app.command()(investigate.investigate)
app.command()(parse.parse)
app.command()(redact.redact)
app.command()(search.search)
app.command()(verify.verify)
app.command()(export.export)
app.command()(evaluate.evaluate)
app.command()(ui.ui)
app.add_typer(log.app, name="log")
app.add_typer(store.app, name="store")
app.add_typer(timeline.app, name="timeline")
app.add_typer(keys.app, name="keys")
app.add_typer(retention.app, name="retention")
app.add_typer(wargame.app, name="wargame")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"incident-pipeline {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold what is common to all commands."""


def main(argv: list[str] | None = None) -> None:
    """Run the command; an error of ours ends it with its message, advice and exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    output = Output(as_json="--json" in arguments)
    try:
        app(args=arguments)
    except IncidentPipelineError as error:
        output.error(error)
        sys.exit(error.exit_code)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}."
        output.error(ConfigError(message, advice="Check that the path is right and may be read and written."))
        sys.exit(ConfigError.exit_code)
    except Exception as error:
        if os.environ.get(f"{PREFIX}DEBUG"):
            raise
        advice = f"This is a defect, please report it. {PREFIX}DEBUG=1 shows where it happened."
        output.error(UnreadableInputError(f"Internal error: {type(error).__name__}: {error}.", advice=advice))
        sys.exit(UnreadableInputError.exit_code)

"""`wargame`: replay recorded incidents as a Dagster backfill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.errors import MissingArtifactError
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace

app = typer.Typer(no_args_is_help=True, help="Replay recorded incidents and report how the runs ended.")


@app.callback()
def group() -> None:
    """Hold the war-game commands."""


@app.command()
def replay(
    incidents: Annotated[
        list[str] | None,
        typer.Argument(help="Incident keys; all bundles of the incidents folder by default."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="A running Dagster UI; by default one is started for the replay and ended."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results, where no --url is given.")
    ] = None,
    timeout: Annotated[int, typer.Option(help="Seconds to wait for all runs to end.")] = 900,
    as_json: Json = False,
) -> None:
    """Backfill the recorded incidents through Dagster's GraphQL API and count run statuses.

    Exit 0 only when every run succeeded.
    """
    from incident_pipeline.wargame.replay import replay as run  # noqa: PLC0415 -- keep `--help` quick
    from incident_pipeline.wargame.server import running_server  # noqa: PLC0415

    output = Output(as_json=as_json)
    workspace = Workspace.from_settings(Settings.load(), out=out)
    keys = incidents or sorted(workspace.catalogue())
    if not keys:
        advice = "Put evidence bundles there, or set INCIDENT_PIPELINE_INCIDENTS."
        raise MissingArtifactError(f"No bundles in {workspace.incidents}.", advice=advice)

    def on_change(line: str) -> None:
        output.progress.print(f"  {shown(line)}")

    if url is None:
        on_change("starting a Dagster server for the replay")
        with running_server(workspace) as server:
            result = run(server, keys, timeout=timeout, on_change=on_change)
    else:
        result = run(url, keys, timeout=timeout, on_change=on_change)
    for item in result.runs:
        colour = "green" if item.status == "SUCCESS" else "bold red"
        output.line(f"[{colour}]{item.status:<10}[/{colour}] {shown(item.incident)}  {item.run_id}")
    output.line(f"{result.succeeded} of {len(keys)} runs succeeded (backfill {result.backfill_id})")
    output.result(result.as_dict())
    raise typer.Exit(0 if result.succeeded == len(keys) else 1)

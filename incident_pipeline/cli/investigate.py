"""`investigate` and `demo`: from bundles to postmortems in this process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.errors import (
    IncidentIdError,
    IncidentPipelineError,
    MissingArtifactError,
    worst_exit_code,
)
from incident_pipeline.progress import listening
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace

Out = Annotated[Path, typer.Option("--out", help="Folder for the results, one folder per incident.")]


def investigate(
    bundles: Annotated[
        list[Path], typer.Argument(help="Evidence bundles: folders or .tar.zst, .tar.gz, .zip archives.")
    ],
    out: Out,
    until: Annotated[str | None, typer.Option(help="Stop after this asset, such as `timeline`.")] = None,
    as_json: Json = False,
) -> None:
    """Turn evidence bundles into postmortems: seal, parse, order, diagnose, check, draft.

    One incident's trouble never stops the others. Exit 0 when every postmortem was written, 1 when
    evidence is bad, 3 when something asked for could not be read.
    """
    output = Output(as_json=as_json)
    workspace = Workspace.from_settings(Settings.load(), out=out)
    raise typer.Exit(_run(workspace, bundles, until, output))


def demo(
    incident: Annotated[str, typer.Option(help="Which of the recorded incidents.")] = "campaign-surge",
    out: Out = Path("out/demo"),
    as_json: Json = False,
) -> None:
    """Investigate a recorded outage: no key, no server, nothing configured. Ends with the report's path."""
    output = Output(as_json=as_json)
    workspace = Workspace.from_settings(replace(Settings.load(), vault=""), out=out)
    bundle = workspace.incidents / f"{incident}.tar.zst"
    if not bundle.is_file():
        names = sorted(path.name.removesuffix(".tar.zst") for path in workspace.incidents.glob("*.tar.zst"))
        advice = (
            f"One of: {', '.join(names)}."
            if names
            else "Run it from a checkout, or set INCIDENT_PIPELINE_INCIDENTS to the recordings."
        )
        raise MissingArtifactError(
            f"No recorded incident {incident!r} in {workspace.incidents}.", advice=advice
        )
    raise typer.Exit(_run(workspace, [bundle], None, output))


def _run(workspace: Workspace, bundles: list[Path], until: str | None, output: Output) -> int:
    from incident_pipeline.local_run import (  # noqa: PLC0415 -- dagster takes a second to import
        local_instance,
        run_incident,
    )

    keys, codes, results = _register(workspace, bundles, output)
    with local_instance(workspace) as instance, listening(output.stage):
        for key in keys:
            output.progress.print(f"[bold]{shown(key)}[/bold]")
            outcome = run_incident(workspace, key, until=until, instance=instance)
            output.problems(outcome.problems)
            if outcome.message:
                output.progress.print(
                    f"  [bold red]✗ {outcome.failed_stage}[/bold red] {shown(outcome.message, lines=True)}"
                )
            folder = workspace.folder(key)
            report = folder.report if outcome.success and until in (None, "postmortem") else None
            codes.add(outcome.exit_code)
            results.append(
                {
                    "incident": key,
                    "success": outcome.success,
                    "run_id": outcome.run_id,
                    "failed_stage": outcome.failed_stage,
                    "message": outcome.message,
                    "problems": [problem.model_dump(mode="json") for problem in outcome.problems],
                    "report": str(report) if report else None,
                    "exit_code": outcome.exit_code,
                }
            )
            if report:
                _show(output, folder.postmortem, report)
    code = worst_exit_code(codes)
    output.result({"results": results, "exit_code": code})
    return code


def _register(
    workspace: Workspace, bundles: list[Path], output: Output
) -> tuple[list[str], set[int], list[dict[str, object]]]:
    keys: list[str] = []
    codes: set[int] = {0}
    results: list[dict[str, object]] = []
    for bundle in bundles:
        try:
            key = workspace.register(bundle)
        except IncidentIdError:
            raise
        except IncidentPipelineError as error:
            # A bundle that can't be opened must not stop the other incidents.
            if not output.as_json:
                output.error(error)
            codes.add(error.exit_code)
            results.append(
                {"bundle": str(bundle), "message": error.diagnostics(), "exit_code": error.exit_code}
            )
            continue
        if key not in keys:
            keys.append(key)
    return keys, codes, results


def _show(output: Output, postmortem: Path, report: Path) -> None:
    value = json.loads(postmortem.read_bytes())
    output.line(f"\n[bold]{shown(value['title'])}[/bold]")
    output.line(shown(value["summary"]))
    for item in value["top_hypotheses"]:
        colour = {"supported": "green", "refuted": "dim", "inconclusive": "yellow"}[item["status"]]
        output.line(
            f"  [{colour}]{item['status']:<12}[/{colour}] {item['confidence']:>3}  {shown(item['summary'])}"
        )
    output.line(f"\n{shown(str(report))}")

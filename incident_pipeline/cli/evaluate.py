"""`evaluate`: score the diagnosis on labelled incidents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from incident_pipeline.cli.output import Json, Output, shown


def evaluate(
    cases: Annotated[Path, typer.Argument(help="Folder of evidence bundles.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for diagnosis.json and hypotheses.json per case.")
    ],
    truth: Annotated[
        Path | None, typer.Option(help="Folder of <case>.json answers to score against.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Diagnose many bundles in one process and, with --truth, score the ranking.

    One failing case never stops the rest; failed cases are named and make the exit code 3.
    """
    from incident_pipeline.wargame.evaluate import evaluate as run  # noqa: PLC0415 -- keep `--help` quick

    output = Output(as_json=as_json)
    summary = run(
        cases,
        out,
        truth=truth,
        on_case=lambda name, line: output.progress.print(f"  {shown(name)}  [dim]{shown(line)}[/dim]"),
    )
    if summary.scores:
        table = Table("data set", "n", "AC@1", "AC@3", "AC@5", "Avg@5", box=None)
        for score in summary.scores:
            table.add_row(
                score.dataset,
                str(score.n),
                *(f"{value:.1f}" for value in (score.ac1, score.ac3, score.ac5, score.avg5)),
            )
        if not as_json:
            output.console.print(table)
    for case, message in summary.failures:
        output.line(f"[bold yellow]failed[/bold yellow] {shown(case)}: {shown(message)}")
    output.line(f"{summary.cases} cases, {len(summary.failures)} failed; results in {shown(str(out))}")
    output.result(summary.as_dict())
    raise typer.Exit(summary.exit_code)

"""`verify`: check seals, bytes and citations of results, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from incident_pipeline.cli.output import Json, Output
from incident_pipeline.settings import Settings

_MARKS = {
    "ok": "[green]ok[/green]        ",
    "failed": "[bold red]FAILED[/bold red]    ",
    "could_not_check": "[bold yellow]not checked[/bold yellow]",
}


def verify(
    path: Annotated[Path, typer.Argument(help="A results folder, or the folder that holds several.")],
    trust_root: Annotated[
        Path | None,
        typer.Option(
            help="Public key, or folder of keys, of the signers you trust; never one found in PATH."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify signatures, sealed bytes and every citation, without network.

    Exit 0 when everything holds, 1 when something does not, 3 when something could not be checked.
    """
    from incident_pipeline.evidence import LocalVault  # noqa: PLC0415 -- keep `--help` quick
    from incident_pipeline.evidence.verify import verify_results  # noqa: PLC0415

    output = Output(as_json=as_json)
    settings = Settings.load()
    vault = LocalVault(Path(settings.vault)) if settings.vault else None
    report = verify_results(
        path,
        trust_root=trust_root,
        vault=vault,
        config_dir=Path(settings.config_dir) if settings.config_dir else None,
    )
    for item in report.items:
        if item.outcome != "ok":
            output.line(f"{_MARKS[item.outcome]} {escape(item.name)}: {escape(item.message)}")
    output.line(report.summary)
    output.result(report.as_dict())
    raise typer.Exit(report.exit_code)

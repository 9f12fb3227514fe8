"""`verify`: check seals, bytes, citations and derived files of results and exports, offline."""

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
    "remark": "[dim]remark[/dim]    ",
}


def verify(
    path: Annotated[Path, typer.Argument(help="Results of one incident or several, a vault, or an export.")],
    trust_root: Annotated[
        Path | None,
        typer.Option(
            help="trust.json, public key, or folder of keys of those you trust; never found in PATH."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the log that you kept; the log must still begin with it."),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="Id of a sentence: also print the walk from it to the bytes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify signatures, sealed bytes, derived files and every citation, without network.

    Exit 0 when everything holds, 1 when something does not, 3 when something could not be checked.
    """
    from incident_pipeline.evidence import (  # noqa: PLC0415 -- keep `--help` quick
        load_trust_root,
        open_keyring,
        open_vault,
    )
    from incident_pipeline.export import verify_path  # noqa: PLC0415
    from incident_pipeline.export.walk import explain as walk_from  # noqa: PLC0415
    from incident_pipeline.export.walk_text import walk_lines  # noqa: PLC0415

    output = Output(as_json=as_json)
    settings = Settings.load()
    vault = (
        open_vault(settings.vault, mode=settings.vault_mode, retention_days=settings.vault_retention_days)
        if settings.vault
        else None
    )
    config_dir = Path(settings.config_dir) if settings.config_dir else None
    keyring = open_keyring(settings.encryption, config_dir)
    if explain is not None:
        walk = walk_from(
            path,
            explain,
            trust_root=trust_root,
            checkpoint=checkpoint,
            vault=vault,
            config_dir=config_dir,
            keyring=keyring,
            action="explain",
        )
        lines = walk_lines(walk)
        for line in lines:
            output.line(escape(line))
        output.result({**walk.report.as_dict(), "explanation": lines})
        raise typer.Exit(walk.report.exit_code)
    report = verify_path(
        path,
        trust_root=trust_root,
        checkpoint=checkpoint,
        vault=vault,
        config_dir=config_dir,
        keyring=keyring,
        action="verify",
    )
    for line in load_trust_root(trust_root, folder=config_dir).fingerprints:
        output.line(f"[dim]trusted[/dim]    {escape(line)}")
    for item in report.items:
        if item.outcome != "ok":
            output.line(f"{_MARKS[item.outcome]} {escape(item.name)}: {escape(item.message)}")
    output.line(report.summary)
    output.result(report.as_dict())
    raise typer.Exit(report.exit_code)

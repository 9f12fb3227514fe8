"""`verify`: check seals, bytes and citations of results, offline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.settings import Settings

if TYPE_CHECKING:
    from incident_pipeline.evidence import LocalVault
    from incident_pipeline.evidence.verify import VerificationReport

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
    rebuild: Annotated[
        bool, typer.Option(help="Make all results again from the sealed bytes and compare them.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Verify signatures, sealed bytes and every citation, and rebuild every result; without network.

    Exit 0 when everything holds, 1 when something does not, 3 when something could not be checked.
    """
    from incident_pipeline.evidence import LocalVault  # noqa: PLC0415 -- keep `--help` quick
    from incident_pipeline.evidence.verify import vault_near, verify_results  # noqa: PLC0415

    output = Output(as_json=as_json)
    settings = Settings.load()
    path = path.resolve()
    vault = LocalVault(Path(settings.vault)) if settings.vault else None
    report = verify_results(
        path,
        trust_root=trust_root,
        vault=vault,
        config_dir=Path(settings.config_dir) if settings.config_dir else None,
    )
    place = vault or vault_near(path)
    if rebuild and place is not None:
        report = _rebuilt(report, path, place)
    for item in report.items:
        if item.outcome != "ok":
            output.line(f"{_MARKS[item.outcome]} {shown(item.name)}: {shown(item.message)}")
    output.line(report.summary)
    if not any(item.kind == "rebuilt" for item in report.items):
        output.line("Results were not rebuilt: edits of tables and renderings would go unseen.")
    output.result(report.as_dict())
    raise typer.Exit(report.exit_code)


def _rebuilt(report: VerificationReport, path: Path, vault: LocalVault) -> VerificationReport:
    """Add the comparison with rebuilt results, for each incident whose seal and bytes hold."""
    from incident_pipeline.rebuild import compare  # noqa: PLC0415 -- brings the whole pipeline

    sound = {
        incident
        for incident in report.incidents
        if all(
            item.outcome == "ok"
            for item in report.items
            if item.incident == incident and item.kind in ("seal", "artifact", "evidence")
        )
    }
    items = list(report.items)
    for incident in report.incidents:
        folder = path if path.name == incident else path / incident
        if incident in sound and (folder / "evidence.json").is_file():
            items += compare(folder, vault)
    return replace(report, items=tuple(items))

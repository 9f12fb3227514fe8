"""`verify`: check seals, bytes, citations and derived files of results and exports, offline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.settings import Settings

if TYPE_CHECKING:
    from incident_pipeline.evidence.verify import VerificationReport


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
    rebuild: Annotated[
        bool, typer.Option(help="Also make all results again from the sealed bytes and compare them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify signatures, sealed bytes, derived files and every citation, without network.

    Exit 0 when everything holds, 1 when something does not, 3 when something could not be checked.
    """
    from incident_pipeline.cli.findings import finding_lines  # noqa: PLC0415 -- keep `--help` quick
    from incident_pipeline.evidence import (  # noqa: PLC0415
        load_trust_root,
        open_keyring,
        open_vault,
    )
    from incident_pipeline.export import verify_path  # noqa: PLC0415
    from incident_pipeline.export.walk import explain as walk_from  # noqa: PLC0415
    from incident_pipeline.export.walk_text import walk_lines  # noqa: PLC0415

    output = Output(as_json=as_json)
    path = path.resolve()
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
            output.line(shown(line))
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
    if rebuild:
        report = _rebuilt(report, path, settings)
    for line in load_trust_root(trust_root, folder=config_dir).fingerprints:
        output.line(f"[dim]trusted[/dim]    {shown(line)}")
    for line in finding_lines(item for item in report.items if item.outcome != "ok"):
        output.line(line)
    output.line(report.summary)
    output.result(report.as_dict())
    raise typer.Exit(report.exit_code)


def _rebuilt(report: VerificationReport, path: Path, settings: Settings) -> VerificationReport:
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
    if not settings.vault:
        near = next((it / ".store" / "vault" for it in (path, path.parent) if (it / ".store").is_dir()), None)
        settings = replace(settings, vault=str(near or ""))
    items = list(report.items)
    for incident in report.incidents:
        folder = path if path.name == incident else path / incident
        if incident in sound and (folder / "evidence.json").is_file():
            items += compare(folder, settings)
    return replace(report, items=tuple(items))

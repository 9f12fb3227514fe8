"""`export`: one folder, or one archive, that a stranger can verify without us."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from incident_pipeline.cli.output import Json, Output
from incident_pipeline.settings import Settings


def export(
    path: Annotated[Path, typer.Argument(help="A results folder, or the folder that holds several.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the export; must not exist yet.")],
    archive: Annotated[bool, typer.Option("--archive", help="Also write OUT.tar.zst beside it.")] = False,
    redacted: Annotated[
        bool, typer.Option("--redacted", help="Hand out the redacted view; name raw evidence by digest only.")
    ] = False,
    trust_root: Annotated[
        Path | None, typer.Option(help="Public key, or folder of keys, of the signers you trust.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write sealed bytes, seals and results as a signed BagIt folder with instructions and a check script.

    Nothing is exported that does not verify. Exit 3 when something could not be checked before.
    """
    from incident_pipeline.evidence import open_keyring, open_sealer  # noqa: PLC0415 -- keep `--help` quick
    from incident_pipeline.export import export as write_bag  # noqa: PLC0415
    from incident_pipeline.export import write_archive  # noqa: PLC0415
    from incident_pipeline.redaction import Rules  # noqa: PLC0415
    from incident_pipeline.workspace import Workspace  # noqa: PLC0415

    output = Output(as_json=as_json)
    settings = Settings.load()
    workspace = Workspace.from_settings(settings)
    sealer = open_sealer(
        signer=workspace.signer,
        tsa=workspace.tsa,
        tsa_url=workspace.tsa_url,
        folder=workspace.config_dir,
        now=datetime.now(UTC),
    )
    exported = write_bag(
        path,
        out,
        sealer.opened.signer,
        trust_root=trust_root,
        vault=workspace.vault() if settings.vault else None,
        config_dir=workspace.config_dir,
        keyring=open_keyring(settings.encryption, workspace.config_dir),
        authority=sealer.authority,
        redact=Rules.of(settings.redact_addresses, settings.redact_keys) if redacted else None,
    )
    packed = write_archive(exported.path) if archive else None
    unchecked = [item for item in exported.verification.failures if item.outcome == "could_not_check"]
    for item in unchecked:
        output.line(f"[bold yellow]not checked[/bold yellow] {escape(item.message)}")
    output.line(f"{exported.files:,} files, {exported.size:,} bytes, signed with key {exported.keyid}")
    if redacted:
        output.line(
            f"withheld: {exported.withheld:,} files, each named by its digest; raw evidence is not in it"
        )
    output.line("Tell whoever receives it this key id on another way than the export itself.")
    output.line(escape(str(packed or exported.path)))
    output.result(
        {
            "path": str(exported.path),
            "archive": str(packed) if packed else None,
            "incidents": list(exported.incidents),
            "files": exported.files,
            "bytes": exported.size,
            "key_id": exported.keyid,
            "redacted": redacted,
            "withheld": exported.withheld,
            "not_checked": [item.message for item in unchecked],
        }
    )
    raise typer.Exit(3 if unchecked else 0)

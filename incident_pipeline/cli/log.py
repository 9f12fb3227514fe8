"""`log checkpoint`, `log prove` and `log pin`: the transparency log of a vault."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from incident_pipeline.cli.output import Json, Output
from incident_pipeline.errors import LogError, MissingArtifactError
from incident_pipeline.settings import Settings

if TYPE_CHECKING:
    from incident_pipeline.evidence import Vault
    from incident_pipeline.evidence.log_view import Log
    from incident_pipeline.evidence.signing import Key, Signer

app = typer.Typer(no_args_is_help=True, help="The log of all seals of a vault, which only ever grows.")

Where = Annotated[
    Path | None,
    typer.Argument(help="A vault, or the folder with results and `.store`; the configured one by default."),
]
TrustRoot = Annotated[
    Path | None,
    typer.Option(help="Public key, or folder of keys, of the signers you trust."),
]


@app.command()
def checkpoint(
    path: Where = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="First enter seals that killed runs left out of the log.")
    ] = False,
    trust_root: TrustRoot = None,
    as_json: Json = False,
) -> None:
    """Print the newest checkpoint of the log, after checking the whole log.

    The output is a signed note (C2SP tlog-checkpoint): keep it, and give it to `verify --checkpoint`.
    """
    from incident_pipeline.evidence.log import adopt_seals, unlogged  # noqa: PLC0415 -- quick help
    from incident_pipeline.evidence.log_records import seal_name  # noqa: PLC0415

    settings, output = Settings.load(), Output(as_json=as_json)
    vault = _open_vault(path, settings)
    # Opened first: a key that is used for the first time is trusted from then on.
    signer = _signer(path, settings) if repair else None
    keys = _keys(trust_root, settings)
    if signer is not None:
        for seal in adopt_seals(vault, signer, keys):
            output.progress.print(f"entered seal {seal_name(seal)}")
    log = _read(vault, keys)
    for seal in unlogged(vault):
        output.progress.print(f"seal {escape(seal_name(seal))} is not in the log; --repair enters it")
    if not as_json:
        sys.stdout.write(log.note.decode())
    output.result(
        {
            "origin": log.origin,
            "size": log.size,
            "root": log.root(log.size).hex(),
            "checkpoint": log.note.decode(),
            "unlogged": [seal_name(seal) for seal in unlogged(vault)],
        }
    )


@app.command()
def prove(
    key: Annotated[str, typer.Argument(help="The incident's key, as its results folder is named.")],
    sequence: Annotated[int, typer.Argument(help="The number of the seal.", min=1)],
    path: Where = None,
    since: Annotated[
        Path | None, typer.Option(help="An older checkpoint: prove that the log begins with it, too.")
    ] = None,
    trust_root: TrustRoot = None,
    as_json: Json = False,
) -> None:
    """Prove that a seal is in the log: its inclusion proof to the newest checkpoint, as JSON.

    With `--since`, also the consistency proof (RFC 6962) from an older checkpoint to that one.
    """
    from incident_pipeline.evidence.pins import read_pin  # noqa: PLC0415 -- quick help
    from incident_pipeline.evidence.verify_log import begins_with  # noqa: PLC0415
    from incident_pipeline.serialise import canonical_json  # noqa: PLC0415

    settings, output = Settings.load(), Output(as_json=as_json)
    log = _read(_open_vault(path, settings), _keys(trust_root, settings))
    proof: dict[str, object] = log.prove((key, sequence)).model_dump(mode="json")
    if since is not None:
        kept = read_pin(since).signed.checkpoint
        begins_with(log, kept, str(since))
        proof["consistency_proof"] = {
            "old_size": kept.size,
            "path": [node.hex() for node in log.consistency(kept.size)],
        }
    if not as_json:
        sys.stdout.write(canonical_json(proof).decode())
    output.result(proof)


@app.command()
def pin(
    path: Where = None,
    checkpoint_file: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="Pin this one, which somebody else kept, rather than the newest."),
    ] = None,
    trust_root: TrustRoot = None,
    as_json: Json = False,
) -> None:
    """Keep the log's newest checkpoint in the configuration folder, where `verify` finds it.

    The log must begin with what was pinned before: a forked or rolled-back log is refused.
    """
    from incident_pipeline.evidence import config_dir  # noqa: PLC0415 -- quick help
    from incident_pipeline.evidence.checkpoint import verify_checkpoint  # noqa: PLC0415
    from incident_pipeline.evidence.pins import load_pins, read_pin, save_pin  # noqa: PLC0415
    from incident_pipeline.evidence.verify_log import begins_with  # noqa: PLC0415

    settings, output = Settings.load(), Output(as_json=as_json)
    vault, keys = _open_vault(path, settings), _keys(trust_root, settings)
    folder = Path(settings.config_dir) if settings.config_dir else config_dir()
    log = _read(vault, keys)
    known = [it for it in load_pins(folder) if it.concerns(log.origin, vault.location)]
    given = [read_pin(checkpoint_file)] if checkpoint_file else []
    for old in [*known, *given]:
        verify_checkpoint(old.signed, keys, name=old.source)
        begins_with(log, old.signed.checkpoint, old.source)
    note, size = log.note, log.size
    if given:
        newest = max([*known, *given], key=lambda it: it.signed.checkpoint.size).signed
        note, size = newest.note, newest.checkpoint.size
    kept = save_pin(folder, note, vault.location)
    output.line(f"pinned {log.origin} at size {size}: {kept}")
    output.result({"origin": log.origin, "size": size, "root": log.root(size).hex(), "pin": str(kept)})


def _open_vault(path: Path | None, settings: Settings) -> Vault:
    from incident_pipeline.evidence import LocalVault  # noqa: PLC0415 -- quick help
    from incident_pipeline.workspace import Workspace  # noqa: PLC0415

    if path is not None and (path / "seals").is_dir() and (path / "objects").is_dir():
        return LocalVault(path)
    return Workspace.from_settings(settings, out=path).vault()


def _keys(trust_root: Path | None, settings: Settings) -> tuple[Key, ...]:
    from incident_pipeline.evidence import load_trust_root  # noqa: PLC0415 -- quick help

    folder = Path(settings.config_dir) if settings.config_dir else None
    return load_trust_root(trust_root, folder=folder).keys


def _read(vault: Vault, keys: tuple[Key, ...]) -> Log:
    from incident_pipeline.evidence.log_view import read_log  # noqa: PLC0415 -- quick help

    log = read_log(vault, keys)
    if log is None:
        message = f"{vault.location}: the vault has no log."
        raise MissingArtifactError(message, advice="Seals enter it as they are made: `investigate BUNDLE`.")
    if not log.size:
        message = f"{vault.location}: the log has no whole entry yet."
        raise LogError(message, advice="Run `incident-pipeline log checkpoint --repair`.")
    return log


def _signer(path: Path | None, settings: Settings) -> Signer:
    """Open the signer that seals are signed by here; its key must be one that may sign today."""
    from datetime import UTC, datetime  # noqa: PLC0415 -- quick help

    from incident_pipeline.evidence import load_trust_root, open_signer  # noqa: PLC0415
    from incident_pipeline.evidence.trust import require_active  # noqa: PLC0415
    from incident_pipeline.workspace import Workspace  # noqa: PLC0415

    workspace = Workspace.from_settings(settings, out=path)
    opened = open_signer(workspace.signer, workspace.config_dir)
    require_active(load_trust_root(folder=workspace.config_dir), opened.keyid, datetime.now(UTC))
    return opened.signer

"""`keys`: who signs here, whose signatures count, and how that changes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from incident_pipeline.cli.output import Json, Output
from incident_pipeline.errors import ConfigError
from incident_pipeline.settings import Settings

if TYPE_CHECKING:
    from incident_pipeline.evidence import TrustRoot

app = typer.Typer(no_args_is_help=True, help="Keys and trust: show, rotate, revoke, export.")


def _folder(settings: Settings) -> Path:
    from incident_pipeline.evidence import config_dir  # noqa: PLC0415 -- keep `--help` quick

    return Path(settings.config_dir).absolute() if settings.config_dir else config_dir()


def _show(output: Output, root: TrustRoot) -> None:
    output.line(f"trust root {escape(str(root.source))}")
    for line in root.fingerprints:
        output.line(f"  {escape(line)}")


def _value(root: TrustRoot) -> dict[str, object]:
    """Give what is trusted as a JSON value."""
    listed, entries = root.trust_list, root.entries
    return {
        "source": str(root.source),
        "trust_list": {"version": listed.current.version, "sha256": listed.sha256} if listed else None,
        "keys": [
            entries[it.keyid].model_dump(mode="json") if it.keyid in entries else {"keyid": it.keyid}
            for it in root.known
        ],
        "time_authorities": [
            {"sha256": it.fingerprint, "name": it.name, "assurance": it.assurance} for it in root.authorities
        ],
    }


@app.command()
def show(as_json: Json = False) -> None:
    """Show the fingerprints of everything that is trusted here, and how each key stands."""
    from incident_pipeline.evidence import load_trust_root  # noqa: PLC0415

    output = Output(as_json=as_json)
    folder = _folder(Settings.load())
    root = load_trust_root(folder=folder)
    _show(output, root)
    private = folder / "keys" / "seal.pem"
    if private.is_file() and b"ENCRYPTED" not in private.read_bytes():
        output.line(f"[yellow]{escape(str(private))} is a development key: it is not encrypted[/yellow]")
    output.result(_value(root))


@app.command()
def rotate(
    replaces: Annotated[
        str | None,
        typer.Option(help="Id of the key that is retired, or its beginning; default: the local key."),
    ] = None,
    root: Annotated[bool, typer.Option("--root", help="Replace the root key that signs trust.json.")] = False,
    as_json: Json = False,
) -> None:
    """Retire the signing key in favour of a new one; what it signed until now stays valid.

    With the setting `signer` empty a new local key is made. With a KMS key there, that key takes the
    place of the one that --replaces names.
    """
    from incident_pipeline.evidence import load_trust_root, trust_changes  # noqa: PLC0415
    from incident_pipeline.evidence.kms import fetch_kms_signer, remember  # noqa: PLC0415

    output = Output(as_json=as_json)
    settings = Settings.load()
    folder, now = _folder(settings), datetime.now(UTC)
    old: str | None = trust_changes.find_key(load_trust_root(folder=folder), replaces) if replaces else None
    if root:
        old, new, _ = trust_changes.rotate_root_key(folder, now)
    elif settings.signer:
        if old is None:
            raise ConfigError(
                "A KMS key takes the place of a key that you name.", advice="Give --replaces with its id."
            )
        key = fetch_kms_signer(settings.signer).public_key
        trust_changes.replace_key(folder, now, old=old, new=key)
        remember(settings.signer, key.keyid, folder)
        new = key.keyid
    else:
        old, new, _ = trust_changes.rotate_local_key(folder, now, replaces=old)
    after = load_trust_root(folder=folder)
    output.line(f"retired {old}\nnew     {new}")
    _show(output, after)
    output.line("Give trust.json to whoever verifies: `incident-pipeline keys export --out FILE`.")
    output.result({"retired": old, "new": new, **_value(after)})


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Id of the key, or its beginning.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the signed list.")],
    compromised_since: Annotated[
        str | None,
        typer.Option(help="Time with zone: seals with a trusted time before it stay valid, else none do."),
    ] = None,
    accept_self_asserted_time: Annotated[
        bool,
        typer.Option(
            help="Let this machine's own time stamps count: only if whoever had the key had not the machine."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Revoke a signing key: `verify` then refuses its seals, but for those dated before the compromise."""
    from incident_pipeline.evidence import load_trust_root, trust_changes  # noqa: PLC0415

    output = Output(as_json=as_json)
    folder = _folder(Settings.load())
    since = _instant(compromised_since) if compromised_since else None
    keyid = trust_changes.find_key(load_trust_root(folder=folder), key)
    revocation = trust_changes.Revocation(reason, since, accept_self_asserted_time)
    trust_changes.revoke_key(folder, keyid, revocation, datetime.now(UTC))
    after = load_trust_root(folder=folder)
    output.line(f"revoked {keyid}")
    _show(output, after)
    output.line("Next: make a new key with `incident-pipeline keys rotate`; give trust.json to who verifies.")
    output.result({"revoked": keyid, **_value(after)})


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write.")],
    as_json: Json = False,
) -> None:
    """Write what others need to verify: trust.json, or the public keys and certificates as PEM.

    It must reach them on another way than the evidence.
    """
    from incident_pipeline.evidence import load_trust_root  # noqa: PLC0415
    from incident_pipeline.evidence.signing import public_pem  # noqa: PLC0415
    from incident_pipeline.evidence.trust_list import trust_file_bytes  # noqa: PLC0415
    from incident_pipeline.serialise import write_bytes  # noqa: PLC0415

    output = Output(as_json=as_json)
    root = load_trust_root(folder=_folder(Settings.load()))
    if root.trust_list is not None:
        data = trust_file_bytes(root.trust_list.signed)
    else:
        data = b"".join([public_pem(key) for key in root.known] + [it.pem for it in root.authorities])
    write_bytes(out, data)
    _show(output, load_trust_root(out))
    output.result({"out": str(out), **_value(load_trust_root(out))})


def _instant(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no time.", advice="Write it as 2026-01-31T12:00:00Z.") from error
    if when.tzinfo is None:
        raise ConfigError(f"{text!r} has no zone.", advice="Write it as 2026-01-31T12:00:00Z.")
    return when.astimezone(UTC)

"""`redact`: show what would be redacted in files, or write their redacted form, without sealing anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from incident_pipeline.cli.output import Json, Output
from incident_pipeline.errors import ConfigError, IncidentPipelineError, MalformedInputError

if TYPE_CHECKING:
    from incident_pipeline.redaction import Redacted, Rules, TokenKey


def redact(
    files: Annotated[list[Path], typer.Argument(help="Files to look at; compressed ones are decompressed.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the redacted files; without it nothing is written.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Preview the redaction rules on files: how many stretches of which kind, and with --out the result.

    Values are never printed. Exit code 3 when a file can't be read, or is no text.
    """
    from incident_pipeline.redaction import Rules, load_or_create_token_key  # noqa: PLC0415 -- as in `parse`
    from incident_pipeline.serialise import write_bytes  # noqa: PLC0415
    from incident_pipeline.settings import Settings  # noqa: PLC0415

    output, settings = Output(as_json=as_json), Settings.load()
    rules = Rules.of(settings.redact_addresses, settings.redact_keys)
    key = load_or_create_token_key(Path(settings.config_dir) if settings.config_dir else None)
    names = [path.name for path in files]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        message = f"Two of the files are named {twice}."
        raise ConfigError(message, advice="Redact them in two runs, with another --out.")

    rows: list[dict[str, object]] = []
    code = 0
    for path in files:
        try:
            view = _view(path, key, rules)
        except IncidentPipelineError as error:
            code = max(code, error.exit_code)
            rows.append({"file": str(path), "redacted": False, "note": error.message})
            output.line(f"{escape(str(path))}: not redacted. {escape(error.diagnostics())}")
            continue
        if out is not None:
            write_bytes(out / path.name, view.data)
        rows.append({"file": str(path), "redacted": True, "counts": view.counts})
        found = ", ".join(f"{count:,} {kind}" for kind, count in view.counts.items())
        output.line(f"{escape(str(path))}: {found or 'nothing to redact'}")
    output.result({"ruleset": rules.version(), "key_id": key.id, "files": rows, "exit_code": code})
    raise typer.Exit(code)


def _view(path: Path, key: TokenKey, rules: Rules) -> Redacted:
    from incident_pipeline.evidence import decode  # noqa: PLC0415 -- as above
    from incident_pipeline.ingest import open_regular  # noqa: PLC0415
    from incident_pipeline.redaction import is_text, redact  # noqa: PLC0415

    with open_regular(path, name=str(path)) as file:
        data, _ = decode(file.read(), uri=str(path))
    if not is_text(data):
        message = f"{path}: is no text, so rules can't read it."
        raise MalformedInputError(message, advice="Redact it by hand, or keep it out of what you hand on.")
    return redact(data, key, rules=rules)

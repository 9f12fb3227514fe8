"""`retention plan|apply|hold|release|erase`: how evidence ends, by policy or by order."""

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
    from incident_pipeline.evidence.custody import AccessHead, Entry
    from incident_pipeline.evidence.retention import Custodian, Due
    from incident_pipeline.evidence.retention_policy import RetentionPolicy

app = typer.Typer(
    no_args_is_help=True, help="How long evidence is kept, legal holds, and erasure. Each step is signed."
)

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder with the results and `.store`; the configured one by default."),
]
Policy = Annotated[Path | None, typer.Option(help="Policy file; the setting `policy` by default.")]
Incident = Annotated[str, typer.Argument(help="The incident's key, as its results folder is named.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the signed entry.")]
Authority = Annotated[str, typer.Option(help="Who decided it: a person, a court order, a policy's owner.")]
Matter = Annotated[str, typer.Option(help="Name of the case, where an incident is held for several.")]

_COLOURS = {
    "due": "yellow",
    "held": "cyan",
    "ended": "dim",
    "unfinished": "bold yellow",
    "unverified": "bold red",
}


@app.command()
def plan(out: Out = None, policy: Policy = None, as_json: Json = False) -> None:
    """List every artifact with the rule that keeps it, until when, and what is due. Changes nothing.

    Exit 1 or 3 when an incident's seals or custody entries do not hold or could not be checked.
    """
    from incident_pipeline.evidence.retention import plan as make  # noqa: PLC0415 -- quick help

    settings, output = Settings.load(), Output(as_json=as_json)
    listed = make(_custodian(out, settings), _policy(policy, settings))
    _show(listed, output)
    counts = {state: sum(due.state == state for due in listed) for state in ("due", "kept", "held", "ended")}
    output.line(", ".join(f"{count} {state}" for state, count in counts.items()))
    output.result({"plan": [due.as_dict() for due in listed]})
    raise typer.Exit(_code(listed))


@app.command()
def apply(authority: Authority, out: Out = None, policy: Policy = None, as_json: Json = False) -> None:
    """End what is due: destroy data keys of encrypted artifacts, remove others from a local vault.

    What is under legal hold or not yet due is never touched. Each end has a signed custody entry.
    """
    from incident_pipeline.evidence.retention import apply as end  # noqa: PLC0415 -- quick help
    from incident_pipeline.evidence.retention import plan as make  # noqa: PLC0415

    settings, output = Settings.load(), Output(as_json=as_json)
    custodian, rules = _custodian(out, settings), _policy(policy, settings)
    done = end(custodian, rules, authority=authority)
    for due in done:
        output.line(f"ended {escape(due.incident)} {escape(due.artifact.uri)}: {escape(due.why)}")
    output.line(f"{len(done)} artifacts ended")
    left = make(custodian, rules)
    _show(tuple(due for due in left if due.state in ("unfinished", "unverified")), output)
    output.result({"ended": [due.as_dict() for due in done], "plan": [due.as_dict() for due in left]})
    raise typer.Exit(_code(left))


@app.command()
def hold(
    incident: Incident,
    reason: Reason,
    authority: Authority,
    matter: Matter = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Put an incident under legal hold: nothing of it is erased or disposed of until the hold is released."""
    from incident_pipeline.evidence.retention import hold as put  # noqa: PLC0415 -- quick help

    output = Output(as_json=as_json)
    entry = put(_custodian(out, Settings.load()), incident, reason=reason, authority=authority, matter=matter)
    _tell(entry, f"{incident} is under this hold already", output)


@app.command()
def release(
    incident: Incident,
    reason: Reason,
    authority: Authority,
    matter: Matter = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Release a legal hold; holds for other matters stay."""
    from incident_pipeline.evidence.retention import release as lift  # noqa: PLC0415 -- quick help

    output = Output(as_json=as_json)
    entry = lift(
        _custodian(out, Settings.load()), incident, reason=reason, authority=authority, matter=matter
    )
    _tell(entry, f"{incident} is under no such hold", output)


@app.command()
def erase(
    incident: Incident,
    artifact: Annotated[str, typer.Option(help="The artifact's URI, as `retention plan` lists it.")],
    reason: Reason,
    authority: Authority,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Destroy the data key of an encrypted artifact, so that nobody can read it again.

    Ciphertext, digests and seal stay and still verify. Refused while the incident is under legal hold.
    """
    from incident_pipeline.evidence.retention import erase as shred  # noqa: PLC0415 -- quick help

    output = Output(as_json=as_json)
    entry = shred(_custodian(out, Settings.load()), incident, artifact, reason=reason, authority=authority)
    _tell(entry, "", output)
    output.line(
        "[dim]Copies of the keys folder, backups of it, and results that quote it are yours to erase.[/dim]"
    )


def _custodian(out: Path | None, settings: Settings) -> Custodian:
    from incident_pipeline.evidence import DataKeys, load_trust_root, open_signer  # noqa: PLC0415 -- quick help
    from incident_pipeline.evidence.custody import AccessHead  # noqa: PLC0415
    from incident_pipeline.evidence.retention import Custodian  # noqa: PLC0415
    from incident_pipeline.evidence.trust import require_active  # noqa: PLC0415
    from incident_pipeline.workspace import Workspace  # noqa: PLC0415

    workspace = Workspace.from_settings(settings, out=out)
    signer = open_signer(workspace.signer, workspace.config_dir)
    root, now = load_trust_root(folder=workspace.config_dir), datetime.now(UTC)
    require_active(root, signer.keyid, now)

    def access_head() -> AccessHead:
        state = workspace.access_log().state()
        return AccessHead(entries=state.entries, head=state.head)

    return Custodian(
        vault=workspace.vault(),
        keys=DataKeys(workspace.side / "keys"),
        signer=signer.signer,
        trusted=root.keys,
        now=now,
        access_head=access_head,
    )


def _policy(given: Path | None, settings: Settings) -> RetentionPolicy:
    from incident_pipeline.evidence.retention_policy import read_retention_policy  # noqa: PLC0415 -- quick help

    path = given or (Path(settings.policy) if settings.policy else None)
    if path is None:
        advice = "Give --policy FILE, or set `policy`; the guide's section on retention has an example."
        raise ConfigError("No policy says how long evidence is kept.", advice=advice)
    return read_retention_policy(path)


def _show(listed: tuple[Due, ...], output: Output) -> None:
    for due in listed:
        colour = _COLOURS.get(due.state, "green")
        until = f"{due.keep_until:%Y-%m-%d}" if due.keep_until else "-"
        output.line(
            f"[{colour}]{due.state:<10}[/{colour}] {until:<10} {escape(due.incident)} "
            f"{escape(due.artifact.uri)}  [dim]{escape(due.why)}[/dim]"
        )


def _tell(entry: Entry | None, otherwise: str, output: Output) -> None:
    if entry is None:
        output.line(escape(otherwise))
        output.result({"entry": None})
        return
    output.line(f"custody entry {entry.sequence} of {escape(entry.incident)}: {escape(entry.told)}")
    output.result({"entry": entry.model_dump(mode="json", by_alias=True)})


def _code(listed: tuple[Due, ...]) -> int:
    codes = {due.exit_code for due in listed}
    return 1 if 1 in codes else max(codes, default=0)

"""`store`: find out whether the store under a vault keeps its promises, and collect what killed runs left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.errors import ConfigError
from incident_pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.evidence.doctor import CheckOutcome
    from incident_pipeline.evidence.doctor.check import CheckState
    from incident_pipeline.evidence.sweep import Ground, Leftover

app = typer.Typer(help="Look after the store that keeps sealed evidence.", no_args_is_help=True)

_WORDS: Final[dict[CheckState, str]] = {"holds": "holds", "fails": "FAILS", "not_asked": "not asked"}
_UNCOUNTED: Final[dict[CheckState, str]] = {**_WORDS, "fails": "not so"}
_COLOURS = {"holds": "green", "FAILS": "bold red", "not asked": "bold yellow", "not so": "bold yellow"}
_STATES = {"due": "yellow", "collected": "green", "refused": "bold red", "beside": "bold yellow"}
_SAID = {
    "due": "due (--apply collects)",
    "collected": "collected",
    "young": "within the grace",
    "held": "under legal hold",
    "locked": "locked by the service",
    "beside": "beside sealed versions (look who wrote them)",
    "refused": "refused by the service",
}


@app.callback()
def store() -> None:
    """Look after the store that keeps sealed evidence."""


@app.command()
def doctor(
    vault: Annotated[
        str | None, typer.Option(help="The vault, s3://bucket/prefix; the configured one by default.")
    ] = None,
    seconds: Annotated[
        int, typer.Option(min=3, max=600, help="Retention of what the checks store; raise it on a slow link.")
    ] = 5,
    as_json: Json = False,
) -> None:
    """Run 55 checks of S3 Object Lock against a vault's store, and refuse it unless all hold.

    Needs a custodian's credentials: it makes and removes buckets, objects and locks of its own, and
    touches no evidence. Two more checks, on copies, are shown and not counted. Exit 0 when all 55 hold,
    1 when the store is refused, 3 when it can't be reached.
    """
    where = vault or Settings.load().vault
    if not where.startswith("s3://"):
        message = f"{where or 'The default vault'} is a folder, which promises nothing that could be checked."
        advice = "Give --vault s3://bucket/prefix. A folder's vault is tamper-evident: `verify` notices."
        raise ConfigError(message, advice=advice)
    from incident_pipeline.evidence.doctor import CHECKS, examine  # noqa: PLC0415 -- loads boto3
    from incident_pipeline.evidence.s3_bucket import connect  # noqa: PLC0415
    from incident_pipeline.evidence.s3_lock import S3Location  # noqa: PLC0415

    output = Output(as_json=as_json)
    location = S3Location.parse(where)
    done: list[str] = []

    def progress(outcome: CheckOutcome) -> None:
        done.append(outcome.id)
        output.progress.print(f"  [dim]{len(done):>2} of {len(CHECKS)}  {escape(outcome.title)}[/dim]")

    examination = examine(connect(attempts=2), location, seconds=seconds, progress=progress)
    output.line(escape(location.url))
    for outcome in examination.outcomes:
        output.line(_row(outcome))
    if examination.remarks:
        output.line("not counted, because a vault never copies:")
    for remark in examination.remarks:
        output.line(_row(remark, words=_UNCOUNTED))
    for what in examination.left:
        output.line(f"[yellow]left behind[/yellow] {escape(what)}")
    output.line(examination.summary)
    output.result(examination.as_dict())
    raise typer.Exit(examination.exit_code)


@app.command()
def sweep(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A vault, or the folder with results and `.store`; the configured one by default."
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Collect what is due, rather than list it.")] = False,
    hours: Annotated[
        int, typer.Option(min=1, help="Grace: leave what changed less than this many hours ago.")
    ] = 24,
    authority: Annotated[str, typer.Option(help="Who decided it; wanted with --apply.")] = "",
    as_json: Json = False,
) -> None:
    """List what killed runs left: objects that no seal names, and half-made files. With --apply, collect it.

    Nothing is collected that a seal, a custody entry, a legal hold, a lock in S3 or a running sealer holds.
    Exit 1 when seals, log or custody entries do not hold, 3 when something is being sealed or was refused.
    """
    from incident_pipeline.evidence.sweep import collect, plan  # noqa: PLC0415 -- quick help

    output, grace, now = Output(as_json=as_json), timedelta(hours=hours), datetime.now(UTC)
    if apply and not authority.strip():
        raise ConfigError("--apply needs --authority.", advice="Say who decided it; it is entered.")
    ground = _ground(path, Settings.load())
    listed = collect(ground, now, grace, authority=authority) if apply else plan(ground, now, grace)
    for it in listed:
        colour = _STATES.get(it.state, "cyan")
        what = f"{shown(it.name)} ({it.size:,} bytes): {shown(it.why)}"
        output.line(f"[{colour}]{it.state:<10}[/{colour}] {it.kind:<9} {what}")
    output.line(_counted(listed))
    output.result({"applied": apply, "leftovers": [it.as_dict() for it in listed]})
    raise typer.Exit(3 if any(it.state == "refused" for it in listed) else 0)


def _ground(path: Path | None, settings: Settings) -> Ground:
    from incident_pipeline.evidence import DataKeys, load_trust_root  # noqa: PLC0415 -- quick help
    from incident_pipeline.evidence.sweep import Ground  # noqa: PLC0415
    from incident_pipeline.workspace import Workspace  # noqa: PLC0415

    workspace = Workspace.from_settings(settings, out=path)
    out: Path | None = workspace.out
    if path is not None and (path / "objects").is_dir():
        root = path.resolve()
        workspace = replace(workspace, vault_root=root, vault_url="")
        out = root.parent.parent if root.parent.name == ".store" else None
    return Ground(
        vault=workspace.vault(),
        keys=DataKeys(workspace.side / "keys"),
        access=workspace.access_log(),
        trusted=load_trust_root(folder=workspace.config_dir).keys,
        out=out,
    )


def _counted(listed: tuple[Leftover, ...]) -> str:
    states = [it.state for it in listed]
    parts = [f"{states.count(state)} {word}" for state, word in _SAID.items() if state in states]
    size = sum(it.size for it in listed)
    return f"{', '.join(parts)}; {size:,} bytes" if parts else "nothing was left behind"


def _row(outcome: CheckOutcome, words: Mapping[CheckState, str] = _WORDS) -> str:
    must = "ok" if outcome.expect == "ok" else "deny"
    word = words[outcome.state]
    # Padded by hand: on a narrow terminal a table would break every line.
    mark = f"[{_COLOURS[word]}]{word}[/]" + " " * (11 - len(word))
    what = f"{outcome.title}: {outcome.reason}"
    return f"{mark}{must:<6}{outcome.id:<27}{escape(what)}"

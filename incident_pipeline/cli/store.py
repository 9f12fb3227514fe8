"""`store`: find out whether the store under a vault keeps its promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from incident_pipeline.cli.output import Json, Output
from incident_pipeline.errors import ConfigError
from incident_pipeline.settings import Settings

if TYPE_CHECKING:
    from incident_pipeline.evidence.doctor import CheckOutcome

app = typer.Typer(help="Look after the store that keeps sealed evidence.", no_args_is_help=True)

_WORDS = {"holds": "holds", "fails": "FAILS", "not_asked": "not asked"}
_COLOURS = {"holds": "green", "fails": "bold red", "not_asked": "bold yellow"}
_MARKS = {state: f"[{_COLOURS[state]}]{word}[/]" for state, word in _WORDS.items()}


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
    touches no evidence. Exit 0 when all 55 hold, 1 when the store is refused, 3 when it can't be reached.
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
    for remark in examination.remarks:
        if remark.state != "holds":
            output.line(f"[yellow]not counted[/yellow]  {escape(remark.title)}: {escape(remark.reason)}")
    for what in examination.left:
        output.line(f"[yellow]left behind[/yellow] {escape(what)}")
    output.line(examination.summary)
    output.result(examination.as_dict())
    raise typer.Exit(examination.exit_code)


def _row(outcome: CheckOutcome) -> str:
    must = "ok" if outcome.expect == "ok" else "deny"
    # Padded by hand: on a narrow terminal a table would break every line.
    mark = _MARKS[outcome.state] + " " * (11 - len(_WORDS[outcome.state]))
    what = f"{outcome.title}: {outcome.reason}"
    return f"{mark}{must:<6}{outcome.id:<27}{escape(what)}"

"""What commands print: progress and results for people on a terminal, one JSON value for machines."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from incident_pipeline.serialise import canonical_json

if TYPE_CHECKING:
    from incident_pipeline.errors import IncidentPipelineError
    from incident_pipeline.model.artifact import Problem

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]

_MARKS = {0: "[dim]note[/dim]", 1: "[bold red]bad[/bold red]", 3: "[bold yellow]unread[/bold yellow]"}


def shown(text: str, *, lines: bool = False) -> str:
    """Make text of unknown origin safe for a terminal: no markup, no control or direction characters.

    What can't be printed is shown as its escape sequence; line ends stay where `lines` is set.
    """
    kept = "".join(
        character
        if character.isprintable() or (lines and character == "\n")
        else character.encode("unicode_escape").decode()
        for character in text
    )
    return escape(kept)


class Output:
    """Progress goes to standard error, results to standard output; with `as_json` only one JSON value."""

    def __init__(self, *, as_json: bool) -> None:
        """Print for people, or for machines."""
        self.as_json = as_json
        self.console = Console(highlight=False, soft_wrap=True)
        self.progress = Console(stderr=True, highlight=False, soft_wrap=True, quiet=as_json)
        self._started: dict[tuple[str, str], float] = {}

    def stage(self, incident: str, stage: str, line: str, _problems: tuple[Problem, ...] = ()) -> None:
        """Show that a stage starts (empty line) or what it did, with its duration."""
        now = time.monotonic()
        if not line:
            self._started[incident, stage] = now
            return
        took = now - self._started.get((incident, stage), now)
        self.progress.print(
            f"  [green]✓[/green] [bold]{stage:<17}[/bold]{shown(line)}  [dim]{took:.1f} s[/dim]"
        )

    def problems(self, problems: tuple[Problem, ...]) -> None:
        """Name every file that could not be taken as asked, and what to do."""
        for problem in problems:
            self.progress.print(
                f"  {_MARKS[problem.exit_code]} {shown(problem.uri)}: {shown(problem.detail)}"
            )
            if problem.advice and problem.exit_code:
                self.progress.print(f"      [dim]{shown(problem.advice)}[/dim]")

    def result(self, value: object) -> None:
        """Print the JSON value, where JSON was asked for."""
        if self.as_json:
            sys.stdout.write(canonical_json(value).decode())

    def line(self, text: str) -> None:
        """Print a line for people."""
        if not self.as_json:
            self.console.print(text)

    def error(self, error: IncidentPipelineError) -> None:
        """Print an error with its advice."""
        if self.as_json:
            self.result({"error": error.message, "advice": error.advice, "exit_code": error.exit_code})
            return
        self.progress.print(f"[bold red]error[/bold red] {shown(error.message, lines=True)}")
        if error.advice:
            self.progress.print(f"      [dim]{shown(error.advice, lines=True)}[/dim]")

"""`search`: find evidence of an incident by meaning and by words."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from incident_pipeline.cli.output import Json, Output, shown
from incident_pipeline.settings import Settings


def search(
    path: Annotated[Path, typer.Argument(help="Results folder of one incident.")],
    query: Annotated[str, typer.Argument(help="A question in plain words.")],
    k: Annotated[int, typer.Option("-k", help="How many to show.", min=1, max=1000)] = 30,
    as_json: Json = False,
) -> None:
    """Find what the evidence holds on a question: templates, alerts, chat, changes, spans, metrics.

    Both ways of finding are shown, by meaning and by words; `--json` gives every rank and score.
    """
    from incident_pipeline.results import ResultsFolder  # noqa: PLC0415 -- keep `--help` quick
    from incident_pipeline.retrieval import load_embedder  # noqa: PLC0415
    from incident_pipeline.retrieval import search as find  # noqa: PLC0415

    output = Output(as_json=as_json)
    found = find(ResultsFolder(path.resolve()), query, k, load_embedder(Settings.load().embedder))
    for candidate in found:
        ways = f"meaning {candidate.vector_rank or '-'}, words {candidate.text_rank or '-'}"
        place = f"{candidate.artifact_uri}" + (
            "" if candidate.byte_start is None else f" @{candidate.byte_start}"
        )
        output.line(
            f"{candidate.rank:>3}  [dim]{ways:<24}[/dim] {shown(candidate.text)}  [dim]{shown(place)}[/dim]"
        )
    if not found:
        output.line("Nothing was found.")
    output.result([asdict(candidate) for candidate in found])

"""JSON Schemas of every file that goes in or out, generated from the types.

`python -m incident_pipeline.model.schemas schemas` writes them; with `--check` it names the stale ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.artifact import SealedEvidence
from incident_pipeline.model.check import ValidatedChecks
from incident_pipeline.model.citation import Ledger
from incident_pipeline.model.coverage import Clocks, Coverage
from incident_pipeline.model.facts import Facts
from incident_pipeline.model.hypothesis import Diagnosis, Hypotheses
from incident_pipeline.model.incident import Incident
from incident_pipeline.model.log import LogProof
from incident_pipeline.model.postmortem import Postmortem
from incident_pipeline.model.redaction import Redaction, SpanMap
from incident_pipeline.model.report import ParseReport
from incident_pipeline.model.timeline import Timeline

if TYPE_CHECKING:
    from pydantic import BaseModel

FILES: Final[dict[str, type[BaseModel]]] = {
    "incident.json": Incident,
    "evidence.json": SealedEvidence,
    "seal.log.json": LogProof,
    "parse_report.json": ParseReport,
    "redaction.json": Redaction,
    "spans.json": SpanMap,
    "timeline.json": Timeline,
    "coverage.json": Coverage,
    "clocks.json": Clocks,
    "diagnosis.json": Diagnosis,
    "hypotheses.json": Hypotheses,
    "validated_checks.json": ValidatedChecks,
    "facts.json": Facts,
    "postmortem.json": Postmortem,
    "ledger.json": Ledger,
}
"""File name to the type it holds."""


def schemas() -> dict[str, str]:
    """Give the text of each schema file by its name."""
    found = {}
    for file, model in FILES.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema()
        found[file.replace(".json", ".schema.json")] = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    return found


def main(arguments: list[str]) -> int:
    """Write the schemas into the folder given, or compare them with `--check`."""
    folder = Path(next((a for a in arguments if not a.startswith("-")), "schemas"))
    wanted = schemas()
    if "--check" not in arguments:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            (folder / name).write_text(text)
        return 0
    stale = [n for n, t in wanted.items() if not (folder / n).is_file() or (folder / n).read_text() != t]
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run `make schemas`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

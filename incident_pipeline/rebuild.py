"""Rebuild an incident's results from its sealed bytes and compare them byte for byte.

Same sealed bytes, same code, same configuration give the same files, so whoever has the vault can tell
whether a result was edited without trusting any signature on it: the tables, the timeline, the
diagnosis, the checks, the postmortem and its renderings are made again in a scratch folder. The search
index and its chunks are not compared: vectors are stored, never hashed.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from incident_pipeline import __version__, stages
from incident_pipeline.errors import IncidentPipelineError
from incident_pipeline.evidence.verification import Checked
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import sha256_hex
from incident_pipeline.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from incident_pipeline.evidence.verification import Outcome
    from incident_pipeline.settings import Settings

_Stage = tuple[str, "Callable[[Workspace, str], object]"]
_STAGES: Final[tuple[_Stage, ...]] = (
    ("events", stages.parse_events),
    ("timeline", stages.order_timeline),
    ("diagnosis", stages.rank_hypotheses),
    ("validated_checks", stages.validate),
    ("postmortem", stages.write_postmortem),
)
"""The file that tells whether a stage ran, and the stage."""


def compare(results: Path, settings: Settings) -> tuple[Checked, ...]:
    """Rebuild the results at `results` and compare every derived file that is there.

    Call it only after the seal was verified: what was sealed is taken from `evidence.json`.

    Args:
        results: the results folder of one incident.
        settings: of the installation that made them; `vault` says where the sealed bytes are.
    """
    given = ResultsFolder(results)
    with tempfile.TemporaryDirectory(prefix="incident-pipeline-") as name:
        settings = replace(settings, embedder="none")
        place = replace(Workspace.from_settings(settings, out=Path(name)), signs=False)
        made = place.folder(stages.sealed(given).incident_key)
        made.root.mkdir()
        shutil.copyfile(given.evidence, made.evidence)
        for file, stage in _STAGES:
            if not getattr(given, file).exists():
                break
            try:
                stage(place, made.root.name)
            except IncidentPipelineError as error:
                outcome: Outcome = "failed" if error.exit_code == 1 else "could_not_check"
                return (Checked(results.name, "rebuilt", getattr(given, file).name, outcome, error.message),)
        files = [path for path in made.derived if path.suffix and path not in (made.index, made.chunks)]
        return tuple(
            _compare(results, path.name, path.read_bytes() if path.is_file() else None) for path in files
            if path.is_file() or (results / path.name).exists()
        )  # fmt: skip


def _compare(results: Path, name: str, made: bytes | None) -> Checked:
    path = results / name
    found = path.read_bytes() if path.is_file() else None
    if found is not None and found == made:
        return Checked(results.name, "rebuilt", name, "ok", "equals what the sealed bytes give")
    if found is None:
        message = "it is missing; the sealed bytes give one."
    elif made is None:
        message = "it can't come from the sealed bytes: its stage gives no such file."
    else:
        message = f"it was changed: sha256 {sha256_hex(found)}, the sealed bytes give {sha256_hex(made)}."
    version = _sealed_by(results)
    if version != __version__:
        message += f" It may come from version {version}; this is {__version__}: verify with that one."
        return Checked(results.name, "rebuilt", name, "could_not_check", message)
    return Checked(results.name, "rebuilt", name, "failed", message)


def _sealed_by(results: Path) -> str:
    bundle = json.loads(ResultsFolder(results).manifest.read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    return str(statement["predicate"]["pipeline"]["version"])

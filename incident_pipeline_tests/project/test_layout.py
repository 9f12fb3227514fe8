"""The dependency rule of the design: who may import whom, and what loading the definitions must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import incident_pipeline

PACKAGE = Path(incident_pipeline.__file__).parent
ORDER = (
    "ingest", "evidence", "parsers", "signals", "timeline", "diagnosis", "checks", "redaction",
    "retrieval", "drafting", "postmortem", "export", "review", "runbook", "wargame",
)  # fmt: skip
BASE = {"errors", "model", "serialise", "results", "progress"}
STAGES = [name for name in ORDER if (PACKAGE / name).is_dir()]
HEAVY = ("torch", "sentence_transformers", "litellm", "lancedb")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules_of(package: str) -> list[Path]:
    return sorted((PACKAGE / package).rglob("*.py"))


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_no_dagster(stage: str) -> None:
    for path in modules_of(stage):
        assert not {name for name in imports_of(path) if name.split(".")[0].startswith("dagster")}, path


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_earlier_stages_only(stage: str) -> None:
    allowed = BASE | set(ORDER[: ORDER.index(stage) + 1])
    if stage == "wargame":  # it drives whole installations
        allowed |= {"workspace", "settings"}
    for path in modules_of(stage):
        ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("incident_pipeline.")}
        names = {name for name in ours if (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists()}
        assert names <= allowed, f"{path.relative_to(PACKAGE)} imports {sorted(names - allowed)}"


def test_model_imports_nothing_else_of_ours() -> None:
    for path in modules_of("model"):
        ours = {name for name in imports_of(path) if name.startswith("incident_pipeline.")}
        assert all(name.startswith("incident_pipeline.model") for name in ours), path


def test_loading_the_definitions_loads_nothing_heavy() -> None:
    program = (
        "import sys, incident_pipeline.definitions as d; d.defs();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_modules_over_400_lines_say_why() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        if text.count("\n") > 400:
            assert "lines" in (ast.get_docstring(ast.parse(text)) or ""), f"{path} is long without a reason"

"""A tiny export per module, copied for each test that alters it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from incident_pipeline_tests.evidence.sealed_case import Case
from incident_pipeline_tests.export import exported_case


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A tiny incident with its export in `bag`; not to be altered."""
    case = Case(tmp_path_factory.mktemp("original"))
    exported_case.make(case)
    return case


@pytest.fixture
def case(original: Case, tmp_path: Path) -> Case:
    """A copy of the tiny incident and its export, to be altered."""
    shutil.copytree(original.root, tmp_path / "case")
    return Case(tmp_path / "case")


@pytest.fixture
def bag(case: Case) -> Path:
    return case.root / "bag"


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the few programs that the check script names, and no Python."""
    if missing := exported_case.missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    return tmp_path_factory.mktemp("tools") / "bin"

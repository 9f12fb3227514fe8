"""A tiny sealed incident in each test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_pipeline_tests.evidence.sealed_case import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.fixture
def sealed_case(case: Case) -> Case:
    case.write_ledger(case.seal())
    return case

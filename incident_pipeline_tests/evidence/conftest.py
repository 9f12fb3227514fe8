"""A tiny sealed incident in each test's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from incident_pipeline_tests.evidence import object_stores
from incident_pipeline_tests.evidence.object_stores import Store
from incident_pipeline_tests.evidence.sealed_case import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.fixture
def sealed_case(case: Case) -> Case:
    case.write_ledger(case.seal())
    return case


@pytest.fixture(scope="session")
def seaweedfs_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with object_stores.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture(scope="session")
def moto_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with object_stores.moto(tmp_path_factory.mktemp("moto")) as store:
        yield store

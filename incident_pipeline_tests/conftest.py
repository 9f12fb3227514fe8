"""Fixtures that several packages share: recorded incidents and a configuration folder of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from incident_pipeline_tests import small_incident

# Seeded, so that a failure repeats; a busy machine is no finding, so no deadline. `make bench` runs the
# full counts with new seeds.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

PROJECT = Path(__file__).parent.parent
RECORDINGS = PROJECT / "data" / "incidents"
NAMES = ("bad-deploy", "campaign-surge", "db-pool", "purge-loop", "retry-storm", "slow-leak")


@pytest.fixture(autouse=True)
def _own_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the user's keys and settings."""
    for name in [name for name in os.environ if name.startswith("INCIDENT_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INCIDENT_PIPELINE_DEBUG", "1")
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))


@pytest.fixture
def small_bundle(tmp_path: Path) -> Path:
    """A small incident as a bundle folder."""
    return small_incident.write(tmp_path / "small-bundle")

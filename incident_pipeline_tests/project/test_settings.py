from __future__ import annotations

from pathlib import Path

import pytest

from incident_pipeline.errors import ConfigError
from incident_pipeline.settings import Settings


def test_environment_wins_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "incident-pipeline.toml"
    file.write_text('out = "from-file"\nvault = "file-vault"\n')
    loaded = Settings.load({"INCIDENT_PIPELINE_CONFIG": str(file), "INCIDENT_PIPELINE_OUT": "from-env"})
    assert (loaded.out, loaded.vault, loaded.inbox) == ("from-env", "file-vault", "data/inbox")


@pytest.mark.parametrize(
    ("text", "says"),
    [("out = [", "no valid TOML"), ('colour = "red"', "unknown key colour"), ("out = 3", "out must be text")],
)
def test_a_wrong_file_is_named_with_advice(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "incident-pipeline.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Settings.load({"INCIDENT_PIPELINE_CONFIG": str(file)})
    assert says in caught.value.message
    assert str(file) in caught.value.message
    assert caught.value.advice


def test_a_named_file_that_is_not_there_is_no_default(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        Settings.load({"INCIDENT_PIPELINE_CONFIG": str(tmp_path / "gone.toml")})

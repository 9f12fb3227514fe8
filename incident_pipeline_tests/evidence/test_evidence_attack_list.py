"""Every row of the attack list: the attack is made, and what must be said about it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_pipeline_tests.evidence.attack_list import ROWS, Row


@pytest.mark.parametrize("row", ROWS, ids=lambda it: f"{it.attack}-{it.done}".replace(" ", "-")[:60])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_every_attack_is_answered(row: Row, tmp_path: Path) -> None:
    code, said = row.run(tmp_path)
    assert row.says in said
    assert code == row.code

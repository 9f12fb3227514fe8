from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from incident_pipeline.model.schemas import main, schemas

PROJECT = Path(__file__).parents[2]


def test_the_schemas_in_the_repository_are_those_of_the_types() -> None:
    for name, text in schemas().items():
        assert (PROJECT / "schemas" / name).read_text() == text, f"{name} is stale: run `make schemas`"


def test_each_schema_is_a_valid_schema() -> None:
    for text in schemas().values():
        Draft202012Validator.check_schema(json.loads(text))


def test_check_names_a_stale_schema(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    (tmp_path / "ledger.schema.json").write_text("{}")
    assert main([str(tmp_path), "--check"]) == 1

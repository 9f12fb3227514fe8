"""Many bundles in one process: results, failures that stop nobody, and scores with ties against."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.wargame.evaluate import evaluate, rank_of, score
from incident_pipeline_tests import small_incident


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    folder = tmp_path / "cases"
    small_incident.write(folder / "one")
    return folder


def incident_id(bundle: Path) -> str:
    return str(json.loads((bundle / "incident.json").read_bytes())["incident_id"])


def test_a_case_gets_its_diagnosis_and_hypotheses(cases: Path, tmp_path: Path) -> None:
    told: list[str] = []
    summary = evaluate(cases, tmp_path / "out", on_case=lambda name, line: told.append(f"{name} {line}"))
    (key,) = summary.verdicts
    folder = tmp_path / "out" / key
    assert sorted(path.name for path in folder.iterdir()) == ["diagnosis.json", "hypotheses.json"]
    assert json.loads((folder / "diagnosis.json").read_bytes())["ranking"][0]["component"] == "stock"
    assert (summary.cases, summary.exit_code, summary.failures) == (1, 0, ())
    assert told[0].startswith("one incident: stock")


def test_two_runs_write_the_same_bytes(cases: Path, tmp_path: Path) -> None:
    (key,) = evaluate(cases, tmp_path / "a").verdicts
    evaluate(cases, tmp_path / "b")
    for name in ("diagnosis.json", "hypotheses.json"):
        assert (tmp_path / "a" / key / name).read_bytes() == (tmp_path / "b" / key / name).read_bytes()


def test_a_case_that_fails_is_named_and_stops_nobody(cases: Path, tmp_path: Path) -> None:
    broken = cases / "broken"
    broken.mkdir()
    (broken / "incident.json").write_text("{not json")
    summary = evaluate(cases, tmp_path / "out")
    assert [name for name, _ in summary.failures] == ["broken"]
    assert (len(summary.verdicts), summary.exit_code) == (1, 3)
    assert summary.as_dict()["exit_code"] == 3


def test_altered_evidence_fails_its_case(cases: Path, tmp_path: Path) -> None:
    record = json.loads((cases / "one" / "incident.json").read_bytes())
    record["artifacts"][0]["hash"] = "sha256:" + "0" * 64
    (cases / "one" / "incident.json").write_text(json.dumps(record))
    summary = evaluate(cases, tmp_path / "out")
    assert summary.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_two_ids_that_fold_alike_are_refused(cases: Path, tmp_path: Path) -> None:
    small_incident.write(cases / "two")
    small_incident.write(cases / "zoo", incident_id="other")
    summary = evaluate(cases, tmp_path / "out")
    assert summary.exit_code == 2
    assert [name for name, message in summary.failures if "folds" in message] == ["two"]
    assert "other" in summary.verdicts


def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedInputError, match="no evidence bundles"):
        evaluate(tmp_path, tmp_path / "out")
    with pytest.raises(MalformedInputError, match="not there"):
        evaluate(tmp_path / "nowhere", tmp_path / "out")


def test_scores_are_given_per_data_set(cases: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    folded = incident_id(cases / "one").lower()
    answer = {"case": folded, "dataset": "small", "root_causes": [{"component": "stock", "kind": "service"}]}
    (truth / f"{folded}.json").write_text(json.dumps(answer))
    (truth / "missing.json").write_text(json.dumps(answer | {"case": "missing", "dataset": "other"}))
    (truth / "never-asked.json").write_text(json.dumps(answer | {"case": "never-asked", "dataset": "third"}))
    (cases / "missing.tar.gz").write_bytes(b"no archive")
    small, other = sorted(
        evaluate(cases, tmp_path / "out", truth=truth).scores, key=lambda s: s.dataset != "small"
    )
    assert (small.n, small.ac1, small.avg5, small.ac1_interval) == (1, 100.0, 100.0, (100.0, 100.0))
    assert (other.n, other.ac1, other.ac5) == (1, 0.0, 0.0)


def test_ties_count_against_and_the_best_of_several_causes_counts() -> None:
    ranking = {"a": 2.0, "b": 1.0, "c": 1.0}
    assert rank_of(ranking, ["a"]) == 1
    assert rank_of(ranking, ["b"]) == 3
    assert rank_of(ranking, ["b", "a"]) == 1
    assert rank_of(ranking, ["z"]) == math.inf


def test_a_broken_answer_or_ranking(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(MalformedInputError, match="root_causes"):
        score(tmp_path, tmp_path)
    (tmp_path / "x.json").write_text(json.dumps({"root_causes": [{"component": "a"}]}))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "diagnosis.json").write_text("[]")
    assert score(tmp_path, tmp_path)[0].ac5 == 0.0

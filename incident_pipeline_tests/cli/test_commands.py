"""The command as a stranger runs it: messages, exit codes, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline_tests import small_incident


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(autouse=True)
def _full_text_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INCIDENT_PIPELINE_EMBEDDER", "none")
    monkeypatch.chdir(tmp_path)


def test_investigate_then_verify(small_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(["investigate", str(small_bundle), "--out", "results"], capsys)
    assert code == 0, err
    report = out.strip().splitlines()[-1]
    assert Path(report).name == "report.html"
    assert Path(report).is_file()
    code, out, err = run(["verify", "results/small-1", "--json"], capsys)
    assert code == 0, out
    assert json.loads(out)["exit_code"] == 0


def test_json_is_one_value_on_standard_output(small_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["investigate", str(small_bundle), "--out", "results", "--until", "raw_artifacts", "--json"]
    code, out, _ = run(arguments, capsys)
    assert code == 0
    assert json.loads(out)["results"][0]["incident"] == "small-1"


def test_one_unreadable_bundle_does_not_stop_the_other(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.tar.gz").write_bytes(b"no archive")
    code, _, err = run(
        [
            "investigate",
            "broken.tar.gz",
            "nowhere",
            str(small_bundle),
            "--out",
            "results",
            "--until",
            "parsed_events",
        ],
        capsys,
    )
    assert code == 3
    assert "broken.tar.gz" in err
    assert "nowhere" in err
    assert (tmp_path / "results" / "small-1" / "events.parquet").is_file()


def test_two_ids_that_fold_alike_are_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = small_incident.write(tmp_path / "one", incident_id="SMALL 1")
    two = small_incident.write(tmp_path / "two", incident_id="small_1")
    code, _, err = run(["investigate", str(one), str(two), "--out", "results"], capsys)
    assert code == 2
    assert "small-1" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["investigate"], 2),
        (["frobnicate"], 2),
        (["parse", "--out", "x"], 2),
        (["verify", "nowhere"], 3),
        (["demo", "--incident", "nothing-like-it"], 3),
    ],
)
def test_wrong_usage_and_missing_things_have_their_exit_codes(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    got, _, err = run(arguments, capsys)
    assert got == code
    assert err


def test_parse_writes_tables_and_says_what_it_read(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(small_bundle / "logs" / "app.jsonl"), str(small_bundle / "metrics" / "errors.json")]
    code, out, _ = run(["parse", *files, "--out", "tables"], capsys)
    assert code == 0
    assert "app.jsonl" in out
    names = {path.name for path in Path("tables").iterdir()}
    assert {
        "events.parquet",
        "samples.parquet",
        "series.parquet",
        "quarantine.parquet",
        "parse_report.json",
    } <= names


def test_the_installed_command_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "incident_pipeline.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("incident-pipeline ")


def test_evaluate_scores_against_the_truth_and_goes_on_after_a_broken_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases, truth = tmp_path / "cases", tmp_path / "truth"
    small_incident.write(cases / "case-1", incident_id="case-1")
    (cases / "case-2.tar.gz").write_bytes(b"no archive")
    truth.mkdir()
    for case in ("case-1", "case-2"):
        answer = {"case": case, "dataset": "small", "root_causes": [{"component": "stock"}]}
        (truth / f"{case}.json").write_text(json.dumps(answer))
    arguments = ["evaluate", str(cases), "--out", "scored", "--truth", str(truth)]
    code, out, err = run(arguments, capsys)
    assert code == 3
    assert "case-2" in out + err
    assert "50.0" in out
    assert json.loads((tmp_path / "scored" / "case-1" / "diagnosis.json").read_bytes())["ranking"]
    code, out, _ = run([*arguments, "--json"], capsys)
    assert json.loads(out)["exit_code"] == code == 3


def test_parse_many_cases_in_one_process(small_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {"case": "Logs 1", "files": [str(small_bundle / "logs" / "app.jsonl")]},
        {"case": "Gone", "files": ["nowhere.log"]},
    ]
    Path("cases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, _, err = run(["parse", "--cases", "cases.jsonl", "--out", "tables"], capsys)
    assert code == 3
    assert "nowhere.log" in err
    assert (Path("tables") / "Logs 1" / "events.parquet").is_file()
    assert (Path("tables") / "Gone" / "events.parquet").is_file()


@pytest.mark.parametrize("arguments", [["--home", "nowhere"], []])
def test_ui_without_a_home_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["ui", *arguments], capsys)
    assert code == 2
    assert "dagster.yaml" in err

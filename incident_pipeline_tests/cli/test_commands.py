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

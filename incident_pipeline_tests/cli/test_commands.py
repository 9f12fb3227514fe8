"""The command as a stranger runs it: messages, exit codes, JSON."""

from __future__ import annotations

import json
import os
import shutil
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


def test_an_earlier_report_is_not_shown_as_the_result_of_a_shorter_run(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["investigate", str(small_bundle), "--out", "results"], capsys)[0] == 0
    arguments = ["investigate", str(small_bundle), "--out", "results", "--until", "timeline"]
    code, out, _ = run(arguments, capsys)
    assert code == 0
    assert "report.html" not in out


def test_names_in_the_evidence_can_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra: list[dict[str, object]] = [{"type": "logs", "uri": "gone\x1b]0;owned\x07[bold]\u202e"}]
    bundle = small_incident.write(tmp_path / "bundle", extra=extra)
    code, out, err = run(["investigate", str(bundle), "--out", "results", "--until", "raw_artifacts"], capsys)
    assert code == 3
    assert not {"\x07", "\u202e"} & set(out + err)
    assert "[bold]" in err


def test_an_output_folder_that_can_not_be_is_wrong_usage(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("occupied").write_text("a file")
    code, _, err = run(["investigate", str(small_bundle), "--out", "occupied"], capsys)
    assert code == 2
    assert "occupied" in err


def test_a_defect_of_ours_does_not_end_like_bad_evidence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.delenv("INCIDENT_PIPELINE_DEBUG")
    monkeypatch.setattr("incident_pipeline.export.verify_path", broken)
    code, _, err = run(["verify", "."], capsys)
    assert code == 3
    assert "ZeroDivisionError" in err
    assert "report it" in err


@pytest.fixture(scope="module")
def verified_results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Results of the small incident with their keys, made once: the folder, and the configuration folder."""
    root = tmp_path_factory.mktemp("verified")
    bundle = small_incident.write(root / "bundle")
    environ = os.environ | {
        "INCIDENT_PIPELINE_CONFIG_DIR": str(root / "config"),
        "INCIDENT_PIPELINE_EMBEDDER": "none",
    }
    arguments = ["investigate", str(bundle), "--out", str(root / "results")]
    subprocess.run(
        [sys.executable, "-m", "incident_pipeline.cli", *arguments],
        env=environ,
        check=True,
        capture_output=True,
    )
    return root / "results", root / "config"


@pytest.mark.parametrize(
    "file",
    [
        "events.parquet", "samples.parquet", "series.parquet", "quarantine.parquet", "templates.parquet",
        "parse_report.json", "timeline.parquet", "timeline.json", "timeline.md", "diagnosis.json",
        "hypotheses.json", "validated_checks.json", "facts.json", "ledger.json", "postmortem.json",
        "postmortem.md", "report.html",
    ],
)  # fmt: skip
def test_an_edit_of_any_result_is_refused_and_named(
    file: str,
    verified_results: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results, config = verified_results
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(config))
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    with (copy / "small-1" / file).open("ab") as opened:
        opened.write(b"\n")
    code, out, _ = run(["verify", str(copy)], capsys)
    assert code == 1
    assert file in out


def test_rebuilt_results_equal_those_that_stand_and_an_edit_shows(
    verified_results: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results, config = verified_results
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(config))
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    code, out, _ = run(["verify", str(copy), "--rebuild"], capsys)
    assert code == 0, out
    assert "20 of 20 rebuilt files" in out
    (copy / "small-1" / "report.html").write_text("<p>nothing happened</p>")
    code, out, _ = run(["verify", str(copy), "--rebuild", "--json"], capsys)
    assert code == 1
    failed = {item["kind"] for item in json.loads(out)["failures"] if item["name"] == "report.html"}
    assert failed == {"derivation", "rebuilt"}


def test_search_finds_the_record_and_its_place(
    verified_results: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = str(verified_results[0] / "small-1")
    code, out, _ = run(["search", folder, "KeyError in stock lookup", "-k", "3"], capsys)
    assert code == 0
    assert "stock lookup failed" in out
    code, out, _ = run(["search", folder, "KeyError in stock lookup", "--json"], capsys)
    first = json.loads(out)[0]
    assert (first["rank"], first["artifact_uri"]) == (1, "logs/app.jsonl")
    assert run(["search", str(tmp_path), "anything"], capsys)[0] == 3

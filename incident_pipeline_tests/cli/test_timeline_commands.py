"""`timeline show`, `explain` and `export` on the results of a small incident."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline_tests import small_incident


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def investigated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Results up to the timeline, made once."""
    root = tmp_path_factory.mktemp("timeline-commands")
    bundle = small_incident.write(root / "bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INCIDENT_PIPELINE_EMBEDDER", "none")
        patch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(root / "config"))
        patch.chdir(root)
        with pytest.raises(SystemExit) as ended:
            main(["investigate", str(bundle), "--out", str(root / "out"), "--until", "timeline"])
        assert not ended.value.code
    yield root
    shutil.rmtree(root)


@pytest.fixture
def results(investigated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(investigated / "config"))
    return investigated / "out" / "small-1"


def test_show_prints_the_key_entries_with_their_positions(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(["timeline", "show", str(results), "--zone", "Europe/Berlin"], capsys)
    assert code == 0
    assert "detected" in out
    assert "01:00:28.000+01:00 (00:00:28.000 UTC)" in out
    assert "deploy by ci: stock 1.0.0 -> 1.1.0" in out
    code, out, _ = run(["timeline", "show", str(results), "--json"], capsys)
    timeline = json.loads(out)
    assert len(timeline["entries"]) == timeline["shown"]


def test_explain_reads_the_sealed_bytes(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["timeline", "explain", str(results), "00:00:28", "--json"], capsys)
    assert code == 0
    found = json.loads(out)
    assert found["reading"]["outcome"] == "matches"
    assert '"summary": "stock 1.0.0 -> 1.1.0"' in found["reading"]["excerpt"]
    code, out, _ = run(["timeline", "explain", str(results), str(found["position"])], capsys)
    assert code == 0
    assert "The sealed bytes were read; they have this digest." in out


def test_explain_enters_the_access_log(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = results.parent / ".store" / "vault" / "access.jsonl"
    before = log.read_text().count("timeline explain")
    run(["timeline", "explain", str(results), "0"], capsys)
    assert log.read_text().count("timeline explain") == before + 1


def test_explain_without_a_vault_could_not_check(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = shutil.copytree(results, tmp_path / "alone" / "small-1")
    code, out, _ = run(["timeline", "explain", str(alone), "0"], capsys)
    assert code == 3
    assert "NOT CHECKED" in out
    assert not (tmp_path / "alone" / ".store").exists()


def test_explain_of_altered_bytes_is_bad_evidence(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out_dir = shutil.copytree(results.parent, tmp_path / "altered")
    for path in (out_dir / ".store" / "vault" / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(path.read_bytes() + b"\n")
    code, _, err = run(["timeline", "explain", str(out_dir / "small-1"), "0"], capsys)
    assert code == 1
    assert "error" in err


@pytest.mark.parametrize("form", ["timesketch", "csv", "markdown", "json"])
def test_export_says_what_it_wrote_and_left_out(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    out = tmp_path / "file"
    arguments = ["timeline", "export", str(results), "--as", form, "--out", str(out), "--json"]
    code, text, _ = run([*arguments, "--all"], capsys)
    done = json.loads(text)
    assert code == 0
    assert done["written"] + sum(done["left_out"].values()) == done["total"]
    assert out.stat().st_size > 0


def test_a_zone_where_there_is_no_place_for_it_is_wrong_usage(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "file"
    arguments = ["timeline", "export", str(results), "--as", "timesketch", "--out", str(out), "--zone", "CET"]
    code, _, err = run(arguments, capsys)
    assert code == 2
    assert "UTC only" in err


def test_a_folder_of_one_incident_is_enough(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["timeline", "show", str(results.parent)], capsys)
    assert code == 0
    assert "SMALL-1" in out


def test_no_results_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["timeline", "show", str(tmp_path)], capsys)[0] == 3

"""`parse`: forms of output, list of formats, names that are wrong."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from incident_pipeline.cli.app import app
from incident_pipeline.parsers import known_formats

if TYPE_CHECKING:
    from pathlib import Path

LOG = (
    '{"time":"2026-11-24T09:00:00Z","level":"error","msg":"=HYPERLINK(\\"http://x\\")","service":"cart","n":"-1"}\n'
    '{"time":"2026-11-24T09:00:01Z","level":"info","msg":"ok, \\"fine\\"","service":"cart"}\nbroken\n'
)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(tmp_path / "config"))
    path = tmp_path / "app.log"
    path.write_text(LOG)
    return path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    error = result.exception
    return getattr(error, "exit_code", result.exit_code), result.output + str(error or "") + getattr(
        error, "advice", ""
    )


def test_a_wrong_format_is_a_usage_error_with_close_names(log: Path, tmp_path: Path) -> None:
    code, told = run("parse", str(log), "--out", str(tmp_path / "out"), "--format", "json_line")
    assert code == 2
    assert "json_lines" in told
    assert not (tmp_path / "out").exists()


def test_the_formats_are_listed(log: Path, tmp_path: Path) -> None:
    del log
    code, told = run("parse", "--list-formats", "--json")
    assert code == 0
    assert [item["id"] for item in json.loads(told)] == list(known_formats())
    own = tmp_path / "config" / "formats"
    own.mkdir(parents=True)
    (own / "a.toml").write_text('id = "acme"\ntitle = "Acme"\nfields = { time = "t" }\n')
    assert "acme" in [item["id"] for item in json.loads(run("parse", "--list-formats", "--json")[1])]
    (own / "a.toml").write_text('id = "acme"\n')
    code, told = run("parse", "--list-formats")
    assert (code, "a.toml" in told) == (2, True)


def test_json_lines_beside_the_tables(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, told = run("parse", str(log), "--out", str(out), "--as", "jsonl")
    assert code == 0
    assert "json_lines, 2 events, 0 samples, 1 quarantined" in told
    rows = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [row["message"] for row in rows] == ['=HYPERLINK("http://x")', 'ok, "fine"']
    assert rows[0]["attributes"] == {"n": "-1"}
    (lost,) = [json.loads(line) for line in (out / "quarantine.jsonl").read_text().splitlines()]
    assert LOG.encode()[lost["byte_start"] : lost["byte_end"]] == b"broken"
    assert (out / "events.parquet").is_file()


def test_csv_holds_no_formulas(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("parse", str(log), "--out", str(out), "--as", "csv")[0] == 0
    with (out / "events.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["message"] for row in rows] == ['\'=HYPERLINK("http://x")', 'ok, "fine"']
    assert json.loads(rows[0]["attributes"]) == {"n": "-1"}
    assert rows[0]["time_ns"] == "1795510800000000000"
    assert rows[0]["trace_id"] == ""


def test_an_unknown_form_is_a_usage_error(log: Path, tmp_path: Path) -> None:
    assert run("parse", str(log), "--out", str(tmp_path / "out"), "--as", "xml")[0] == 2


def test_a_table_of_deploys_is_no_log(tmp_path: Path, log: Path) -> None:
    del log
    table = tmp_path / "deploys.csv"
    table.write_text(
        "time,service,commit,author,summary\n2026-11-24T09:00:00Z,cart,abc123,kim,raise timeout\n"
    )
    out = tmp_path / "out"
    assert run("parse", str(table), "--out", str(out), "--as", "jsonl")[0] == 0
    (row,) = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert (row["kind"], row["actor"]) == ("change", "kim")

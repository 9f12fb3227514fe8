from __future__ import annotations

import gzip
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from incident_pipeline.errors import ConfigError
from incident_pipeline.evidence import EvidenceReader
from incident_pipeline.model.artifact import SealedArtifact
from incident_pipeline.parsers import Assume, parse_cases, parse_files, parse_sealed, write_tables
from incident_pipeline.parsers.table import read_table
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from pathlib import Path

LOG = b'{"ts":1761019822,"level":"info","msg":"ok"}\n'
FILES = ("events.parquet", "samples.parquet", "series.parquet", "quarantine.parquet", "parse_report.json")


class Shelf:
    """Sealed bytes by digest."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = {sha256_hex(data): data for data in contents}

    def read(self, sha256: str) -> bytes:
        return self.contents[sha256]


def sealed(data: bytes, uri: str, **known: str) -> SealedArtifact:
    return SealedArtifact(
        sha256=sha256_hex(data),
        size=len(data),
        stored_sha256=sha256_hex(data),
        uri=uri,
        type="logs",
        source="otel",
        **known,
    )  # type: ignore[arg-type]


def bundle() -> tuple[EvidenceReader, list[SealedArtifact]]:
    contents = [
        gzip.compress(LOG * 2, mtime=0),
        gzip.compress(LOG * 500, mtime=0)[:-9],
        LOG,
        b"lorem ipsum\n",
    ]
    artifacts = [sealed(data, f"logs/{index}") for index, data in enumerate(contents)]
    return EvidenceReader(Shelf(*contents), artifacts), artifacts


def test_one_bad_artifact_does_not_stop_the_others() -> None:
    reader, artifacts = bundle()
    parsed = parse_sealed(reader, artifacts)
    reports = {report.artifact_uri: report for report in parsed.report.artifacts}
    assert [report.artifact_sha256 for report in parsed.report.artifacts] == sorted(
        item.sha256 for item in artifacts
    )
    assert (reports["logs/0"].events, reports["logs/0"].encoding, reports["logs/2"].encoding) == (
        2,
        "gzip",
        "identity",
    )
    assert reports["logs/1"].format is None
    assert any("logs/1" in text for text in reports["logs/1"].assumptions)
    broken = [row for row in parsed.quarantine.to_pylist() if row["artifact_sha256"] == artifacts[1].sha256]
    assert [(row["byte_start"], row["byte_end"]) for row in broken] == [(0, artifacts[1].size)]
    assert sorted((problem.uri, problem.exit_code) for problem in parsed.problems) == [
        ("logs/1", 3),
        ("logs/3", 0),
    ]
    assert parsed.report.problems == parsed.problems


def test_order_of_artifacts_does_not_matter_for_the_bytes(tmp_path: Path) -> None:
    reader, artifacts = bundle()
    folders = [ResultsFolder(tmp_path / name) for name in "ab"]
    write_tables(parse_sealed(reader, artifacts), folders[0])
    write_tables(parse_sealed(reader, artifacts[::-1]), folders[1])
    for name in FILES:
        assert (folders[0].root / name).read_bytes() == (folders[1].root / name).read_bytes()
    assert read_table(folders[0].events).num_rows == 3


def test_citations_hold() -> None:
    reader, artifacts = bundle()
    for row in parse_sealed(reader, artifacts).events.to_pylist():
        citation = reader.cite(row["artifact_sha256"], row["byte_start"], row["byte_end"])
        assert json.loads(citation.excerpt)["msg"] == row["message"]
        assert citation.line == row["line"]


def test_files(tmp_path: Path) -> None:
    plain, packed, copy = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.jsonl"
    plain.write_bytes(LOG)
    packed.write_bytes(gzip.compress(b'{"time":"2026-11-23 08:00:00","msg":"x"}\n', mtime=0))
    copy.write_bytes(LOG)
    parsed = parse_files([packed, plain, copy], assume=Assume(tz="-02:00"))
    rows = {row["artifact_uri"]: row for row in parsed.events.to_pylist()}
    assert set(rows) == {str(plain), str(packed)}
    assert rows[str(packed)]["artifact_sha256"] == sha256_hex(packed.read_bytes())
    assert rows[str(packed)]["time_ns"] == 1795428000 * 10**9
    assert [(problem.kind, problem.uri) for problem in parsed.problems] == [("duplicate", str(copy))]
    both = parse_files([tmp_path / "nowhere.jsonl", plain])
    assert both.events.num_rows == parse_files([plain]).events.num_rows
    assert [(it.kind, it.uri, it.exit_code) for it in both.problems] == [
        ("missing", str(tmp_path / "nowhere.jsonl"), 3)
    ]
    with pytest.raises(ConfigError, match="Mars"):
        parse_files([plain], assume=Assume(tz="Mars"))


def test_members_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "general/2026-11-23.json", '[{"type":"message","user":"U1","text":"hi","ts":"1795422467.640814"}]'
        )
        archive.writestr("users.json", '[{"id":"U1","team_id":"T","profile":{},"name":"ann"}]')
    parsed = parse_files([path])
    uris = {row["kind"]: row["artifact_uri"] for row in parsed.events.to_pylist()}
    assert uris == {"chat": f"{path}/general/2026-11-23.json", "object_state": f"{path}/users.json"}
    assert sorted(item.name for item in tmp_path.iterdir()) == ["export.zip"]
    path.write_bytes(path.read_bytes()[:-30])
    broken = parse_files([path])
    assert [problem.exit_code for problem in broken.problems] == [3]


def test_cases(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LOG)
    (tmp_path / "b.txt").write_bytes(b"2026-11-23 08:00:00 x\n")
    cases = tmp_path / "cases.jsonl"
    lines = [
        {"case": "0001-x y", "files": [str(tmp_path / "a.jsonl"), str(tmp_path / "gone")]},
        {
            "case": "two",
            "files": [str(tmp_path / "b.txt")],
            "format": "plain_text",
            "assume": {"tz": "+01:00"},
        },
    ]
    cases.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    problems = parse_cases(cases, tmp_path / "out")
    assert [(problem.kind, problem.exit_code) for problem in problems] == [("missing", 3)]
    for case in ("0001-x y", "two"):
        assert sorted(item.name for item in (tmp_path / "out" / case).iterdir()) == sorted(FILES)
    assert read_table(tmp_path / "out/two/events.parquet")["time_ns"].to_pylist() == [1795417200 * 10**9]


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "n" * 300, "a\0b"])
def test_a_case_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    cases = tmp_path / "cases.jsonl"
    good = json.dumps({"case": "good", "files": []})
    cases.write_text(json.dumps({"case": name, "files": []}) + "\n" + good)
    (problem,) = parse_cases(cases, tmp_path / "out")
    assert (problem.kind, problem.exit_code) == ("malformed", 3)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "[]",
        '{"case":"a"}',
        '{"case":"a","files":[1]}',
        '{"case":"a","files":[],"assume":[1]}',
        '{"case":"a","files":[],"format":5}',
        '{"case":"a","files":[],"assume":{"tz":"Mars"}}',
    ],
)
def test_a_line_that_is_no_case_is_named(tmp_path: Path, line: str) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text("\n" + line + '\n{"case":"good","files":[]}\n')
    (problem,) = parse_cases(cases, tmp_path / "out")
    assert "line 2" in problem.uri
    assert problem.advice
    assert (tmp_path / "out" / "good" / "events.parquet").is_file()

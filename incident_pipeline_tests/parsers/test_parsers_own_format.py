"""Users' own formats: declared in TOML, detected like the others, refused with file, line and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from incident_pipeline.errors import ConfigError
from incident_pipeline.parsers import ParsedArtifact, Source, digest_of, load_formats, parse_artifact
from incident_pipeline.parsers.own_format import nests_repeats, read_format, wide_repeats

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()
TEXT, JOBS = re.findall(r"```toml\n(id = .*?)```", GUIDE, re.DOTALL)


def written(folder: Path, text: str, name: str = "own.toml") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def parsed(folder: Path, data: bytes) -> ParsedArtifact:
    return parse_artifact(data, Source(sha256="0" * 64, uri="x"), formats=load_formats(folder))


def test_the_guides_text_format(tmp_path: Path) -> None:
    data = (
        b"24.11.2026 09:05:47 [NOTE] cart-1 up again\n"
        b"24.11.2026 09:05:48 [TROUBLE] cart-2 timed out\n  after 3 tries\n"
    )
    found = parsed(written(tmp_path, TEXT), data)
    assert found.report.format == "acme_gateway"
    first, second = found.events.to_pylist()
    assert (first["time_ns"], first["time_basis"]) == (1795507547 * 10**9, "assumed_zone")
    assert (first["severity"], first["service"], first["message"]) == (10, "gateway", "up again")
    assert (second["severity"], second["severity_raw"]) == (17, "TROUBLE")
    assert second["message"] == "timed out\n  after 3 tries"
    assert dict(second["attributes"]) == {"upstream.name": "cart-2"}


def test_the_guides_json_format(tmp_path: Path) -> None:
    data = (
        b'{"meta":{"when":"2026-11-24T09:05:47Z","app":"jobs"},"lvl":"warn","text":"slow","trace":"AB01","n":3}\n'
        b'{"a":1}\n'
    )
    found = parsed(written(tmp_path, JOBS), data * 3)
    assert found.report.format == "acme_jobs"
    row = found.events.to_pylist()[0]
    assert (row["time_ns"], row["message"], row["severity"]) == (1795511147 * 10**9, "slow", 13)
    assert (row["service"], row["trace_id"], dict(row["attributes"])) == ("jobs", "ab01", {"n": "3"})
    assert found.quarantine.num_rows == 3


def test_own_formats_are_pinned_by_id_and_found_in_mixed_streams(tmp_path: Path) -> None:
    formats = load_formats(written(tmp_path, TEXT))
    line = b"24.11.2026 09:05:47 [NOTE] cart-1 up again\n"
    access = b'10.0.0.1 - - [16/Nov/2019:09:46:42 +0200] "GET /a HTTP/1.1" 200 12 "-" "curl/8"\n'
    source = Source(sha256="0" * 64, uri="x")
    assert parse_artifact(line, source, pin="acme-gateway", formats=formats).report.pinned
    mixed = parse_artifact(access * 3 + line + access, source, formats=formats)
    assert mixed.report.format == "access_log"
    assert [row["service"] for row in mixed.events.to_pylist()].count("gateway") == 1


def test_the_digest_follows_what_is_declared(tmp_path: Path) -> None:
    before = digest_of(load_formats(written(tmp_path, TEXT)))
    assert before == digest_of(load_formats(tmp_path))
    assert before != digest_of(load_formats(written(tmp_path, TEXT.replace("10", "11"))))
    assert digest_of(()) == ""
    assert load_formats(tmp_path / "not there") == ()


def swapped(text: str) -> str:
    return "\n".join(
        [f"pattern = '{text}'" if line.startswith("pattern") else line for line in TEXT.splitlines()]
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id = 3", r"own\.toml, line 1: id"),
        (TEXT.replace("acme_gateway", "syslog"), "'syslog' is taken by a built-in format"),
        (TEXT.replace("acme_gateway", "jsonl"), "'jsonl' is taken"),
        (TEXT.replace("NOTE = 10", "NOTE = 99"), r"line 8: levels\.NOTE: not between 1 and 24"),
        (TEXT.replace("Europe/Berlin", "Mars/Base"), r"line 4: timezone: 'Mars/Base'"),
        (TEXT + 'surprise = "x"', "surprise"),
        (TEXT.replace("pattern =", 'colour = "red"\npattern ='), r"line 5: colour"),
        ("id = 'a1'\ntitle = 'x'", "give either `pattern`"),
        (JOBS.replace("level =", "lvel ="), r"line 3: fields\.lvel: no such role"),
        (JOBS.replace('time = "meta.when", ', ""), "`time` is missing"),
        (swapped("(?P<message>.*"), "line 5: pattern: no valid pattern"),
        (swapped("(?P<message>.*)"), "no group for a time"),
        (swapped(r"(?P<time>\S+) (?:(?P<message>\w+) ?)*"), "without a bound"),
        (swapped(r"(?P<time>\S+) .*a.*b(?P<message>.*)"), r"more than 2 repeats of `\.`"),
        (swapped(r"(?P<day>\d\d) (?P<mon>\w{3}) (?P<hour>\d+):(?P<minute>\d\d)"), "'hour' must match digits"),
        ("= broken", "no valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_its_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    written(tmp_path, text)
    with pytest.raises(ConfigError, match=told) as caught:
        load_formats(tmp_path)
    assert "own.toml" in caught.value.message
    assert caught.value.exit_code == 2


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    written(tmp_path, TEXT, "a.toml")
    written(tmp_path, TEXT, "b.toml")
    with pytest.raises(ConfigError, match=r"b\.toml: id: 'acme_gateway' is taken by .*a\.toml"):
        load_formats(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "nested"),
    [(r"(a+)+b", True), (r"(?:\w*,)*", True), (r"(?:a|b+)*", True), (r"a+b+", False), (r"(?:ab)+", False),
     (r"(a{1,3})+", False), (r"(?P<x>(?:a+)?)b", False), (r"(?:(?=a+)b)*", True), (r"(a{2,5000})*", True)],
)  # fmt: skip
def test_nested_repeats_are_seen(pattern: str, nested: bool) -> None:
    assert nests_repeats(pattern) is nested
    assert wide_repeats(".*a(.+)b[^x]*") == 2


def test_hostile_lines_do_not_hang_an_own_pattern(tmp_path: Path) -> None:
    written(tmp_path, swapped(r"(?P<time>\S+) (?P<a>.*)x(?P<message>.*)y"))
    item = read_format(tmp_path / "own.toml")
    data = b"2026-11-24T09:05:47Z " + b"x" * 300_000 + b"\n"
    found = parse_artifact(data, Source(sha256="0" * 64, uri="x"), pin=item.id, formats=(item,))
    assert found.events.num_rows + found.quarantine.num_rows == 1

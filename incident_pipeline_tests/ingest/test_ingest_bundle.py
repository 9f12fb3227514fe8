"""Opening bundles: every artifact that can be taken is taken, everything else is named."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import (
    IncidentIdError,
    IncidentPipelineError,
    MalformedInputError,
    MissingArtifactError,
    UnreadableInputError,
    UnsafeArchiveError,
)
from incident_pipeline.ingest import Bundle, is_bundle, open_bundle, peek_incident_id

SEED_EXAMPLE = """{
"incident_id": "INC-2026-0001",
"start_time": "2026-01-16T10:27:03Z",
"detected_by": "pagerduty:alert-12345",
"severity": "sev2",
"artifacts": [
{"type": "trace", "source": "datadog", "uri": "s3://evidence/inc-0001/traces.json.gz", "hash": "sha256:..."},
{"type": "logs", "source": "elk", "uri": "s3://evidence/inc-0001/logs.gz", "hash": "sha256:..."},
{"type": "chat", "source": "slack", "uri": "s3://evidence/inc-0001/chat.json", "hash": "sha256:..."}
],
"ingested_by": "automation-service-1",
"ingest_time": "2026-01-16T10:29:10Z",
"signed_manifest": "s3://evidence/inc-0001/manifest.sig"
}"""

FILES = {"logs/a.log": b"alpha\n", "logs/b.log": b"beta\n", "chat.json": b"[]"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write(root: Path, record: object = None, files: dict[str, bytes] | None = None) -> Path:
    for name, data in (FILES if files is None else files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    root.mkdir(exist_ok=True)
    if record is not None:
        text = record if isinstance(record, str) else json.dumps(record)
        (root / "incident.json").write_text(text)
    return root


def record(*artifacts: Any, **more: Any) -> dict[str, Any]:
    entries = [{"type": "logs", "uri": it} if isinstance(it, str) else it for it in artifacts]
    return {"incident_id": "INC-1", "artifacts": entries, **more}


def listed(bundle: Bundle) -> list[str]:
    return sorted(artifact.entry.uri for artifact in bundle.artifacts)


def problems(bundle: Bundle) -> list[tuple[str, str, int]]:
    return [(problem.kind, problem.uri, problem.exit_code) for problem in bundle.problems]


def opened(root: Path) -> Bundle:
    return open_bundle(root, root.parent / "scratch")


def test_a_folder_gives_its_artifacts_with_digests(tmp_path: Path) -> None:
    entry = {"type": "logs", "source": "elk", "uri": "logs/a.log", "hash": f"SHA256:{sha256(b'')}"[7:]}
    entry["hash"] = f"sha256:{sha256(FILES['logs/a.log']).upper()}"
    root = write(tmp_path / "case", record(entry, "./logs/b.log", "chat.json", title="T", custom={"kept": 1}))
    bundle = opened(root)
    assert listed(bundle) == ["./logs/b.log", "chat.json", "logs/a.log"]
    assert bundle.problems == ()
    assert [it.sha256 for it in bundle.artifacts] == sorted(sha256(data) for data in FILES.values())
    assert {it.size for it in bundle.artifacts} == {2, 5, 6}
    assert bundle.incident.model_extra == {"custom": {"kept": 1}}
    assert bundle.record == (root / "incident.json").read_bytes()
    assert not (tmp_path / "scratch").exists()


def test_the_example_of_the_ingestion_schema_is_taken_as_printed(tmp_path: Path) -> None:
    bundle = opened(write(tmp_path / "seed", SEED_EXAMPLE, files={}))
    assert bundle.incident.key == "inc-2026-0001"
    assert bundle.artifacts == ()
    uris = [f"s3://evidence/inc-0001/{name}" for name in ("chat.json", "logs.gz", "traces.json.gz")]
    assert problems(bundle) == [
        row for uri in uris for row in (("placeholder_hash", uri, 0), ("unreachable", uri, 3))
    ]
    assert all("Download it" in it.advice for it in bundle.problems if it.kind == "unreachable")


def test_objects_of_the_example_are_found_when_they_are_brought_beside_it(tmp_path: Path) -> None:
    text = SEED_EXAMPLE.replace("s3://evidence/inc-0001/", "")
    files = {"traces.json.gz": b"t", "logs.gz": b"l", "chat.json": b"c"}
    bundle = opened(write(tmp_path / "seed", text, files=files))
    assert listed(bundle) == sorted(files)


def archive(root: Path, kind: str, *, top: str) -> Path:
    members = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    target = root.parent / f"INC_7.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as zipped:
            for name, path in members.items():
                zipped.write(path, f"{top}{name}")
    else:
        with tarfile.open(target, {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}[kind]) as tarred:
            for name, path in members.items():
                tarred.add(path, f"{top}{name}")
    return target


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "zip"])
@pytest.mark.parametrize("top", ["", "./", "some-folder/"])
def test_archives_with_and_without_a_top_folder_give_the_same(tmp_path: Path, kind: str, top: str) -> None:
    root = write(tmp_path / "case", record("logs/a.log", "logs/b.log", "chat.json"))
    path = archive(root, kind, top=top)
    packed, plain = opened(path), opened(root)
    assert peek_incident_id(path) == peek_incident_id(root) == "INC-1"
    assert [(it.entry, it.sha256) for it in packed.artifacts] == [
        (it.entry, it.sha256) for it in plain.artifacts
    ]
    assert packed.root.is_relative_to((tmp_path / "scratch").resolve())


def test_without_a_record_every_file_is_an_artifact_and_the_name_is_the_incident(tmp_path: Path) -> None:
    root = write(tmp_path / "INC_7", files=FILES | {".hidden": b"x", ".git/config": b"x"})
    bundle = opened(root)
    assert bundle.incident.incident_id == peek_incident_id(root) == "INC_7"
    assert bundle.incident.key == "inc-7"
    assert listed(bundle) == sorted(FILES)
    assert {it.entry.type for it in bundle.artifacts} == {"unknown"}
    assert problems(bundle) == [("unlisted", ".git", 0), ("unlisted", ".hidden", 0)]
    assert bundle.record is None
    path = archive(root, "tar.gz", top="whatever/")
    assert opened(path).incident.incident_id == peek_incident_id(path) == "INC_7"
    assert listed(opened(path)) == sorted(FILES)


def test_a_lone_record_stands_for_its_folder(tmp_path: Path) -> None:
    root = write(tmp_path / "case", record("logs/a.log", "logs/b.log", "chat.json"))
    assert listed(opened(root / "incident.json")) == sorted(FILES)
    assert peek_incident_id(root / "incident.json") == "INC-1"


def test_files_that_are_not_listed_are_remarked(tmp_path: Path) -> None:
    bundle = opened(write(tmp_path / "case", record("logs/a.log")))
    assert listed(bundle) == ["logs/a.log"]
    assert problems(bundle) == [("unlisted", "chat.json", 0), ("unlisted", "logs/b.log", 0)]


def test_many_strays_are_counted_not_listed(tmp_path: Path) -> None:
    files = {f"f{number:03d}": b"%d" % number for number in range(150)}
    bundle = opened(write(tmp_path / "case", record("f000"), files))
    assert len(bundle.problems) == 101
    assert any(it.detail.startswith("49 more files") for it in bundle.problems)


def test_one_bad_artifact_does_not_stop_the_others(tmp_path: Path) -> None:
    wrong = {"type": "logs", "uri": "logs/b.log", "hash": "sha256:" + "0" * 64}
    root = write(tmp_path / "case", record("logs/a.log", wrong, "gone.log", "logs", "chat.json"))
    bundle = opened(root)
    assert listed(bundle) == ["chat.json", "logs/a.log"]
    assert problems(bundle) == [
        ("missing", "gone.log", 3), ("malformed", "logs", 3), ("hash_mismatch", "logs/b.log", 1),
    ]  # fmt: skip
    mismatch = bundle.problems[2]
    assert sha256(FILES["logs/b.log"]) in mismatch.detail
    assert "0" * 64 in mismatch.detail


def test_equal_bytes_are_kept_once_whatever_the_order(tmp_path: Path) -> None:
    files = {"z.log": b"same", "b.log": b"same", "other.log": b"other"}
    entries = [
        {"type": "unknown", "uri": "b.log"},
        {"type": "logs", "uri": "z.log"},
        {"type": "logs", "uri": "z.log"},
        {"type": "logs", "uri": "other.log", "role": "reference"},
    ]
    first = opened(write(tmp_path / "one", record(*entries), files))
    second = opened(write(tmp_path / "two", record(*reversed(entries)), files))
    for bundle in (first, second):
        kept = next(it for it in bundle.artifacts if it.size == 4)
        assert kept.entry.uri == "z.log"
        assert kept.also_known_as == ("b.log",)
        assert [(kind, uri) for kind, uri, _ in problems(bundle)] == [
            ("duplicate", "b.log"), ("duplicate", "z.log"),
        ]  # fmt: skip
    assert [(it.entry, it.sha256) for it in first.artifacts] == [
        (it.entry, it.sha256) for it in second.artifacts
    ]
    assert first.problems == second.problems


def test_bytes_listed_as_incident_and_reference_count_as_the_incident_and_say_so(tmp_path: Path) -> None:
    entries = [{"uri": "a", "role": "reference"}, {"uri": "b", "role": "incident"}]
    bundle = opened(write(tmp_path / "case", record(*entries), {"a": b"x", "b": b"x"}))
    (kept,) = bundle.artifacts
    assert (kept.entry.uri, kept.entry.role) == ("b", "incident")
    assert "role 'incident' and not 'reference'" in bundle.problems[0].detail


def test_empty_files_are_kept_and_remarked(tmp_path: Path) -> None:
    bundle = opened(write(tmp_path / "case", record("a", "b"), {"a": b"", "b": b""}))
    assert problems(bundle) == [("empty", "a", 0), ("empty", "b", 0)]
    assert [it.also_known_as for it in bundle.artifacts] == [("b",)]


@pytest.mark.parametrize("uri", ["../secret", "logs/../../secret", "file:../secret", "file:%2e%2e/secret"])
def test_paths_that_climb_are_refused_and_named(tmp_path: Path, uri: str) -> None:
    (tmp_path / "secret").write_text("secret")
    bundle = opened(write(tmp_path / "case", record("logs/a.log", uri)))
    assert listed(bundle) == ["logs/a.log"]
    assert ("unsafe_path", uri, 3) in problems(bundle)
    assert any("climbs out of the bundle" in it.detail for it in bundle.problems)


@pytest.mark.parametrize("uri", ["", "a\0b", "n" * 5_000])
def test_uris_that_name_nothing_are_refused(tmp_path: Path, uri: str) -> None:
    bundle = opened(write(tmp_path / "case", record("logs/a.log", uri)))
    assert ("unsafe_path", uri, 3) in problems(bundle)


def test_links_inside_are_followed_and_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    root = write(tmp_path / "case", record("in.log", "out.log", "dir/secret", "loop", "dangling"))
    (root / "in.log").symlink_to("logs/a.log")
    (root / "out.log").symlink_to(tmp_path / "outside" / "secret")
    (root / "dir").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nowhere")
    bundle = opened(root)
    assert listed(bundle) == ["in.log"]
    found = {uri: kind for kind, uri, code in problems(bundle) if code}
    assert found == {
        "out.log": "unsafe_path", "dir/secret": "unsafe_path", "loop": "unreadable", "dangling": "missing",
    }  # fmt: skip


def test_a_record_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    root = write(tmp_path / "case")
    (tmp_path / "elsewhere.json").write_text(json.dumps(record("logs/a.log")))
    (root / "incident.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(UnreadableInputError, match=r"incident\.json: can't be opened"):
        opened(root)


def test_pipes_never_block(tmp_path: Path) -> None:
    root = write(tmp_path / "case", record("pipe", "logs/a.log"))
    os.mkfifo(root / "pipe")
    bundle = opened(root)
    assert listed(bundle) == ["logs/a.log"]
    assert ("unreadable", "pipe", 3) in problems(bundle)


@pytest.mark.parametrize("form", ["{path}", "file:{path}", "file://{path}", "file://localhost{path}"])
def test_absolute_paths_count_for_folders_and_not_for_archives(tmp_path: Path, form: str) -> None:
    outside = tmp_path / "app server.log"
    outside.write_text("here")
    uri = form.format(path=str(outside) if form == "{path}" else str(outside).replace(" ", "%20"))
    root = write(tmp_path / "case", record("logs/a.log", uri))
    assert uri in listed(opened(root))
    packed = opened(archive(root, "tar", top=""))
    assert listed(packed) == ["logs/a.log"]
    assert ("unsafe_path", uri, 3) in problems(packed)


def test_file_uris_of_other_hosts_and_other_schemes_are_out_of_reach(tmp_path: Path) -> None:
    uris = ["file://db-1/var/log/x", "https://example.org/x.log", "gs://bucket/x"]
    bundle = opened(write(tmp_path / "case", record("logs/a.log", *uris)))
    found = {it.uri: it.detail for it in bundle.problems if (it.kind, it.exit_code) == ("unreachable", 3)}
    assert {uri: found[uri].split(";")[0] for uri in uris} == {
        uris[0]: "lies out of reach (file on the host 'db-1')",
        uris[1]: "lies out of reach (https)",
        uris[2]: "lies out of reach (gs)",
    }


def test_a_relative_name_may_hold_a_colon(tmp_path: Path) -> None:
    bundle = opened(write(tmp_path / "case", record("app:1.log"), {"app:1.log": b"x"}))
    assert listed(bundle) == ["app:1.log"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "holds a list"),
        ("{", "no valid JSON"),
        ('{"artifacts": [{"uri": "a"}]}', "incident_id: Field required"),
        ('{"incident_id": "", "artifacts": [{"uri": "a"}]}', "incident_id: String should have at least 1"),
        ('{"incident_id": "a", "artifacts": [{"uri": "a"}, {}]}', "artifacts.1.uri: Field required"),
        ('{"incident_id": "a", "artifacts": [{"uri": 3}]}', "artifacts.0.uri"),
        ('{"incident_id": "a", "artifacts": [{"uri": "a", "role": "calm"}]}', "artifacts.0.role"),
        ('{"incident_id": "a", "artifacts": {"uri": "a"}}', "artifacts: "),
        ('{"incident_id": "a", "incident_id": "b"}', "'incident_id' stands twice"),
        ('{"incident_id": "a\\ud800", "artifacts": [{"uri": "a"}]}', "no valid UTF-8"),
    ],
)  # fmt: skip
def test_a_broken_record_is_refused_with_file_and_field(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(MalformedInputError) as caught:
        opened(write(tmp_path / "case", text))
    assert caught.value.message.startswith("incident.json: ")
    assert reason in caught.value.message


def test_control_characters_in_the_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IncidentIdError, match="control characters"):
        opened(write(tmp_path / "case", {"incident_id": "a\x1b[31m", "artifacts": [{"uri": "a"}]}))


@pytest.mark.parametrize(
    ("start_time", "kept", "remark"),
    [
        ("2026-01-16T10:27:03Z", "2026-01-16T10:27:03Z", None),
        ("2026-01-16T12:27:03.250+02:00", "2026-01-16T12:27:03.250+02:00", None),
        ("2026-01-16 10:27:03", "2026-01-16T10:27:03Z", "names no time zone"),
        ("last night", None, "counts as not given"),
        ("2026-13-16T10:27:03Z", None, "counts as not given"),
    ],
)
def test_a_start_time_that_is_none_counts_as_not_given(
    tmp_path: Path, start_time: str, kept: str | None, remark: str | None
) -> None:
    root = write(tmp_path / "case", record("a", start_time=start_time), {"a": b"x"})
    bundle = opened(root)
    assert bundle.incident.start_time == kept
    assert [it.kind for it in bundle.problems] == (["malformed"] if remark else [])
    assert all(remark is not None and remark in it.detail and it.exit_code == 0 for it in bundle.problems)


def test_empty_bundles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MalformedInputError, match="empty: the bundle holds no artifacts"):
        opened(tmp_path / "empty")
    with pytest.raises(MalformedInputError, match="holds no artifacts") as caught:
        opened(write(tmp_path / "unlisted", record()))
    assert "List its 3 files" in caught.value.advice
    tarfile.open(tmp_path / "empty.tar", "w").close()
    with pytest.raises(MalformedInputError, match=r"empty\.tar: the bundle holds no artifacts"):
        opened(tmp_path / "empty.tar")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("a log")
    with pytest.raises(MalformedInputError, match="neither a folder, an archive") as caught:
        opened(tmp_path / "app.log")
    assert "parse FILE" in caught.value.advice
    with pytest.raises(MissingArtifactError, match="no such file"):
        opened(tmp_path / "nowhere")
    with pytest.raises(MissingArtifactError, match="no such file"):
        peek_incident_id(tmp_path / "nowhere")


def test_peeking_refuses_what_opening_refuses(tmp_path: Path) -> None:
    root = write(tmp_path / "case", '{"incident_id": 3}')
    path = tmp_path / "broken.tar.gz"
    path.write_bytes(b"\x1f\x8b" + bytes(50))
    for bundle in (root, path):
        with pytest.raises(IncidentPipelineError):
            peek_incident_id(bundle)
    assert is_bundle(root)
    assert is_bundle(path)
    assert not is_bundle(tmp_path)
    assert not is_bundle(tmp_path / ".hidden.zip")


def test_a_hostile_archive_is_refused_as_a_whole(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        link = tarfile.TarInfo("logs")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        packed.addfile(link)
    (tmp_path / "evil.tar").write_bytes(buffer.getvalue())
    with pytest.raises(UnsafeArchiveError, match=r"evil\.tar: member 'logs'"):
        opened(tmp_path / "evil.tar")


@given(
    uri=st.text(max_size=30) | st.text(alphabet="./~%a2efil:\\\0", max_size=30),
    given_hash=st.text(max_size=12),
)
@settings(max_examples=200, deadline=None)
def test_any_uri_gives_an_artifact_or_a_problem_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, uri: str, given_hash: str
) -> None:
    root = write(tmp_path_factory.mktemp("any") / "case", files={"a": b"x"})
    try:
        (root / "incident.json").write_text(json.dumps(record({"uri": uri, "hash": given_hash})))
        bundle = opened(root)
    except MalformedInputError as error:
        assert "UTF-8" in error.message  # noqa: PT017 - lone surrogates
        return
    named = {it.uri for it in bundle.problems if it.exit_code} | {it.entry.uri for it in bundle.artifacts}
    assert named == {uri}

"""The access log: every read is entered first, and no entry can be edited, dropped or moved unnoticed."""

from __future__ import annotations

import json
import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import HashMismatchError, SealError, ServiceError
from incident_pipeline.evidence.access_log import FIRST, Access, AccessLog, AccessState, WatchedVault
from incident_pipeline.evidence.custody import AccessHead
from incident_pipeline.evidence.retention import hold
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.serialise import sha256_hex
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.sealed_case import LOG, NOW, Case

SHA = sha256_hex(LOG)


def log_at(path: Path) -> AccessLog:
    return AccessLog(path, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC), actor="sam")


def filled(path: Path, count: int = 4) -> AccessLog:
    log = log_at(path)
    for number in range(count):
        log.append([Access("inc-1", "parsed_events", f"{number:064x}", "pipeline run")])
    return log


def test_entries_chain_and_say_who_read_what_and_why(tmp_path: Path) -> None:
    log = filled(tmp_path / "deep" / "access.jsonl", 2)
    first, second = (json.loads(line) for line in log.path.read_text().splitlines())
    assert (first["actor"], first["action"], first["object"]) == ("sam", "parsed_events", "0" * 64)
    assert (first["prev"], second["prev"]) == (FIRST, first["entry"])
    assert log.state() == AccessState(2, second["entry"], 0)
    assert log.path.stat().st_mode & 0o007 == 0
    assert log_at(tmp_path / "none").state() == AccessState(0, FIRST, 0)


@given(data=st.data())
@settings(max_examples=200)
def test_no_flipped_bit_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    log = filled(tmp_path_factory.mktemp("log") / "access.jsonl")
    before, state = log.path.read_bytes(), log.state()
    position = data.draw(st.integers(0, len(before) * 8 - 1))
    altered = bytearray(before)
    altered[position // 8] ^= 1 << position % 8
    log.path.write_bytes(altered)
    try:
        found = log.state()
    except SealError:
        return
    # A last line end that is gone looks as a power cut leaves it, and is told as such.
    assert position // 8 == len(before) - 1
    assert (found.entries, found.torn) == (state.entries - 1, 1)


@given(order=st.lists(st.integers(0, 3), max_size=5))
@settings(max_examples=60)
def test_lines_that_are_removed_repeated_or_moved_are_noticed(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    log = filled(tmp_path_factory.mktemp("log") / "access.jsonl")
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[index] for index in order))
    if order == list(range(len(order))):
        # What is cut off at the end shows only against a custody entry that says how long it was.
        assert log.state().entries == len(order)
    else:
        with pytest.raises(SealError, match="Line"):
            log.state()


@given(cut=st.integers(1, 400))
@settings(max_examples=40)
def test_a_torn_last_line_is_reported_and_the_log_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    log = filled(tmp_path_factory.mktemp("log") / "access.jsonl", 3)
    whole = log.path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    kept = len(whole) - min(cut, last)
    log.path.write_bytes(whole[:kept])
    torn = min(cut, last) < last
    assert log.state().torn == torn
    log.append([Access("inc-1", "verify", "f" * 64)])
    state = log.state()
    # Where only the line end was missing the entry is whole, and counts again.
    assert (state.entries, state.torn) == ((4, 0) if cut == 1 else (3, int(torn)))
    log.append([Access("inc-1", "verify", "e" * 64)])
    assert log.state().entries == state.entries + 1


def test_a_torn_line_that_was_edited_later_is_noticed(tmp_path: Path) -> None:
    log = filled(tmp_path / "access.jsonl", 2)
    log.path.write_bytes(log.path.read_bytes() + b'{"half')
    log.append([Access("inc-1", "verify", "f" * 64)])
    text = log.path.read_bytes()
    for altered in (text.replace(b'{"half', b'{"hal'), text.replace(b'{"half\n', b"")):
        log.path.write_bytes(altered)
        with pytest.raises(SealError, match="altered or removed"):
            log.state()


def test_nothing_is_added_to_a_log_whose_end_was_altered(tmp_path: Path) -> None:
    log = filled(tmp_path / "access.jsonl", 1)
    log.path.write_bytes(log.path.read_bytes().replace(b'"sam"', b'"eve"'))
    with pytest.raises(SealError, match="last line"):
        log.append([Access("inc-1", "verify", "f" * 64)])


def test_a_log_that_can_not_be_written_lets_nothing_be_read(tmp_path: Path) -> None:
    (tmp_path / "access.jsonl").mkdir()
    with pytest.raises(ServiceError, match="can't be written"):
        log_at(tmp_path / "access.jsonl").append([Access("inc-1", "verify", "f" * 64)])
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServiceError):
        log_at(tmp_path / "link").append([Access("inc-1", "verify", "f" * 64)])
    assert not (tmp_path / "elsewhere").exists()


def _append(path: str) -> None:
    for _ in range(10):
        log_at(Path(path)).append([Access("inc-1", "a", "0" * 64), Access("inc-1", "b", "1" * 64)])


def test_processes_that_append_at_once_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(str(path),)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert log_at(path).state() == AccessState(60, log_at(path).state().head, 0)


def test_a_stage_enters_each_artifact_once_before_it_reads(case: Case) -> None:
    sealed = case.seal()
    log = log_at(case.vault.root / "access.jsonl")
    accesses = [Access("inc-1", "hypotheses", it.sha256, "pipeline run") for it in sealed.evidence.artifacts]
    watched = WatchedVault(case.vault, log, accesses)
    assert log.state().entries == 2
    assert watched.read(SHA) == LOG
    with watched.open(SHA) as file:
        assert file.read() == LOG
    assert log.state().entries == 2
    with pytest.raises(SealError, match="not among those"):
        watched.read("0" * 64)


def test_a_read_that_fails_is_entered_with_its_failure(case: Case) -> None:
    case.seal()
    path = case.vault.object_path(SHA)
    path.chmod(0o600)
    path.write_bytes(b"altered")
    log = log_at(case.vault.root / "access.jsonl")
    watched = WatchedVault(case.vault, log, [Access("inc-1", "hypotheses", SHA)])
    with pytest.raises(HashMismatchError):
        watched.read(SHA)
    assert json.loads(log.path.read_text().splitlines()[-1])["result"] == "HashMismatchError"


def test_verify_checks_the_log_and_enters_its_own_reading(sealed_case: Case) -> None:
    report = verify_results(sealed_case.out, config_dir=sealed_case.config, action="verify")
    assert report.counts["access"] == {"ok": 1}
    log = AccessLog(sealed_case.vault.root / "access.jsonl")
    assert log.state().entries == 2
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(lines[1])
    code, messages = sealed_case.verify()
    assert code == 1
    assert messages == ["Line 1 of the access log does not follow: lines were removed or moved."]


def test_a_log_that_was_cut_shows_against_a_custody_entry(tmp_path: Path) -> None:
    case = EncryptedCase(tmp_path)
    case.seal_encrypted(now=NOW)
    log = filled(case.vault.root / "access.jsonl", 3)
    custodian = case.custodian()

    def head() -> AccessHead:
        state = log.state()
        return AccessHead(entries=state.entries, head=state.head)

    anchored = type(custodian)(**{**vars(custodian), "access_head": head})
    hold(anchored, "inc-1", reason="inquiry", authority="counsel")
    assert case.outcome()[0] == 0
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:2]))
    code, messages, _ = case.outcome()
    assert code == 1
    assert messages == ["access.jsonl no longer holds 3 entries that a custody entry anchors."]
    log.path.unlink()
    assert case.outcome()[0] == 1

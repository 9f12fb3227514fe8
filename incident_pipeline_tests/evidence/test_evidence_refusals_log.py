"""Refusals around log, pins, access log and custody that no attack of the other files needs."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from unittest import mock

import pytest

from incident_pipeline.errors import LogError, SealError, ServiceError, SignatureError
from incident_pipeline.evidence import load_or_create_local_signer
from incident_pipeline.evidence.access_log import ACCESS_LOG, Access, AccessLog
from incident_pipeline.evidence.checkpoint import MAX_BYTES, Checkpoint, read_checkpoint, sign_checkpoint
from incident_pipeline.evidence.custody import Decision, enter, read_custody
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.log import enter_seal
from incident_pipeline.evidence.log_records import ORIGIN, proof_bytes, read_entry, read_origin
from incident_pipeline.evidence.manifest import read_signed, sign_payload
from incident_pipeline.evidence.merkle import (
    EMPTY_ROOT,
    CompactRange,
    consistency_proof,
    consistent,
    included,
    leaf_hash,
    node_hash,
)
from incident_pipeline.evidence.retention import hold
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.serialise import canonical_json, compact_json, sha256_hex
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.log_case import LogCase
from incident_pipeline_tests.evidence.sealed_case import Case

READ = Access("inc-1", "read", "0" * 64, "test")


@pytest.fixture
def logged(tmp_path: Path) -> LogCase:
    return LogCase(tmp_path)


def test_a_pin_of_a_log_that_can_not_be_relied_on_is_not_checked(logged: LogCase) -> None:
    kept = logged.seals(2)[-1]
    (logged.records / "entries/00000000.json").unlink()
    code, messages = logged.anchored(kept)
    assert code == 1
    assert messages[-1].endswith("kept.checkpoint: the vault's log can't be relied on, see there.")


def test_a_pin_of_another_log_fails_without_the_vault_too(logged: LogCase) -> None:
    logged.seals(1)
    shutil.rmtree(logged.vault.root)
    other = sign_checkpoint(Checkpoint("example.com/other", 1, bytes(32)), logged.signer.signer)
    code, messages = logged.anchored(other.decode())
    assert code == 1
    assert any(it.endswith("is of another one, example.com/other.") for it in messages), messages


def test_a_results_checkpoint_of_another_log_fails(logged: LogCase) -> None:
    """The vault's log was drawn anew and has as many entries: only its name differs."""
    logged.seals(1)
    logged.results_of("kept")
    shutil.rmtree(logged.records)
    logged.seals(1)
    logged.replay("kept")
    code, messages = logged.verify()
    assert code == 1
    assert any("The vault's log is " in it and "is of another one" in it for it in messages)


def test_an_entry_whose_proof_has_another_length_is_named(logged: LogCase) -> None:
    logged.seals(3)
    logged.edit_entry(2, lambda it: it.update(path=[]))
    assert logged.verify() == (1, ["Log entry 2 has a proof of the wrong length."])


def test_a_proof_of_another_entry_is_not_built_upon(logged: LogCase) -> None:
    logged.seals(2)
    logged.overwrite("proofs/inc-1/000002.json", (logged.records / "proofs/inc-1/000001.json").read_bytes())
    with pytest.raises(LogError, match=r"000002.json is not the proof of log entry 1"):
        logged.seals(1, first=2)


def test_a_checkpoint_over_something_else_is_not_built_upon(logged: LogCase) -> None:
    logged.seals(2)
    logged.overwrite("checkpoints/00000002", (logged.records / "checkpoints/00000001").read_bytes())
    with pytest.raises(LogError, match="does not cover the first 2 entries"):
        logged.seals(1, first=2)


def test_a_strangers_checkpoint_counts_only_over_the_entries_there_are(
    logged: LogCase, tmp_path: Path
) -> None:
    """An entry that claims to continue other entries, vouched for by a key that nobody knows."""
    logged.seals(2)
    log = logged.log()
    logged.edit_entry(1, lambda it: it.update(path=["00" * 32]))
    entry = read_entry(logged.vault, 1)
    root = CompactRange(1, (bytes(32),)).append(bytes.fromhex(entry.leaf)).root
    stranger = load_or_create_local_signer(tmp_path / "stranger", {}).signer
    note = sign_checkpoint(Checkpoint(log.origin, 2, root), stranger)
    logged.overwrite("checkpoints/00000002", note)
    logged.overwrite("proofs/inc-1/000002.json", proof_bytes(entry, 1, note))
    with pytest.raises(LogError, match="does not cover the first 2 entries"):
        logged.seals(1, first=2)


def entered(case: Case) -> tuple[int, list[str], list[str]]:
    """Verify results and enter it as a reading; give code, failures and remarks on access."""
    report = verify_results(case.out, config_dir=case.config, action="verify")
    remarks = [it.message for it in report.remarks if it.kind == "access"]
    return report.exit_code, [it.message for it in report.failures], remarks


def test_a_reading_that_can_not_be_entered_is_remarked(
    sealed_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ServiceError("The access log can't be written (Read-only file system).")

    monkeypatch.setattr(AccessLog, "append", failing)
    code, failures, remarks = entered(sealed_case)
    assert (code, failures) == (0, [])
    assert remarks == [
        "This reading was not entered: The access log can't be written (Read-only file system)."
    ]


def test_an_access_log_that_ends_in_something_else_takes_no_entry(sealed_case: Case) -> None:
    path = sealed_case.vault.root / ACCESS_LOG
    AccessLog(path).append([READ])
    whole = path.read_bytes()
    path.write_bytes(whole + b"edited\n")
    code, failures, _ = entered(sealed_case)
    assert code == 1
    assert "The access log's last line is no entry of it: it was altered." in failures
    path.write_bytes(whole + b"x" * 1_000_000)
    code, failures, _ = entered(sealed_case)
    assert code == 1
    assert "The access log's last line is no entry of it." in failures


def test_torn_lines_of_the_access_log_are_remarked(sealed_case: Case) -> None:
    path = sealed_case.vault.root / ACCESS_LOG
    log = AccessLog(path)
    log.append([READ])
    path.write_bytes(path.read_bytes() + b'{"action":"re')
    log.append([READ])
    code, failures, remarks = entered(sealed_case)
    assert (code, failures) == (0, [])
    assert remarks == [f"{ACCESS_LOG} holds 1 torn lines, as a power cut leaves them."]
    path.write_bytes(path.read_bytes().replace(b'{"action":"re\n', b'{"action":"re\n{"action":"x\n'))
    assert sealed_case.verify() == (1, ["Line 2 of the access log was altered."])


def test_an_access_log_that_can_not_be_read_could_not_be_checked(sealed_case: Case) -> None:
    (sealed_case.vault.root / ACCESS_LOG).mkdir()
    code, messages = sealed_case.verify()
    assert code == 3
    assert messages == ["The access log can't be read (Is a directory)."]


def test_custody_entries_that_are_none_are_refused(tmp_path: Path) -> None:
    case = EncryptedCase(tmp_path)
    case.seal_encrypted()
    name = "custody/inc-1/000001.sigstore.json"
    for payload, reason in ((b"\xff", "holds no statement"), (b"{}", "is no custody entry")):
        vault = LocalVault(tmp_path / payload.hex())
        assert vault.publish_record(name, sign_payload(payload, case.signer.signer))
        with pytest.raises(SealError, match=f"Custody entry inc-1/000001 {reason}"):
            read_custody(vault, "inc-1", [case.signer.signer.public_key])


def test_custody_needs_a_seal_and_gives_up_against_others(tmp_path: Path) -> None:
    case = EncryptedCase(tmp_path)
    case.seal_encrypted()
    signer = case.signer.signer
    decision = Decision(action="hold", reason="inquiry", authority="counsel", matter="a")

    def entering(incident: str) -> object:
        return enter(
            case.vault, incident, lambda _: decision, signer=signer, keys=(), now="2026-02-01T00:00:00Z"
        )

    with pytest.raises(SealError, match="holds no seal of inc-9"):
        entering("inc-9")
    with (
        mock.patch.object(LocalVault, "publish_record", return_value=False),
        mock.patch.object(LocalVault, "read_record", return_value=b"another's"),
        pytest.raises(ServiceError, match="at the same time"),
    ):
        entering("inc-1")
    assert hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel", matter="a")


def unfinish(logged: LogCase, number: int) -> None:
    """Leave the last entry as a run that was killed right after it."""
    (logged.records / f"checkpoints/{number:08d}").unlink()
    (logged.records / f"proofs/inc-1/{number:06d}.json").unlink()


def test_an_unfinished_entry_of_another_seal_is_not_finished(logged: LogCase) -> None:
    logged.seals(2)
    unfinish(logged, 2)
    logged.edit_entry(1, lambda it: it.update(leaf="ab" * 32))
    with pytest.raises(LogError, match="Log entry 1 is not of seal inc-1/000002"):
        logged.seals(1, first=2)
    assert not (logged.records / "checkpoints/00000002").exists()


def test_an_unfinished_entry_is_not_finished_on_a_wrong_checkpoint(logged: LogCase) -> None:
    logged.seals(3)
    unfinish(logged, 3)
    logged.overwrite("checkpoints/00000002", (logged.records / "checkpoints/00000001").read_bytes())
    with pytest.raises(LogError, match="Log checkpoint 2 does not cover the first 2 entries"):
        logged.seals(1, first=3)
    assert not (logged.records / "checkpoints/00000003").exists()


def test_a_known_keys_checkpoint_must_hold_before_it_is_built_upon(logged: LogCase) -> None:
    logged.seals(2)
    note = bytearray((logged.records / "checkpoints/00000002").read_bytes())
    note[-20] = ord("A") if note[-20] != ord("A") else ord("B")
    entry = read_entry(logged.vault, 1)
    logged.overwrite("checkpoints/00000002", bytes(note))
    logged.overwrite("proofs/inc-1/000002.json", proof_bytes(entry, 1, bytes(note)))
    with pytest.raises(SignatureError, match="does not hold: it was altered"):
        logged.seals(1, first=2)


def test_a_proof_that_names_another_seal_is_not_handed_out(logged: LogCase) -> None:
    logged.seals(2)
    name = "proofs/inc-1/000001.json"
    proof = json.loads((logged.records / name).read_bytes())
    for change in ({"sequence": 7}, {"incident": "inc-2"}, {"leaf_hash": "0" * 64}):
        logged.overwrite(name, canonical_json(proof | change))
        with pytest.raises(LogError, match="Seal inc-1/000001 is not the one in the log"):
            enter_seal(logged.vault, ("inc-1", 1), logged.signer.signer)


def test_an_entry_in_another_form_is_refused(logged: LogCase) -> None:
    logged.seals(2)
    path = logged.records / "entries/00000001.json"
    logged.overwrite("entries/00000001.json", compact_json(json.loads(path.read_bytes())))
    assert logged.verify() == (1, ["Log entry 1 is not in its canonical form."])


@pytest.mark.parametrize("data", [b"", b"\n", b"name", b"a b\n", b"a\tb\n", b"a\nb\n", b"caf\xc3\xa9\n"])
def test_a_name_of_the_log_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    vault = LocalVault(tmp_path)
    assert vault.publish_record(ORIGIN, data)
    with pytest.raises(LogError, match="does not give the log's name"):
        read_origin(vault)


def test_every_known_signature_in_the_log_must_hold(logged: LogCase) -> None:
    logged.seals(3)
    note = bytearray((logged.records / "checkpoints/00000002").read_bytes())
    note[-20] = ord("A") if note[-20] != ord("A") else ord("B")
    entry = read_entry(logged.vault, 1)
    logged.overwrite("checkpoints/00000002", bytes(note))
    logged.overwrite("proofs/inc-1/000002.json", proof_bytes(entry, 1, bytes(note)))
    code, messages = logged.verify()
    assert code == 1
    assert messages[0].startswith("Log checkpoint 2 has a signature by key")


def test_a_proof_may_be_missing_for_the_last_entry_only(logged: LogCase) -> None:
    logged.seals(3)
    (logged.records / "proofs/inc-1/000003.json").unlink()
    assert logged.verify() == (0, [])
    (logged.records / "proofs/inc-1/000001.json").unlink()
    said = "The record log/proofs/inc-1/000001.json is not the proof of log entry 0."
    assert logged.verify() == (1, [said])


def test_more_checkpoints_than_entries_are_refused(logged: LogCase) -> None:
    logged.seals(3)
    (logged.records / "entries/00000002.json").unlink()
    said = "The log has 3 checkpoints and 2 entries: some were taken away or added."
    assert logged.verify() == (1, [said])


@pytest.mark.parametrize("text", ["\n1\nROOT\n", "origin\n01\nROOT\n", "origin\n1\nROOT\n\nmore\n"])
def test_a_checkpoint_with_empty_or_other_lines_is_refused(text: str) -> None:
    text = text.replace("ROOT", base64.b64encode(bytes(32)).decode())
    line = f"\u2014 origin {base64.b64encode(bytes(68)).decode()}\n"
    assert read_checkpoint(f"origin\n1\n{base64.b64encode(bytes(32)).decode()}\n\n{line}".encode())
    with pytest.raises(LogError, match="an origin, a size and a root are wanted"):
        read_checkpoint(f"{text}\n{line}".encode())


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        (b"origin\n1\nx\n", "a text, an empty line and signature lines are wanted"),
        (b"origin\n1\nx\n\nline", "a text, an empty line and signature lines are wanted"),
        (b"origin\n1\n\nline\n", "the text has too few lines"),
        (b"origin\n1\nx\n\n" + b"line\n" * 33, "33 signatures are too many"),
        (b"origin\n1\nx\n\nli\tne\n", "it has control characters"),
        (b"o" * (MAX_BYTES + 1), "bytes are too many"),
    ],
)
def test_a_note_of_another_shape_is_refused_for_that(note: bytes, reason: str) -> None:
    with pytest.raises(LogError, match=reason):
        read_checkpoint(note)


def test_proofs_of_leaves_and_trees_that_there_are_not_are_none() -> None:
    leaf = leaf_hash(b"only")
    assert included(leaf, 0, 1, (), leaf)
    for index in (-1, 1, 2):
        assert not included(leaf, index, 1, (), leaf)
    assert not included(leaf, 0, 0, (), leaf)
    assert consistent(1, leaf, 1, leaf, ())
    for old, new in ((-1, 1), (2, 1)):
        assert not consistent(old, leaf, new, leaf, ())
    other = leaf_hash(b"other")
    assert not consistent(-1, leaf, 2, node_hash(leaf, other), (leaf, other))
    assert not consistent(1, leaf, 1, leaf, (leaf,))
    assert not consistent(1, leaf, 1, other, ())
    assert not consistent(0, EMPTY_ROOT, 1, leaf, (leaf,))
    assert not consistent(0, leaf, 1, leaf, ())
    assert consistent(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    assert not consistent(0, EMPTY_ROOT, 0, leaf, ())
    for size in (-1, 2):
        with pytest.raises(IndexError, match=f"no tree of {size} leaves in one of 1"):
            consistency_proof([leaf], size)


def test_access_lines_with_digests_made_anew_must_follow_and_keep_their_form(tmp_path: Path) -> None:
    """There is no signature on the lines: whoever edits one can give it a digest that fits."""
    path = tmp_path / ACCESS_LOG
    log = AccessLog(path)
    log.append([READ, READ, READ])
    first, second, third = path.read_bytes().splitlines(keepends=True)

    def anew(line: bytes, **changes: object) -> bytes:
        fields = {name: it for name, it in (json.loads(line) | changes).items() if name != "entry"}
        return compact_json(fields | {"entry": sha256_hex(compact_json(fields))}) + b"\n"

    assert anew(second) == second
    assert log.state().entries == 3
    for line, reason in (
        (anew(second, seq=7), "Line 2 .* does not follow"),
        (anew(second, prev="0" * 64), "Line 2 .* does not follow"),
        (anew(second, actor="someone else"), "Line 3 .* does not follow"),
        (anew(second, note="more"), "Line 2 .* was altered"),
        (second.replace(b'"action":', b'"action": '), "Line 2 .* was altered"),
        (b"[]\n", "Line 2 .* was altered"),
        (b"7\n", "Line 2 .* was altered"),
    ):
        path.write_bytes(first + line + third)
        with pytest.raises(SealError, match=reason):
            log.state()


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 7},
        {"previous": None},
        {"previous": {"sha256": "0" * 64}},
        {"actor": "0" * 64},
        {"incident": "x"},
    ],
)
def test_custody_entries_by_a_trusted_key_must_follow_each_other(
    tmp_path: Path, change: dict[str, object]
) -> None:
    case = EncryptedCase(tmp_path)
    case.seal_encrypted()
    for matter in ("a", "b"):
        hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel", matter=matter)
    path = case.vault.root / "records" / "custody" / "inc-1" / "000002.sigstore.json"
    statement = json.loads(read_signed(path.read_bytes()).payload)
    statement["predicate"].update(change)
    path.chmod(0o600)
    path.write_bytes(sign_payload(compact_json(statement), case.signer.signer))
    with pytest.raises(SealError, match=r"Custody entry inc-1/000002 does not follow the entry before it"):
        read_custody(case.vault, "inc-1", [case.signer.signer.public_key])

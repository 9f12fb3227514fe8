"""Attacks on the log by somebody who may write to the vault, and by somebody who has the key as well."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.errors import ConfigError, EvidenceError, LogError, MissingArtifactError
from incident_pipeline.evidence import LocalVault, load_or_create_local_signer, seal
from incident_pipeline.evidence.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from incident_pipeline.evidence.log_records import Entry
from incident_pipeline.evidence.log_view import read_log
from incident_pipeline.evidence.manifest import read_manifest
from incident_pipeline.evidence.merkle import CompactRange
from incident_pipeline.evidence.pins import save_pin
from incident_pipeline.evidence.verification import Findings
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.evidence.verify_log import LogVerifier
from incident_pipeline.ingest import open_bundle
from incident_pipeline.model.log import LogProof
from incident_pipeline.serialise import canonical_json
from incident_pipeline_tests.evidence.log_case import LogCase
from incident_pipeline_tests.evidence.sealed_case import NOW


@pytest.fixture
def logged(tmp_path: Path) -> LogCase:
    return LogCase(tmp_path)


def test_replay_of_an_older_valid_manifest(logged: LogCase) -> None:
    logged.seals(1)
    logged.results_of("old")
    (newest,) = logged.seals(1, first=1)
    assert logged.anchored(newest) == (0, [])
    logged.replay("old")
    assert logged.verify() == (0, [])
    assert logged.remarks() == ["unanchored"]
    assert logged.anchored(newest) == (
        1, ["An older manifest is replayed: inc-1/000001, and the pinned log has inc-1/000002."]
    )  # fmt: skip


def test_rolled_back_store(logged: LogCase) -> None:
    logged.seals(1)
    logged.results_of("old")
    newest = logged.seals(2, first=1)[-1]
    logged.results_of("new")
    logged.truncate(1)
    # Whoever has results that are newer than the vault needs no pin.
    code, messages = logged.verify()
    assert code == 1
    assert (
        "The log was rolled back: it has 1 entries, and the checkpoint in the results covers 3." in messages
    )
    # Vault and results put back together are consistent: only a pin tells.
    logged.replay("old")
    assert logged.verify() == (0, [])
    assert logged.remarks() == ["unanchored"]
    pin = logged.root / "kept.checkpoint"
    assert logged.anchored(newest) == (
        1, [f"The log was rolled back: it has 1 entries, and the pinned checkpoint {pin} covers 3."]
    )  # fmt: skip


def test_forked_log(logged: LogCase) -> None:
    """The signer itself rolls back and goes on with other evidence."""
    kept = logged.seals(3)[-1]
    logged.truncate(1)
    logged.seals(3, first=7)
    assert logged.verify() == (0, [])
    assert logged.remarks() == ["unanchored"]
    pin = logged.root / "kept.checkpoint"
    assert logged.anchored(kept) == (
        1, [f"The log was forked: its first 3 entries are not those of the pinned checkpoint {pin}."]
    )  # fmt: skip


def test_a_fork_shows_in_results_that_were_handed_out_before_it(logged: LogCase) -> None:
    logged.seals(2)
    logged.results_of("handed-out")
    logged.truncate(1)
    logged.seals(2, first=7)
    logged.replay("handed-out")
    code, messages = logged.verify()
    assert code == 1
    assert (
        "The log was forked: its first 2 entries are not those of the checkpoint in the results." in messages
    )


def test_deleted_entry(logged: LogCase) -> None:
    logged.seals(3)
    (logged.records / "entries/00000001.json").unlink()
    assert logged.verify() == (1, ["The record log/entries/00000001.json of the log was taken away."])
    with pytest.raises(LogError, match="was taken away"):
        logged.seal(logged.bundle({"a.log": b"more"}))


def test_deleted_entry_with_the_others_moved_up(logged: LogCase) -> None:
    logged.seals(3)
    (logged.records / "entries/00000001.json").unlink()
    (logged.records / "entries/00000002.json").rename(logged.records / "entries/00000001.json")
    (logged.records / "checkpoints/00000003").unlink()
    code, messages = logged.verify()
    assert code == 1
    assert messages[0].startswith("Log entry 1 has a proof of the wrong length.") or "continue" in messages[0]


def rebuild(logged: LogCase, leaves: list[Entry]) -> None:
    """Write entries with paths that go together, as somebody without the key can."""
    covered = CompactRange()
    for index, entry in enumerate(leaves):
        path = tuple(peak.hex() for peak in reversed(covered.peaks))
        logged.overwrite(f"entries/{index:08d}.json", canonical_json(entry.model_copy(update={"path": path})))
        covered = covered.append(bytes.fromhex(entry.leaf))


def test_inserted_entry(logged: LogCase) -> None:
    logged.seals(3)
    first, second, third = logged.log().entries
    rebuild(logged, [first, first, second, third])
    code, messages = logged.verify()
    assert code == 1
    assert "Log checkpoint 2 does not cover the first 2 entries: one was changed or moved." in messages


def test_reordered_entries(logged: LogCase) -> None:
    logged.seals(3)
    first, second, third = logged.log().entries
    rebuild(logged, [second, first, third])
    code, messages = logged.verify()
    assert code == 1
    assert messages == ["Log checkpoint 1 does not cover the first 1 entries: one was changed or moved."]


def test_reordered_files(logged: LogCase) -> None:
    logged.seals(3)
    one, two = logged.records / "entries/00000001.json", logged.records / "entries/00000002.json"
    data = one.read_bytes(), two.read_bytes()
    logged.overwrite(f"entries/{one.name}", data[1])
    logged.overwrite(f"entries/{two.name}", data[0])
    assert logged.verify()[0] == 1


def test_entry_that_names_another_seal(logged: LogCase) -> None:
    """Hiding a newer seal: its entry says that it is of another incident."""
    logged.seals(2)
    logged.edit_entry(1, lambda it: it.update(incident="other"))
    assert logged.verify() == (1, ["Log entry 1 is of seal other/000002, which was taken away."])
    logged.edit_entry(1, lambda it: it.update(incident="inc-1", sequence=1))
    assert logged.verify()[0] == 1


def test_seal_exchanged_by_its_own_signer(logged: LogCase) -> None:
    """Another seal with the same number and predecessor: the incident's chain can't tell, the log can."""
    logged.seals(2)
    (logged.vault.root / "seals/inc-1/000002.sigstore.json").unlink()
    with pytest.raises(LogError, match=r"Seal inc-1/000002 is not the one in the log"):
        logged.seal(logged.bundle({"a.log": b"what really happened"}))
    report = verify_results(logged.vault.root, config_dir=logged.config)
    assert report.exit_code == 1
    assert [it.message for it in report.failures] == [
        "Log entry 1 is not of seal inc-1/000002 as it is in the vault: one of them was changed."
    ]


@pytest.mark.parametrize(("old", "new"), [("\n2\n", "\n3\n"), ("\n2\n", "\n1\n"), ("log/", "logs/")])
def test_edited_checkpoint(logged: LogCase, old: str, new: str) -> None:
    kept = logged.seals(2)[-1]
    pin = logged.root / "kept.checkpoint"
    code, messages = logged.anchored(kept.replace(old, new))
    assert code == 1
    assert messages in (
        [f"{pin} has a signature by key {logged.signer.keyid} that does not hold: it was altered."],
        [f"{pin} is signed by no trusted key."],
    )
    logged.overwrite("checkpoints/00000002", kept.replace(old, new).encode())
    assert logged.verify()[0] == 1


def test_checkpoint_file_that_is_none(logged: LogCase) -> None:
    logged.seals(1)
    with pytest.raises(LogError, match="can't be read as a checkpoint"):
        logged.anchored("nothing of the kind\n")
    with pytest.raises(MissingArtifactError, match="no such checkpoint"):
        logged.verify(checkpoint=logged.root / "nowhere")


def test_wrong_key(logged: LogCase, tmp_path: Path) -> None:
    """The whole log signed anew by somebody whose key is not trusted."""
    kept = logged.seals(2)[-1]
    stranger = load_or_create_local_signer(tmp_path / "stranger", {}).signer
    mine = read_checkpoint(kept.encode()).checkpoint
    theirs = sign_checkpoint(mine, stranger).decode()
    pin = logged.root / "kept.checkpoint"
    assert logged.anchored(theirs) == (1, [f"{pin} is signed by no trusted key."])
    log = logged.log()
    for index, entry in enumerate(log.entries):
        note = sign_checkpoint(Checkpoint(log.origin, index + 1, log.root(index + 1)), stranger)
        proof = LogProof(
            incident=entry.incident, sequence=entry.sequence, leaf_index=index, leaf_hash=entry.leaf,
            inclusion_proof=entry.path, checkpoint=note.decode(),
        )  # fmt: skip
        logged.overwrite(f"checkpoints/{index + 1:08d}", note)
        logged.overwrite(f"proofs/inc-1/{index + 1:06d}.json", canonical_json(proof))
    assert logged.verify() == (1, [f"No checkpoint of the log {log.origin} is signed by a trusted key."])
    logged.results.seal_log.write_bytes((logged.records / "proofs/inc-1/000002.json").read_bytes())
    code, messages = logged.verify()
    assert code == 1
    assert "The checkpoint in seal.log.json is signed by no trusted key." in messages


def test_entries_by_an_untrusted_key_do_not_count(logged: LogCase, tmp_path: Path) -> None:
    """What a stranger appended is outside the log that a trusted key vouches for."""
    logged.seals(2)
    stranger = load_or_create_local_signer(tmp_path / "stranger", {}).signer
    bundle = open_bundle(logged.bundle({"b.log": b"b"}, incident_id="INC-9"), tmp_path / "scratch")
    seal(bundle, logged.vault, stranger, now=NOW)
    assert logged.log().size == 2
    assert logged.verify() == (0, [])


def test_results_with_the_place_of_another_seal(logged: LogCase) -> None:
    first = logged.seal()
    logged.seal(logged.bundle({"a.log": b"new"}))
    logged.results.seal_log.write_bytes(first.log_proof)
    assert logged.verify() == (1, ["seal.log.json is of another seal than inc-1/000002 beside it."])


def test_results_with_an_edited_proof(logged: LogCase) -> None:
    logged.seals(2)
    proof = json.loads(logged.results.seal_log.read_bytes())
    for change, reason in (
        ({"leaf_index": 0}, "does not lead from the seal to the checkpoint's root"),
        ({"inclusion_proof": ["0" * 64]}, "does not lead from the seal"),
        ({"inclusion_proof": []}, "does not lead from the seal"),
        ({"leaf_hash": "0" * 64}, "is of another seal"),
        ({"sequence": 1}, "is of another seal"),
        ({"leaf_index": -1}, "can't be read as the place of a seal"),
        ({"more": 1}, "can't be read as the place of a seal"),
        ({"checkpoint": "x"}, "can't be read as a checkpoint"),
    ):
        logged.results.seal_log.write_bytes(canonical_json(proof | change))
        code, messages = logged.verify()
        assert (code, len(messages)) == (1, 1)
        assert reason in messages[0]
    logged.results.seal_log.write_bytes(json.dumps(proof).encode())
    assert logged.verify() == (1, ["seal.log.json is not in its canonical form."])


def test_results_without_their_place_in_the_log(logged: LogCase) -> None:
    logged.seals(1)
    logged.results_of("old")
    (newest,) = logged.seals(1, first=1)
    logged.replay("old")
    logged.results.seal_log.unlink()
    assert logged.verify() == (3, ["seal.log.json is not there."])
    code, messages = logged.anchored(newest)
    assert code == 1
    assert "An older manifest is replayed" in messages[1]
    shutil.rmtree(logged.vault.root)
    code, messages = logged.anchored(newest)
    assert code == 3
    assert any("there is nothing to compare the pin with" in it for it in messages)


def test_vault_without_its_log(logged: LogCase) -> None:
    logged.seals(2)
    shutil.rmtree(logged.records)
    said = (
        "The vault has no log, and the checkpoint in the results is of one with 2 entries: it was taken away."
    )
    assert logged.verify() == (1, [said])


def test_deleted_checkpoints(logged: LogCase) -> None:
    logged.seals(3)
    for number in (2, 3):
        (logged.records / f"checkpoints/{number:08d}").unlink()
        (logged.records / f"proofs/inc-1/{number:06d}.json").unlink()
    report = verify_results(logged.vault.root, config_dir=logged.config)
    assert [it.message for it in report.failures] == [
        "The log has 1 checkpoints and 3 entries: some were taken away or added."
    ]


def test_stray_and_repeated_records(logged: LogCase) -> None:
    logged.seals(2)
    stray = logged.records / "entries/extra.json"
    stray.write_bytes(b"{}")
    assert logged.verify()[0] == 1
    with pytest.raises(LogError, match=r"entries/extra.json does not belong"):
        logged.seal(logged.bundle({"a.log": b"more"}))
    stray.unlink()
    (logged.records / "proofs/inc-1/000009.json").write_bytes(b"{}")
    assert logged.verify() == (1, ["The record log/proofs/inc-1/000009.json does not belong to the log."])


def test_another_log_in_the_place_of_a_pinned_one(logged: LogCase) -> None:
    """A pin is found by the vault's location too, so that a whole new log does not pass as unpinned."""
    logged.seals(2)
    kept = save_pin(logged.config, logged.log().note, logged.vault.location)
    assert logged.verify() == (0, [])
    assert logged.remarks() == []
    shutil.rmtree(logged.out)
    logged.seals(3)
    pinned = read_checkpoint(json.loads(kept.read_bytes())["checkpoint"].encode()).checkpoint
    code, messages = logged.verify()
    assert code == 1
    assert f"is of another one, {pinned.origin}." in messages[0]
    kept.write_bytes(kept.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="the pin can't be read"):
        logged.verify()


def test_a_pin_goes_on_holding_as_the_log_grows(logged: LogCase) -> None:
    notes = logged.seals(6)
    for note in notes:
        assert logged.anchored(note) == (0, [])


def test_without_the_vault_a_pin_says_what_it_can(logged: LogCase) -> None:
    first, second = logged.seals(2)
    shutil.rmtree(logged.vault.root)
    pin = logged.root / "kept.checkpoint"
    code, messages = logged.anchored(second)
    assert code == 3
    assert not any(str(pin) in it for it in messages)
    code, messages = logged.anchored(first)
    assert code == 3
    assert f"{pin}: without the vault's log nothing leads from the pin to the seal's checkpoint." in messages
    forged = read_checkpoint(second.encode()).checkpoint
    fork = sign_checkpoint(Checkpoint(forged.origin, 2, bytes(32)), logged.signer.signer).decode()
    code, messages = logged.anchored(fork)
    assert code == 1
    assert f"The log was forked: {pin} and the seal's checkpoint differ at size 2." in messages


def test_an_excerpt_may_lack_the_seals_of_other_incidents(logged: LogCase) -> None:
    """An export brings the log whole, and of the seals those of its own incidents."""
    logged.seal(logged.bundle({"a.log": b"other"}, incident_id="INC-2"))
    logged.seals(2)
    shutil.rmtree(logged.vault.root / "seals/inc-2")
    with pytest.raises(LogError, match=r"of seal inc-2/000001, which was taken away"):
        logged.log()

    def partly() -> tuple[int, list[str]]:
        report = verify_results(logged.out, config_dir=logged.config, partial=True)
        return report.exit_code, [item.message for item in report.failures]

    assert partly() == (0, [])
    mine = logged.vault.root / "seals/inc-1/000001.sigstore.json"
    kept = mine.read_bytes()
    mine.unlink()
    assert "Log entry 1 is of seal inc-1/000001, which was taken away." in partly()[1]
    mine.write_bytes(kept)
    shutil.rmtree(logged.records)
    assert partly() == (0, [])


def test_a_revoked_key_counts_only_under_a_checkpoint_of_a_trusted_one(
    logged: LogCase, tmp_path: Path
) -> None:
    old = logged.signer.signer.public_key
    sealed = logged.seal()
    new = load_or_create_local_signer(tmp_path / "new", {}).signer
    manifest = read_manifest(sealed.manifest, [old])

    def check(vault: LocalVault | None) -> list[tuple[str, str]]:
        findings = Findings("inc-1")
        logs = LogVerifier((new.public_key,), (old,))
        logs.check_seal(manifest, sealed.log_proof, "seal.log.json", vault, findings)
        return [(it.outcome, it.message) for it in findings.items if it.outcome not in ("ok", "remark")]

    ((outcome, message),) = check(None)
    assert (outcome, "was revoked" in message) == ("could_not_check", True)
    ((outcome, message),) = check(logged.vault)
    assert (outcome, "signed by a trusted key" in message) == ("failed", True)
    bundle = open_bundle(logged.bundle({"b.log": b"b"}, incident_id="INC-2"), tmp_path / "scratch")
    seal(bundle, logged.vault, new, now=NOW, trusted=[old])
    assert check(logged.vault) == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> LogCase:
    logged = LogCase(tmp_path_factory.mktemp("shared"))
    logged.seals(4)
    return logged


@given(st.data())
def test_no_flipped_bit_in_any_record_of_the_log_goes_unnoticed(shared: LogCase, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(it for it in shared.records.rglob("*") if it.is_file())))
    intact = path.read_bytes()
    at, bit = data.draw(st.integers(0, len(intact) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(intact)
    flipped[at] ^= 1 << bit
    path.chmod(0o600)
    try:
        path.write_bytes(bytes(flipped))
        with pytest.raises(EvidenceError):
            read_log(LocalVault(shared.vault.root), shared.keys)
    finally:
        path.write_bytes(intact)

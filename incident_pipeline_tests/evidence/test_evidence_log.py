"""The log while nobody attacks it: entering, adopting, finishing what was killed, proving."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from incident_pipeline.errors import LogError, MissingArtifactError, SealError, ServiceError
from incident_pipeline.evidence import LocalVault, load_or_create_local_signer, seal
from incident_pipeline.evidence.checkpoint import open_checkpoint
from incident_pipeline.evidence.log import adopt_seals, enter_seal, unlogged
from incident_pipeline.evidence.log_records import leaf_of
from incident_pipeline.evidence.log_view import read_log
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.merkle import consistent, included, leaf_hash, root_of_leaves
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.ingest import open_bundle
from incident_pipeline_tests.evidence.log_case import LogCase, log_remarks
from incident_pipeline_tests.evidence.sealed_case import NOW, Case


@pytest.fixture
def logged(tmp_path: Path) -> LogCase:
    return LogCase(tmp_path)


def test_each_seal_enters_the_log_with_a_proof_and_a_checkpoint(logged: LogCase) -> None:
    for index in range(5):
        sealed = logged.seal(logged.bundle({"a.log": b"%d" % index}))
        proof = json.loads(sealed.log_proof)
        checkpoint = open_checkpoint(proof["checkpoint"].encode(), logged.keys)
        signed = read_signed(sealed.manifest)
        assert (proof["leaf_index"], checkpoint.size) == (index, index + 1)
        assert leaf_of(signed) == leaf_hash(signed.payload + signed.signature)
        path = [bytes.fromhex(node) for node in proof["inclusion_proof"]]
        assert included(leaf_of(signed), index, index + 1, path, checkpoint.root)
    log = logged.log()
    assert log.size == 5
    assert log.root(5) == root_of_leaves(log.leaves) == open_checkpoint(log.note, logged.keys).root
    assert unlogged(logged.vault) == ()


def test_the_log_runs_across_incidents(logged: LogCase) -> None:
    for number, incident in enumerate(["INC-1", "INC-2", "INC-1"]):
        logged.seal(logged.bundle({"a.log": b"%d" % number}, incident_id=incident))
    assert [entry.seal for entry in logged.log().entries] == [("inc-1", 1), ("inc-2", 1), ("inc-1", 2)]


def test_the_same_evidence_again_gets_the_same_proof(logged: LogCase) -> None:
    first = logged.seal()
    logged.seal(logged.bundle(incident_id="INC-2"))
    again = logged.seal()
    assert again.log_proof == first.log_proof
    assert logged.log().size == 2


def test_proofs_to_the_newest_checkpoint_hold(logged: LogCase) -> None:
    logged.seals(6)
    log = logged.log()
    newest = open_checkpoint(log.note, logged.keys)
    for index in range(6):
        proof = log.prove(("inc-1", index + 1))
        path = [bytes.fromhex(node) for node in proof.inclusion_proof]
        assert included(bytes.fromhex(proof.leaf_hash), index, 6, path, newest.root)
        assert consistent(index, log.root(index), 6, newest.root, log.consistency(index))
    with pytest.raises(LogError, match=r"inc-1/000009 is not in the log"):
        log.prove(("inc-1", 9))


def test_a_seal_that_a_killed_run_left_out_is_entered_by_the_next(logged: LogCase) -> None:
    notes = logged.seals(2)
    for name in ("entries/00000001.json", "checkpoints/00000002", "proofs/inc-1/000002.json"):
        (logged.records / name).unlink()
    assert unlogged(logged.vault) == (("inc-1", 2),)
    report = verify_results(logged.vault.root, config_dir=logged.config)
    assert report.exit_code == 0
    assert log_remarks(report) == ["unlogged", "unanchored"]
    logged.seal(logged.bundle(incident_id="INC-2"))
    assert [entry.seal for entry in logged.log().entries] == [("inc-1", 1), ("inc-1", 2), ("inc-2", 1)]
    # Ed25519 is deterministic, so the checkpoint that was lost comes back byte for byte.
    assert (logged.records / "checkpoints/00000002").read_text() == notes[1]


@pytest.mark.parametrize("lost", [
    ("proofs/inc-1/000002.json",), ("proofs/inc-1/000002.json", "checkpoints/00000002"),
])  # fmt: skip
def test_an_entry_that_a_killed_run_left_unfinished_is_finished(
    logged: LogCase, lost: tuple[str, ...]
) -> None:
    logged.seals(2)
    before = {name: (logged.records / name).read_bytes() for name in lost}
    for name in lost:
        (logged.records / name).unlink()
    assert unlogged(logged.vault) == (("inc-1", 2),)
    assert logged.log().size == (2 if len(lost) == 1 else 1)
    assert adopt_seals(logged.vault, logged.signer.signer) == (("inc-1", 2),)
    assert {name: (logged.records / name).read_bytes() for name in lost} == before
    assert logged.log().size == 2


def test_entering_a_seal_first_enters_those_that_killed_runs_left_out(
    logged: LogCase, tmp_path: Path
) -> None:
    bundle = open_bundle(logged.bundle({"b.log": b"b"}, incident_id="INC-9"), tmp_path / "scratch")
    ours = seal(bundle, LocalVault(tmp_path / "elsewhere"), logged.signer.signer, now=NOW)
    assert logged.vault.publish_seal("inc-9", 1, ours.manifest)
    assert unlogged(logged.vault) == (("inc-9", 1),)
    logged.seal(logged.bundle({"a.log": b"new"}))
    assert unlogged(logged.vault) == ()
    assert logged.log().size == 2


def test_what_does_not_verify_is_not_adopted(logged: LogCase, tmp_path: Path) -> None:
    sealed = logged.seal()
    stranger = load_or_create_local_signer(tmp_path / "stranger", {}).signer
    bundle = open_bundle(logged.bundle({"b.log": b"b"}, incident_id="INC-9"), tmp_path / "scratch")
    theirs = seal(bundle, LocalVault(tmp_path / "elsewhere"), stranger, now=NOW)
    assert logged.vault.publish_seal("inc-9", 1, theirs.manifest)
    assert logged.vault.publish_seal("inc-8", 1, sealed.manifest)
    assert logged.vault.publish_seal("inc-7", 1, b"no seal at all")
    assert logged.seal(logged.bundle({"a.log": b"new"})).sequence == 2
    assert unlogged(logged.vault) == (("inc-7", 1), ("inc-8", 1), ("inc-9", 1))
    adopted = adopt_seals(logged.vault, logged.signer.signer, [stranger.public_key])
    assert adopted == (("inc-9", 1),)


def test_a_log_of_several_signers_is_checked_by_each(logged: LogCase, tmp_path: Path) -> None:
    logged.seals(2)
    other = load_or_create_local_signer(tmp_path / "other", {})
    logged.seal(logged.bundle({"a.log": b"other"}), signer=other)
    logged.seal(logged.bundle({"a.log": b"mine"}))
    theirs = read_log(logged.vault, [other.signer.public_key])
    assert (logged.log().size, theirs and theirs.size) == (4, 3)
    assert logged.remarks() == ["unanchored"]


def test_sealers_at_the_same_time_each_get_an_entry(logged: LogCase) -> None:
    signer = logged.signer.signer
    bundles = []
    for number in range(6):
        path = logged.root / f"b{number}"
        path.mkdir()
        (path / "a.log").write_bytes(b"%d" % number)
        record = {"incident_id": f"INC-{number % 2}", "artifacts": [{"uri": "a.log"}]}
        (path / "incident.json").write_text(json.dumps(record))
        bundles.append(open_bundle(path, logged.root / "scratch"))
    threads = [
        threading.Thread(target=lambda it=it: seal(it, logged.vault, signer, now=NOW)) for it in bundles
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = logged.log()
    assert sorted(entry.seal for entry in log.entries) == [
        (key, number) for key in ("inc-0", "inc-1") for number in (1, 2, 3)
    ]
    assert verify_results(logged.vault.root, config_dir=logged.config).exit_code == 0


def test_the_log_can_be_read_while_it_is_written(logged: LogCase) -> None:
    logged.seals(1)
    done = threading.Event()
    sizes: list[int] = []

    def read() -> None:
        while not done.is_set():
            sizes.append(logged.log().size)

    reader = threading.Thread(target=read)
    reader.start()
    logged.seals(25, first=1)
    done.set()
    reader.join()
    assert sizes == sorted(sizes)
    assert logged.log().size == 26


def test_a_log_that_never_takes_an_entry_gives_up(case: Case) -> None:
    class Contested(LocalVault):
        def publish_record(self, name: str, data: bytes) -> bool:
            return "entries" not in name and super().publish_record(name, data)

    case.seal()
    vault = Contested(case.vault.root)
    bundle = open_bundle(case.bundle({"a": b"a"}), case.root / "scratch")
    with pytest.raises(ServiceError, match="at the same time"):
        seal(bundle, vault, case.signer.signer, now=NOW)
    assert case.vault.seal_sequences("inc-1") == (1, 2)
    assert enter_seal(case.vault, ("inc-1", 2), case.signer.signer)


def test_a_log_that_never_stands_still_could_not_be_read(logged: LogCase) -> None:
    class Busy(LocalVault):
        listings = 0

        def list_records(self, prefix: str) -> tuple[str, ...]:
            self.listings += 1
            return (*super().list_records(prefix), f"log/entries/{self.listings:08d}.json")

    logged.seals(1)
    with pytest.raises(ServiceError, match="faster than it can be read"):
        read_log(Busy(logged.vault.root), logged.keys)


def test_a_reply_that_was_lost_enters_nothing_twice(case: Case) -> None:
    """A store may keep the record and then fail the caller, whose retry finds the name taken."""

    class Deaf(LocalVault):
        def publish_record(self, name: str, data: bytes) -> bool:
            super().publish_record(name, data)
            return False

    bundle = open_bundle(case.bundle(), case.root / "scratch")
    sealed = seal(bundle, Deaf(case.vault.root), case.signer.signer, now=NOW)
    log = read_log(case.vault, [case.signer.signer.public_key])
    assert log is not None
    assert (log.size, sealed.log_proof) == (1, case.vault.read_record("log/proofs/inc-1/000001.json"))


def test_records_are_written_once_and_listed_by_prefix(case: Case) -> None:
    vault = case.vault
    assert vault.list_records("log/") == ()
    assert vault.publish_record("log/b", b"1")
    assert not vault.publish_record("log/b", b"2")
    assert vault.publish_record("log/a/x.json", b"3")
    assert vault.publish_record("logs/c", b"4")
    assert vault.read_record("log/b") == b"1"
    assert vault.list_records("log/") == ("log/a/x.json", "log/b")
    assert vault.list_records("log") == ("log/a/x.json", "log/b", "logs/c")
    with pytest.raises(MissingArtifactError, match=r"no record log/none"):
        vault.read_record("log/none")
    for name in ("", "/etc/passwd", "../x", "a//b", "a/../b", "A", ".pending-x", "a/" * 9 + "a", "a\n"):
        with pytest.raises(SealError, match="is no name for a record"):
            vault.publish_record(name, b"")

"""Sealing: whole or not at all, once per evidence, superseding where the evidence changed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import (
    HashMismatchError,
    IncidentIdError,
    SealError,
    ServiceError,
    SignatureError,
)
from incident_pipeline.evidence import (
    LocalVault,
    evidence_root,
    load_or_create_local_signer,
    load_trust_root,
    read_manifest,
    seal,
)
from incident_pipeline.evidence.manifest import SignedPayload, file_bytes, read_signed
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.ingest import open_bundle
from incident_pipeline.model.artifact import SealedArtifact
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, NOW, Case


def test_the_same_evidence_finds_its_seal(case: Case) -> None:
    first, second = case.seal(), case.seal()
    assert (first.created, second.created) == (True, False)
    assert first.manifest == second.manifest
    assert first.evidence == second.evidence
    assert second.sequence == 1
    assert case.vault.seal_sequences("inc-1") == (1,)


def test_other_bytes_make_a_seal_that_supersedes(case: Case) -> None:
    first = case.seal()
    second = case.seal(case.bundle({"logs/app.log": LOG + b"more\n", "chat.json": CHAT}))
    third = case.seal(case.bundle({"logs/app.log": LOG, "chat.json": CHAT}))
    assert [it.sequence for it in (first, second, third)] == [1, 2, 3]
    assert third.evidence == first.evidence
    key = case.signer.signer.public_key
    for earlier, later in ((first, second), (second, third)):
        position = read_manifest(later.manifest, [key]).statement.predicate.seal
        before = read_manifest(earlier.manifest, [key])
        assert position.previous is not None
        assert position.previous.sha256 == before.signed.sha256
        assert position.supersedes == before.statement.predicate.seal.id
    assert case.vault.seal_sequences("inc-1") == (1, 2, 3)


def test_a_changed_record_supersedes_with_an_equal_root(case: Case) -> None:
    first = case.seal()
    second = case.seal(case.bundle(title="a better title"))
    assert (second.sequence, second.created) == (2, True)
    assert first.evidence.evidence_root == second.evidence.evidence_root


def test_the_record_is_sealed_as_received(case: Case) -> None:
    path = case.bundle(unknown={"kept": True})
    manifest = read_manifest(case.seal(path).manifest, [case.signer.signer.public_key])
    record = manifest.statement.predicate.incident.record
    assert record is not None
    assert case.vault.read(record.digest.sha256) == (path / "incident.json").read_bytes()


def test_two_ids_that_fold_alike_do_not_share_a_key(case: Case) -> None:
    case.seal()
    with pytest.raises(IncidentIdError, match="'inc_1' and 'INC-1' both become 'inc-1'") as caught:
        case.seal(case.bundle(incident_id="inc_1"))
    assert caught.value.exit_code == 2
    assert case.vault.seal_sequences("inc-1") == (1,)


def test_problems_are_carried_and_bad_bytes_are_not_sealed(case: Case) -> None:
    path = case.bundle()
    (path / "logs/app.log").write_bytes(b"altered")
    sealed = case.seal(path)
    assert [it.uri for it in sealed.evidence.artifacts] == ["chat.json"]
    assert [(it.kind, it.uri, it.exit_code) for it in sealed.evidence.problems] == [
        ("hash_mismatch", "logs/app.log", 1)
    ]
    assert case.verify() == (0, [])


def test_a_bundle_none_of_whose_objects_are_in_reach_is_sealed_as_what_it_is(case: Case) -> None:
    path = case.root / "seed"
    path.mkdir()
    entry = {"type": "trace", "source": "datadog", "uri": "s3://evidence/t.gz", "hash": "sha256:..."}
    (path / "incident.json").write_text(json.dumps({"incident_id": "INC-1", "artifacts": [entry]}))
    sealed = case.seal(path)
    assert sealed.evidence.artifacts == ()
    assert {it.kind for it in sealed.evidence.problems} == {"placeholder_hash", "unreachable"}
    assert case.verify() == (0, [])


def test_a_file_that_changes_between_hashing_and_sealing_is_left_out(case: Case) -> None:
    path = case.bundle()
    bundle = open_bundle(path, case.root / "scratch")
    (path / "chat.json").write_bytes(CHAT + b" ")
    (path / "logs/app.log").unlink()
    sealed = seal(bundle, case.vault, case.signer.signer, now=NOW)
    assert sealed.evidence.artifacts == ()
    assert [(it.kind, it.uri, it.exit_code) for it in sealed.evidence.problems] == [
        ("unreadable", "chat.json", 3), ("unreadable", "logs/app.log", 3),
    ]  # fmt: skip


def test_nothing_in_the_evidence_list_tells_of_this_machine(case: Case) -> None:
    sealed = case.seal(case.bundle(title="t"))
    assert str(case.root) not in sealed.evidence.model_dump_json()
    assert b"2026-01-31T12" not in case.results.evidence.read_bytes()


def test_an_altered_object_stops_the_sealing_and_is_named(case: Case) -> None:
    sealed = case.seal()
    log = next(it for it in sealed.evidence.artifacts if it.uri == "logs/app.log")
    path = case.vault.object_path(log.sha256)
    path.chmod(0o600)
    path.write_bytes(LOG.replace(b"failed", b"healed"))
    with pytest.raises(
        HashMismatchError, match=rf"logs/app\.log: The vault's object {log.sha256} was altered"
    ):
        case.seal()


def test_an_altered_seal_is_not_built_upon(case: Case) -> None:
    sealed = case.seal()
    path = case.vault.root / "seals" / "inc-1" / "000001.sigstore.json"
    path.chmod(0o600)
    path.write_bytes(sealed.manifest[:-10])
    with pytest.raises(SealError, match="Seal inc-1/000001"):
        case.seal()
    signed = read_signed(sealed.manifest)
    forged = SignedPayload(signed.payload.replace(b"sev2", b"sev4"), signed.signature, signed.keyid)
    path.write_bytes(file_bytes(forged))
    with pytest.raises(SignatureError, match="Seal inc-1/000001"):
        case.seal()


def test_a_seal_by_a_key_that_is_gone_is_superseded_and_named(case: Case, tmp_path: Path) -> None:
    first = case.seal()
    successor = load_or_create_local_signer(tmp_path / "new-config", {})
    second = case.seal(signer=successor)
    assert (second.sequence, second.created) == (2, True)
    previous = read_manifest(second.manifest, [successor.signer.public_key]).statement.predicate.seal.previous
    assert previous is not None
    assert previous.sha256 == read_signed(first.manifest).sha256
    bundle = open_bundle(case.bundle(title="x"), case.root / "scratch")
    trusted = load_trust_root(folder=case.config).keys
    assert seal(bundle, case.vault, successor.signer, now=NOW, trusted=trusted).sequence == 3


def test_custody_says_who_collected_and_who_sealed(case: Case) -> None:
    path = case.bundle(ingested_by="recorder", ingest_time="2026-01-16T10:29:10Z")
    custody = read_manifest(
        case.seal(path).manifest, [case.signer.signer.public_key]
    ).statement.predicate.custody
    assert [(it.action, it.actor, it.basis) for it in custody] == [
        ("collect", "recorder", "stated"), ("seal", case.signer.keyid, "done"),
    ]  # fmt: skip


def test_sealers_of_one_incident_at_the_same_time_each_get_a_number(case: Case) -> None:
    signer = case.signer.signer
    bundles = []
    for number in range(6):
        path = case.root / f"b{number}"
        path.mkdir()
        (path / "a.log").write_bytes(b"%d" % number)
        (path / "incident.json").write_text('{"incident_id": "INC-1", "artifacts": [{"uri": "a.log"}]}')
        bundles.append(open_bundle(path, case.root / "scratch"))
    sequences: list[int] = []
    threads = [
        threading.Thread(
            target=lambda it=it: sequences.append(seal(it, case.vault, signer, now=NOW).sequence)
        )
        for it in bundles
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sequences) == [1, 2, 3, 4, 5, 6]
    report = verify_results(case.vault.root, config_dir=case.config)
    assert report.exit_code == 0
    assert report.counts["chain"] == {"ok": 6}


def test_a_vault_that_never_takes_the_number_gives_up(case: Case) -> None:
    class Contested(LocalVault):
        def publish_seal(self, key: str, sequence: int, data: bytes) -> bool:
            del key, sequence, data
            return False

    bundle = open_bundle(case.bundle(), case.root / "scratch")
    with pytest.raises(ServiceError, match="at the same time"):
        seal(bundle, Contested(case.root / "v"), case.signer.signer, now=NOW)


_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from incident_pipeline.evidence import LocalVault, load_or_create_local_signer, seal
from incident_pipeline.ingest import open_bundle
root = Path(sys.argv[1])
signer = load_or_create_local_signer(root / "config", {}).signer
bundle = open_bundle(root / "bundle", root / "scratch")
print("go", flush=True)
sealed = seal(bundle, LocalVault(root / "out/.store/vault"), signer, now=datetime.now(UTC))
print("sealed", sealed.sequence, flush=True)
"""


def test_a_killed_run_leaves_a_whole_seal_or_none(case: Case) -> None:
    """SIGKILL at moments of a sealing; what is there afterwards verifies, and a rerun finishes."""
    full = os.environ.get("HYPOTHESIS_PROFILE") == "full"  # `make bench`
    delays = [index * 0.0006 for index in range(60)] if full else [0.0, 0.003, 0.007, 0.015, 0.03]
    for round_number, delay in enumerate(delays):
        files = {f"logs/{index}.log": b"%d %d\n" % (round_number, index) * 60_000 for index in range(8)}
        case.bundle(files)
        with subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(case.root)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
        before = case.vault.seal_sequences("inc-1")
        if before:
            report = verify_results(case.vault.root, config_dir=case.config)
            assert (report.exit_code, report.failures) == (0, ())
        assert case.seal(case.root / "bundle").sequence == round_number + 1
        assert case.verify() == (0, [])
    leftovers = [path for path in case.vault.root.rglob(".*") if path.is_file()]
    assert leftovers == []


artifacts = st.builds(
    SealedArtifact,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    size=st.just(1),
    stored_sha256=st.just("0" * 64),
    uri=st.text(max_size=8).filter(lambda text: text.isprintable()),
    type=st.sampled_from(["logs", "trace"]),
    source=st.just("s"),
    role=st.sampled_from(["incident", "reference"]),
)


@given(st.lists(artifacts, max_size=6), st.randoms(use_true_random=False))
@settings(deadline=None)  # a busy machine is no finding
def test_the_root_depends_on_the_evidence_and_not_on_its_order(
    listed: list[SealedArtifact], chance: random.Random
) -> None:
    turned = list(listed)
    chance.shuffle(turned)
    assert evidence_root(turned) == evidence_root(listed)
    if listed:
        other = listed[0].model_copy(
            update={"role": "reference" if listed[0].role == "incident" else "incident"}
        )
        assert evidence_root([other, *listed[1:]]) != evidence_root(listed)
        assert evidence_root(listed[1:]) != evidence_root(listed)

"""What killed runs left is found and collected, and nothing that anything holds is."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from incident_pipeline.cli import main
from incident_pipeline.errors import LogError, SealError, ServiceError
from incident_pipeline.evidence import AccessLog, DataKeys, EncryptedVault, Intake, open_keyring
from incident_pipeline.evidence.retention import hold, release
from incident_pipeline.evidence.s3_lock import LockPolicy, S3Location
from incident_pipeline.evidence.s3_vault import S3Vault
from incident_pipeline.evidence.sealing_lock import removing, sealing
from incident_pipeline.evidence.sweep import Ground, collect, plan
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.serialise import sha256_hex
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.object_stores import BUCKET, Store
from incident_pipeline_tests.evidence.sealing_process import SealingProcess

LATER = timedelta(hours=25)
BY = {"authority": "the custodian"}


@pytest.fixture
def case(tmp_path: Path) -> EncryptedCase:
    return EncryptedCase(tmp_path)


def ground(case: EncryptedCase) -> Ground:
    key = case.signer.signer.public_key
    return Ground(case.vault, case.keys, AccessLog(case.vault.root / "access.jsonl"), (key,), case.out)


def later() -> datetime:
    return datetime.now(UTC) + LATER


def states(listed: tuple[Any, ...]) -> dict[str, str]:
    return {it.name: it.state for it in listed}


def orphan(case: EncryptedCase, data: bytes = b"left by a killed run\n") -> str:
    return case.vault.put_bytes(data).sha256


def entries(case: EncryptedCase) -> list[dict[str, Any]]:
    path = case.vault.root / "access.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_vault_in_order_has_nothing_to_collect(case: EncryptedCase) -> None:
    assert plan(ground(case), later()) == ()
    case.seal()
    assert plan(ground(case), later()) == ()
    assert collect(ground(case), later(), **BY) == ()
    assert entries(case) == []


def test_an_object_that_no_seal_names_is_collected_after_the_grace_and_entered(case: EncryptedCase) -> None:
    case.seal()
    sha256 = orphan(case)
    name = f"objects/{sha256[:2]}/{sha256[2:]}"
    assert states(plan(ground(case), datetime.now(UTC))) == {name: "young"}
    assert states(collect(ground(case), datetime.now(UTC), **BY)) == {name: "young"}
    assert states(plan(ground(case), later())) == {name: "due"}
    assert case.vault.contains(sha256)
    assert states(collect(ground(case), later(), **BY)) == {name: "collected"}
    assert not case.vault.contains(sha256)
    (entry,) = entries(case)
    assert (entry["action"], entry["object"], entry["result"]) == ("sweep", sha256, "collected")
    assert entry["reason"] == "by authority of the custodian: no seal names it"
    report = verify_results(case.out, config_dir=case.config)
    assert [it for it in report.failures if it.kind in ("access", "artifact", "seal", "log")] == []
    assert report.counts["access"] == {"ok": 1}


def test_objects_of_superseded_seals_and_of_unknown_signers_stay(case: EncryptedCase) -> None:
    case.seal(case.bundle({"a.log": b"old"}))
    case.seal(case.bundle({"a.log": b"new"}))
    stranger = EncryptedCase(case.root / "stranger")
    from incident_pipeline.evidence import seal  # noqa: PLC0415
    from incident_pipeline.ingest import open_bundle  # noqa: PLC0415

    other = open_bundle(stranger.bundle({"b.log": b"theirs"}, incident_id="INC-9"), case.root / "scratch")
    seal(other, case.vault, stranger.signer.signer, now=datetime.now(UTC))
    assert plan(ground(case), later()) == ()
    assert case.vault.contains(sha256_hex(b"theirs"))


def test_ciphertext_goes_with_its_key_and_the_same_bytes_can_be_sealed_again(case: EncryptedCase) -> None:
    case.seal_encrypted()
    bundle = case.bundle({"new.log": b"new evidence"})
    stored = case.encrypted.put_bytes(b"new evidence")
    assert case.keys.read("inc-1", sha256_hex(b"new evidence")) is not None
    (left,) = collect(ground(case), later(), **BY)
    assert (left.state, left.incident, left.sha256) == ("collected", "inc-1", stored.stored_sha256)
    assert case.keys.read("inc-1", sha256_hex(b"new evidence")) is None
    assert not case.vault.contains(stored.stored_sha256)
    sealed = case.seal_encrypted(bundle)
    assert case.reader(sealed).decoded(sha256_hex(b"new evidence")) == b"new evidence"
    assert plan(ground(case), later()) == ()


def test_a_key_record_whose_object_is_gone_is_collected(case: EncryptedCase) -> None:
    case.seal_encrypted()
    stored = case.encrypted.put_bytes(b"half collected")
    case.vault.remove(stored.stored_sha256)
    (left,) = collect(ground(case), later(), **BY)
    assert (left.kind, left.state) == ("data key", "collected")
    assert case.keys.read("inc-1", sha256_hex(b"half collected")) is None


def test_under_a_legal_hold_stays_what_may_be_of_the_held_incident(case: EncryptedCase) -> None:
    case.seal_encrypted()
    unknown = orphan(case)
    other = EncryptedVault(case.vault, case.keyring, keys=case.keys, incident="inc-2").put_bytes(b"other")
    hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel")
    found = {it.sha256: it for it in collect(ground(case), later(), **BY)}
    assert found[unknown].state == "held"
    assert "legal hold (inc-1)" in found[unknown].why
    assert found[other.stored_sha256].state == "collected"  # known to be of an incident without a hold
    assert case.vault.contains(unknown)
    release(case.custodian(), "inc-1", reason="closed", authority="counsel")
    assert [it.state for it in collect(ground(case), later(), **BY)] == ["collected"]


def test_in_doubt_nothing_is_collected(case: EncryptedCase) -> None:
    case.seal(case.bundle({"a.log": b"old"}))
    case.seal(case.bundle({"a.log": b"new"}))
    seal = case.vault.root / "seals/inc-1/000001.sigstore.json"
    kept = seal.read_bytes()
    seal.chmod(0o600)
    seal.write_bytes(kept.replace(b"payload", b"pAyload"))
    with pytest.raises(SealError):
        collect(ground(case), later(), **BY)
    # Whoever takes a seal away does not get its evidence swept.
    seal.unlink()
    with pytest.raises(LogError, match="taken away"):
        collect(ground(case), later(), **BY)
    assert case.vault.contains(sha256_hex(b"old"))
    assert entries(case) == []


def test_custody_entries_without_their_seals_end_the_sweep(case: EncryptedCase) -> None:
    case.seal()
    hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel")
    for path in (case.vault.root / "seals/inc-1").iterdir():
        path.unlink()
    for path in sorted((case.vault.root / "records/log").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(SealError, match="custody entries of inc-1, and no seal"):
        plan(ground(case), later())


def test_half_made_files_are_collected_and_others_are_not(case: EncryptedCase) -> None:
    case.seal()
    store = case.out / ".store"
    half = [
        case.results.root / ".events.parquet.abcd1234",
        case.results.root / "derivations/.seal.sigstore.json.x_y_z_12",
        store / "sources/.inc-1.json.abcd1234",
        case.vault.root / "objects/.pending-abcd1234",
        case.vault.root / "keys/inc-1/.pending-abcd1234",
        store / "scratch/tmpabcd1234/bundle/app.log",
    ]
    mine = [
        case.results.root / ".notes.version1",
        case.results.root / "events.parquet.abcd1234",
        case.out / "elsewhere/.events.parquet.abcd1234",
        store / "scratch/kept/app.log",
    ]
    for path in (*half, *mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (case.results.root / ".link.json.abcd1234").symlink_to(mine[0])
    listed = collect(ground(case), later(), **BY)
    assert {it.state for it in listed} == {"collected"}
    assert len(listed) == len(half)
    assert [path for path in half if path.exists()] == []
    assert not (store / "scratch/tmpabcd1234").exists()
    assert [path for path in mine if not path.exists()] == []
    assert (case.results.root / ".link.json.abcd1234").is_symlink()
    assert len(entries(case)) == len(half)


def test_what_a_run_is_writing_now_is_within_the_grace(case: EncryptedCase) -> None:
    case.seal()
    old = case.out / ".store/scratch/tmpabcd1234"
    (old / "bundle").mkdir(parents=True)
    past = time.time() - 90_000
    os.utime(old, (past, past))
    (old / "bundle/app.log").write_bytes(b"being unpacked")
    assert {it.state for it in collect(ground(case), datetime.now(UTC), **BY)} == {"young"}


def test_nothing_is_removed_that_could_not_be_entered(case: EncryptedCase) -> None:
    case.seal()
    sha256 = orphan(case)
    (case.vault.root / "access.jsonl").mkdir()
    with pytest.raises(ServiceError, match="access log"):
        collect(ground(case), later(), **BY)
    assert case.vault.contains(sha256)


def test_a_sealer_at_work_stops_the_sweep_and_a_sweep_holds_up_the_sealer(case: EncryptedCase) -> None:
    case.seal()
    sha256 = orphan(case)
    with sealing(case.encrypted), sealing(case.vault), pytest.raises(ServiceError, match="being sealed"):
        collect(ground(case), later(), **BY)
    with Intake(case.encrypted), pytest.raises(ServiceError, match="being sealed"):
        collect(ground(case), later(), **BY)
    assert case.vault.contains(sha256)
    sealed = threading.Event()

    def work() -> None:
        with sealing(case.vault):
            sealed.set()

    with removing(case.vault):
        thread = threading.Thread(target=work)
        thread.start()
        assert not sealed.wait(0.2)
    thread.join(5)
    assert sealed.is_set()


ROUNDS = 60 if os.environ.get("HYPOTHESIS_PROFILE") == "full" else 8


def test_sealers_and_sweeps_in_processes_of_their_own_never_lose_sealed_bytes(case: EncryptedCase) -> None:
    """A sealer adopts what a killed one left while sweeps without any grace run at the same time."""
    case.seal(case.bundle({"first.log": b"first"}))
    place, refused, collected = ground(case), 0, 0
    for number in range(ROUNDS):
        files = {f"{index}.log": b"%d %d\n" % (number, index) * 50_000 for index in range(4)}
        for data in files.values():
            case.vault.put_bytes(data)  # as a killed sealer leaves them
        bundle = case.bundle(files, incident_id=f"INC-{number}")
        if number % 2:
            time.sleep(0.002 * (number % 7))
        sealer = SealingProcess(case.root, bundle)
        for _ in range(20):
            try:
                listed = collect(place, later(), **BY)
                collected += sum(it.state == "collected" for it in listed)
            except ServiceError:
                refused += 1
            time.sleep(0.001)
        assert sealer.finish() == "sealed"
        report = verify_results(case.vault.root, config_dir=case.config)
        assert (report.exit_code, report.failures) == (0, ())
    assert refused > 0
    assert {it.state for it in collect(place, later(), **BY)} <= {"collected"}
    assert plan(place, later()) == ()


def command(case: EncryptedCase, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))
    with pytest.raises(SystemExit) as ended:
        main(["store", "sweep", *options])
    return int(ended.value.code or 0)


def test_the_command_lists_by_default_and_collects_when_told(
    case: EncryptedCase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case.seal()
    sha256 = orphan(case)
    past = time.time() - 90_000
    os.utime(case.vault.object_path(sha256), (past, past))
    assert command(case, monkeypatch, str(case.vault.root)) == 0
    said = capsys.readouterr().out
    assert f"objects/{sha256[:2]}/{sha256[2:]} (21 bytes): no seal names it" in said
    assert "1 due (--apply collects); 21 bytes" in said
    assert command(case, monkeypatch, str(case.out), "--apply") == 2
    assert case.vault.contains(sha256)
    assert command(case, monkeypatch, str(case.out), "--hours", "48", "--json") == 0
    assert json.loads(capsys.readouterr().out)["leftovers"][0]["state"] == "young"
    assert command(case, monkeypatch, str(case.out), "--apply", "--authority", "me", "--json") == 0
    assert json.loads(capsys.readouterr().out)["leftovers"][0]["state"] == "collected"
    assert not case.vault.contains(sha256)
    assert command(case, monkeypatch, str(case.out)) == 0
    assert "nothing was left behind" in capsys.readouterr().out


@pytest.fixture
def in_s3(case: EncryptedCase, seaweedfs_store: Store) -> tuple[Ground, S3Vault, Any]:
    """A vault in S3 whose locks last some seconds, with a custodian's rights."""
    client = seaweedfs_store.client("admin")
    location = S3Location.parse(seaweedfs_store.url())
    until = datetime.now(UTC) + timedelta(seconds=8)
    vault = S3Vault(client, location, LockPolicy("GOVERNANCE", until=until))
    keys = DataKeys(case.out / ".store/keys")
    key = case.signer.signer.public_key
    log = AccessLog(case.out / ".store/access.jsonl")
    return Ground(vault, keys, log, (key,), case.out), vault, client


@pytest.mark.server
def test_in_s3_versions_stay_until_their_lock_ends_and_sealed_ones_for_good(
    case: EncryptedCase, in_s3: tuple[Ground, S3Vault, Any]
) -> None:
    from incident_pipeline.evidence import seal  # noqa: PLC0415
    from incident_pipeline.ingest import open_bundle  # noqa: PLC0415

    place, vault, client = in_s3
    keyring = open_keyring("local", case.config, create=True)
    encrypted = EncryptedVault(vault, keyring, keys=place.keys, incident="inc-1")
    bundle = open_bundle(case.bundle(), case.root / "scratch")
    sealed = seal(bundle, encrypted, case.signer.signer, now=datetime.now(UTC))
    left = encrypted.put_bytes(b"left by a killed run\n")
    named = sealed.evidence.artifacts[0].stored_sha256
    ((_, over),) = [it for it in vault.object_versions() if it[0] == named]
    client.put_object(Bucket=BUCKET, Key=over.key, Body=b"all was well")
    held = vault.put_bytes(b"under the service's own hold")
    vault.set_legal_hold(held.sha256, on=True)

    found = {it.sha256: it for it in plan(place, later() - LATER, timedelta(0))}
    assert (found[left.stored_sha256].state, found[named].state) == ("locked", "beside")
    assert "GOVERNANCE until 20" in found[left.stored_sha256].why
    assert {it.state for it in collect(place, datetime.now(UTC), timedelta(0), **BY)} == {"locked", "beside"}
    # By a clock that is ahead of the service's it is due: then the service refuses, and the key stays.
    listed = {it.sha256: it for it in collect(place, later(), timedelta(0), **BY)}
    assert listed[left.stored_sha256].state == "refused"
    assert listed[held.sha256].state == "locked"
    assert place.keys.read("inc-1", sha256_hex(b"left by a killed run\n")) is not None

    time.sleep(9)
    listed = {it.sha256: it for it in collect(place, datetime.now(UTC), timedelta(0), **BY)}
    assert (listed[left.stored_sha256].state, listed[held.sha256].state) == ("collected", "locked")
    assert place.keys.read("inc-1", sha256_hex(b"left by a killed run\n")) is None
    for artifact in sealed.evidence.artifacts:
        assert encrypted.check(artifact.sha256) == artifact.size
    vault.set_legal_hold(held.sha256, on=False)
    assert [it.state for it in collect(place, datetime.now(UTC), timedelta(0), **BY)].count("collected") == 1
    log = place.access.state()
    assert (log.entries, log.torn) == (4, 0)  # collected, then refused; collected twice

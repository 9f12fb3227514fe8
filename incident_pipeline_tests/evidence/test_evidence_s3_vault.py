"""The vault in S3 against a real store: what is stored, locked, shadowed, lost on the way, and verified."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from incident_pipeline.errors import (
    ConfigError,
    HashMismatchError,
    MissingArtifactError,
    SealError,
    ServiceError,
    UnreadableInputError,
)
from incident_pipeline.evidence import s3_vault
from incident_pipeline.evidence.s3_lock import LockPolicy, S3Location
from incident_pipeline.evidence.s3_vault import S3Vault
from incident_pipeline_tests.evidence.faulty_proxy import Fault, FaultyProxy
from incident_pipeline_tests.evidence.object_stores import BUCKET, Store

pytestmark = pytest.mark.server
HOUR = timedelta(hours=1)
END = datetime.now(UTC).replace(microsecond=0) + 3 * HOUR
"""Until when objects are locked: far enough for any run of the tests."""
DATA = b"10:00:00 stock failed\n"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def url(seaweedfs_store: Store) -> str:
    return seaweedfs_store.url()


@pytest.fixture
def open_s3(seaweedfs_store: Store, url: str) -> Callable[..., S3Vault]:
    """Open the test's vault anew, as another process would."""

    def opened(role: str = "ingest", *, policy: LockPolicy | None = None, **more: Any) -> S3Vault:
        policy = policy or LockPolicy("COMPLIANCE", until=END)
        return S3Vault(seaweedfs_store.client(role, **more), S3Location.parse(url), policy)

    return opened


def key_of(vault: S3Vault, sha256: str = SHA256) -> str:
    return S3Location.parse(vault.location).key(f"objects/{sha256[:2]}/{sha256[2:]}")


def test_bytes_come_back_locked_and_by_version(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    vault = open_s3()
    assert vault.worm == "enforced-by-service"
    assert not vault.contains(SHA256)
    assert vault.put_bytes(DATA).sha256 == SHA256
    place = vault.place(SHA256)
    assert (place.backend, place.bucket, place.mode) == ("s3", BUCKET, "COMPLIANCE")
    assert datetime.fromisoformat(place.retain_until) == END
    other = open_s3()
    assert other.read(SHA256) == DATA
    assert other.check(SHA256) == len(DATA)
    with other.open(SHA256) as file:
        assert file.read() == DATA
    for role in ("ingest", "admin"):
        with pytest.raises(ClientError, match="AccessDenied"):
            seaweedfs_store.client(role).delete_object(
                Bucket=BUCKET, Key=place.key, VersionId=place.version_id, BypassGovernanceRetention=True
            )
    assert other.read(SHA256) == DATA


def test_a_second_store_of_the_same_bytes_makes_no_second_version(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(DATA)
    first = open_s3()
    first.put_file(path, name="app.log", expected=SHA256)
    again = open_s3()
    assert again.put_file(path, name="app.log", expected=SHA256) == first.put_bytes(DATA)
    assert again.place(SHA256) == first.place(SHA256)
    versions = seaweedfs_store.client().list_object_versions(Bucket=BUCKET, Prefix=key_of(first))["Versions"]
    assert len(versions) == 1


def test_what_is_put_over_a_key_or_marked_deleted_changes_nothing(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    vault, client = open_s3(), seaweedfs_store.client("admin")
    vault.put_bytes(DATA)
    place = vault.place(SHA256)
    client.put_object(Bucket=BUCKET, Key=place.key, Body=b"10:00:00 all is well\n")
    assert client.get_object(Bucket=BUCKET, Key=place.key)["Body"].read() != DATA
    assert open_s3().read(SHA256) == DATA
    client.delete_object(Bucket=BUCKET, Key=place.key)
    assert open_s3().contains(SHA256)
    assert open_s3().read(SHA256) == DATA
    assert open_s3().place(SHA256).version_id == place.version_id


def test_other_bytes_under_an_objects_key_are_named_as_altered(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    vault = open_s3()
    seaweedfs_store.client().put_object(Bucket=BUCKET, Key=key_of(vault), Body=b"squatter")
    for use in (vault.put_bytes, lambda _: vault.read(SHA256), lambda _: vault.check(SHA256)):
        with pytest.raises(HashMismatchError, match=SHA256):
            use(DATA)


def test_a_pinned_version_is_the_only_one_read(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    vault, client = open_s3(), seaweedfs_store.client()
    vault.put_bytes(DATA)
    shadow = client.put_object(Bucket=BUCKET, Key=key_of(vault), Body=b"shadow")["VersionId"]
    pinned = open_s3()
    pinned.pin(SHA256, shadow)
    with pytest.raises(HashMismatchError):
        pinned.read(SHA256)
    gone = open_s3()
    gone.pin(SHA256, "0" * 32)
    with pytest.raises(MissingArtifactError):
        gone.check(SHA256)


def test_what_is_not_there_is_missing_not_altered(open_s3: Callable[..., S3Vault]) -> None:
    vault = open_s3()
    for use in (vault.read, vault.open, vault.check, vault.place, vault.lock_of):
        with pytest.raises(MissingArtifactError):
            use("0" * 64)
    with pytest.raises(MissingArtifactError):
        vault.read_seal("inc-1", 1)
    with pytest.raises(MissingArtifactError):
        vault.read_record("log/checkpoint")
    assert vault.seal_sequences("inc-1") == vault.sealed_keys() == vault.list_records("log/") == ()


def test_an_earlier_shorter_lock_is_extended_and_a_longer_stricter_one_kept(
    open_s3: Callable[..., S3Vault],
) -> None:
    open_s3(policy=LockPolicy("COMPLIANCE", until=END)).put_bytes(DATA)
    later = END + HOUR
    open_s3(policy=LockPolicy("GOVERNANCE", until=later)).put_bytes(DATA)
    custodian = open_s3("admin")
    lock = custodian.lock_of(SHA256)
    assert (lock.mode, lock.retain_until) == ("COMPLIANCE", later)
    open_s3(policy=LockPolicy("COMPLIANCE", until=END)).put_bytes(DATA)
    assert custodian.lock_of(SHA256) == lock
    open_s3().extend(SHA256, later + HOUR)
    assert custodian.lock_of(SHA256).retain_until == later + HOUR
    with pytest.raises((ConfigError, ServiceError)):
        custodian.extend(SHA256, END)
    assert custodian.lock_of(SHA256).retain_until == later + HOUR


def test_an_orphan_without_a_lock_is_adopted_and_locked(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    vault = open_s3()
    seaweedfs_store.client().put_object(Bucket=BUCKET, Key=key_of(vault), Body=DATA)
    vault.put_bytes(DATA)
    assert open_s3("admin").lock_of(SHA256).mode == "COMPLIANCE"


def test_legal_hold_is_the_custodians_and_keeps_after_the_retention(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    client = seaweedfs_store.client("admin")
    vault = open_s3(policy=LockPolicy("COMPLIANCE", until=datetime.now(UTC) + timedelta(seconds=2)))
    vault.put_bytes(DATA)
    place = vault.place(SHA256)
    with pytest.raises(ConfigError, match="s3:PutObjectLegalHold"):
        vault.set_legal_hold(SHA256, on=True)
    custodian = open_s3("admin")
    custodian.set_legal_hold(SHA256, on=True)
    assert custodian.lock_of(SHA256).legal_hold
    over = datetime.fromisoformat(place.retain_until) + timedelta(seconds=1)
    threading.Event().wait(max(0.0, (over - datetime.now(UTC)).total_seconds()))
    version = {"Bucket": BUCKET, "Key": place.key, "VersionId": place.version_id}
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(**version, BypassGovernanceRetention=True)
    custodian.set_legal_hold(SHA256, on=False)
    client.delete_object(**version)
    with pytest.raises(MissingArtifactError):
        vault.check(SHA256)
    with pytest.raises(MissingArtifactError):
        vault.check_place(place)


def test_a_policy_with_legal_hold_needs_the_right_to_hold(open_s3: Callable[..., S3Vault]) -> None:
    policy = LockPolicy("GOVERNANCE", until=END, legal_hold=True)
    with pytest.raises(ConfigError):
        open_s3(policy=policy).put_bytes(DATA)
    custodian = open_s3("admin", policy=policy)
    custodian.put_bytes(DATA)
    assert custodian.place(SHA256).legal_hold
    assert custodian.lock_of(SHA256).legal_hold


def test_a_lock_that_was_weakened_after_sealing_is_found(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    vault = open_s3(policy=LockPolicy("GOVERNANCE", until=END))
    vault.put_bytes(DATA)
    place = vault.place(SHA256)
    vault.check_place(place)
    seaweedfs_store.client("admin").put_object_retention(
        Bucket=BUCKET, Key=place.key, VersionId=place.version_id, BypassGovernanceRetention=True,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": datetime.now(UTC) + timedelta(minutes=5)},
    )  # fmt: skip
    with pytest.raises(SealError, match="was locked in GOVERNANCE mode until"):
        vault.check_place(place)


def test_seals_have_one_winner_and_the_first_one_stays(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    vault = open_s3()
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda n: open_s3().publish_seal("inc-1", 1, b"seal %d" % n), range(8)))
    assert wins.count(True) == 1
    assert vault.read_seal("inc-1", 1) == b"seal %d" % wins.index(True)
    assert not vault.publish_seal("inc-1", 1, b"another")
    key = S3Location.parse(vault.location).key("seals/inc-1/000001.sigstore.json")
    # A delete marker makes the key look free; the seal behind it is still the first.
    seaweedfs_store.client("admin").delete_object(Bucket=BUCKET, Key=key)
    assert vault.seal_sequences("inc-1") == (1,)
    assert not vault.publish_seal("inc-1", 1, b"instead")
    assert vault.read_seal("inc-1", 1) == b"seal %d" % wins.index(True)
    assert vault.publish_seal("inc-1", 2, b"next")
    assert vault.publish_seal("inc-10", 1, b"neighbour")
    assert vault.seal_sequences("inc-1") == (1, 2)
    assert vault.sealed_keys() == ("inc-1", "inc-10")
    with pytest.raises(SealError):
        vault.publish_seal("../x", 1, b"")


def test_records_have_one_winner_and_are_listed(open_s3: Callable[..., S3Vault]) -> None:
    vault = open_s3()
    assert vault.publish_record("log/entries/00000001", b"a")
    assert not open_s3().publish_record("log/entries/00000001", b"b")
    assert vault.publish_record("log/checkpoint", b"c")
    assert open_s3().read_record("log/entries/00000001") == b"a"
    assert vault.list_records("log/entries/") == ("log/entries/00000001",)
    assert vault.list_records("") == ("log/checkpoint", "log/entries/00000001")


def test_a_file_that_changes_or_is_too_large_is_no_seal(
    open_s3: Callable[..., S3Vault], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(DATA)
    vault = open_s3()
    with pytest.raises(UnreadableInputError, match=r"app\.log: changed"):
        vault.put_file(path, name="app.log", expected="0" * 64)
    monkeypatch.setattr(s3_vault, "MAX_OBJECT", 4)
    with pytest.raises(UnreadableInputError, match="more than S3 takes"):
        vault.put_file(path, name="app.log")
    assert not vault.contains(SHA256)


def test_a_file_that_grows_between_hash_and_upload_is_refused_by_the_service(
    open_s3: Callable[..., S3Vault], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(DATA)
    hashed = s3_vault._hash

    def hash_then_write(*arguments: Any) -> tuple[str, int]:
        result = hashed(*arguments)
        path.write_bytes(DATA.replace(b"failed", b"lasted"))
        return result

    monkeypatch.setattr(s3_vault, "_hash", hash_then_write)
    with pytest.raises(UnreadableInputError, match="changed while it was being sealed"):
        open_s3(attempts=1).put_file(path, name="app.log")
    assert not open_s3().contains(SHA256)


class Script:
    """Does a fault the first `times` that a request matches."""

    def __init__(self, method: str, part: str, fault: Fault, times: int = 1) -> None:
        self.method, self.part, self.fault, self.left = method, part, fault, times

    def __call__(self, method: str, path: str) -> Fault:
        if method == self.method and self.part in path and "retention" not in path and self.left:
            self.left -= 1
            return self.fault
        return "none"


@pytest.mark.parametrize("fault", ["503", "500", "lose-reply", "stall"])
@pytest.mark.parametrize("what", ["object", "seal", "record"])
def test_a_write_survives_faults_and_happens_once(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store, fault: Fault, what: str
) -> None:
    part = {"object": "/objects/", "seal": "/seals/", "record": "/records/"}[what]
    with FaultyProxy(seaweedfs_store.endpoint, Script("PUT", part, fault)) as proxy:
        vault = open_s3(endpoint=proxy.endpoint, read_timeout=1)
        if what == "object":
            vault.put_bytes(DATA)
            assert open_s3().read(SHA256) == DATA
            assert vault.place(SHA256) == open_s3().place(SHA256)
        elif what == "seal":
            assert vault.publish_seal("inc-1", 1, b"seal")
            assert open_s3().read_seal("inc-1", 1) == b"seal"
        else:
            # The log asks whose record it is; here a lost reply may look like another's.
            assert vault.publish_record("log/checkpoint", b"c") is (fault in ("503", "500"))
            assert open_s3().read_record("log/checkpoint") == b"c"
    stored = [
        status for method, path, _, status in proxy.seen if method == "PUT" and part in path and status == 200
    ]
    assert len([it for it in proxy.seen if it[2] == fault]) == 1
    assert stored
    prefix = S3Location.parse(vault.location).key(part.strip("/"))
    assert len(seaweedfs_store.client().list_object_versions(Bucket=BUCKET, Prefix=prefix)["Versions"]) == 1


def test_a_body_that_is_cut_off_is_read_again_and_in_the_end_given_up(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    open_s3().put_bytes(DATA)
    with FaultyProxy(seaweedfs_store.endpoint, Script("GET", "/objects/", "cut-body", 2)) as proxy:
        assert open_s3(endpoint=proxy.endpoint).read(SHA256) == DATA
    with FaultyProxy(seaweedfs_store.endpoint, Script("GET", "/objects/", "cut-body", 99)) as proxy:
        vault = open_s3(endpoint=proxy.endpoint)
        for use in (vault.read, vault.check, vault.open):
            with pytest.raises(ServiceError, match="stopped in the middle"):
                use(SHA256)


def test_a_service_that_stays_away_is_no_bad_evidence(
    open_s3: Callable[..., S3Vault], seaweedfs_store: Store
) -> None:
    with FaultyProxy(seaweedfs_store.endpoint, lambda _method, _path: "503") as proxy:
        vault = open_s3(endpoint=proxy.endpoint, attempts=2)
        for use in (vault.put_bytes, lambda _: vault.read(SHA256), lambda _: vault.worm):
            with pytest.raises(ServiceError) as caught:
                use(DATA)
            assert caught.value.exit_code == 3
            assert caught.value.advice
    with pytest.raises(ServiceError, match="did not answer"):
        open_s3(endpoint="http://127.0.0.1:9", attempts=1).check(SHA256)


def test_a_bucket_without_lock_or_rights_is_refused_before_anything_is_stored(seaweedfs_store: Store) -> None:
    admin = seaweedfs_store.client("admin")
    admin.create_bucket(Bucket="plain-bucket")
    vault = S3Vault(admin, S3Location("plain-bucket", ""))
    with pytest.raises(ConfigError) as caught:
        vault.put_bytes(DATA)
    assert "store doctor" in caught.value.advice
    assert "Versions" not in admin.list_object_versions(Bucket="plain-bucket")
    with pytest.raises(ConfigError, match="NoSuchBucket"):
        _ = S3Vault(admin, S3Location("no-such-bucket", "")).worm
    stranger = seaweedfs_store.client("stranger")
    with pytest.raises(ConfigError, match="GetBucketVersioning"):
        _ = S3Vault(stranger, S3Location(BUCKET, "")).worm

"""Locks, policies, URLs and error translation of vaults in S3: pure values and a stubbed client."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.errors import ConfigError, IncidentPipelineError, MissingArtifactError, ServiceError
from incident_pipeline.evidence import LocalVault, open_vault
from incident_pipeline.evidence.s3_bucket import S3Bucket
from incident_pipeline.evidence.s3_errors import KeyTakenError, NotLockedError, WrongDigestError, speaking
from incident_pipeline.evidence.s3_lock import Lock, LockMode, LockPolicy, S3Location
from incident_pipeline.evidence.s3_vault import S3Vault

NOW = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
VERSION = {"Status": "Enabled", "ResponseMetadata": {"HTTPHeaders": {}}}
LOCKED = {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}

modes = st.sampled_from(["COMPLIANCE", "GOVERNANCE"])
locks = st.builds(
    Lock,
    modes | st.none(),
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)) | st.none(),  # noqa: DTZ001
    st.booleans(),
)


def client() -> Any:
    nobody = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return boto3.client("s3", region_name="us-east-1", **nobody)


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [("s3://b-1", "b-1", ""), ("s3://b-1/", "b-1", ""), ("s3://b.c-1/a/b/", "b.c-1", "a/b")],
)
def test_a_url_names_bucket_and_prefix(url: str, bucket: str, prefix: str) -> None:
    location = S3Location.parse(url)
    assert (location.bucket, location.prefix) == (bucket, prefix)
    assert S3Location.parse(location.url) == location
    assert location.key("x/y") == (f"{prefix}/x/y" if prefix else "x/y")


@pytest.mark.parametrize(
    "url", ["s3://", "s3://Upper", "s3://b", "s3:/b-1", "http://b-1", "s3://b-1/../x", "s3://b-1/a//b"]
)
def test_what_is_no_url_of_a_vault_is_refused_with_advice(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        S3Location.parse(url)
    assert caught.value.advice


def test_days_run_to_the_end_of_the_last_one_so_that_a_repeat_asks_for_the_same_date() -> None:
    policy = LockPolicy("COMPLIANCE", days=30)
    assert policy.lock(NOW).retain_until == datetime(2026, 3, 3, tzinfo=UTC)
    assert policy.lock(NOW) == policy.lock(NOW + timedelta(hours=11))
    assert policy.lock(NOW + timedelta(hours=12)) != policy.lock(NOW)


def test_a_fixed_end_is_rounded_up_to_whole_seconds() -> None:
    assert LockPolicy(until=NOW).lock(NOW).retain_until == NOW.replace(microsecond=0) + timedelta(seconds=1)
    whole = NOW.replace(microsecond=0)
    assert LockPolicy(until=whole).lock(NOW).retain_until == whole


@pytest.mark.parametrize(
    ("mode", "days"),
    [("", "3"), ("LEGAL", "3"), *(("COMPLIANCE", days) for days in ("", "0", "x", "-1", "99999"))],
)
def test_settings_that_s3_does_not_know_are_refused(mode: str, days: str) -> None:
    with pytest.raises(ConfigError, match="vault_"):
        LockPolicy.parse(mode, days)


def test_settings_are_read_in_any_case() -> None:
    assert LockPolicy.parse("governance", " 7 ") == LockPolicy("GOVERNANCE", 7)


@given(locks, locks)
def test_a_joined_lock_covers_both(one: Lock, other: Lock) -> None:
    joined = one.joined(other)
    if one.mode and one.retain_until:
        assert joined.covers(one)
    if other.mode and other.retain_until:
        assert joined.covers(other)


@given(locks)
def test_a_lock_covers_itself_and_nothing_stricter_or_longer(lock: Lock) -> None:
    assert lock.covers(lock)
    if lock.mode is None or lock.retain_until is None:
        return
    assert not lock.covers(Lock(lock.mode, lock.retain_until + timedelta(seconds=1)))
    stricter: LockMode = "COMPLIANCE"
    assert lock.covers(Lock(stricter, lock.retain_until)) == (lock.mode == "COMPLIANCE")
    assert not Lock(None, None).covers(lock)


def test_a_setting_opens_the_vault_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert isinstance(open_vault("some/folder"), LocalVault)
    vault = open_vault("s3://b-1/p", mode="GOVERNANCE", retention_days="7")
    assert isinstance(vault, S3Vault)
    assert vault.location == "s3://b-1/p"
    with pytest.raises(ConfigError, match="vault_mode"):
        open_vault("s3://b-1/p", mode="FOREVER")


def test_an_endpoint_that_is_none_is_the_configurations_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not a url")
    with pytest.raises(ConfigError) as caught:
        open_vault("s3://b-1")
    assert "AWS_ENDPOINT_URL" in caught.value.advice


@pytest.mark.parametrize(
    ("versioning", "lock", "says"),
    [
        ({}, LOCKED, "keeps no versions"),
        ({"Status": "Suspended"}, LOCKED, "Suspended"),
        ({"Status": "Enabled"}, {"ObjectLockConfiguration": {}}, "no Object Lock"),
        ({"Status": "Enabled"}, "ObjectLockConfigurationNotFoundError", "Object"),
    ],
)
def test_a_bucket_without_lock_is_refused_and_the_doctor_named(
    versioning: dict[str, str], lock: dict[str, Any] | str, says: str
) -> None:
    s3 = client()
    with Stubber(s3) as stub:
        stub.add_response("get_bucket_versioning", versioning)
        if isinstance(lock, str):
            stub.add_client_error("get_object_lock_configuration", lock, "Object Lock is not here", 404)
        else:
            stub.add_response("get_object_lock_configuration", lock)
        with pytest.raises(NotLockedError) as caught:
            _ = S3Vault(s3, S3Location("b-1", "")).worm
    assert says in caught.value.message
    assert "store doctor" in caught.value.advice
    assert caught.value.exit_code == 2


def preflight(date: str, policy: LockPolicy) -> None:
    s3 = client()
    with Stubber(s3) as stub:
        stub.add_response(
            "get_bucket_versioning",
            {"Status": "Enabled", "ResponseMetadata": {"HTTPHeaders": {"date": date}}},
        )
        stub.add_response("get_object_lock_configuration", LOCKED)
        vault = S3Vault(s3, S3Location("b-1", ""), policy, clock=lambda: NOW)
        vault.preflight()
        vault.preflight()  # asked once only: the stub has no second answer
        assert vault.worm == "enforced-by-service"


def test_the_bucket_is_asked_once() -> None:
    preflight("Sat, 31 Jan 2026 12:00:03 GMT", LockPolicy())


def test_clocks_that_differ_are_refused() -> None:
    with pytest.raises(ConfigError, match="this machine 2026-01-31 12:00"):
        preflight("Sun, 01 Feb 2026 12:00:00 GMT", LockPolicy())


def test_a_retention_that_is_over_is_refused_before_anything_is_stored() -> None:
    with pytest.raises(ConfigError, match="end before it begins"):
        preflight("Sat, 31 Jan 2026 12:00:03 GMT", LockPolicy(until=NOW - timedelta(days=1)))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NoSuchBucket", 404, ConfigError),
        ("NoSuchVersion", 404, MissingArtifactError),
        ("PreconditionFailed", 412, KeyTakenError),
        ("BadDigest", 400, WrongDigestError),
        ("InvalidRequest", 400, NotLockedError),
        ("AccessDenied", 403, ConfigError),
        ("SignatureDoesNotMatch", 403, ConfigError),
        ("RequestTimeTooSkewed", 403, ConfigError),
        ("SlowDown", 503, ServiceError),
        ("InternalError", 500, ServiceError),
        ("SomethingNew", 400, ServiceError),
    ],
)
def test_each_answer_has_its_family_and_advice(
    code: str, status: int, kind: type[IncidentPipelineError]
) -> None:
    s3 = client()
    lock = Lock("COMPLIANCE", NOW)
    with Stubber(s3) as stub:
        stub.add_client_error("put_object", code, "Bucket is missing Object Lock Configuration", status)
        with pytest.raises(kind) as caught:
            S3Bucket(s3, "b-1").put("k", b"x", size=1, sha256="0" * 64, lock=lock)
    assert type(caught.value) is kind
    assert code in caught.value.message
    assert caught.value.advice


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), ConfigError),
        (EndpointConnectionError(endpoint_url="http://x"), ServiceError),
        (ReadTimeoutError(endpoint_url="http://x"), ServiceError),
    ],
)
def test_no_answer_is_the_services_or_the_configurations_fault(
    error: Exception, kind: type[IncidentPipelineError]
) -> None:
    with pytest.raises(kind, match="reading k") as caught, speaking("reading k"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.advice


def test_a_write_says_all_in_one_request() -> None:
    s3 = client()
    with Stubber(s3) as stub:
        expected = {
            "Bucket": "b-1", "Key": "k", "Body": ANY, "ContentLength": 1, "IfNoneMatch": "*",
            "ChecksumAlgorithm": "SHA256", "ChecksumSHA256": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": NOW,
            "ObjectLockLegalHoldStatus": "ON",
        }  # fmt: skip
        stub.add_client_error(
            "put_object", "ConditionalRequestConflict", "busy", 409, expected_params=expected
        )
        stub.add_response("put_object", {"VersionId": "v1"}, expected)
        lock = Lock("COMPLIANCE", NOW, legal_hold=True)
        stored = S3Bucket(s3, "b-1").put("k", io.BytesIO(b"x"), size=1, sha256="0" * 64, lock=lock)
    assert stored.version_id == "v1"


@pytest.mark.parametrize("answer", [{}, {"VersionId": "null"}])
def test_a_store_that_gives_no_version_is_refused(answer: dict[str, str]) -> None:
    s3 = client()
    with Stubber(s3) as stub:
        stub.add_response("put_object", answer)
        with pytest.raises(NotLockedError, match="without a version"):
            S3Bucket(s3, "b-1").put("k", b"x", size=1, sha256="0" * 64, lock=Lock("COMPLIANCE", NOW))


def test_a_store_that_takes_the_lock_and_forgets_it_is_refused() -> None:
    s3 = client()
    with Stubber(s3) as stub:
        stub.add_response("get_bucket_versioning", VERSION)
        stub.add_response("get_object_lock_configuration", LOCKED)
        stub.add_response("list_object_versions", {})
        stub.add_response("put_object", {"VersionId": "v1"})
        stub.add_client_error("get_object_retention", "NoSuchObjectLockConfiguration", "none", 404)
        stub.add_response("put_object_retention", {})
        stub.add_client_error("get_object_retention", "NoSuchObjectLockConfiguration", "none", 404)
        with pytest.raises(NotLockedError, match="and did not"):
            S3Vault(s3, S3Location("b-1", ""), clock=lambda: NOW).put_bytes(b"x")

"""One bucket, seen through the few requests that a vault needs, typed and with our errors.

The only place, beside `doctor`, that knows boto3's argument names. Every read names a version: a key
alone can be shadowed by a newer version or hidden by a delete marker, and both are always allowed.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from botocore.exceptions import BotoCoreError

from incident_pipeline.errors import ConfigError, ServiceError
from incident_pipeline.evidence.s3_errors import (
    ContendedError,
    CutOffError,
    NotLockedError,
    speaking,
)
from incident_pipeline.evidence.s3_lock import Lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient

STEP: Final = 1024**2
_CONFLICTS: Final = 8
"""Times that a conditional write is sent again while another one for the same key is under way."""


@dataclass(frozen=True)
class Version:
    """One stored version of a key. `size` in bytes; `modified` is known where it was listed."""

    key: str
    version_id: str
    size: int
    modified: datetime | None = field(default=None, compare=False)


def connect(*, attempts: int = 5) -> BaseClient:
    """Make a client from the usual AWS environment: credentials, region, endpoint.

    Args:
        attempts: times a request is sent before a service that fails or does not answer is given up.

    Raises:
        ConfigError: the environment contradicts itself, or names no usable endpoint.
    """
    import boto3  # noqa: PLC0415 -- half a second that only vaults in S3 need
    from botocore.config import Config  # noqa: PLC0415

    session = boto3.session.Session()

    def client(**more: object) -> BaseClient:
        # Patience with a service that is busy, but an end to it.
        retries = {"mode": "standard", "total_max_attempts": attempts}
        settings = Config(connect_timeout=10, read_timeout=60, retries=retries, **more)
        return session.client("s3", config=settings)

    try:
        with speaking("making a client"):
            made = client()
            if "amazonaws.com" not in made.meta.endpoint_url:
                # Own servers rarely have a host name per bucket.
                made = client(s3={"addressing_style": "path"})
            return made
    except ValueError as error:
        message = f"S3: the endpoint can't be used ({error})."
        raise ConfigError(message, advice="Look at AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL.") from error


class S3Bucket:
    """Requests to one bucket. `what` in messages is the key."""

    def __init__(self, client: BaseClient, name: str) -> None:
        """Talk to this bucket through this client."""
        self._client = client
        self.name = name

    def require_lock(self) -> datetime | None:
        """Check that versioning is on and Object Lock enabled; give the service's clock where it says it.

        Raises:
            NotLockedError: one of them is not.
            ConfigError: they can't be read with these credentials, or there is no such bucket.
            ServiceError: the service does not answer.
        """
        with speaking(f"reading the versioning of bucket {self.name} (s3:GetBucketVersioning)"):
            versioning = self._client.get_bucket_versioning(Bucket=self.name)
        with speaking(f"reading the lock of bucket {self.name} (s3:GetBucketObjectLockConfiguration)"):
            lock = self._client.get_object_lock_configuration(Bucket=self.name)
        state = versioning.get("Status", "never enabled")
        if state != "Enabled":
            message = f"Bucket {self.name} keeps no versions (versioning: {state}), so it can't lock them."
            raise NotLockedError(message)
        if lock.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            message = f"Bucket {self.name} has no Object Lock."
            raise NotLockedError(message)
        return _served_at(versioning)

    def put(self, key: str, body: BinaryIO | bytes, *, size: int, sha256: str, lock: Lock) -> Version:
        """Store an object in one request under a key that must be free, locked from its first moment.

        One request and not several parts, because the SHA-256 of a multipart upload is one of digests.

        Args:
            key: of the object.
            body: its bytes, or a file at its start.
            size: in bytes.
            sha256: of the bytes, lower-case hex; the service compares.
            lock: what keeps the version.

        Raises:
            KeyTakenError: the key has a version.
            WrongDigestError: other bytes arrived.
            NotLockedError: the bucket takes no locks.
            ConfigError: the role may not do this.
            ServiceError: the service fails.
        """
        arguments: dict[str, Any] = {
            "Bucket": self.name,
            "Key": key,
            "ContentLength": size,
            # S3 documents the algorithm's header as a must for writes with retention.
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            "IfNoneMatch": "*",
            "ObjectLockMode": lock.mode,
            "ObjectLockRetainUntilDate": lock.retain_until,
        }
        if lock.legal_hold:
            arguments["ObjectLockLegalHoldStatus"] = "ON"
        for attempt in range(_CONFLICTS):
            if not isinstance(body, bytes):
                body.seek(0)
            try:
                with speaking(f"writing {key} (s3:PutObject, s3:PutObjectRetention)"):
                    answer = self._client.put_object(Body=body, **arguments)
            except ContendedError:
                if attempt == _CONFLICTS - 1:
                    raise
                continue
            version_id = answer.get("VersionId")
            if not version_id or version_id == "null":
                message = f"S3 stored {key} without a version, so nothing keeps it from being replaced."
                raise NotLockedError(message)
            return Version(key, str(version_id), size)
        message = f"S3: {key} is being written by others."
        raise ServiceError(message)

    def versions(self, prefix: str, *, exact: bool = False) -> tuple[Version, ...]:
        """List all versions below a prefix (or of one key), the oldest of each key first.

        Delete markers are passed over: they hide a key, and take nothing away.
        """
        found: list[Version] = []
        with speaking(f"listing versions of {prefix} (s3:ListBucketVersions)"):
            pages = self._client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.name, Prefix=prefix):
                found += [
                    Version(
                        str(it["Key"]), str(it["VersionId"]), int(it["Size"]), _utc(it.get("LastModified"))
                    )
                    for it in page.get("Versions", [])
                    if not exact or it["Key"] == prefix
                ]
        # S3 lists keys in order and the versions of a key newest first.
        return tuple(reversed(found))

    def chunks(self, key: str, version_id: str) -> Iterator[bytes]:
        """Give the bytes of a version in steps of 1 MiB.

        Raises:
            MissingArtifactError: there is no such version.
            CutOffError: it ended before its end.
        """
        with speaking(f"reading {key} (s3:GetObjectVersion)"):
            body = self._client.get_object(Bucket=self.name, Key=key, VersionId=version_id)["Body"]
        try:
            yield from body.iter_chunks(STEP)
        except (BotoCoreError, OSError) as error:
            message = f"S3 stopped in the middle of {key} ({type(error).__name__})."
            raise CutOffError(message) from error
        finally:
            body.close()

    def lock_of(self, key: str, version_id: str) -> Lock:
        """Give the retention of a version, as the service states it.

        Asked for by itself and not taken from HEAD, which leaves it out for roles that may not see it.
        """
        try:
            with speaking(f"reading the retention of {key} (s3:GetObjectRetention)"):
                answer = self._client.get_object_retention(Bucket=self.name, Key=key, VersionId=version_id)
        except NotLockedError:
            return Lock(None, None)
        retention = answer.get("Retention", {})
        return Lock(retention.get("Mode"), _utc(retention.get("RetainUntilDate")))

    def retain(self, key: str, version_id: str, lock: Lock) -> None:
        """Extend the retention of a version, or give it one."""
        with speaking(f"extending the retention of {key} (s3:PutObjectRetention)"):
            self._client.put_object_retention(
                Bucket=self.name,
                Key=key,
                VersionId=version_id,
                Retention={"Mode": lock.mode, "RetainUntilDate": lock.retain_until},
            )

    def has_hold(self, key: str, version_id: str) -> bool:
        """Say whether a version is under legal hold."""
        try:
            with speaking(f"reading the legal hold of {key} (s3:GetObjectLegalHold)"):
                answer = self._client.get_object_legal_hold(Bucket=self.name, Key=key, VersionId=version_id)
        except NotLockedError:
            return False
        return bool(answer.get("LegalHold", {}).get("Status") == "ON")

    def hold(self, key: str, version_id: str, *, on: bool) -> None:
        """Put a version under legal hold, or lift it."""
        with speaking(f"changing the legal hold of {key} (s3:PutObjectLegalHold)"):
            self._client.put_object_legal_hold(
                Bucket=self.name, Key=key, VersionId=version_id, LegalHold={"Status": "ON" if on else "OFF"}
            )

    def delete(self, key: str, version_id: str) -> None:
        """Delete a version for good, never around its lock: the service refuses while it has one."""
        with speaking(f"deleting {key} (s3:DeleteObjectVersion)"):
            self._client.delete_object(Bucket=self.name, Key=key, VersionId=version_id)


def _served_at(answer: dict[str, Any]) -> datetime | None:
    """Give the service's clock, from the Date header."""
    header = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(header).astimezone(UTC) if header else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None

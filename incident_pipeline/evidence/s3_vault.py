"""A vault in a bucket with S3 Object Lock: the service itself keeps sealed bytes from being changed.

Each object, seal and record is one PUT under a free key (`If-None-Match: *`), with its SHA-256 for the
service to compare and its retention in the same request, so that there is no moment without a lock; one
key has one winner, whoever else writes. A try again finds what an earlier one left, because objects are
named by their bytes. `worm` says "enforced-by-service" only after the bucket was seen to keep versions
and locks; whether the service means it is for `store doctor`.
"""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from incident_pipeline.errors import (
    ConfigError,
    SealError,
    UnreadableInputError,
)
from incident_pipeline.evidence.s3_bucket import STEP, Version, connect
from incident_pipeline.evidence.s3_errors import KeyTakenError, NotLockedError, WrongDigestError
from incident_pipeline.evidence.s3_lock import Lock, LockPolicy, S3Location
from incident_pipeline.evidence.s3_reader import S3Reader
from incident_pipeline.evidence.vault import Place, Stored, Worm, object_digest, record_name
from incident_pipeline.ingest import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from botocore.client import BaseClient

MAX_OBJECT: Final = 5 * 1024**3
"""Bytes that S3 takes in one request."""
MAX_SKEW_S: Final = 900
"""Seconds between our clock and the service's; S3 itself refuses more."""


class S3Vault(S3Reader):
    """A vault below a prefix of a bucket that was created with Object Lock."""

    def __init__(
        self,
        client: BaseClient,
        location: S3Location,
        policy: LockPolicy | None = None,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """Keep everything below `location`, locked as `policy` says; nothing is asked of the service yet."""
        super().__init__(client, location)
        self._policy = policy or LockPolicy()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._places: dict[str, Place] = {}
        self._ready = False

    @classmethod
    def from_settings(cls, url: str, *, mode: str, days: str) -> S3Vault:
        """Open the vault that the settings `vault`, `vault_mode` and `vault_retention_days` name.

        Raises:
            ConfigError: one of them can't be meant.
        """
        location, policy = S3Location.parse(url), LockPolicy.parse(mode, days)
        return cls(connect(), location, policy)

    @property
    def worm(self) -> Worm:
        """Say that the service keeps objects, once the bucket was seen to (errors as `preflight`)."""
        self.preflight()
        return "enforced-by-service"

    def preflight(self) -> None:
        """Check, once in this vault's life, that the bucket keeps versions and locks and the clocks agree.

        Raises:
            ConfigError: it does not, or it can't be told with these credentials.
            ServiceError: the service does not answer.
        """
        if self._ready:
            return
        served = self._bucket.require_lock()
        now = self._clock()
        if served is not None and abs((now - served).total_seconds()) > MAX_SKEW_S:
            message = f"S3 says it is {served:%Y-%m-%d %H:%M} UTC, this machine {now:%Y-%m-%d %H:%M} UTC."
            raise ConfigError(message, advice="Set the clocks: retention is counted by them.")
        until = self._policy.lock(now).retain_until
        if until is None or until <= now:
            message = f"The retention of new objects would end before it begins ({until})."
            raise ConfigError(message, advice="Give a number of days, or a time that is still to come.")
        self._ready = True

    def put_file(self, path: Path, *, name: str, expected: str | None = None) -> Stored:
        """Store a file: hashed first, then sent in one request that carries the digest.

        Args:
            path: the file; a link is not followed.
            name: what messages call it: the artifact's URI.
            expected: the digest it had when it was taken in.

        Raises:
            UnreadableInputError: it can't be read, is larger than 5 GiB, or changed meanwhile.
            HashMismatchError: other bytes stand under its key.
            ConfigError: the bucket has no lock, or the role may not write.
            ServiceError: the service fails.
        """
        self.preflight()
        if expected is not None and (held := self._held(expected)):
            return self._stored(expected, held)
        with open_regular(path, name=name) as file:
            sha256, size = _hash(file, name)
            if expected not in (None, sha256):
                raise _changed(name)
            if size > MAX_OBJECT:
                message = f"{name}: {size} bytes are more than S3 takes in one request (5 GiB)."
                raise UnreadableInputError(message, advice="Split it, or compress it, and list the parts.")
            try:
                return self._store(sha256, file, size)
            except WrongDigestError as error:
                raise _changed(name) from error

    def put_bytes(self, data: bytes) -> Stored:
        """Store bytes (errors as `put_file`)."""
        self.preflight()
        return self._store(hashlib.sha256(data).hexdigest(), data, len(data))

    def publish_seal(self, key: str, sequence: int, data: bytes) -> bool:
        """Store a seal under a sequence number that must be free; False when it was not.

        True also when the seal that stands there has these very bytes: a reply of ours was lost.
        """
        path = self._seal_key(key, sequence)
        return self._publish(path, data) or self._first_bytes(path) == data

    def publish_record(self, name: str, data: bytes) -> bool:
        """Store bytes under a name that must be free; False when it was not."""
        return self._publish(self._location.key(record_name(name)), data)

    def place(self, sha256: str) -> Place:
        """Say where an object is, its lock made to be what the policy asks for now.

        Raises:
            MissingArtifactError: there is no such object.
            ConfigError: the service did not lock it, or the role may not see that.
            ServiceError: the service fails.
        """
        if sha256 not in self._places:
            held = self._require(sha256)
            lock = self._ensure_locked(held)
            if lock.mode is None or lock.retain_until is None:
                message = f"S3 took {held.key} and did not lock it."
                raise NotLockedError(message)
            self._places[sha256] = Place(
                backend="s3",
                bucket=self._location.bucket,
                key=held.key,
                version_id=held.version_id,
                mode=lock.mode,
                retain_until=lock.retain_until.isoformat(),
                legal_hold=lock.legal_hold,
            )
        return self._places[sha256]

    def check_place(self, place: Place) -> None:
        """Check that the version a seal names is there, under a lock no weaker and no shorter than sealed.

        Raises:
            MissingArtifactError: the version is gone.
            SealError: its lock was weakened, shortened or lifted.
            ConfigError: the role may not see locks.
            ServiceError: the service fails.
        """
        sealed = Lock(place.mode, datetime.fromisoformat(place.retain_until))
        found = self._bucket.lock_of(place.key, place.version_id)
        if not found.covers(sealed):
            message = (
                f"{place.key} was locked in {place.mode} mode until {place.retain_until}; "
                f"now its lock is {found.mode or 'none'}, until {found.retain_until or 'no time'}."
            )
            raise SealError(message, advice="Find out who lifted it; copy the evidence to a safe vault.")

    def lock_of(self, sha256: str) -> Lock:
        """Give the lock of an object as the service states it, its legal hold included."""
        held = self._require(sha256)
        lock = self._bucket.lock_of(held.key, held.version_id)
        hold = self._bucket.has_hold(held.key, held.version_id)
        return Lock(lock.mode, lock.retain_until, hold)

    def object_versions(self) -> tuple[tuple[str, Version], ...]:
        """List all versions of objects by the digest in their key, the oldest of each first.

        Raises:
            ConfigError: the role may not list.
            ServiceError: the service fails.
        """
        root = self._location.key("objects/")
        found = []
        for version in self._bucket.versions(root):
            with contextlib.suppress(SealError):  # somebody else's object
                found.append((object_digest(f"objects/{version.key.removeprefix(root)}"), version))
        return tuple(found)

    def version_lock(self, version: Version) -> Lock:
        """Give the lock of a version as the service states it, its legal hold included."""
        lock = self._bucket.lock_of(version.key, version.version_id)
        return Lock(lock.mode, lock.retain_until, self._bucket.has_hold(version.key, version.version_id))

    def delete_version(self, version: Version) -> None:
        """Delete a version that nothing locks, which sealing never needs.

        Raises:
            MissingArtifactError: it is gone.
            ConfigError: it is locked, or the role may not.
            ServiceError: the service fails.
        """
        self._bucket.delete(version.key, version.version_id)

    def set_legal_hold(self, sha256: str, *, on: bool) -> None:
        """Put an object under legal hold, or lift it: the custodian's right, which sealing needs not.

        Raises:
            MissingArtifactError: there is no such object.
            ConfigError: the role may not.
            ServiceError: the service fails.
        """
        held = self._require(sha256)
        self._bucket.hold(held.key, held.version_id, on=on)

    def extend(self, sha256: str, until: datetime) -> None:
        """Keep an object longer, in the mode that it has. An earlier end is refused by the service.

        Raises:
            MissingArtifactError: there is no such object.
            ConfigError: the role may not, or the end is earlier.
            ServiceError: the service fails.
        """
        held = self._require(sha256)
        found = self._bucket.lock_of(held.key, held.version_id)
        self._bucket.retain(held.key, held.version_id, Lock(found.mode or self._policy.mode, until))
        self._places.pop(sha256, None)

    def _store(self, sha256: str, body: BinaryIO | bytes, size: int) -> Stored:
        lock = self._policy.lock(self._clock())
        held = self._held(sha256)
        if held is None:
            try:
                held = self._bucket.put(self._object_key(sha256), body, size=size, sha256=sha256, lock=lock)
            except KeyTakenError:
                # Another sealer, or an earlier try of ours whose answer was lost: it is there now.
                held = self._held(sha256)
                if held is None:
                    raise
            self._pins[sha256] = held
        return self._stored(sha256, held)

    def _stored(self, sha256: str, held: Version) -> Stored:
        self.place(sha256)  # not before its lock was seen does it count as stored
        return Stored(sha256, held.size, sha256)

    def _ensure_locked(self, held: Version) -> Lock:
        """Give the lock of a version after making sure that it is what the policy asks for now.

        An object of an earlier seal or of a killed run may be locked for a shorter time, or not at all.
        """
        wanted = self._policy.lock(self._clock())
        found = self._bucket.lock_of(held.key, held.version_id)
        if not found.covers(wanted):
            self._bucket.retain(held.key, held.version_id, found.joined(wanted))
            found = self._bucket.lock_of(held.key, held.version_id)
            if not found.covers(wanted):
                message = f"S3 says it locked {held.key} until {wanted.retain_until}, and did not."
                raise NotLockedError(message)
        if wanted.legal_hold and not self._bucket.has_hold(held.key, held.version_id):
            self._bucket.hold(held.key, held.version_id, on=True)
        return Lock(found.mode, found.retain_until, wanted.legal_hold)

    def _publish(self, path: str, data: bytes) -> bool:
        self.preflight()
        lock = self._policy.lock(self._clock())
        try:
            mine = self._bucket.put(
                path, data, size=len(data), sha256=hashlib.sha256(data).hexdigest(), lock=lock
            )
        except KeyTakenError:
            return False
        # A delete marker makes a key look free to `If-None-Match`; what stood there first still counts.
        first = self._bucket.versions(path, exact=True)[0]
        if first.version_id != mine.version_id:
            return False
        self._ensure_locked(mine)
        return True


def _hash(file: BinaryIO, name: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        while chunk := file.read(STEP):
            digest.update(chunk)
            size += len(chunk)
    except OSError as error:
        message = f"{name}: reading stopped after {size} bytes ({error.strerror})."
        raise UnreadableInputError(message) from error
    return digest.hexdigest(), size


def _changed(name: str) -> UnreadableInputError:
    message = f"{name}: changed while it was being sealed."
    return UnreadableInputError(message, advice="Copy it aside, or wait until it is whole.")

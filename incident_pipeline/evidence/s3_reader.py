"""Read a vault in S3: by version, the oldest of a key first, and hashed while the bytes come in.

Object Lock protects versions, not keys: anybody who may write can put a newer version over a key or a
delete marker before it. So whatever came first under a key counts, listings are of versions rather than
keys, and where a seal names a version (`pin`) no other is read. Storing and locking stand in `s3_vault`.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from incident_pipeline.errors import HashMismatchError, MissingArtifactError, SealError
from incident_pipeline.evidence.s3_bucket import S3Bucket, Version
from incident_pipeline.evidence.s3_errors import CutOffError
from incident_pipeline.evidence.vault import object_name, record_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient

    from incident_pipeline.evidence.s3_lock import S3Location

_READS: Final = 3
"""Times an object is read anew after the service stopped in the middle."""
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SEAL_NAME = re.compile(r"([a-z0-9][a-z0-9-]{0,63})/(\d{6})\.sigstore\.json")


class S3Reader:
    """What is stored below a prefix of a bucket."""

    def __init__(self, client: BaseClient, location: S3Location) -> None:
        """Read below `location`; nothing is asked of the service yet."""
        self._bucket = S3Bucket(client, location.bucket)
        self._location = location
        self._pins: dict[str, Version] = {}

    @property
    def location(self) -> str:
        """Give the vault's URL."""
        return self._location.url

    def read(self, sha256: str) -> bytes:
        """Give an object, its digest checked while reading.

        Raises:
            MissingArtifactError: there is no such object, or not the version that was pinned.
            HashMismatchError: its bytes have another digest.
            ServiceError: the service fails.
        """
        parts: list[bytes] = []
        self._verified(sha256, parts.clear, parts.append)
        return b"".join(parts)

    def open(self, sha256: str) -> BinaryIO:
        """Give an object as a temporary file, its digest checked while it was fetched (errors as `read`)."""
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 -- the caller closes it

        def rewind() -> None:
            file.seek(0)
            file.truncate()

        try:
            self._verified(sha256, rewind, file.write)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def contains(self, sha256: str) -> bool:
        """Say whether there is an object of this name; its bytes are not looked at."""
        return bool(self._bucket.versions(self._object_key(sha256), exact=True))

    def check(self, sha256: str) -> int:
        """Hash an object again; give its size in bytes (errors as `read`)."""
        return self._verified(sha256, lambda: None, lambda _: None).size

    def sealed_keys(self) -> tuple[str, ...]:
        """List the incident keys that have seals, sorted."""
        return tuple(sorted({key for key, _ in self._seals(self._location.key("seals/"))}))

    def seal_sequences(self, key: str) -> tuple[int, ...]:
        """List the sequence numbers of an incident's seals, ascending; also of those a marker hides."""
        folder = self._seal_key(key, 1).rpartition("/")[0]
        return tuple(sorted({number for _, number in self._seals(f"{folder}/")}))

    def read_seal(self, key: str, sequence: int) -> bytes:
        """Give a seal's bytes as they are: of the first version, whatever was put over it.

        Raises:
            MissingArtifactError: there is no such seal.
        """
        data = self._first_bytes(self._seal_key(key, sequence))
        if data is None:
            message = f"The vault holds no seal {key}/{sequence:06d}."
            raise MissingArtifactError(message, advice="Restore the vault from its copy.")
        return data

    def read_record(self, name: str) -> bytes:
        """Give a record's bytes as they are: of the first version, whatever was put over it.

        Raises:
            MissingArtifactError: there is no such record.
        """
        data = self._first_bytes(self._location.key(record_name(name)))
        if data is None:
            message = f"The vault holds no record {name}."
            raise MissingArtifactError(message, advice="Restore the vault from its copy.")
        return data

    def list_records(self, prefix: str) -> tuple[str, ...]:
        """List the names of the records that begin with `prefix`, sorted; also of those a marker hides."""
        root = self._location.key("records/")
        found = {version.key.removeprefix(root) for version in self._bucket.versions(root + prefix)}
        return tuple(sorted(found))

    def pin(self, sha256: str, version_id: str) -> None:
        """Read this version of an object from now on, and no other: the one that a seal names."""
        if sha256 not in self._pins or self._pins[sha256].version_id != version_id:
            self._pins[sha256] = Version(self._object_key(sha256), version_id, -1)

    def _first_bytes(self, path: str) -> bytes | None:
        versions = self._bucket.versions(path, exact=True)
        if not versions:
            return None
        parts: list[bytes] = []
        self._fetch(versions[0], parts.clear, parts.append)
        return b"".join(parts)

    def _held(self, sha256: str) -> Version | None:
        """Give the version that holds an object's bytes, hashed again; None when there is none."""
        try:
            return self._verified(sha256, lambda: None, lambda _: None)
        except MissingArtifactError:
            return None

    def _require(self, sha256: str) -> Version:
        if sha256 in self._pins:
            return self._pins[sha256]
        held = self._held(sha256)
        if held is None:
            raise _missing(sha256)
        return held

    def _verified(
        self, sha256: str, restart: Callable[[], object], take: Callable[[bytes], object]
    ) -> Version:
        """Read the version that has an object's bytes, the oldest of them first; pin and give it."""
        pinned = self._pins.get(sha256)
        found = ""
        for version in (pinned,) if pinned else self._bucket.versions(self._object_key(sha256), exact=True):
            found, size = self._fetch(version, restart, take)
            if found == sha256:
                self._pins[sha256] = Version(version.key, version.version_id, size)
                return self._pins[sha256]
        if not found:
            raise _missing(sha256)
        message = f"The vault's object {sha256} was altered: its bytes have SHA-256 {found}."
        raise HashMismatchError(message)

    def _fetch(
        self, version: Version, restart: Callable[[], object], take: Callable[[bytes], object]
    ) -> tuple[str, int]:
        """Read a version, from the start again when the service stops in the middle; give digest and size."""
        attempt = 1
        while True:
            restart()
            digest, size = hashlib.sha256(), 0
            try:
                for chunk in self._bucket.chunks(version.key, version.version_id):
                    digest.update(chunk)
                    size += len(chunk)
                    take(chunk)
            except CutOffError:
                if attempt == _READS:
                    raise
                attempt += 1
            else:
                return digest.hexdigest(), size

    def _seals(self, below: str) -> set[tuple[str, int]]:
        root = self._location.key("seals/")
        versions = self._bucket.versions(below)
        matches = (_SEAL_NAME.fullmatch(version.key.removeprefix(root)) for version in versions)
        return {(match[1], int(match[2])) for match in matches if match}

    def _object_key(self, sha256: str) -> str:
        return self._location.key(object_name(sha256))

    def _seal_key(self, key: str, sequence: int) -> str:
        if not _KEY.fullmatch(key):
            message = f"{key!r} is no incident key."
            raise SealError(message)
        return self._location.key(f"seals/{key}/{sequence:06d}.sigstore.json")


def _missing(sha256: str) -> MissingArtifactError:
    message = f"The vault holds no object {sha256}."
    return MissingArtifactError(message, advice="Restore the vault from its copy, or seal anew.")

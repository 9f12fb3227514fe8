"""What stages and verification ask of a vault: write-once storage of sealed bytes and of seals.

    objects/ab/cdef...                  bytes as received, addressed by their SHA-256
    seals/<incident key>/000001.sigstore.json
    records/<name>                      small named files: the transparency log (`log`)

A protocol, so that an object store with retention locks can take the place of the local folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, runtime_checkable

from incident_pipeline.errors import SealError

if TYPE_CHECKING:
    from pathlib import Path

Worm = Literal["enforced-by-service", "advisory"]
_DIGEST = re.compile(r"[0-9a-f]{64}")
_RECORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}(/[a-z0-9][a-z0-9._-]{0,99}){0,7}")


@dataclass(frozen=True)
class Place:
    """Where a service keeps an object, and until when it promises to: one version, for a key can be shadowed.

    `retain_until` is RFC 3339 in UTC.
    """

    backend: Literal["s3"]
    bucket: str
    key: str
    version_id: str
    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    retain_until: str
    legal_hold: bool


@dataclass(frozen=True)
class Stored:
    """Bytes in the vault: their digest and size as received, and the digest of what is stored.

    `encoding` lists what the vault did to the bytes, and `key_ref` names the data key, where it encrypts.
    """

    sha256: str
    size: int
    stored_sha256: str
    encoding: tuple[Literal["aes-256-gcm-chunked-v1"], ...] = ()
    key_ref: str | None = None


class Vault(Protocol):
    """Write-once storage. All digests are lower-case hex; keys are folded incident ids."""

    @property
    def worm(self) -> Worm:
        """Say who keeps objects from being changed: the service, or nobody (then only noticed)."""

    def put_file(self, path: Path, *, name: str, expected: str | None = None) -> Stored:
        """Store a file, hashing while copying; `expected` is the digest it had when it was taken in."""

    def put_bytes(self, data: bytes) -> Stored:
        """Store bytes."""

    def read(self, sha256: str) -> bytes:
        """Give an object, its digest checked while reading."""

    def open(self, sha256: str) -> BinaryIO:
        """Open an object for reading after its digest was checked."""

    def contains(self, sha256: str) -> bool:
        """Say whether there is an object of this name; its bytes are not looked at."""

    def check(self, sha256: str) -> int:
        """Hash an object again; give its size."""

    def publish_seal(self, key: str, sequence: int, data: bytes) -> bool:
        """Store a seal under a sequence number that must be free; False when it was not."""

    def sealed_keys(self) -> tuple[str, ...]:
        """List the incident keys that have seals, sorted."""

    def seal_sequences(self, key: str) -> tuple[int, ...]:
        """List the sequence numbers of an incident's seals, ascending."""

    def read_seal(self, key: str, sequence: int) -> bytes:
        """Give a seal's bytes as they are; its signature is for the caller to check."""

    @property
    def location(self) -> str:
        """Say where the vault is, the same each time: an absolute path or a URL. Pins are kept by it."""

    def publish_record(self, name: str, data: bytes) -> bool:
        """Store bytes under a name (`record_name`) that must be free; False when it was not.

        Of any number of writers exactly one gets True (`linkat`, `If-None-Match: *`), the record is
        whole from its first moment and durable before this returns. A retry after a lost reply may
        give False for one's own bytes: callers read the record to see whose it is.
        """

    def read_record(self, name: str) -> bytes:
        """Give a record's bytes as they are; MissingArtifactError when there is none of this name."""

    def list_records(self, prefix: str) -> tuple[str, ...]:
        """List the full names of the records whose name begins with `prefix` (`log/entries/`), sorted.

        A record whose `publish_record` has returned True is in every later listing.
        """


@dataclass(frozen=True)
class Taken:
    """A file that was read to its end; `stored` is None where its given digest is another."""

    sha256: str
    size: int
    stored: Stored | None


@runtime_checkable
class TakesFiles(Protocol):
    """A vault that can store what it does not know the digest of yet."""

    def take_file(self, path: Path, *, name: str, given: str | None, likely: str | None) -> Taken:
        """Store a file, unless `given` is not its digest; `likely` may save writing, and is not trusted."""

    def settle(self) -> None:
        """Make durable all that was taken; nothing may count on it before."""

    def abandon(self) -> None:
        """Forget what was taken and not settled; some of it may stay, as after a kill."""


@runtime_checkable
class LockingVault(Vault, Protocol):
    """A vault whose service keeps versions and locks them; digests are of the bytes as stored."""

    def place(self, sha256: str) -> Place:
        """Say where an object is, after making sure that it is locked as the vault promises."""

    def pin(self, sha256: str, version_id: str) -> None:
        """Read this version of an object from now on, and no other."""

    def check_place(self, place: Place) -> None:
        """Check that a version is there under a lock that is no weaker and no shorter than was sealed."""


def object_name(sha256: str) -> str:
    """Give an object's name inside a vault, `objects/ab/cdef...`: also its subject name in a seal.

    Raises:
        SealError: this is no SHA-256 in lower-case hex.
    """
    if not _DIGEST.fullmatch(sha256):
        message = f"{sha256[:80]!r} is no SHA-256 in lower-case hex."
        raise SealError(message)
    return f"objects/{sha256[:2]}/{sha256[2:]}"


def object_digest(name: str) -> str:
    """Give the digest in an object's name: the way back from `object_name`.

    Raises:
        SealError: this is no object's name.
    """
    sha256 = name.removeprefix("objects/").replace("/", "", 1)
    if object_name(sha256) != name:
        message = f"{name[:80]!r} is no object's name."
        raise SealError(message)
    return sha256


def record_name(name: str) -> str:
    """Give a record's place inside a vault, `records/<name>`.

    Raises:
        SealError: the name is not made of lower-case parts between slashes.
    """
    if not _RECORD.fullmatch(name):
        message = f"{name[:80]!r} is no name for a record."
        raise SealError(message)
    return f"records/{name}"

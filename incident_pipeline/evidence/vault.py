"""What stages and verification ask of a vault: write-once storage of sealed bytes and of seals.

    objects/ab/cdef...                  bytes as received, addressed by their SHA-256
    seals/<incident key>/000001.sigstore.json

A protocol, so that an object store with retention locks can take the place of the local folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

from incident_pipeline.errors import SealError

if TYPE_CHECKING:
    from pathlib import Path

Worm = Literal["enforced-by-service", "advisory"]
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Stored:
    """Bytes in the vault: their digest and size as received, and the digest of what is stored."""

    sha256: str
    size: int
    stored_sha256: str


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


def object_name(sha256: str) -> str:
    """Give an object's name inside a vault, `objects/ab/cdef...`: also its subject name in a seal.

    Raises:
        SealError: this is no SHA-256 in lower-case hex.
    """
    if not _DIGEST.fullmatch(sha256):
        message = f"{sha256[:80]!r} is no SHA-256 in lower-case hex."
        raise SealError(message)
    return f"objects/{sha256[:2]}/{sha256[2:]}"

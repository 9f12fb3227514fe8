"""Take a bundle's files into the vault in the pass that hashes them: each byte is read once.

`open_bundle` asks for every file's digest, and here the answer comes from storing it. A file whose given
digest is wrong is hashed to its end and not stored. Where a vault must know the digest before it stores
(a service that wants a checksum first), the file is hashed here, and `seal` stores it afterwards.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from incident_pipeline.errors import HashMismatchError
from incident_pipeline.evidence.sealing_lock import sealing
from incident_pipeline.evidence.vault import TakesFiles
from incident_pipeline.ingest import hash_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from incident_pipeline.evidence.vault import Stored, Vault
    from incident_pipeline.model.artifact import SealedEvidence
    from incident_pipeline.model.incident import ArtifactEntry


class Intake:
    """Takes files for one seal; sweeps of the vault are held off until the context ends."""

    def __init__(self, vault: Vault, before: SealedEvidence | None = None) -> None:
        """Take files into `vault`.

        Args:
            vault: where they go.
            before: the incident's evidence as it was sealed before: a hint what need not be written again.
        """
        self._vault = vault
        self._likely = {it.uri: it.sha256 for it in before.artifacts} if before else {}
        self._stored: dict[str, Stored] = {}
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._held.enter_context(sealing(self._vault))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._vault, TakesFiles):
            self._vault.abandon()
        self._held.close()

    def take(self, path: Path, entry: ArtifactEntry) -> tuple[str, int]:
        """Give digest and size of a file, which the vault then holds; as `open_bundle` wants it.

        Raises:
            UnreadableInputError: it can't be read to its end, or changed meanwhile.
            HashMismatchError: the vault already holds this object, and it was altered.
            ServiceError: the vault can't be written.
        """
        if not isinstance(self._vault, TakesFiles):
            return hash_file(path, name=entry.uri)
        likely = self._likely.get(entry.uri)
        try:
            taken = self._vault.take_file(path, name=entry.uri, given=entry.given_sha256, likely=likely)
        except HashMismatchError as error:
            raise HashMismatchError(f"{entry.uri}: {error.message}", advice=error.advice) from error
        if taken.stored is not None:
            self._stored[taken.sha256] = taken.stored
        return taken.sha256, taken.size

    def stored(self) -> Mapping[str, Stored]:
        """Give by digest what the vault holds of the files taken, durably from now on.

        Raises:
            HashMismatchError: the vault already held one of the objects, and it was altered.
            ServiceError: the vault can't be written.
        """
        if isinstance(self._vault, TakesFiles):
            self._vault.settle()
        return self._stored

"""Wrapped data keys, one record per encrypted artifact, kept outside the objects.

    keys/<incident key>/<SHA-256 of the plaintext>.json

Objects may be write-once for years; a key record can be destroyed, and with it the artifact is
(crypto-shredding). A record holds the data key wrapped by a key-encryption key (`keyring`), so a copy
of this folder alone opens nothing. It is not signed: a changed record fails to unwrap or to decrypt, and
what comes out must have the sealed digest.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from incident_pipeline.errors import EncryptionError, MalformedInputError, SealError, ServiceError
from incident_pipeline.evidence.vault import object_name
from incident_pipeline.evidence.write_once import PendingFile
from incident_pipeline.ingest import open_regular
from incident_pipeline.model.base import Frozen
from incident_pipeline.model.incident import fold_incident_id
from incident_pipeline.serialise import canonical_json, compact_json, parse_json

if TYPE_CHECKING:
    from pathlib import Path

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class KeyRecord(Frozen):
    """The way from an artifact of an incident to its ciphertext and to its wrapped data key.

    `wrapped_by` names the key-encryption key, such as `local:9f86d081884c7d65` or `awskms:<ARN>`.
    """

    schema_version: Literal[1] = 1
    key_ref: Annotated[str, StringConstraints(pattern=r"^dek:[0-9a-f]{32}$")]
    incident: str
    sha256: Sha256
    size: int = Field(ge=0)
    stored_sha256: Sha256
    encoding: Literal["aes-256-gcm-chunked-v1"]
    wrapped_by: str
    wrapped_key: str = Field(description="base64")

    @property
    def wrapped(self) -> bytes:
        """Give the wrapped key's bytes."""
        return base64.b64decode(self.wrapped_key, validate=True)


def stream_context(incident: str, sha256: str) -> bytes:
    """Give the bytes every chunk is bound to: which artifact of which incident."""
    return compact_json({"incident": incident, "sha256": sha256})


class DataKeys:
    """Key records in a folder, made when the first is stored."""

    def __init__(self, root: Path) -> None:
        """Keep everything below `root`."""
        self.root = root

    def knows(self, incident: str) -> bool:
        """Say whether this place ever held keys of an incident."""
        return self._folder(incident).is_dir()

    def read(self, incident: str, sha256: str) -> KeyRecord | None:
        """Give the record of an artifact; None when there is none.

        Raises:
            EncryptionError: it is no record, or one of something else.
            UnreadableInputError: it can't be read.
        """
        path = self._path(incident, sha256)
        if not path.is_symlink() and not path.exists():
            return None
        name = f"The key record of {sha256}"
        with open_regular(path, name=name) as file:
            data = file.read()
        try:
            record = KeyRecord.model_validate(parse_json(data, name=name))
            _ = record.wrapped
        except (MalformedInputError, ValidationError, ValueError) as error:
            message = f"{name} can't be read: it was altered."
            raise EncryptionError(message) from error
        if (record.incident, record.sha256) != (incident, sha256):
            message = f"{name} is that of {record.sha256} of {record.incident}: records were swapped."
            raise EncryptionError(message)
        return record

    def publish(self, record: KeyRecord) -> bool:
        """Store a record; False when the artifact has one already.

        Raises:
            ServiceError: it can't be written.
        """
        path = self._path(record.incident, record.sha256)
        try:
            with PendingFile(path.parent) as pending:
                pending.write(canonical_json(record))
                return pending.publish(path)
        except OSError as error:
            message = f"The data keys can't be written ({error.strerror or error})."
            raise ServiceError(message, advice="Check free space and permissions, then run again.") from error

    def destroy(self, incident: str, sha256: str) -> bool:
        """Destroy a record for good; False when there was none.

        The bytes are overwritten before the name goes, which helps only where the file system writes
        in place; copies and snapshots of the folder are for its keeper to destroy.

        Raises:
            ServiceError: it can't be destroyed.
        """
        path = self._path(incident, sha256)
        try:
            size = path.stat().st_size
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.write(os.urandom(size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            message = f"The data key of {sha256} can't be destroyed ({error.strerror or error})."
            raise ServiceError(message, advice="Check the keys' permissions, then run again.") from error
        return True

    def _folder(self, incident: str) -> Path:
        if fold_incident_id(incident) != incident:
            message = f"{incident!r} is no incident key."
            raise SealError(message)
        return self.root / incident

    def _path(self, incident: str, sha256: str) -> Path:
        object_name(sha256)  # refuses what is no digest
        return self._folder(incident) / f"{sha256}.json"

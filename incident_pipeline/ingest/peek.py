"""Tell whether a path is an evidence bundle and which incident it is, without unpacking it.

Used where a list of bundles is shown or watched: only `incident.json` is read, from an archive as a
stream under the same limits as unpacking.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import MalformedInputError, MissingArtifactError
from incident_pipeline.ingest.bundle import ARCHIVE_SUFFIXES, bundle_name, read_record_bytes
from incident_pipeline.ingest.files import open_regular
from incident_pipeline.ingest.record import MAX_RECORD_BYTES, RECORD_NAME, read_record
from incident_pipeline.ingest.unpack import is_zip, open_tar

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_BROKEN: Final = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RecursionError,
)  # fmt: skip
_MAX_DEPTH: Final = 2
"""At the archive's root, or in its one top folder."""


def is_bundle(path: Path) -> bool:
    """Tell whether a path looks like a bundle: an archive, or a folder with `incident.json` at its root."""
    if path.name.startswith("."):
        return False
    return (path / RECORD_NAME).is_file() if path.is_dir() else path.name.lower().endswith(ARCHIVE_SUFFIXES)


def peek_incident_id(path: Path) -> str:
    """Give the incident id that a bundle states; its own name when it has no incident record.

    Raises:
        MissingArtifactError: there is no such path.
        MalformedInputError: the archive or the record can't be read; the file is named.
        UnsafeArchiveError: the archive expands past the limits.
        IncidentIdError: the record's id can't be used.
    """
    if not path.exists():
        message = f"{path}: no such file or folder."
        raise MissingArtifactError(message, advice="Check the path of the bundle.")
    if path.is_dir():
        record = read_record_bytes(path)
    elif path.name == RECORD_NAME:
        record = read_record_bytes(path.resolve().parent)
    else:
        record = _from_archive(path)
    return bundle_name(path) if record is None else read_record(record)[0].incident_id


def _from_archive(path: Path) -> bytes | None:
    with open_regular(path, name=path.name) as file:
        try:
            return _from_zip(file) if is_zip(file) else _from_tar(file, path.name)
        except (
            tarfile.TarError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            ValueError,
            RecursionError,
        ) as error:
            message = f"{path.name}: not a readable archive ({error})."
            raise MalformedInputError(message) from error


def _from_tar(file: BinaryIO, name: str) -> bytes | None:
    with open_tar(file, name=name)[0] as archive:
        for member in archive:
            if member.isreg() and _is_record(member.name) and member.size <= MAX_RECORD_BYTES:
                data = archive.extractfile(member)
                return data.read() if data else None
    return None


def _from_zip(file: BinaryIO) -> bytes | None:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if _is_record(member.filename) and member.file_size <= MAX_RECORD_BYTES:
                with archive.open(member) as data:
                    return data.read(MAX_RECORD_BYTES)
    return None


def _is_record(name: str) -> bool:
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    return bool(parts) and parts[-1] == RECORD_NAME and len(parts) <= _MAX_DEPTH

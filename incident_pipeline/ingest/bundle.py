"""Open an evidence bundle: a folder, an archive of one, or its `incident.json` (design section 4.1).

What comes out is a list of files with digests, and a problem for everything that could not be taken
as asked; one bad artifact never stops the others. Nothing is read here but to hash it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import MalformedInputError, MissingArtifactError, UnreadableInputError
from incident_pipeline.ingest.artifacts import BundleArtifact, take_all
from incident_pipeline.ingest.files import open_regular
from incident_pipeline.ingest.record import MAX_RECORD_BYTES, RECORD_NAME, read_record
from incident_pipeline.ingest.unpack import is_archive, unpack
from incident_pipeline.model.artifact import Problem
from incident_pipeline.model.incident import ArtifactEntry, Incident

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.ingest.artifacts import Take

ARCHIVE_SUFFIXES: Final = (
    ".tar.zst",
    ".tar.gz",
    ".tar.xz",
    ".tar.bz2",
    ".tzst",
    ".tgz",
    ".txz",
    ".tar",
    ".zip",
)
_LISTED_STRAYS: Final = 100
"""Files that are not listed get a remark each, up to here; then one says how many more."""


@dataclass(frozen=True)
class Bundle:
    """Evidence as it came in.

    `record` holds the bytes of `incident.json` as received, None where there was none. `artifacts` are
    sorted by digest and `problems` by URI, so that nothing depends on listing order.
    """

    incident: Incident
    root: Path
    artifacts: tuple[BundleArtifact, ...]
    problems: tuple[Problem, ...]
    record: bytes | None = field(default=None, repr=False)


def open_bundle(path: Path, scratch: Path, take: Take | None = None) -> Bundle:
    """Open a bundle; archives are unpacked below `scratch`, folders stay where they are.

    Args:
        path: a folder, a tar (plain, gzip, zstd, bzip2, xz) or zip archive, or an `incident.json`.
        scratch: where archives may be unpacked; the caller removes it when the bundle is sealed.
        take: gives digest and size of an artifact's file while doing something with it, as
            `evidence.Intake.take` does; what it raises but UnreadableInputError is raised here. None: hash.

    Raises:
        MissingArtifactError: there is nothing at `path`.
        MalformedInputError: it is no bundle, its record is broken, or it holds no artifacts.
        UnsafeArchiveError: the archive is hostile.
        IncidentIdError: the record's id can't be used.
    """
    root, archived = _root_of(path, scratch)
    record = read_record_bytes(root)
    if record is None:
        incident, remarks = _named_after(path, root)
    else:
        incident, remarks = read_record(record)
    if not incident.artifacts:
        message = f"{path.name}: the bundle holds no artifacts."
        raise MalformedInputError(message, advice=_empty_advice(root, has_record=record is not None))
    artifacts, problems = take_all(root, incident.artifacts, archived=archived, take=take)
    if record is not None:
        remarks += _strays(root, incident.artifacts)
    problems = tuple(sorted({*remarks, *problems}, key=lambda it: (it.uri, it.kind, it.detail)))
    return Bundle(incident=incident, root=root, artifacts=artifacts, problems=problems, record=record)


def bundle_name(path: Path) -> str:
    """Give the name an incident without a record gets: the folder's, or the archive's without suffix."""
    name = path.absolute().name if path.name else path.resolve().name
    for suffix in ARCHIVE_SUFFIXES:
        if path.is_file() and name.lower().endswith(suffix):
            return name[: -len(suffix)] or name
    return name


def _root_of(path: Path, scratch: Path) -> tuple[Path, bool]:
    """Give the folder that holds the artifacts, and whether it was unpacked from an archive."""
    if path.is_dir():
        return path.resolve(), False
    if not path.exists():
        message = f"{path}: no such file or folder."
        raise MissingArtifactError(message, advice="Check the path of the bundle.")
    if path.name == RECORD_NAME:
        return path.resolve().parent, False
    if not path.name.lower().endswith(ARCHIVE_SUFFIXES) and not is_archive(path):
        message = f"{path.name}: is neither a folder, an archive, nor an incident.json."
        advice = "Give a bundle; single files are read with `incident-pipeline parse FILE`."
        raise MalformedInputError(message, advice=advice)
    root = unpack(path, scratch)
    members = list(root.iterdir())
    if len(members) == 1 and members[0].is_dir() and not (root / RECORD_NAME).exists():
        root = members[0]  # everything under one top folder, as `tar` of a folder gives it
    return root.resolve(), True


def read_record_bytes(root: Path) -> bytes | None:
    """Give the bytes of a folder's `incident.json`; None where there is none.

    Raises:
        UnreadableInputError: it is no regular file, or can't be read.
        MalformedInputError: it is too large.
    """
    path = root / RECORD_NAME
    if not path.is_symlink() and not path.exists():
        return None
    with open_regular(path, name=RECORD_NAME) as file:
        data = file.read(MAX_RECORD_BYTES + 1)
    if len(data) > MAX_RECORD_BYTES:
        message = f"{RECORD_NAME}: is larger than {MAX_RECORD_BYTES} bytes."
        raise MalformedInputError(message)
    return data


def _named_after(path: Path, root: Path) -> tuple[Incident, tuple[Problem, ...]]:
    """Make the record of a bundle that has none: every file an artifact of unknown type."""
    files, remarks = _walk(root)
    entries = tuple(ArtifactEntry(uri=uri) for uri in files)
    return Incident(incident_id=bundle_name(path), artifacts=entries), tuple(remarks)


def _walk(root: Path) -> tuple[list[str], list[Problem]]:
    """List the files below a folder as sorted relative URIs; hidden ones are named, not taken.

    Links to folders are not followed: they could lead out, or round in a circle.
    """
    uris: list[str] = []
    remarks: list[Problem] = []
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            uri = folder.relative_to(root).as_posix()
            detail = f"the folder can't be listed ({error.strerror})."
            remarks.append(Problem(kind="unreadable", uri=uri, detail=detail, exit_code=3))
            continue
        for child in children:
            uri = child.relative_to(root).as_posix()
            if child.name.startswith("."):
                detail = "hidden files and folders are not taken as evidence."
                advice = "Rename it, or list it in an incident.json."
                remarks.append(Problem(kind="unlisted", uri=uri, detail=detail, advice=advice))
            elif child.is_dir() and not child.is_symlink():
                pending.append(child)
            else:
                uris.append(uri)
    return sorted(uris), remarks


def _strays(root: Path, entries: tuple[ArtifactEntry, ...]) -> tuple[Problem, ...]:
    """Remark the files that lie in the bundle but are not listed: they are not analysed."""
    listed = {RECORD_NAME}
    for entry in entries:
        listed.add(entry.uri)
        listed.add(entry.uri.removeprefix("./").removeprefix("file:"))
    strays = [uri for uri in _walk(root)[0] if uri not in listed]
    advice = "List it in `artifacts` if it belongs to the incident."
    remarks = [
        Problem(
            kind="unlisted",
            uri=uri,
            detail=f"lies in the bundle but {RECORD_NAME} does not list it.",
            advice=advice,
        )
        for uri in strays[:_LISTED_STRAYS]
    ]
    if more := len(strays) - len(remarks):
        detail = f"{more} more files lie in the bundle but are not listed."
        remarks.append(Problem(kind="unlisted", uri=RECORD_NAME, detail=detail, advice=advice))
    return tuple(remarks)


def _empty_advice(root: Path, *, has_record: bool) -> str:
    if not has_record:
        return "Put the incident's files into it."
    try:
        count = len(_walk(root)[0]) - 1
    except UnreadableInputError:
        count = 0
    if count:
        return f"List its {count} files in `artifacts`, or remove {RECORD_NAME} to have all of them taken."
    return f"List the incident's files in `artifacts` of {RECORD_NAME} and put them beside it."

"""Turn the entries of an incident record into files with digests, or into problems.

A URI comes from a stranger: relative paths must stay inside the bundle also after links are followed,
absolute ones count only where the bundle is a folder of the user's own, and what lies on another
system is named together with what to do. Hash, role and type decide nothing about safety.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from incident_pipeline.errors import UnreadableInputError
from incident_pipeline.ingest.files import hash_file
from incident_pipeline.model.artifact import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from incident_pipeline.model.incident import ArtifactEntry

    Take = Callable[[Path, ArtifactEntry], tuple[str, int]]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_MAX_URI: Final = 4_096
_LOCAL: Final = ("", "localhost")


@dataclass(frozen=True)
class BundleArtifact:
    """One artifact that is there: its entry, the file, and the digest of its bytes as received."""

    entry: ArtifactEntry
    path: Path
    sha256: str
    size: int
    also_known_as: tuple[str, ...] = ()
    """Other URIs of the same bytes, sorted."""


class _RefusedError(Exception):
    """An entry that can't be taken; never leaves this module."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def take_all(
    root: Path, entries: Iterable[ArtifactEntry], *, archived: bool, take: Take | None = None
) -> tuple[tuple[BundleArtifact, ...], tuple[Problem, ...]]:
    """Find and hash the artifacts of a bundle; give those that are there, by digest, and all problems.

    Args:
        root: the bundle's folder, resolved.
        entries: as `incident.json` lists them.
        archived: the bundle came as an archive, so absolute paths mean another machine.
        take: gives digest and size of an entry's file, each file once; hashes it when None.
    """
    problems: list[Problem] = []
    found: list[BundleArtifact] = []
    hashed: dict[Path, tuple[str, int]] = {}
    for entry in entries:
        if entry.hash and entry.given_sha256 is None:
            detail = f"hash {entry.hash[:80]!r} is not 64 hex digits; it counts as not given."
            problems.append(Problem(kind="placeholder_hash", uri=entry.uri, detail=detail))
        try:
            path = _place(root, entry, archived=archived)
            if path not in hashed:
                hashed[path] = _taken(path, entry, take)
            sha256, size = hashed[path]
            _compare(entry, sha256)
        except _RefusedError as refused:
            problems.append(refused.problem)
            continue
        found.append(BundleArtifact(entry=entry, path=path, sha256=sha256, size=size))
        if size == 0:
            problems.append(Problem(kind="empty", uri=entry.uri, detail="the file holds no bytes."))
    kept, duplicates = _fold_duplicates(found)
    return kept, (*problems, *duplicates)


def _fold_duplicates(found: list[BundleArtifact]) -> tuple[tuple[BundleArtifact, ...], list[Problem]]:
    """Keep equal bytes once. Which entry is kept does not depend on the order they are listed in."""
    by_digest: defaultdict[str, list[BundleArtifact]] = defaultdict(list)
    for artifact in found:
        by_digest[artifact.sha256].append(artifact)
    kept: list[BundleArtifact] = []
    problems: list[Problem] = []
    for digest in sorted(by_digest):
        first, *others = sorted(by_digest[digest], key=_preference)
        names = sorted({other.entry.uri for other in others} - {first.entry.uri})
        kept.append(BundleArtifact(first.entry, first.path, digest, first.size, tuple(names)))
        if first.size:
            problems.extend(_duplicate(first.entry, other.entry) for other in others)
    return tuple(kept), problems


def _preference(artifact: BundleArtifact) -> tuple[bool, bool, str, str, str, str]:
    entry = artifact.entry
    return (
        entry.role != "incident", entry.type == "unknown", entry.uri, entry.type, entry.source,
        entry.model_dump_json(),
    )  # fmt: skip


def _duplicate(kept: ArtifactEntry, other: ArtifactEntry) -> Problem:
    what = "is listed twice" if other.uri == kept.uri else f"holds the same bytes as {kept.uri}"
    differs = [
        f"{name} {getattr(kept, name)!r} and not {getattr(other, name)!r}"
        for name in ("role", "type", "source")
        if getattr(kept, name) != getattr(other, name)
    ]
    as_what = f", as {', '.join(differs)}" if differs else ""
    return Problem(kind="duplicate", uri=other.uri, detail=f"{what}; it is kept once{as_what}.")


def _place(root: Path, entry: ArtifactEntry, *, archived: bool) -> Path:
    """Give the resolved path of an entry's file, which exists and lies where it may."""
    uri = entry.uri
    if not uri or len(uri) > _MAX_URI or "\0" in uri:
        raise _refuse(entry, "unsafe_path", "the uri is empty, too long, or holds a NUL.")
    scheme = _SCHEME.match(uri)
    target = uri
    if scheme and not _is_there(root / uri):
        if scheme[1].lower() != "file":
            raise _unreachable(entry, scheme[1].lower())
        parts = urlsplit(uri)
        if parts.netloc not in _LOCAL:
            raise _unreachable(entry, f"file on the host {parts.netloc!r}")
        target = unquote(parts.path)
    if "\0" in target or ".." in Path(target).parts:
        raise _refuse(entry, "unsafe_path", "the path climbs out of the bundle with '..'.")
    if Path(target).is_absolute():
        if archived:
            raise _refuse(
                entry, "unsafe_path", "an absolute path in an archive names a file of another machine."
            )
        return _resolve(Path(target), entry)
    path = _resolve(root / target, entry)
    if not path.is_relative_to(root):
        raise _refuse(entry, "unsafe_path", "a symbolic link leads out of the bundle.")
    return path


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _resolve(path: Path, entry: ArtifactEntry) -> Path:
    try:
        resolved = path.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        collector = f" Its collector noted: {entry.status[:200]}." if entry.status else ""
        raise _refuse(entry, "missing", f"no such file.{collector}") from error
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its links go in a circle"
        raise _refuse(entry, "unreadable", f"can't be reached ({reason}).") from error
    if resolved.is_dir():
        raise _refuse(entry, "malformed", "is a folder where a file belongs.", "List the files in it.")
    return resolved


def _taken(path: Path, entry: ArtifactEntry, take: Take | None) -> tuple[str, int]:
    try:
        return take(path, entry) if take else hash_file(path, name=entry.uri)
    except UnreadableInputError as error:
        problem = Problem(
            kind="unreadable", uri=entry.uri, detail=error.message, advice=error.advice, exit_code=3
        )
        raise _RefusedError(problem) from error


def _compare(entry: ArtifactEntry, sha256: str) -> None:
    given = entry.given_sha256
    if given not in (None, sha256):
        detail = f"the bytes have SHA-256 {sha256}, {given} was given; the artifact is not analysed."
        advice = (
            "Treat the file as altered: fetch it again from its source, or correct its hash if that is wrong."
        )
        problem = Problem(kind="hash_mismatch", uri=entry.uri, detail=detail, advice=advice, exit_code=1)
        raise _RefusedError(problem)


def _unreachable(entry: ArtifactEntry, where: str) -> _RefusedError:
    detail = f"lies out of reach ({where}); it is not analysed."
    advice = "Download it into the bundle's folder and set `uri` to its relative path."
    return _RefusedError(
        Problem(kind="unreachable", uri=entry.uri, detail=detail, advice=advice, exit_code=3)
    )


def _refuse(entry: ArtifactEntry, kind: ProblemKind, detail: str, advice: str = "") -> _RefusedError:
    advice = advice or "Put the file into the bundle and name it by its path there."
    return _RefusedError(Problem(kind=kind, uri=entry.uri, detail=detail, advice=advice, exit_code=3))

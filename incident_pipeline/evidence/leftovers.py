"""Files that killed runs left half-made: beside results, in the vault's folders, and in the scratch folder.

Every file of ours appears by a rename or a link, so what was being written when a run was killed is there
under a name of its own (`serialise.write_with`, `write_once`, `Workspace.scratch`) and nobody ever
reads it. What belongs here: knowing those names, and their age. What does not: objects, which need the
seals to be judged (`sweep`).
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What `tempfile` draws after the name of the file that was being written.
_WRITTEN: Final = re.compile(r"\..+\.(json|jsonl|parquet|md|html|bin|zst)\.[a-z0-9_]{8}")
_PENDING: Final = re.compile(r"\.pending-[a-z0-9_]{8}")
_SCRATCH: Final = re.compile(r"tmp[a-z0-9_]{8}")
_STORE: Final = ".store"


@dataclass(frozen=True)
class HalfMade:
    """A file, or a scratch folder, that no run will finish. `size` in bytes; `since` its last change."""

    path: Path
    size: int
    since: datetime


def half_made(out: Path | None, vault: Path | None) -> Iterator[HalfMade]:
    """List what killed runs left, in the order of paths; links are neither followed nor listed.

    Args:
        out: folder with results and `.store`, where there is one.
        vault: a vault's folder, where it is one.
    """
    found: dict[Path, HalfMade] = {}
    for folder, pattern in _folders(out, vault):
        for path in sorted(folder.rglob(".*")) if folder.is_dir() else ():
            if pattern.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                found[path] = _measured(path)
    scratch = out / _STORE / "scratch" if out else None
    for path in sorted(scratch.iterdir()) if scratch and scratch.is_dir() else ():
        if _SCRATCH.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            found[path] = _measured(path)
    yield from (found[path] for path in sorted(found))


def remove(path: Path) -> None:
    """Remove a file or a scratch folder.

    Raises:
        ServiceError: it can't be removed.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        message = f"{path}: can't be removed ({error.strerror or error})."
        raise ServiceError(message, advice="Check its owner and permissions, then run again.") from error


def _folders(out: Path | None, vault: Path | None) -> Iterator[tuple[Path, re.Pattern[str]]]:
    if vault is not None:
        for name in ("objects", "seals", "records", "keys"):
            yield vault / name, _PENDING
    if out is None or not out.is_dir():
        return
    yield out / _STORE / "keys", _PENDING
    yield out / _STORE / "sources", _WRITTEN
    yield out / _STORE / "alerts", _WRITTEN
    for folder in sorted(out.iterdir()):
        if folder.is_dir() and not folder.is_symlink() and (folder / "manifest.sigstore.json").exists():
            yield folder, _WRITTEN


def _measured(path: Path) -> HalfMade:
    """Give size and last change; of a folder that of everything in it."""
    inside = [it for it in path.rglob("*") if not it.is_symlink()] if path.is_dir() else []
    stats = [it.lstat() for it in (path, *inside)]
    size = sum(it.st_size for it, file in zip(stats, (path, *inside), strict=True) if file.is_file())
    return HalfMade(path, size, datetime.fromtimestamp(max(it.st_mtime for it in stats), UTC))

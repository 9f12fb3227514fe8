"""Open files that others put there: regular files only, never through a link, never blocking.

What belongs here: the two ways evidence files are touched before they are sealed (open, hash). What
does not: deciding which files those are (`bundle`).
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from incident_pipeline.errors import UnreadableInputError

if TYPE_CHECKING:
    from pathlib import Path

STEP: Final = 1024**2


def open_regular(path: Path, *, name: str) -> BinaryIO:
    """Open a regular file for reading; a symbolic link as last component is not followed.

    A pipe or device would block or never end, so the type is checked on the open descriptor, where
    nobody can swap it any more.

    Raises:
        UnreadableInputError: it can't be opened or is no regular file; `name` is given, not the path.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"{name}: can't be opened ({reason})."
        raise UnreadableInputError(message) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        message = f"{name}: is no regular file."
        raise UnreadableInputError(message, advice="Only regular files can be evidence.")
    return os.fdopen(handle, "rb", buffering=0)


def hash_file(path: Path, *, name: str) -> tuple[str, int]:
    """Give SHA-256 (lower-case hex) and size in bytes of a regular file.

    Raises:
        UnreadableInputError: it can't be read to its end.
    """
    digest = hashlib.sha256()
    size = 0
    with open_regular(path, name=name) as file:
        try:
            while chunk := file.read(STEP):
                digest.update(chunk)
                size += len(chunk)
        except OSError as error:
            message = f"{name}: reading stopped after {size} bytes ({error.strerror})."
            raise UnreadableInputError(message) from error
    return digest.hexdigest(), size

"""Publish a file whole, under a name nobody had before, and never open it for writing again.

`O_TMPFILE` gives a file without a name, `linkat` names it: a killed process leaves nothing behind, and
of two that want the same name one wins. Where the file system has no such files, a temporary name and
a hard link do the same and may leave a `.pending-` file. Order for power loss: data, name, folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

_NO_TMPFILE: Final = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
"""What file systems without `O_TMPFILE` answer (NFS, older overlays)."""


class PendingFile:
    """A file without a name, until it is published under one; nothing stays behind otherwise."""

    def __init__(self, folder: Path) -> None:
        """Begin a file on the file system of this folder, which is made when it is not there."""
        make_folder(folder)
        self._aside: Path | None = None
        try:
            self._handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
            self._handle, name = tempfile.mkstemp(dir=folder, prefix=".pending-")
            self._aside = Path(name)

    def __enter__(self) -> Self:
        return self

    def write(self, data: bytes) -> None:
        """Append bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]

    def publish(self, target: Path) -> bool:
        """Give the file its name; False when somebody has it already. Durable when this returns."""
        os.fchmod(self._handle, 0o440)
        os.fsync(self._handle)
        make_folder(target.parent)
        source = self._aside or Path(f"/proc/self/fd/{self._handle}")
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # With a folder descriptor CPython calls linkat(AT_SYMLINK_FOLLOW), which is what names
            # a file that has only a descriptor.
            os.link(source, target.name, dst_dir_fd=folder, follow_symlinks=True)
            created = True
        except FileExistsError:
            created = False
        finally:
            os.fsync(folder)
            os.close(folder)
        return created

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)
        if self._aside:
            self._aside.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durable in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)

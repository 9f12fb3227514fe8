"""Publish a file whole, under a name nobody had before, and never open it for writing again.

`O_TMPFILE` gives a file without a name, `linkat` names it: a killed process leaves nothing behind, and
of two that want the same name one wins. Where the file system has no such files, a temporary name and
a hard link do the same and may leave a `.pending-` file. Order for power loss: data, name, folder.
Many small files go through it together (`Batch`): all their data, then all names, then each folder once.
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
_WRITE: Final = 256 * 1024
"""Bytes per write. Larger writes have the kernel look for larger pages, which costs more than it saves."""
_BATCH_FILES: Final = 128
"""Files that wait with an open descriptor each: far below the usual limit of 1024."""


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
            view = view[os.write(self._handle, view[:_WRITE]) :]

    def publish(self, target: Path) -> bool:
        """Give the file its name; False when somebody has it already. Durable when this returns."""
        self.sync()
        created = self.link(target)
        sync_folder(target.parent)
        return created

    def start_writing(self) -> None:
        """Have the kernel begin to write the data to disk; it is not durable by that."""
        os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Make the data durable, read-only from now on; needed before it gets a name."""
        os.fchmod(self._handle, 0o440)
        os.fsync(self._handle)

    def link(self, target: Path) -> bool:
        """Give the file its name; False when somebody has it already. The folder is still to be synced."""
        make_folder(target.parent)
        source = self._aside or Path(f"/proc/self/fd/{self._handle}")
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # With a folder descriptor CPython calls linkat(AT_SYMLINK_FOLLOW), which is what names
            # a file that has only a descriptor.
            os.link(source, target.name, dst_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            return False
        finally:
            os.close(folder)
        return True

    def close(self) -> None:
        """Drop the file, but for the name it may have got."""
        os.close(self._handle)
        if self._aside:
            self._aside.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Batch:
    """Small files that are published together: one journal commit for many instead of two for each.

    Nothing in it is durable, and most of it has no name, before `settle` returns.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._files: list[tuple[PendingFile, Path]] = []
        self._folders: set[Path] = set()
        self._there: list[Path] = []

    def add(self, pending: PendingFile, target: Path) -> None:
        """Take over a written file, which is closed when it has its name."""
        self._files.append((pending, target))
        pending.start_writing()
        if len(self._files) >= _BATCH_FILES:
            self._name()

    def add_folder(self, folder: Path) -> None:
        """Make a folder's names durable as well: of a file that was found, which may be another's of now."""
        self._folders.add(folder)

    def settle(self) -> list[Path]:
        """Make all of it durable; give the targets that somebody else had already."""
        self._name()
        for folder in sorted(self._folders):
            sync_folder(folder)
        self._folders.clear()
        there, self._there = self._there, []
        return there

    def drop(self) -> None:
        """Forget the files that have no name yet."""
        while self._files:
            self._files.pop()[0].close()

    def _name(self) -> None:
        for pending, _ in self._files:
            pending.sync()
        while self._files:
            pending, target = self._files.pop()
            try:
                self._folders.add(target.parent)
                if not pending.link(target):
                    self._there.append(target)
            finally:
                pending.close()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durable in its parent."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Keep those who seal into a folder's vault apart from those who take objects out of it.

A sealer may find an object that a killed run or another incident left and count on it, long before its
seal names it. So a sealer holds a shared lock on the vault's folder while it seals, any number of them
at once, and whoever removes objects (`sweep`, `retention`) takes the lock alone, or not at all. The lock
is flock(2)'s: it ends with the process, however that ends, and leaves no file. A vault in S3 needs none:
there a sealer locks each version before it counts as stored, and the service refuses to delete what is
locked.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import ServiceError
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.write_once import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NO_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What file systems without flock answer: sealing goes on there, sweeping does not."""


@contextlib.contextmanager
def sealing(vault: object) -> Iterator[None]:
    """Hold off sweeps of a vault while something is sealed into it; waits for one that is under way.

    Raises:
        ServiceError: the vault's folder can't be made or locked.
    """
    root = _root(vault)
    if root is None:
        yield
        return
    with _folder(root) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise _failed(root, error) from error
        yield


@contextlib.contextmanager
def removing(vault: object) -> Iterator[None]:
    """Have a vault alone while objects are taken out of it; a vault in S3 needs no lock of ours.

    Raises:
        ServiceError: something is being sealed into it, or its file system has no locks.
    """
    root = _root(vault)
    if root is None or not root.is_dir():
        yield
        return
    with _folder(root) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"{root}: something is being sealed into the vault."
            raise ServiceError(message, advice="Run again when it is done.") from error
        except OSError as error:
            raise _failed(root, error) from error
        yield


def _root(vault: object) -> Path | None:
    """Give the folder of a vault that is one; a vault that encrypts stands before the one that stores."""
    while hasattr(vault, "inner"):
        vault = vault.inner
    return vault.root if isinstance(vault, LocalVault) else None


@contextlib.contextmanager
def _folder(root: Path) -> Iterator[int]:
    try:
        make_folder(root)
        handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _failed(root, error) from error
    try:
        yield handle
    finally:
        os.close(handle)


def _failed(root: Path, error: OSError) -> ServiceError:
    message = f"{root}: the vault can't be locked ({error.strerror or error})."
    return ServiceError(message, advice="Check its permissions and its file system.")

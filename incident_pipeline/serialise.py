"""Turn values into bytes: the one place where JSON files are written and files appear.

Files that are compared byte for byte must not depend on dict order, locale or thread count, so keys
are sorted, floats are rounded by their producers, text is UTF-8 with LF, and a file appears whole
(written aside, fsynced, renamed) or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Callable


def canonical_json(value: object) -> bytes:
    """Give the canonical bytes of a JSON value or model: sorted keys, indented, UTF-8, LF at the end."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def compact_json(value: object) -> bytes:
    """Give canonical bytes on one line without a line end, for hashing and JSON Lines."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256_hex(data: bytes) -> str:
    """Give the SHA-256 of bytes in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then publish it atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    aside = Path(name)
    try:
        write(aside)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Publish bytes at `path` atomically."""

    def write(aside: Path) -> None:
        aside.write_bytes(data)

    write_with(path, write)


def write_json(path: Path, value: object) -> None:
    """Publish a JSON value or model at `path` in canonical form."""
    write_bytes(path, canonical_json(value))

"""Turn values into bytes and back: the one place where JSON files are written and files appear.

Files that are compared byte for byte must not depend on dict order, locale or thread count, so keys
are sorted, floats are rounded by their producers, text is UTF-8 with LF, and a file appears whole
(written aside, fsynced, renamed) or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel

from incident_pipeline.errors import MalformedInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_JSON_BYTES: Final = 256 * 1024**2
"""What `parse_json` takes at most; a document over this is no record of ours."""
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


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


def parse_json(data: bytes, *, name: str) -> object:
    """Read a JSON document strictly, so that no two readers can understand it differently (RFC 8259).

    Refused are duplicate keys, NaN and infinities, text that is no UTF-8, unpaired surrogates, and
    nesting or size beyond reason. A byte order mark at the start is passed over.

    Raises:
        MalformedInputError: it is no such document; `name` and the place are given.
    """
    if len(data) > MAX_JSON_BYTES:
        message = f"{name}: {len(data)} bytes are too many for a JSON document."
        raise MalformedInputError(message)

    try:
        text = data.decode("utf-8-sig")
        value: object = json.loads(
            text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite
        )
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        message = f"{name}: the text is no valid UTF-8 ({error.reason})."
        raise MalformedInputError(message) from error
    except ValueError as error:
        message = f"{name}: no valid JSON ({error})."
        raise MalformedInputError(message) from error
    except RecursionError as error:
        message = f"{name}: the JSON is nested too deeply."
        raise MalformedInputError(message) from error
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the key {twice!r} stands twice in one object"
        raise ValueError(message)
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        message = f"{text[:40]} is no number that JSON can hold"
        raise ValueError(message)
    return number


def sha256_hex(data: bytes) -> str:
    """Give the SHA-256 of bytes in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Give the SHA-256 of a file in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to fill; publish it atomically when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.chmod(0o644)
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
        raise


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then publish it atomically."""
    with publishing(path) as aside:
        write(aside)


def write_bytes(path: Path, data: bytes) -> None:
    """Publish bytes at `path` atomically."""

    def write(aside: Path) -> None:
        aside.write_bytes(data)

    write_with(path, write)


def write_json(path: Path, value: object) -> None:
    """Publish a JSON value or model at `path` in canonical form."""
    write_bytes(path, canonical_json(value))

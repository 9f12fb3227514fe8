"""Which member names of an archive may become files: relative, plain, and unmistakable.

Pure functions and one small register. Two names that some file system would take for one (letter
case, Unicode normal form) are refused, because a verifier elsewhere would see other evidence.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Final

from incident_pipeline.errors import UnsafeArchiveError

MAX_NAME_BYTES: Final = 1_024
MAX_PART_BYTES: Final = 255
MAX_DEPTH: Final = 32
_DELETE: Final = 0x7F


def fold_name(name: str) -> str:
    """Give the form in which names that may collide somewhere are equal (NFC of the case fold)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def member_parts(name: str, *, archive: str) -> tuple[str, ...]:
    """Split a member name into its path parts; `.` parts are dropped, so the root itself gives ().

    Raises:
        UnsafeArchiveError: the name is absolute, climbs, holds control characters, is no UTF-8, or is
            too long or too deep. The message names archive and member.
    """
    reason = _refusal(name)
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if reason is None and len(parts) > MAX_DEPTH:
        reason = f"lies deeper than {MAX_DEPTH} folders"
    if reason is None and any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        reason = f"has a part over {MAX_PART_BYTES} bytes"
    if reason is not None:
        message = f"{archive}: member {name[:200]!r} {reason}."
        raise UnsafeArchiveError(message)
    return parts


def _refusal(name: str) -> str | None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "has a name that is no UTF-8"
    if size > MAX_NAME_BYTES:
        return f"has a name over {MAX_NAME_BYTES} bytes"
    if any(ord(letter) < ord(" ") or ord(letter) == _DELETE for letter in name):
        return "has control characters in its name"
    if name.startswith("/"):
        return "has an absolute path"
    if ".." in name.split("/"):
        return "climbs out of its folder with '..'"
    return None


@dataclass
class MemberRegister:
    """Every path seen so far in one archive, to refuse duplicates, twins and a file used as folder."""

    archive: str
    _names: dict[str, tuple[str, bool]] = field(default_factory=dict)
    _files: set[str] = field(default_factory=set)

    def add(self, parts: tuple[str, ...], *, folder: bool) -> None:
        """Enter a member and the folders above it.

        Raises:
            UnsafeArchiveError: it was there already, or another name folds to the same.
        """
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            is_folder = folder or depth < len(parts)
            known, known_folder = self._names.setdefault(fold_name(path), (path, is_folder))
            if known != path:
                message = f"{self.archive}: members {known!r} and {path!r} differ in case or form only."
                raise UnsafeArchiveError(message)
            if known_folder != is_folder:
                message = f"{self.archive}: member {path!r} is a file and a folder."
                raise UnsafeArchiveError(message)
        path = "/".join(parts)
        if not folder and path in self._files:
            message = f"{self.archive}: member {path!r} is there twice."
            raise UnsafeArchiveError(message)
        if not folder:
            self._files.add(path)

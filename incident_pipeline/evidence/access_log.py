"""Who looked at raw evidence: an append-only, hash-chained log in JSON Lines.

Every line is one entry in compact canonical JSON. `prev` is the digest of the entry before, `entry` the
digest of this one without that key, so that any edit, removal or exchange of lines shows, and any
flipped bit in the last one, too. Only the removal of the last lines can't show in the log itself: signed
custody entries (`custody`) state how long it was and where it ended.

Appending is crash-safe: whole lines under a lock, `O_APPEND`, fsync before anything is read. A line that
a power cut left torn stays; the next entry names its digest, and verification reports it.
The actor is who the operating system says runs the process: stated, not proven.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from incident_pipeline.errors import IncidentPipelineError, MalformedInputError, SealError, ServiceError
from incident_pipeline.serialise import compact_json, parse_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from incident_pipeline.evidence.vault import Vault

ACCESS_LOG: Final = "access.jsonl"
"""Its name: in the folder of a local vault, else beside the results."""
FIRST: Final = "0" * 64
"""What the first entry names as its predecessor."""
_FIELDS: Final = {"seq", "ts", "actor", "incident", "action", "object", "reason", "result", "prev", "entry"}
_MAX_LINE: Final = 64 * 1024


@dataclass(frozen=True)
class Access:
    """One read to enter: of which object of which incident, in which stage or command, and how it ended."""

    incident: str
    action: str
    object: str
    reason: str = ""
    result: str = "granted"


@dataclass(frozen=True)
class AccessState:
    """What a verified log amounts to: entries, digest of the last one, and lines a crash left torn."""

    entries: int
    head: str
    torn: int


class AccessLog:
    """The log in one file, made with its first entry."""

    def __init__(
        self, path: Path, *, clock: Callable[[], datetime] | None = None, actor: str | None = None
    ) -> None:
        """Append to `path`; clock (of aware times) and actor are the system's when None."""
        self.path = path
        self._clock = clock or (lambda: datetime.now(UTC))
        self._actor = actor

    def append(self, accesses: Iterable[Access]) -> None:
        """Enter reads, all under one lock and one fsync, before they are made.

        Raises:
            ServiceError: the log can't be written, so nothing may be read.
            SealError: the log's last line is no entry of it.
        """
        listed = list(accesses)
        if not listed:
            return
        actor, at = self._actor or _user(), self._clock().isoformat()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(self.path, flags, 0o640)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                sequence, previous, rest = _tail(file)
                torn = sha256_hex(rest) if rest else None
                lines = [b"\n"] if _unended(file) else []
                for access in listed:
                    sequence += 1
                    fields: dict[str, object] = {
                        "seq": sequence, "ts": at, "actor": actor, "incident": access.incident,
                        "action": access.action, "object": access.object, "reason": access.reason,
                        "result": access.result, "prev": previous,
                    }  # fmt: skip
                    if torn is not None:
                        fields["torn"], torn = torn, None
                    previous = sha256_hex(compact_json(fields))
                    lines.append(compact_json(fields | {"entry": previous}) + b"\n")
                data = memoryview(b"".join(lines))
                while data:
                    data = data[os.write(file.fileno(), data) :]
                os.fsync(file.fileno())
        except OSError as error:
            message = f"The access log can't be written ({error.strerror or error})."
            advice = "Evidence is read only where the reading is recorded."
            raise ServiceError(message, advice=advice) from error

    def state(self) -> AccessState:
        """Verify the whole log; an absent one has no entries.

        Raises:
            SealError: a line was edited, removed, added or moved; its number is given.
            ServiceError: it can't be read.
        """
        if not self.path.exists():
            return AccessState(0, FIRST, 0)
        try:
            with self.path.open("rb") as file:
                return _verify(file)
        except OSError as error:
            raise ServiceError(f"The access log can't be read ({error.strerror or error}).") from error

    def entry_digests(self) -> list[str]:
        """List the digests of all entries in order: what a custody entry's head must stand among."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            return [digest for digest in (_digest_in(line) for line in file) if digest]


class WatchedVault:
    """A vault's reading side for one stage or command: reads are entered before they are made.

    One entry per artifact, all at once on entering; a read that fails is entered as well.
    """

    def __init__(self, vault: Vault, log: AccessLog, granted: Iterable[Access]) -> None:
        """Enter these accesses and serve them from `vault`.

        Raises:
            ServiceError: they can't be entered.
        """
        self._vault = vault
        self._log = log
        self._granted = {access.object: access for access in granted}
        log.append(self._granted.values())

    def read(self, sha256: str) -> bytes:
        """Give the bytes with this digest, checked while reading (errors as the vault's)."""
        with self._entered(sha256):
            return self._vault.read(sha256)

    def open(self, sha256: str) -> BinaryIO:
        """Open an object (errors as the vault's)."""
        with self._entered(sha256):
            return self._vault.open(sha256)

    @contextlib.contextmanager
    def _entered(self, sha256: str) -> Iterator[None]:
        access = self._granted.get(sha256)
        if access is None:
            message = f"The object {sha256[:80]} is not among those this stage may read."
            raise SealError(message)
        try:
            yield
        except IncidentPipelineError as error:
            failed = Access(access.incident, access.action, sha256, access.reason, type(error).__name__)
            self._log.append([failed])
            raise


def _verify(file: BinaryIO) -> AccessState:
    number = entries = torn = 0
    head, fragment = FIRST, None
    for line in file:
        number += 1
        try:
            fields = _fields(line)
        except MalformedInputError as error:
            # Only an entry that names it, or the end of the file, makes a broken line a torn one.
            if fragment is not None:
                message = f"Line {number - 1} of the access log was altered."
                raise SealError(message) from error
            fragment = line.removesuffix(b"\n")
            continue
        said = fields.pop("torn", None)
        if said != (sha256_hex(fragment) if fragment is not None else None):
            message = f"Line {number - 1} of the access log was altered or removed."
            raise SealError(message)
        torn += fragment is not None
        fragment = None
        entries += 1
        if (fields["prev"], fields["seq"]) != (head, entries):
            message = f"Line {number} of the access log does not follow: lines were removed or moved."
            raise SealError(message)
        head = str(fields["entry"])
    if fragment is not None:
        if _ends_whole(file):
            message = f"Line {number} of the access log was altered."
            raise SealError(message)
        torn += 1
    return AccessState(entries, head, torn)


def _ends_whole(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _fields(line: bytes) -> dict[str, object]:
    """Read a line strictly: an entry in its one form, whose digest is that of its content."""
    value = parse_json(line, name="access log")
    if not isinstance(value, dict) or value.keys() - {"torn"} != _FIELDS:
        raise MalformedInputError("access log: no entry")
    content = {name: it for name, it in value.items() if name != "entry"}
    if compact_json(value) + b"\n" != line or sha256_hex(compact_json(content)) != value["entry"]:
        raise MalformedInputError("access log: an altered entry")
    return value


def _digest_in(line: bytes) -> str | None:
    try:
        return str(_fields(line)["entry"])
    except MalformedInputError:
        return None


def _unended(file: BinaryIO) -> bool:
    """Say whether the file ends within a line."""
    return file.seek(0, os.SEEK_END) > 0 and not _ends_whole(file)


def _tail(file: BinaryIO) -> tuple[int, str, bytes]:
    """Give number and digest of the last entry, and what a crash left of a line after it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2 * _MAX_LINE))
    data = b""
    while piece := file.read(2 * _MAX_LINE):
        data += piece
    whole, _, rest = data.rpartition(b"\n")
    if rest and _digest_in(rest + b"\n"):
        whole, rest = data, b""  # only the line end is missing
    if not whole:
        if size > len(data):
            raise SealError("The access log's last line is no entry of it.")
        return 0, FIRST, rest
    line = whole.rpartition(b"\n")[2] + b"\n"
    try:
        fields = _fields(line)
    except MalformedInputError as error:
        raise SealError("The access log's last line is no entry of it: it was altered.") from error
    return int(str(fields["seq"])), str(fields["entry"]), rest


def _user() -> str:
    """Give the name of the process's user; its number where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid:{os.getuid()}"

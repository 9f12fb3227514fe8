"""Unpack an archive that may be hostile: tar (plain, gzip, zstd, bzip2, xz) and zip.

`tarfile.extractall` is not used: its filter has been bypassed before (CVE-2025-4517 and kin). Members
are streamed one by one into files that must not exist yet, in a fresh folder in which no link was
ever made; only regular files and folders are taken, everything else refuses the archive as a whole.
Modes, owners and times are not restored.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from incident_pipeline.errors import MalformedInputError, ServiceError, UnsafeArchiveError
from incident_pipeline.ingest.compression import (
    HEAD_BYTES,
    STEP,
    ChunkReader,
    DecodeLimits,
    decoded_chunks,
    sniff_encoding,
)
from incident_pipeline.ingest.files import open_regular
from incident_pipeline.ingest.members import MemberRegister, member_parts

if TYPE_CHECKING:
    from collections.abc import Callable

_ZIP_MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_HEADER: Final = 30
"""Bytes of a member's header before its name."""
_USTAR_AT: Final = 257
_ENCRYPTED: Final = 0x1
_UNIX: Final = 3
"""`create_system` of a zip member whose attributes hold a Unix mode."""
_MAX_EXTENSION: Final = 1024**2
"""Bytes of one pax or long-name record, which `tarfile` reads into memory whole."""
_EXTENSIONS: Final = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


@dataclass(frozen=True)
class UnpackLimits:
    """How much one archive may become."""

    total_bytes: int = 8 * 1024**3
    members: int = 20_000
    max_ratio: int = 200
    ratio_floor: int = 64 * 1024**2

    def stream(self) -> DecodeLimits:
        """Give the limits of the decompressed archive itself."""
        # Each member costs a header and padding beside its bytes.
        return DecodeLimits(self.total_bytes + self.members * 2_048, self.max_ratio, self.ratio_floor)


def is_archive(path: Path) -> bool:
    """Say whether the first bytes are those of an archive or of a compressed stream."""
    with open_regular(path, name=path.name) as file:
        head = file.read(512)
    is_tar = head[_USTAR_AT : _USTAR_AT + 5] == b"ustar"
    return is_tar or head.startswith(_ZIP_MAGIC) or sniff_encoding(head) != "identity"


def is_zip(file: BinaryIO) -> bool:
    """Say whether an open file, at its start, is a zip archive; it is at its start again afterwards."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head.startswith(_ZIP_MAGIC)


def open_tar(
    file: BinaryIO, *, name: str, limits: UnpackLimits | None = None
) -> tuple[tarfile.TarFile, ChunkReader]:
    """Open a tar archive, compressed or not, for one pass; give it and the stream it reads from.

    Raises:
        MalformedInputError, UnsafeArchiveError: also while members are read.
        tarfile.TarError: this is no tar archive.
    """
    head = file.read(HEAD_BYTES)
    file.seek(0)
    size = os.fstat(file.fileno()).st_size
    bounds = (limits or UnpackLimits()).stream()
    chunks = decoded_chunks(file, sniff_encoding(head), name=name, size=size, limits=bounds)
    stream = ChunkReader(chunks)
    return tarfile.open(fileobj=stream, mode="r|", tarinfo=_CheckedHeader, encoding="utf-8"), stream


def unpack(path: Path, scratch: Path, limits: UnpackLimits | None = None) -> Path:
    """Unpack an archive into a fresh folder below `scratch` and give that folder.

    What kind of archive it is, is told by its content, not its name. Nothing is left behind when it
    is refused.

    Raises:
        UnsafeArchiveError: a member would leave the folder, is no plain file, or the limits are passed.
        MalformedInputError: it is no archive, broken or cut off.
    """
    limits = limits or UnpackLimits()
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=scratch, prefix="bundle-"))
    try:
        with open_regular(path, name=path.name) as file:
            target = _Target(folder, path.name, limits, os.fstat(file.fileno()).st_size)
            if is_zip(file):
                _unpack_zip(file, target)
            else:
                _unpack_tar(file, target, limits)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        message = f"{path.name}: can't be unpacked ({error.strerror or error})."
        raise ServiceError(message, advice="Check space and permissions of the output folder.") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


class _Target:
    """The fresh folder and what it has taken so far."""

    def __init__(self, folder: Path, archive: str, limits: UnpackLimits, archive_size: int) -> None:
        self.archive = archive
        self._folder = folder
        self._limits = limits
        self._archive_size = archive_size
        self._register = MemberRegister(archive)
        self._members = 0
        self._total = 0

    def refuse(self, member: str, why: str) -> UnsafeArchiveError:
        return UnsafeArchiveError(f"{self.archive}: member {member[:200]!r} {why}.")

    def add_folder(self, name: str) -> None:
        self._count(name)
        parts = member_parts(name, archive=self.archive)
        self._register.add(parts, folder=True)
        self._folder.joinpath(*parts).mkdir(parents=True, exist_ok=True)

    def add_file(self, name: str, size: int, read: Callable[[int], bytes]) -> None:
        """Write one member of `size` bytes; `read` gives the next bytes, none at the end."""
        self._count(name)
        parts = member_parts(name, archive=self.archive)
        if not parts:
            raise self.refuse(name, "has no name")
        self._register.add(parts, folder=False)
        path = self._folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        written = 0
        with os.fdopen(handle, "wb") as file:
            while chunk := read(STEP):
                written += len(chunk)
                self._grow(name, len(chunk))
                file.write(chunk)
        if written != size:
            message = f"{self.archive}: member {name!r} has {written} bytes where {size} are announced."
            raise MalformedInputError(message)

    def _count(self, name: str) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise self.refuse(name, f"is one too many: more than {self._limits.members} are not unpacked")

    def _grow(self, name: str, size: int) -> None:
        self._total += size
        if self._total > self._limits.total_bytes:
            raise self.refuse(name, f"takes the archive over {self._limits.total_bytes} bytes")
        if (
            self._total > self._limits.ratio_floor
            and self._total > self._limits.max_ratio * self._archive_size
        ):
            raise self.refuse(name, f"expands the archive more than {self._limits.max_ratio} times")


class _CheckedHeader(tarfile.TarInfo):
    """Refuses, before anything is read for them, extension records that would fill the memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _EXTENSIONS and header.size > _MAX_EXTENSION):
            message = f"a header announces {header.size} bytes"
            raise tarfile.ReadError(message)
        return header


def _unpack_tar(file: BinaryIO, target: _Target, limits: UnpackLimits) -> None:
    name = ""
    try:
        tar, stream = open_tar(file, name=target.archive, limits=limits)
        with tar:
            for member in tar:
                name = member.name
                _take_tar_member(tar, member, target)
            end = tar.offset
    except (tarfile.TarError, ValueError, EOFError) as error:
        message = f"{target.archive}: no whole tar archive after member {name!r} ({error})."
        raise MalformedInputError(message) from error
    except RecursionError as error:
        raise target.refuse(name, "is followed by a chain of headers") from error
    while stream.read(STEP):
        pass
    # tarfile is silent about both: an archive cut between two members, and a broken header further on.
    if stream.position < end + tarfile.BLOCKSIZE:
        message = f"{target.archive}: is cut off after member {name!r}: it has no end mark."
        raise MalformedInputError(message)
    if stream.content_end > end:
        message = f"{target.archive}: what stands after member {name!r} is neither a member nor the end mark."
        raise MalformedInputError(message)


def _take_tar_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: _Target) -> None:
    if member.isdir():
        target.add_folder(member.name)
        return
    if not member.isreg() or member.issparse():
        raise target.refuse(member.name, f"is {_tar_kind(member)}; only plain files are evidence")
    data = tar.extractfile(member)
    if data is None:
        raise target.refuse(member.name, "has no content")
    target.add_file(member.name, member.size, data.read)


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return f"a {'symbolic' if member.issym() else 'hard'} link to {member.linkname[:200]!r}"
    if member.ischr() or member.isblk():
        return "a device"
    return "a pipe" if member.isfifo() else "of a special type"


def _unpack_zip(file: BinaryIO, target: _Target) -> None:
    name = ""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _refuse_overlaps(members, target)
            for member in members:
                name = member.orig_filename
                _take_zip_member(archive, member, target)
    # NotImplementedError is how zipfile says that it does not know a compression method.
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError) as error:
        message = f"{target.archive}: no whole zip archive at member {name!r} ({error})."
        raise MalformedInputError(message) from error


def _refuse_overlaps(members: list[zipfile.ZipInfo], target: _Target) -> None:
    """Members that share bytes are how a small zip becomes a huge one without nesting (Fifield 2019)."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise target.refuse(member.orig_filename, "overlaps the member before it")
        end = member.header_offset + _ZIP_HEADER + member.compress_size


def _take_zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: _Target) -> None:
    name = member.orig_filename
    mode = member.external_attr >> 16 if member.create_system == _UNIX else 0
    if "\\" in name:
        raise target.refuse(name, "has backslashes in its name")
    if member.flag_bits & _ENCRYPTED:
        raise target.refuse(name, "is encrypted")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "of a special type"
        raise target.refuse(name, f"is {kind}; only plain files are evidence")
    if name.endswith("/"):
        target.add_folder(name)
        return
    # Only these two can be decompressed in bounded steps by `zipfile`.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise target.refuse(name, f"uses compression method {member.compress_type}; only deflate is read")
    with archive.open(member) as data:
        target.add_file(name, member.file_size, data.read)

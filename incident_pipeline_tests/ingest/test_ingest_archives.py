"""Hostile archives: refused as a whole, archive and member named, nothing written outside, nothing left."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.errors import (
    IncidentPipelineError,
    MalformedInputError,
    ServiceError,
    UnsafeArchiveError,
)
from incident_pipeline.ingest import UnpackLimits, unpack

Maker = Callable[[], bytes]


def tar(*members: tuple[tarfile.TarInfo | str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member, data in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info, b""


def zipped(*members: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for member, data in members:
            archive.writestr(member, data, compress_type=method)
    return buffer.getvalue()


def zip_mode(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def zip_encrypted() -> bytes:
    data = bytearray(zipped(("a.log", b"x")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(signature) + offset
        data[at] |= 1
    return bytes(data)


def zip_overlapping() -> bytes:
    """Two central entries that point at one local header."""
    data = bytearray(zipped(("a.log", b"x" * 100), ("b.log", b"y" * 100)))
    second = data.rindex(b"PK\x01\x02")
    first_offset = data[data.index(b"PK\x01\x02") + 42 :][:4]
    data[second + 42 : second + 46] = first_offset
    return bytes(data)


def tar_with_huge_pax_header() -> bytes:
    header = tarfile.TarInfo("PaxHeader")
    header.type = tarfile.XHDTYPE
    header.size = 1 << 32
    return header.tobuf(tarfile.GNU_FORMAT) + bytes(4096)


def tar_of_chained_headers() -> bytes:
    header = tarfile.TarInfo("././@LongLink")
    header.type = tarfile.GNUTYPE_LONGNAME
    header.size = 512
    block = header.tobuf(tarfile.GNU_FORMAT) + b"x" * 511 + b"\0"
    return block * 3_000 + bytes(1024)


def tar_sparse() -> bytes:
    """GNU sparse 1.0: a header of a few bytes that stands for a gibibyte."""
    data = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
    info = tarfile.TarInfo("sparse.log")
    info.size = len(data)
    info.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
        "GNU.sparse.name": "sparse.log", "GNU.sparse.realsize": str(1 << 30),
    }  # fmt: skip
    return tar((info, data))


HOSTILE: list[tuple[str, Maker, str]] = [
    ("absolute", lambda: tar(("/etc/cron.d/x", b"x")), "absolute path"),
    ("climbing", lambda: tar(("../outside", b"x")), "climbs out"),
    ("climbing inside", lambda: tar(("a/../../outside", b"x")), "climbs out"),
    ("symlink", lambda: tar(special("link", tarfile.SYMTYPE, "/etc/x")), "symbolic link to '/etc/x'"),
    ("symlink then file", lambda: tar(special("d", tarfile.SYMTYPE, "/var"), ("d/x", b"x")), "symbolic link"),
    ("hard link", lambda: tar(("a", b"x"), special("b", tarfile.LNKTYPE, "a")), "hard link"),
    ("pipe", lambda: tar(special("pipe", tarfile.FIFOTYPE)), "a pipe"),
    ("character device", lambda: tar(special("null", tarfile.CHRTYPE)), "a device"),
    ("block device", lambda: tar(special("disk", tarfile.BLKTYPE)), "a device"),
    ("sparse", tar_sparse, "special type"),
    ("no UTF-8", lambda: tar(("logs/\udcff.log", b"x"), form=tarfile.GNU_FORMAT), "no UTF-8"),
    ("line end in name", lambda: tar(("a\nb.log", b"x")), "control characters"),
    ("case twins", lambda: tar(("App.log", b"x"), ("app.log", b"y")), "differ in case or form"),
    ("folder twins", lambda: tar(("Logs/a", b"x"), ("logs/b", b"y")), "differ in case or form"),
    ("form twins", lambda: tar(("caf\u00e9", b"x"), ("cafe\u0301", b"y")), "differ in case or form"),
    ("sharp s twins", lambda: tar(("stra\u00dfe", b"x"), ("STRASSE", b"y")), "differ in case or form"),
    ("twice", lambda: tar(("a.log", b"x"), ("./a.log", b"y")), "is there twice"),
    ("file as folder", lambda: tar(("a", b"x"), ("a/b", b"y")), "a file and a folder"),
    ("folder as file", lambda: tar(("a/b", b"x"), ("a", b"y")), "a file and a folder"),
    ("long part", lambda: tar(("n" * 300, b"x")), "part over 255 bytes"),
    ("long name", lambda: tar(("/".join(["n" * 200] * 6)[:1_100], b"x")), "name over 1024 bytes"),
    ("deep", lambda: tar(("a/" * 40 + "b", b"x")), "deeper than 32"),
    ("no name", lambda: tar((".", b"x")), "has no name"),
    ("chained headers", tar_of_chained_headers, "chain of headers"),
    ("zip absolute", lambda: zipped(("/etc/x", b"x")), "absolute path"),
    ("zip climbing", lambda: zipped(("a/../../x", b"x")), "climbs out"),
    ("zip backslashes", lambda: zipped(("..\\..\\x", b"x")), "backslashes"),
    ("zip symlink", lambda: zipped((zip_mode("link", stat.S_IFLNK | 0o777), b"/etc/x")), "symbolic link"),
    ("zip device", lambda: zipped((zip_mode("dev", stat.S_IFCHR | 0o600), b"")), "special type"),
    ("zip encrypted", zip_encrypted, "is encrypted"),
    ("zip overlapping", zip_overlapping, "overlaps"),
    ("zip lzma", lambda: zipped(("a.log", b"x"), method=zipfile.ZIP_LZMA), "compression method 14"),
    ("zip case twins", lambda: zipped(("A.log", b"x"), ("a.log", b"y")), "differ in case or form"),
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path


def put(place: Path, data: bytes, name: str = "evidence.tar") -> Path:
    path = place / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("make", "reason"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_hostile_archive_is_refused_and_leaves_nothing(place: Path, make: Maker, reason: str) -> None:
    path = put(place, make())
    with pytest.raises(UnsafeArchiveError) as caught:
        unpack(path, place / "scratch")
    assert reason in caught.value.message
    assert caught.value.message.startswith("evidence.tar: member")
    assert sorted(item.name for item in place.iterdir()) == ["evidence.tar", "scratch"]
    assert not list((place / "scratch").iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_with_nul_in_a_zip_is_refused(place: Path) -> None:
    data = zipped(("aXb.log", b"x")).replace(b"aXb.log", b"a\0b.log")
    with pytest.raises(UnsafeArchiveError, match="control characters"):
        unpack(put(place, data), place / "scratch")


def test_duplicate_names_in_a_zip_are_refused(place: Path) -> None:
    data = zipped(("a.log", b"x"), ("b.log", b"y")).replace(b"b.log", b"a.log")
    with pytest.raises(UnsafeArchiveError, match="is there twice"):
        unpack(put(place, data), place / "scratch")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no archive at all" * 100, "no whole tar archive"),
        (gzip.compress(b"a single log, not an archive", mtime=0), "no whole tar archive"),
        (tar_with_huge_pax_header(), "announces 4294967296 bytes"),
        (b"PK\x03\x04" + b"x" * 40, "no whole zip archive"),
    ],
)
def test_what_is_no_archive_is_malformed(place: Path, data: bytes, reason: str) -> None:
    with pytest.raises(MalformedInputError) as caught:
        unpack(put(place, data), place / "scratch")
    assert reason in caught.value.message
    assert not list((place / "scratch").iterdir())


def test_the_members_that_a_cut_or_broken_header_would_hide_are_missed(place: Path) -> None:
    data = tar(("a.log", b"x" * 512), ("b.log", b"y" * 512), form=tarfile.USTAR_FORMAT)
    with pytest.raises(MalformedInputError, match=r"cut off after member 'a\.log'"):
        unpack(put(place, data[:1024]), place / "scratch")
    broken = bytearray(data)
    broken[1024] ^= 1  # the second header's checksum no longer fits, and tarfile takes it for the end
    with pytest.raises(MalformedInputError, match="neither a member nor the end mark"):
        unpack(put(place, bytes(broken)), place / "scratch")
    with pytest.raises(MalformedInputError, match="neither a member nor the end mark"):
        unpack(put(place, data + data), place / "scratch")


@pytest.mark.parametrize("wrap", [gzip.compress, zstandard.ZstdCompressor().compress, lzma.compress])
def test_a_compressed_archive_cut_anywhere_is_never_taken(
    place: Path, wrap: Callable[[bytes], bytes]
) -> None:
    data = wrap(tar(("a.log", b"evidence " * 50)))
    for length in range(12, len(data), 7):
        with pytest.raises(IncidentPipelineError):
            unpack(put(place, data[:length]), place / "scratch")
    assert not list((place / "scratch").iterdir())


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_archive_gives_our_errors_only(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("changed")
    whole = bytearray(data.draw(st.sampled_from([
        tar(("a.log", b"x" * 700), ("d/b.log", b"y")), zipped(("a.log", b"x" * 700), ("d/b.log", b"y")),
    ])))  # fmt: skip
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path = put(place, bytes(whole))
    try:
        unpack(path, place / "scratch")
    except IncidentPipelineError as error:
        assert "evidence.tar" in error.message  # noqa: PT017 - some changes leave an archive
    assert sorted(item.name for item in place.iterdir()) == ["evidence.tar", "scratch"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (UnpackLimits(total_bytes=1_500), "over 1500 bytes"),
        (UnpackLimits(members=2), "more than 2 are not unpacked"),
    ],
)
@pytest.mark.parametrize("kind", [tar, zipped])
def test_limits_hold_over_all_members(
    place: Path, limits: UnpackLimits, reason: str, kind: Callable[..., bytes]
) -> None:
    data = kind(*[(f"{name}.log", bytes(1_000)) for name in "abc"])
    with pytest.raises(UnsafeArchiveError) as caught:
        unpack(put(place, data), place / "scratch", limits)
    assert reason in caught.value.message


def test_bombs_stop_at_the_ratio(place: Path) -> None:
    zeros = bytes(80 * 1024**2)
    limits = UnpackLimits(ratio_floor=8 * 1024**2)
    for data in (zipped(("a.log", zeros)), zstandard.ZstdCompressor().compress(tar(("a.log", zeros)))):
        with pytest.raises(UnsafeArchiveError, match=r"more than 200 times|refused as a bomb"):
            unpack(put(place, data), place / "scratch", limits)
        assert not list((place / "scratch").iterdir())


@pytest.mark.parametrize("size", [10, 5_000])
def test_a_zip_member_that_lies_about_its_size_is_malformed(place: Path, size: int) -> None:
    data = bytearray(zipped(("a.log", b"x" * 1_000)))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", size)
    with pytest.raises(MalformedInputError, match=r"a\.log"):
        unpack(put(place, bytes(data)), place / "scratch")
    assert not list((place / "scratch").iterdir())


def test_a_full_disk_is_no_fault_of_the_archive(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_fdopen = os.fdopen

    def fail(handle: int, mode: str, **options: int) -> IO[bytes]:
        if mode == "wb":
            os.close(handle)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_fdopen(handle, mode, **options)

    path = put(place, tar(("a.log", b"x")))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", fail)
        with pytest.raises(ServiceError, match="No space left"):
            unpack(path, place / "scratch")
    assert not list((place / "scratch").iterdir())


@pytest.mark.parametrize(
    "data",
    [
        tar(("case/logs/a.log", b"alpha"), ("./case/b.log", b"")),
        gzip.compress(tar(("case/logs/a.log", b"alpha"), ("case/b.log", b""))),
        zstandard.ZstdCompressor().compress(tar(("case/logs/a.log", b"alpha"), ("case/b.log", b""))),
        zipped(("case/logs/a.log", b"alpha"), ("case/", b""), ("case/b.log", b"")),
    ],
    ids=["tar", "gzip", "zstd", "zip"],
)
def test_plain_members_arrive_with_plain_modes(place: Path, data: bytes) -> None:
    folder = unpack(put(place, data, "no-suffix"), place / "scratch")
    assert (folder / "case/logs/a.log").read_bytes() == b"alpha"
    assert (folder / "case/b.log").read_bytes() == b""
    assert stat.S_IMODE((folder / "case/b.log").stat().st_mode) == 0o600

"""Compressed files and archives in `parse`: told by content, read once nested, bombs refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from incident_pipeline.parsers import parse_files

if TYPE_CHECKING:
    from pathlib import Path

LOG = (
    b'{"time":"2026-11-24T09:00:00Z","level":"error","msg":"boom"}\n'
    b'{"time":"2026-11-24T09:00:01Z","msg":"ok"}\n'
)


def tarred(name: str, data: bytes, mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]  # the mode is a parameter
        member = tarfile.TarInfo(name)
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


FORMS = {
    "a.log": LOG,
    "a.gz": gzip.compress(LOG),
    "a.bz2": bz2.compress(LOG),
    "a.xz": lzma.compress(LOG),
    "a.zst": pa.Codec("zstd").compress(LOG, asbytes=True),
    "no-suffix-gzip": gzip.compress(LOG),
    "a.zip": zipped("in/app.log", LOG),
    "b.zip": zipped("in/app.log.gz", gzip.compress(LOG)),
    "a.tar": tarred("app.log", LOG, "w"),
    "a.tgz": tarred("app.log.bz2", bz2.compress(LOG), "w:gz"),
    "no-suffix-tar": tarred("app.log", LOG, "w:xz"),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_gives_the_rows_of_the_plain_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    found = parse_files([path])
    assert found.problems == ()
    rows = found.events.to_pylist()
    assert [row["message"] for row in rows] == ["boom", "ok"]
    assert [LOG[row["byte_start"] : row["byte_end"]] for row in rows] == LOG.splitlines()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_bombs_are_refused_and_the_others_are_read(tmp_path: Path, pack: object) -> None:
    (tmp_path / "bomb").write_bytes(pack(bytes(80 * 1024**2)))  # type: ignore[operator]  # one of three functions
    (tmp_path / "good.log").write_bytes(LOG)
    found = parse_files([tmp_path / "bomb", tmp_path / "good.log"])
    assert found.events.num_rows == 2
    assert [(problem.kind, problem.exit_code) for problem in found.problems] == [("unsafe_archive", 3)]
    assert found.quarantine.num_rows == 1


def test_a_cut_off_stream_gives_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(LOG * 100)[:-20])
    found = parse_files([tmp_path / "a.gz"])
    assert (found.events.num_rows, found.problems[0].kind) == (0, "malformed")

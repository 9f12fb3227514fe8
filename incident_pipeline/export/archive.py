"""Pack a bag into one file, the same bytes each time: names sorted, no times, owners or local modes."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Final

import zstandard

from incident_pipeline.export import layout
from incident_pipeline.serialise import write_with

if TYPE_CHECKING:
    from pathlib import Path

_LEVEL: Final = 10


def write_archive(bag: Path) -> Path:
    """Write `BAG.tar.zst` beside a bag; give its path. It unpacks into a folder of the bag's name."""
    target = bag.with_name(f"{bag.name}.tar.zst")

    def write(aside: Path) -> None:
        compressor = zstandard.ZstdCompressor(level=_LEVEL)
        with (
            aside.open("wb") as file,
            compressor.stream_writer(file, closefd=False) as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name in layout.survey(bag)[0]:
                path = bag / name
                member = tarfile.TarInfo(f"{bag.name}/{name}")
                member.size = path.stat().st_size
                member.mode = 0o755 if name == layout.SCRIPT else 0o644
                with path.open("rb") as content:
                    archive.addfile(member, content)

    write_with(target, write)
    return target

"""The folder where alert deliveries arrive, and where they go when they were dealt with.

    inbox/                 deliveries, oldest first
    inbox/claimed/         taken: an investigation exists
    inbox/rejected/        not understood; NAME.reason.txt beside each says why

Whoever delivers should write aside (a dot file, NAME.part or NAME.tmp) and rename. One who does not is
met half-way: a fresh file whose JSON is cut off is looked at twice, and waits while it still grows.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import MissingArtifactError
from incident_pipeline.serialise import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

FRESH_SECONDS: Final = 5.0
"""Younger files may still be being written."""
SETTLE_SECONDS: Final = 0.3
"""Between the two looks at a fresh file that is cut off."""
_IGNORED: Final = ("README.md",)
_ASIDE: Final = (".part", ".tmp")


@dataclass(frozen=True)
class Inbox:
    """An inbox folder; it need not exist yet."""

    root: Path

    def pending(self) -> list[Path]:
        """List the deliveries that nobody is writing any more, oldest first (time of change, then name)."""
        found = self._files()
        newest = time.time_ns() - int(FRESH_SECONDS * 1e9)
        doubtful = [it for it in found if it[0] > newest and _is_cut_off_file(it[2])]
        if doubtful:
            time.sleep(SETTLE_SECONDS)
            still = set(self._files())
            found = [it for it in found if it not in doubtful or it in still]
        return [path for _, _, path, _ in found]

    def _files(self) -> list[tuple[int, str, Path, int]]:
        """List deliveries with time of change and size, sorted."""
        found: list[tuple[int, str, Path, int]] = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for path in self.root.iterdir():
                if path.name.startswith(".") or path.name in _IGNORED or path.suffix in _ASIDE:
                    continue
                with contextlib.suppress(FileNotFoundError):
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        found.append((status.st_mtime_ns, path.name, path, status.st_size))
        return sorted(found)

    def claim(self, path: Path) -> Path:
        """Move a delivery to `claimed/`; give its new path.

        Raises:
            MissingArtifactError: it is gone; another process was first.
        """
        return self._move(path, "claimed")

    def reject(self, path: Path, reason: str) -> Path:
        """Move a delivery to `rejected/`, with the reason in a text file beside it; give its new path.

        Raises:
            MissingArtifactError: it is gone; another process was first.
        """
        moved = self._move(path, "rejected")
        write_bytes(moved.with_name(f"{moved.name}.reason.txt"), f"{reason.rstrip()}\n".encode())
        return moved

    def _move(self, path: Path, folder: str) -> Path:
        source = self.root / path.name
        target = self.root / folder
        target.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            name = path.name if number == 0 else f"{path.stem}-{number}{path.suffix}"
            try:
                # A link never replaces a delivery of the same name that came before; a rename would.
                os.link(source, target / name, follow_symlinks=False)
            except FileExistsError:
                number += 1
                continue
            except FileNotFoundError as error:
                message = f"{path.name}: is no longer in the inbox."
                raise MissingArtifactError(message, advice="Another process took it.") from error
            source.unlink(missing_ok=True)
            return target / name


def _is_cut_off_file(path: Path) -> bool:
    try:
        return is_cut_off(path.read_bytes())
    except OSError:
        return False


def is_cut_off(data: bytes) -> bool:
    """Say whether this is the beginning of a JSON document, and not yet its end."""
    try:
        text = data.decode()
        json.loads(text)
    except UnicodeDecodeError as error:
        return error.end == len(data) and error.reason == "unexpected end of data"
    except json.JSONDecodeError as error:
        return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    except (ValueError, RecursionError):
        return False
    return False

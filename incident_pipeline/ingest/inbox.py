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

from incident_pipeline.errors import ConfigError, MalformedInputError, MissingArtifactError
from incident_pipeline.ingest.alerts import MAX_ALERT_BYTES
from incident_pipeline.serialise import sha256_hex, write_bytes

if TYPE_CHECKING:
    from pathlib import Path

FRESH_SECONDS: Final = 5.0
"""Younger files may still be being written."""
SETTLE_SECONDS: Final = 0.3
"""Between the two looks at a fresh file that is cut off."""
_IGNORED: Final = ("README.md",)
_ASIDE: Final = (".part", ".tmp")
_MAX_NAME: Final = 200
"""Bytes: the reason's file name is longer, and 255 is where file systems end."""
_FOLDERS: Final = 100


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
        text = f"{reason.rstrip()}\n".encode(errors="backslashreplace")
        write_bytes(moved.with_name(f"{moved.name}.reason.txt"), text)
        return moved

    def read(self, path: Path) -> bytes:
        """Read a delivery.

        Raises:
            MalformedInputError: it is larger than any alert; nothing of it is read.
            MissingArtifactError: it is gone; another process was first.
        """
        try:
            size = path.stat().st_size
            if size > MAX_ALERT_BYTES:
                message = f"{path.name!r}: {size} bytes are too many for an alert."
                raise MalformedInputError(message, advice="Deliver alerts; keep evidence in bundles.")
            return path.read_bytes()
        except FileNotFoundError as error:
            raise _gone(path) from error

    def _move(self, path: Path, folder: str) -> Path:
        source = self.root / path.name
        target = self._folder(folder)
        stem, suffix = _kept_name(path)
        number = 0
        while True:
            name = f"{stem}{suffix}" if number == 0 else f"{stem}-{number}{suffix}"
            try:
                # A link never replaces a delivery of the same name that came before; a rename would.
                os.link(source, target / name, follow_symlinks=False)
            except FileExistsError:
                number += 1
                continue
            except FileNotFoundError as error:
                raise _gone(path) from error
            source.unlink(missing_ok=True)
            return target / name

    def _folder(self, name: str) -> Path:
        """Make and give a folder; beside a file that was delivered under its name, another one."""
        for number in range(_FOLDERS):
            folder = self.root / (name if number == 0 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir(parents=True, exist_ok=True)
                return folder
        message = f"{self.root}: files stand where the folder {name!r} should be."
        raise ConfigError(message, advice="Move them away.")


def _kept_name(path: Path) -> tuple[str, str]:
    """Give stem and suffix to keep a delivery under: its own, unless that leaves a reason file no name."""
    raw = os.fsencode(path.name)
    if len(raw) <= _MAX_NAME and path.name.isprintable():
        return path.stem, path.suffix
    return sha256_hex(raw)[:16], ".json"


def _gone(path: Path) -> MissingArtifactError:
    message = f"{path.name!r}: is no longer in the inbox."
    return MissingArtifactError(message, advice="Another process took it.")


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

"""Pins: checkpoints of logs that somebody keeps outside the vaults they speak of.

A log that was forked or rolled back is consistent in itself; only an older checkpoint kept elsewhere
gives it away. An auditor keeps one as a file; `log pin` keeps them in the configuration folder, as
`pins/<digest of the origin>.json`, with the vault's location: a vault that stands where a pinned one
stood must still hold the pinned log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from incident_pipeline.errors import ConfigError, LogError, MalformedInputError, MissingArtifactError
from incident_pipeline.evidence.checkpoint import MAX_BYTES, SignedCheckpoint, read_checkpoint
from incident_pipeline.evidence.signing import config_dir
from incident_pipeline.ingest import open_regular
from incident_pipeline.model.base import Frozen
from incident_pipeline.serialise import canonical_json, parse_json, sha256_hex, write_bytes

if TYPE_CHECKING:
    from pathlib import Path


class _PinFile(Frozen):
    checkpoint: str
    vault: str


@dataclass(frozen=True)
class Pin:
    """A checkpoint somebody kept, where it was found, and the vault's location where that is known.

    `given` says that it was named for this very verification, so that it must be of this log.
    """

    signed: SignedCheckpoint
    source: str
    vault: str | None = None
    given: bool = False

    def concerns(self, origin: str | None, vault: str | None) -> bool:
        """Say whether a log of this origin, in a vault at this place, must agree with the pin."""
        return (
            self.given
            or (origin is not None and origin == self.signed.checkpoint.origin)
            or (vault is not None and vault == self.vault)
        )


def read_pin(path: Path) -> Pin:
    """Read a checkpoint that an auditor kept as a file.

    Raises:
        LogError: it is no checkpoint.
        UnreadableInputError: it can't be read.
    """
    if not path.exists():
        message = f"{path}: no such checkpoint."
        raise MissingArtifactError(message, advice="Make one with `incident-pipeline log checkpoint`.")
    with open_regular(path, name=str(path)) as file:
        data = file.read(MAX_BYTES + 1)
    return Pin(read_checkpoint(data, name=str(path)), str(path), given=True)


def load_pins(folder: Path) -> tuple[Pin, ...]:
    """Read the pins of a configuration folder, sorted by file name.

    Raises:
        ConfigError: one of them is damaged; it is named, and not passed over.
    """
    pins = []
    for path in sorted((folder / "pins").glob("*.json")):
        try:
            kept = _PinFile.model_validate(parse_json(path.read_bytes(), name=str(path)))
            signed = read_checkpoint(kept.checkpoint.encode(), name=str(path))
        except (OSError, MalformedInputError, ValidationError, LogError) as error:
            message = f"{path}: the pin can't be read."
            raise ConfigError(
                message, advice="Restore it from a copy, or remove it and pin the log anew."
            ) from error
        pins.append(Pin(signed, str(path), kept.vault))
    return tuple(pins)


def find_pins(file: Path | None, folder: Path | None) -> tuple[Pin, ...]:
    """Give the pin named for this verification, and those of the configuration folder.

    Raises:
        LogError: the file is no checkpoint.
        UnreadableInputError: it can't be read.
        ConfigError: a kept pin is damaged.
    """
    given = (read_pin(file),) if file is not None else ()
    if folder is None:
        try:
            folder = config_dir()
        except ConfigError:  # no home, no pins
            return given
    return given + load_pins(folder)


def save_pin(folder: Path, note: bytes, vault: str) -> Path:
    """Keep a checkpoint in the configuration folder in place of an older one of the same log."""
    origin = read_checkpoint(note).checkpoint.origin
    path = folder / "pins" / f"{sha256_hex(origin.encode())[:16]}.json"
    write_bytes(path, canonical_json(_PinFile(checkpoint=note.decode(), vault=vault)))
    return path

"""The records of the transparency log inside a vault, one by one.

    records/log/origin                   the log's name, drawn once
    records/log/entries/00000000.json    which seal, its leaf hash, and the inclusion proof of that leaf
    records/log/checkpoints/00000001     the signed note over the first 1, 2, ... entries
    records/log/proofs/<key>/000001.json what a results folder gets as `seal.log.json`

A leaf is the payload and the signature of a seal's envelope. What belongs here: names, forms, and reading
one record. Appending is in `log`, checking the whole in `log_view`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from incident_pipeline.errors import LogError, MalformedInputError, MissingArtifactError
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.merkle import CompactRange, leaf_hash
from incident_pipeline.model.base import Frozen
from incident_pipeline.model.log import Hash, LogProof
from incident_pipeline.serialise import canonical_json, parse_json

if TYPE_CHECKING:
    from incident_pipeline.evidence.manifest import SignedPayload
    from incident_pipeline.evidence.vault import Vault

LOG: Final = "log/"
ORIGIN: Final = "log/origin"
ENTRIES: Final = "log/entries/"
CHECKPOINTS: Final = "log/checkpoints/"
PROOFS: Final = "log/proofs/"
_ENTRY_RECORD = re.compile(r"log/entries/\d{8}\.json")

SealName = tuple[str, int]
"""A seal by incident key and sequence number."""


class Entry(Frozen):
    """One entry: the seal, its leaf hash, and the leaf's inclusion proof in the tree it completes."""

    incident: str
    sequence: int
    leaf: Hash
    path: tuple[Hash, ...]

    @property
    def seal(self) -> SealName:
        """Say which seal it is of."""
        return self.incident, self.sequence


def seal_name(seal: SealName) -> str:
    """Give a seal's name for people: `inc-1/000001`."""
    return f"{seal[0]}/{seal[1]:06d}"


def leaf_of(signed: SignedPayload) -> bytes:
    """Give the leaf hash of a seal."""
    return leaf_hash(signed.payload + signed.signature)


def entry_record(index: int) -> str:
    """Give the name of an entry's record."""
    return f"{ENTRIES}{index:08d}.json"


def checkpoint_record(size: int) -> str:
    """Give the name of the record with the checkpoint over the first `size` entries."""
    return f"{CHECKPOINTS}{size:08d}"


def proof_record(seal: SealName) -> str:
    """Give the name of the record with a seal's proof."""
    return f"{PROOFS}{seal[0]}/{seal[1]:06d}.json"


def read_origin(vault: Vault) -> str:
    """Read the log's name.

    Raises:
        LogError: the record is not there or gives none.
    """
    data = read_optional(vault, ORIGIN)
    try:
        origin = (data or b"").decode("ascii")
    except UnicodeDecodeError:
        origin = ""
    name = origin.removesuffix("\n")
    if origin != f"{name}\n" or not name or " " in name or not name.isprintable():
        message = f"The vault's record {ORIGIN} does not give the log's name."
        raise LogError(message)
    return name


def count_entries(vault: Vault) -> int:
    """Count the entries, none of which may be missing.

    A listing may show an entry and miss one that was added just before it; that one is there when asked
    for by name.
    """
    names = vault.list_records(ENTRIES)
    if not names:
        return 0
    if not _ENTRY_RECORD.fullmatch(names[-1]):
        message = f"The record {names[-1]} does not belong to the log."
        raise LogError(message)
    size = max(len(names), int(names[-1].removeprefix(ENTRIES).removesuffix(".json")) + 1)
    for record in sorted({*map(entry_record, range(size))} - {*names}):
        required(vault, record)
    return size


def read_entry(vault: Vault, index: int) -> Entry:
    """Read an entry, in its one form.

    Raises:
        LogError: it is not there or is none.
    """
    name = f"Log entry {index}"
    data = required(vault, entry_record(index))
    try:
        entry = Entry.model_validate(parse_json(data, name=name))
    except (MalformedInputError, ValidationError) as error:
        message = f"{name} can't be read."
        raise LogError(message) from error
    if canonical_json(entry) != data:
        message = f"{name} is not in its canonical form."
        raise LogError(message)
    return entry


def range_before(entry: Entry, index: int) -> CompactRange:
    """Give the range that an entry claims to continue: its proof, read from the other end."""
    try:
        return CompactRange(index, tuple(bytes.fromhex(node) for node in reversed(entry.path)))
    except ValueError as error:
        message = f"Log entry {index} has a proof of the wrong length."
        raise LogError(message) from error


def check_entry(vault: Vault, entry: Entry, index: int) -> None:
    """Compare an entry with the seal that it names."""
    name = seal_name(entry.seal)
    try:
        leaf = leaf_of(read_signed(vault.read_seal(*entry.seal), name=f"Seal {name}"))
    except MissingArtifactError as error:
        message = f"Log entry {index} is of seal {name}, which was taken away."
        raise LogError(message) from error
    if leaf.hex() != entry.leaf:
        message = f"Log entry {index} is not of seal {name} as it is in the vault: one of them was changed."
        raise LogError(message)


def proof_of(entry: Entry, index: int, path: tuple[str, ...], note: bytes) -> LogProof:
    """Give the proof of an entry to a checkpoint."""
    return LogProof(
        incident=entry.incident,
        sequence=entry.sequence,
        leaf_index=index,
        leaf_hash=entry.leaf,
        inclusion_proof=path,
        checkpoint=note.decode(),
    )


def proof_bytes(entry: Entry, index: int, note: bytes) -> bytes:
    """Give the `seal.log.json` of an entry, which proves it to the checkpoint that it completes."""
    return canonical_json(proof_of(entry, index, entry.path, note))


def read_proof(data: bytes, *, name: str) -> LogProof:
    """Read a `seal.log.json`, in its one form.

    Raises:
        LogError: it is none.
    """
    try:
        proof = LogProof.model_validate(parse_json(data, name=name))
    except (MalformedInputError, ValidationError) as error:
        message = f"{name} can't be read as the place of a seal in the log."
        raise LogError(message) from error
    if canonical_json(proof) != data:
        message = f"{name} is not in its canonical form."
        raise LogError(message)
    return proof


def not_covering(size: int) -> LogError:
    """Give the error for a checkpoint that says something else than the entries before it."""
    message = f"Log checkpoint {size} does not cover the first {size} entries: one was changed or moved."
    return LogError(message)


def required(vault: Vault, name: str) -> bytes:
    """Read a record of the log that must be there.

    Raises:
        LogError: it was taken away.
    """
    data = read_optional(vault, name)
    if data is None:
        message = f"The record {name} of the log was taken away."
        raise LogError(message)
    return data


def read_optional(vault: Vault, name: str) -> bytes | None:
    """Read a record; None when there is none of this name."""
    try:
        return vault.read_record(name)
    except MissingArtifactError:
        return None

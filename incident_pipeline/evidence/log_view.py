"""A vault's transparency log as a whole: read, checked against itself and the seals, and proved from.

Checkpoints of signers that nobody trusts here are passed over, as the signed note has it; the log
counts as far as a trusted signer's newest checkpoint covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import LogError, ServiceError, SignatureError
from incident_pipeline.evidence.checkpoint import (
    Checkpoint,
    known_signatures,
    read_checkpoint,
    verify_checkpoint,
)
from incident_pipeline.evidence.log_records import (
    CHECKPOINTS,
    ENTRIES,
    LOG,
    ORIGIN,
    check_entry,
    checkpoint_record,
    entry_record,
    not_covering,
    proof_bytes,
    proof_of,
    proof_record,
    range_before,
    read_entry,
    read_optional,
    read_origin,
    required,
    seal_name,
)
from incident_pipeline.evidence.merkle import CompactRange, consistency_proof, inclusion_proof, root_of_leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.evidence.checkpoint import SignedCheckpoint
    from incident_pipeline.evidence.log_records import Entry, SealName
    from incident_pipeline.evidence.signing import Key
    from incident_pipeline.evidence.vault import Vault
    from incident_pipeline.model.log import LogProof

_LISTINGS: Final = 64
"""Listings of a log that others write to, before giving up."""


@dataclass(frozen=True)
class Log:
    """A whole log that was checked against itself and the seals; `note` is its newest checkpoint."""

    origin: str
    entries: tuple[Entry, ...]
    note: bytes

    @property
    def size(self) -> int:
        """Count the entries."""
        return len(self.entries)

    @property
    def leaves(self) -> tuple[bytes, ...]:
        """Give the leaf hashes in order."""
        return tuple(bytes.fromhex(entry.leaf) for entry in self.entries)

    def root(self, size: int) -> bytes:
        """Give the root over the first `size` entries."""
        return root_of_leaves(self.leaves[:size])

    def index_of(self, seal: SealName) -> int | None:
        """Find a seal's entry."""
        return next((index for index, entry in enumerate(self.entries) if entry.seal == seal), None)

    def newer(self, seal: SealName, size: int) -> SealName | None:
        """Give the newest seal of the same incident among the first `size` entries, where it is newer."""
        key, sequence = seal
        found = max((e.sequence for e in self.entries[:size] if e.incident == key), default=0)
        return (key, found) if found > sequence else None

    def prove(self, seal: SealName) -> LogProof:
        """Prove to the newest checkpoint that a seal is in the log.

        Raises:
            LogError: it is not.
        """
        index = self.index_of(seal)
        if index is None:
            message = f"Seal {seal_name(seal)} is not in the log {self.origin}."
            advice = (
                "Give the key as its folder is named; `log checkpoint --repair` enters what was left out."
            )
            raise LogError(message, advice=advice)
        path = tuple(node.hex() for node in inclusion_proof(self.leaves, index))
        return proof_of(self.entries[index], index, path, self.note)

    def consistency(self, old_size: int) -> tuple[bytes, ...]:
        """Prove that the log begins with its first `old_size` entries."""
        return consistency_proof(self.leaves, old_size)


def read_log(
    vault: Vault, keys: Iterable[Key], *, known: Iterable[Key] = (), partial: bool = False
) -> Log | None:
    """Read a vault's log and check all of it: every record, every seal it names, every checkpoint.

    An entry that a killed run left without its checkpoint is not counted. Reads four small files per
    entry.

    Args:
        vault: holds the log and the seals.
        keys: whose checkpoints count.
        known: further keys whose signatures must hold where they stand, such as revoked ones.
        partial: whether the vault is an excerpt, as in an export: seals of other incidents may be missing
            then, and what an entry says of one is only what it says.

    Returns:
        The log; None when the vault has none.

    Raises:
        LogError: an entry, a checkpoint or a proof was taken away, added, changed or reordered.
        SignatureError: a known key's signature does not hold, or no trusted key signed any checkpoint.
    """
    keys = tuple(keys)
    known = (*keys, *known)
    names = _snapshot(vault)
    if not names:
        return None
    entries, heads, expected = _check_names(names)
    origin = read_origin(vault)
    held = frozenset(vault.sealed_keys())
    found: list[Entry] = []
    covered, trusted, newest = CompactRange(), 0, b""
    for index in range(heads):
        entry = read_entry(vault, index)
        if range_before(entry, index) != covered:
            message = f"Log entry {index} does not continue the entries before it: one was changed or moved."
            raise LogError(message)
        if not partial or entry.incident in held:
            check_entry(vault, entry, index)
        covered = covered.append(bytes.fromhex(entry.leaf))
        note = required(vault, checkpoint_record(index + 1))
        signed = _check_note(note, Checkpoint(origin, index + 1, covered.root), known)
        if known_signatures(signed, keys):
            trusted, newest = index + 1, note
        expected.add(proof_record(entry.seal))
        _check_proof(vault, entry, index, note, last=index + 1 == entries)
        found.append(entry)
    if strays := sorted(names - expected):
        message = f"The record {strays[0]} does not belong to the log."
        raise LogError(message)
    if found and not trusted:
        message = f"No checkpoint of the log {origin} is signed by a trusted key."
        raise SignatureError(message)
    return Log(origin, tuple(found[:trusted]), newest)


def _check_names(names: frozenset[str]) -> tuple[int, int, set[str]]:
    """Count entries and checkpoints, none of which may be missing; give the names that were counted."""
    entries = sum(name.startswith(ENTRIES) for name in names)
    heads = sum(name.startswith(CHECKPOINTS) for name in names)
    expected = {ORIGIN, *map(entry_record, range(entries))}
    expected |= {checkpoint_record(size) for size in range(1, heads + 1)}
    if gone := sorted(expected - names):
        message = f"The record {gone[0]} of the log was taken away."
        raise LogError(message)
    # An entry is without its checkpoint only as long as it is the last one.
    if not heads <= entries <= heads + 1:
        message = f"The log has {heads} checkpoints and {entries} entries: some were taken away or added."
        raise LogError(message)
    return entries, heads, expected


def _check_note(note: bytes, expected: Checkpoint, known: tuple[Key, ...]) -> SignedCheckpoint:
    """Check what a checkpoint says, and the signatures on it that are by known keys."""
    name = f"Log checkpoint {expected.size}"
    signed = read_checkpoint(note, name=name)
    if known_signatures(signed, known):
        verify_checkpoint(signed, known, name=name)
    if signed.checkpoint != expected:
        raise not_covering(expected.size)
    return signed


def _check_proof(vault: Vault, entry: Entry, index: int, note: bytes, *, last: bool) -> None:
    """Compare the record that results are given with what it must say; a killed run may owe the last."""
    record = proof_record(entry.seal)
    proof = read_optional(vault, record)
    if proof != proof_bytes(entry, index, note) and not (proof is None and last):
        message = f"The record {record} is not the proof of log entry {index}."
        raise LogError(message)


def _snapshot(vault: Vault) -> frozenset[str]:
    """List the log's records as they were at one moment, while others may be writing.

    Records are only added, so two listings that agree show what there was between the two.
    """
    names = vault.list_records(LOG)
    for _ in range(_LISTINGS):
        again = vault.list_records(LOG)
        if again == names:
            return frozenset(names)
        names = again
    message = "The log is written to faster than it can be read."
    raise ServiceError(message)

"""Append to the transparency log of a vault: every seal of every incident, in the order it was entered.

The tree is RFC 6962's. Everything in it is a write-once record (`Vault.publish_record`), which is all that
a vault has to offer; there are no locks. An entry's number is taken by publishing it. Nobody publishes
entry n before checkpoint and proof of entry n - 1 are there, and whoever finds them missing writes them:
so a killed run leaves at most the last entry unfinished, and no seal is entered twice. A seal whose run
was killed before its entry is entered by the next run, when its signature holds.

What a log shows is worth what somebody outside keeps of it: see `verify_log` and `pins`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import EvidenceError, LogError, ServiceError
from incident_pipeline.evidence.checkpoint import (
    Checkpoint,
    known_signatures,
    read_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from incident_pipeline.evidence.log_records import (
    ORIGIN,
    PROOFS,
    Entry,
    check_entry,
    checkpoint_record,
    count_entries,
    entry_record,
    leaf_of,
    not_covering,
    proof_bytes,
    proof_record,
    range_before,
    read_entry,
    read_optional,
    read_origin,
    read_proof,
    required,
    seal_name,
)
from incident_pipeline.evidence.manifest import read_manifest, read_signed
from incident_pipeline.evidence.merkle import CompactRange, root_of_leaves
from incident_pipeline.serialise import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.evidence.log_records import SealName
    from incident_pipeline.evidence.signing import Key, Signer
    from incident_pipeline.evidence.vault import Vault

ORIGIN_PREFIX: Final = "incident-pipeline.dev/log/"
_ATTEMPTS: Final = 1024
"""Other sealers to lose an entry's number against before giving up."""


def enter_seal(vault: Vault, seal: SealName, signer: Signer, trusted: Iterable[Key] = ()) -> bytes:
    """Enter a seal into the log, after those that killed runs left out; give its `seal.log.json`.

    A seal that is in the log already gets the same bytes as before.

    Args:
        vault: holds the seal and the log.
        seal: the seal, already published.
        signer: signs the checkpoint.
        trusted: further keys under which seals and checkpoints of others may be signed.

    Raises:
        LogError: the log in the vault contradicts itself or the seals, and is not built upon.
        SignatureError: a checkpoint has a known key and its signature does not hold.
        ServiceError: the vault can't be written.
    """
    adopt_seals(vault, signer, trusted, leave=seal)
    return _Writer(vault, signer, (signer.public_key, *trusted)).enter(seal)


def adopt_seals(
    vault: Vault, signer: Signer, trusted: Iterable[Key] = (), *, leave: SealName | None = None
) -> tuple[SealName, ...]:
    """Enter the seals that are not in the log and whose signatures hold; give their names.

    Seals of unknown signers, broken ones and those that say they are another are left: `unlogged` goes on
    naming them. Errors are those of `enter_seal`.
    """
    keys = (signer.public_key, *trusted)
    writer = _Writer(vault, signer, keys)
    entered = []
    for seal in unlogged(vault):
        if seal == leave:
            continue
        try:
            name = f"Seal {seal_name(seal)}"
            predicate = read_manifest(vault.read_seal(*seal), keys, name=name).statement.predicate
        except EvidenceError:
            continue
        if (predicate.incident.key, predicate.seal.sequence) == seal:
            writer.enter(seal)
            entered.append(seal)
    return tuple(entered)


def unlogged(vault: Vault) -> tuple[SealName, ...]:
    """List the seals that are not in the log, or whose entry a killed run left unfinished."""
    known = set(vault.list_records(PROOFS))
    seals = ((key, sequence) for key in vault.sealed_keys() for sequence in vault.seal_sequences(key))
    return tuple(seal for seal in seals if proof_record(seal) not in known)


class _Writer:
    """Appends to a vault's log."""

    def __init__(self, vault: Vault, signer: Signer, keys: tuple[Key, ...]) -> None:
        self._vault = vault
        self._signer = signer
        self._keys = keys
        self._origin = _origin(vault)

    def enter(self, seal: SealName) -> bytes:
        """Enter a seal; give its proof's bytes."""
        name = f"Seal {seal_name(seal)}"
        leaf = leaf_of(read_signed(self._vault.read_seal(*seal), name=name)).hex()
        for _ in range(_ATTEMPTS):
            size = count_entries(self._vault)
            covered = self._finish(size - 1) if size else CompactRange()
            # All entries are finished now: where the seal is among them, its proof is there.
            proof = read_optional(self._vault, proof_record(seal))
            if proof is not None:
                _check_proof(proof, seal, leaf)
                return proof
            path = tuple(peak.hex() for peak in reversed(covered.peaks))
            entry = Entry(incident=seal[0], sequence=seal[1], leaf=leaf, path=path)
            if self._vault.publish_record(entry_record(size), canonical_json(entry)):
                self._finish(size)
                return self._vault.read_record(proof_record(seal))
        message = f"{name}: {_ATTEMPTS} other runs entered seals into the log at the same time."
        raise ServiceError(message)

    def _finish(self, index: int) -> CompactRange:
        """See to checkpoint and proof of an entry; give the range that ends with it."""
        entry = read_entry(self._vault, index)
        before = range_before(entry, index)
        after = before.append(bytes.fromhex(entry.leaf))
        expected = Checkpoint(self._origin, index + 1, after.root)
        record = checkpoint_record(index + 1)
        note = read_optional(self._vault, record)
        if note is None:
            if index:
                head = required(self._vault, checkpoint_record(index))
                self._believe(head, Checkpoint(self._origin, index, before.root))
            check_entry(self._vault, entry, index)
            note = sign_checkpoint(expected, self._signer)
            if not self._vault.publish_record(record, note):
                note = self._vault.read_record(record)
        self._believe(note, expected)
        proof, place = proof_bytes(entry, index, note), proof_record(entry.seal)
        found = read_optional(self._vault, place)
        if found is None and not self._vault.publish_record(place, proof):
            found = self._vault.read_record(place)
        if found not in (None, proof):
            message = f"The record {place} is not the proof of log entry {index}."
            raise LogError(message)
        return after

    def _believe(self, note: bytes, expected: Checkpoint) -> None:
        """Check a checkpoint: under a known key, or, where its signer is unknown, by all entries."""
        size = expected.size
        signed = read_checkpoint(note, name=f"Log checkpoint {size}")
        if signed.checkpoint != expected:
            raise not_covering(size)
        if known_signatures(signed, self._keys):
            verify_checkpoint(signed, self._keys, name=f"Log checkpoint {size}")
        elif expected.root != root_of_leaves(
            bytes.fromhex(read_entry(self._vault, index).leaf) for index in range(size)
        ):
            raise not_covering(size)


def _origin(vault: Vault) -> str:
    """Give the log's name, drawing it for a new log."""
    if read_optional(vault, ORIGIN) is None:
        vault.publish_record(ORIGIN, f"{ORIGIN_PREFIX}{uuid.uuid4().hex}\n".encode())
    return read_origin(vault)


def _check_proof(data: bytes, seal: SealName, leaf: str) -> None:
    proof = read_proof(data, name=f"The record {proof_record(seal)}")
    if (proof.incident, proof.sequence, proof.leaf_hash) != (*seal, leaf):
        message = f"Seal {seal_name(seal)} is not the one in the log: one of them was changed."
        raise LogError(message)

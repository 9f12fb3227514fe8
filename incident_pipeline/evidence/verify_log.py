"""Verify a seal's place in the transparency log, and the log against the checkpoints somebody kept.

Three questions, each answered on its own. Is the seal in the log: its `seal.log.json` has an inclusion
proof to a checkpoint signed by a trusted key. Is the vault's log the one of that checkpoint: it begins
with the same entries. Is it the log that was pinned: a consistency proof (RFC 9162 section 2.1.4) leads
from the pin to the newest checkpoint, or it was forked or rolled back; and the pinned part holds no
newer seal of the incident, or an older manifest is being replayed. Without a pin nobody can answer the
third, which is said as the remark "unanchored".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incident_pipeline.errors import IncidentPipelineError, LogError
from incident_pipeline.evidence.checkpoint import read_checkpoint, verify_checkpoint
from incident_pipeline.evidence.log import unlogged
from incident_pipeline.evidence.log_records import leaf_of, read_proof, seal_name
from incident_pipeline.evidence.log_view import Log, read_log
from incident_pipeline.evidence.merkle import consistent, included

if TYPE_CHECKING:
    from incident_pipeline.evidence.checkpoint import Checkpoint
    from incident_pipeline.evidence.log_records import SealName
    from incident_pipeline.evidence.manifest import Manifest
    from incident_pipeline.evidence.pins import Pin
    from incident_pipeline.evidence.signing import Key
    from incident_pipeline.evidence.vault import Vault
    from incident_pipeline.evidence.verification import Findings

UNANCHORED = "unanchored"
UNLOGGED = "unlogged"


@dataclass
class LogVerifier:
    """Verifies against one set of keys and pins; reads the log of each vault once.

    In a `partial` vault, as an export has it, seals of other incidents may be missing, or the log. Keys
    that are `known` and not trusted any more signed checkpoints once; those count where a checkpoint by a
    trusted key covers them.
    """

    keys: tuple[Key, ...]
    known: tuple[Key, ...] = ()
    pins: tuple[Pin, ...] = ()
    partial: bool = False
    _read: dict[str, Log | IncidentPipelineError | None] = field(default_factory=dict)

    def check_seal(
        self, manifest: Manifest, data: bytes | None, name: str, vault: Vault | None, findings: Findings
    ) -> None:
        """Check everything about one seal.

        Args:
            manifest: the seal, its signature checked.
            data: the `seal.log.json` beside it; None when there is none, which the caller has noted.
            name: what messages call that.
            vault: the vault that holds the seal; None when it is not there.
            findings: where the outcome goes.
        """
        known = (*self.keys, *self.known)
        found = None if data is None else check_place(manifest, data, name, known, findings)
        place = found.checkpoint if found is not None else None
        log: Log | IncidentPipelineError | None = None
        if vault is not None and self.partial and self._log(vault) is None:
            vault = None
        if vault is not None:
            log = self._log(vault)
            _check_history(place, log, findings)
        elif found is not None and found.keyid not in {key.keyid for key in self.keys}:
            message = f"{name}: the checkpoint's key was revoked, and the vault's log is not there to vouch."
            findings.add("log", name, "could_not_check", message)
        predicate = manifest.statement.predicate
        self._check_pins((predicate.incident.key, predicate.seal.sequence), place, log, vault, findings)

    def check_vault(self, vault: Vault, findings: Findings) -> None:
        """Check the whole log of a vault, and name the seals that are not in it."""
        log = self._log(vault)
        if isinstance(log, IncidentPipelineError):
            findings.error("log", "log", log)
        elif log is not None:
            findings.holds("log", "log", f"{log.size} entries, {log.origin}, root {log.root(log.size).hex()}")
        for seal in unlogged(vault):
            message = f"Seal {seal_name(seal)} is not in the log yet; `log checkpoint --repair` enters it."
            findings.add("log", UNLOGGED, "remark", message)
        self._check_pins(None, None, log, vault, findings)

    def _log(self, vault: Vault) -> Log | IncidentPipelineError | None:
        if vault.location not in self._read:
            try:
                self._read[vault.location] = read_log(
                    vault, self.keys, known=self.known, partial=self.partial
                )
            except IncidentPipelineError as error:
                self._read[vault.location] = error
        return self._read[vault.location]

    def _check_pins(
        self,
        seal: SealName | None,
        place: Checkpoint | None,
        log: Log | IncidentPipelineError | None,
        vault: Vault | None,
        findings: Findings,
    ) -> None:
        known = log if isinstance(log, Log) else place
        origin = known.origin if known is not None else None
        pins = [pin for pin in self.pins if pin.concerns(origin, vault.location if vault else None)]
        if not pins:
            message = (
                "No checkpoint of this log is pinned, so a forked or rolled-back log or an older manifest "
                "would not show. Keep one outside: `incident-pipeline log pin`."
            )
            findings.add("pin", UNANCHORED, "remark", message)
        for pin in pins:
            try:
                verify_checkpoint(pin.signed, self.keys, name=pin.source)
                if isinstance(log, IncidentPipelineError):
                    message = f"{pin.source}: the vault's log can't be relied on, see there."
                    findings.add("pin", pin.source, "could_not_check", message)
                elif vault is None:
                    _compare_alone(pin, place, findings)
                else:
                    _compare(pin, log, seal)
                    size = pin.signed.checkpoint.size
                    findings.holds("pin", pin.source, f"the log begins with its {size} entries")
            except IncidentPipelineError as error:
                findings.error("pin", pin.source, error)


@dataclass(frozen=True)
class Place:
    """The checkpoint that a seal's inclusion proof leads to, and the key that signed it."""

    checkpoint: Checkpoint
    keyid: str


def check_place(
    manifest: Manifest, data: bytes, name: str, keys: tuple[Key, ...], findings: Findings
) -> Place | None:
    """Check that a `seal.log.json` puts this very seal into a signed log; None when it does not."""
    predicate = manifest.statement.predicate
    seal = (predicate.incident.key, predicate.seal.sequence)
    try:
        proof = read_proof(data, name=name)
        inside = f"The checkpoint in {name}"
        signed = read_checkpoint(proof.checkpoint.encode(), name=inside)
        keyid = verify_checkpoint(signed, keys, name=inside).keyid
        checkpoint = signed.checkpoint
        leaf = leaf_of(manifest.signed)
        if (proof.incident, proof.sequence, proof.leaf_hash) != (*seal, leaf.hex()):
            message = f"{name} is of another seal than {seal_name(seal)} beside it."
            raise LogError(message)
        path = [bytes.fromhex(node) for node in proof.inclusion_proof]
        if not included(leaf, proof.leaf_index, checkpoint.size, path, checkpoint.root):
            message = f"{name}: the inclusion proof does not lead from the seal to the checkpoint's root."
            raise LogError(message)
    except IncidentPipelineError as error:
        findings.error("log", name, error)
        return None
    findings.holds("log", name, f"entry {proof.leaf_index} of {checkpoint.origin}, size {checkpoint.size}")
    return Place(checkpoint, keyid)


def _check_history(
    place: Checkpoint | None, log: Log | IncidentPipelineError | None, findings: Findings
) -> None:
    """Compare the vault's log with the checkpoint that the results were given."""
    name = "the vault's log"
    if isinstance(log, IncidentPipelineError):
        findings.error("log", name, log)
        return
    if place is None:
        return
    try:
        begins_with(log, place, "the checkpoint in the results")
    except LogError as error:
        findings.error("log", name, error)
    else:
        findings.holds("log", name, f"begins with the {place.size} entries that the seal's checkpoint covers")


def begins_with(log: Log | None, kept: Checkpoint, whose: str) -> None:
    """Demand a consistency proof from a checkpoint that was kept to the log as it is now."""
    if log is None:
        message = f"The vault has no log, and {whose} is of one with {kept.size} entries: it was taken away."
        raise LogError(message)
    if log.origin != kept.origin:
        message = f"The vault's log is {log.origin}, and {whose} is of another one, {kept.origin}."
        raise LogError(message)
    if log.size < kept.size:
        message = f"The log was rolled back: it has {log.size} entries, and {whose} covers {kept.size}."
        raise LogError(message)
    path = log.consistency(kept.size)
    if not consistent(kept.size, kept.root, log.size, log.root(log.size), path):
        message = f"The log was forked: its first {kept.size} entries are not those of {whose}."
        raise LogError(message)


def _compare(pin: Pin, log: Log | None, seal: SealName | None) -> None:
    kept = pin.signed.checkpoint
    begins_with(log, kept, f"the pinned checkpoint {pin.source}")
    newer = log.newer(seal, kept.size) if log is not None and seal is not None else None
    if seal is not None and newer is not None:
        message = (
            f"An older manifest is replayed: {seal_name(seal)}, and the pinned log has {seal_name(newer)}."
        )
        raise LogError(message, advice="Ask for the results of the newer seal.")


def _compare_alone(pin: Pin, place: Checkpoint | None, findings: Findings) -> None:
    """Compare a pin with the seal's own checkpoint, where the vault's log is out of reach."""
    kept = pin.signed.checkpoint
    if place is None:
        message = f"{pin.source}: there is nothing to compare the pin with."
        findings.add("pin", pin.source, "could_not_check", message)
        return
    if kept.origin != place.origin:
        message = f"The seal is in the log {place.origin}, and {pin.source} is of another one, {kept.origin}."
        raise LogError(message)
    if kept.size != place.size:
        message = (
            f"{pin.source}: without the vault's log nothing leads from the pin to the seal's checkpoint."
        )
        findings.add("pin", pin.source, "could_not_check", message)
    elif kept.root != place.root:
        message = f"The log was forked: {pin.source} and the seal's checkpoint differ at size {kept.size}."
        raise LogError(message)
    else:
        findings.holds("pin", pin.source, f"is the seal's own checkpoint, size {kept.size}")

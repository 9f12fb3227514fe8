"""Verify what stands around sealed bytes: encryption, the custody entries, and the access log.

With the key, an encrypted artifact is checked to its plaintext. Without it, the ciphertext has the sealed
digest and the plaintext could not be checked. Where a signed custody entry says that the artifact was
erased or disposed of, its absence is a remark: the seal still shows what there was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incident_pipeline.errors import (
    DataKeyError,
    IncidentPipelineError,
    MissingArtifactError,
    SealError,
    ServiceError,
)
from incident_pipeline.evidence.access_log import ACCESS_LOG, Access, AccessLog
from incident_pipeline.evidence.custody import CustodyLog, read_custody
from incident_pipeline.evidence.data_keys import DataKeys
from incident_pipeline.evidence.encryption import EncryptedVault
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.vault import object_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incident_pipeline.evidence.keyring import Keyring
    from incident_pipeline.evidence.manifest import Manifest
    from incident_pipeline.evidence.signing import Key
    from incident_pipeline.evidence.vault import Vault
    from incident_pipeline.evidence.verification import Findings


@dataclass(frozen=True)
class Unsealing:
    """What is needed to look into encrypted evidence: keys, and where things lie that no bucket holds.

    `store` is the folder for data keys and access log of a vault that is no folder itself. `action` says
    what the reading is entered as into that log; nothing is entered where it is empty. `partial` is an
    excerpt of a vault, as in an export.
    """

    keyring: Keyring
    store: Path
    action: str = ""
    partial: bool = False

    def vault(self, vault: Vault, incident: str) -> EncryptedVault:
        """Give the vault as it is to be read for one incident."""
        if isinstance(vault, EncryptedVault):
            return vault
        keys = DataKeys(self.side(vault) / "keys")
        return EncryptedVault(vault, self.keyring, keys=keys, incident=incident)

    def side(self, vault: Vault) -> Path:
        """Give the folder that holds data keys and access log."""
        return vault.root if isinstance(vault, LocalVault) else self.store


@dataclass(frozen=True)
class _Encrypted:
    name: str
    sha256: str
    stored_sha256: str


def encrypted_subjects(manifest: Manifest) -> frozenset[str]:
    """Give the stored digests of what a seal says is encrypted."""
    return frozenset(it.stored_sha256 for it in _encrypted(manifest))


def check_custody(vault: Vault, incident: str, keys: tuple[Key, ...], findings: Findings) -> CustodyLog:
    """Verify an incident's custody entries; none that can be believed are none."""
    try:
        custody = read_custody(vault, incident, keys)
    except IncidentPipelineError as error:
        findings.error("custody", f"custody/{incident}", error)
        return CustodyLog(incident, (), None)
    for entry in custody.entries:
        findings.holds("custody", f"{incident}/{entry.sequence:06d}", entry.told)
    if custody.holds:
        matters = ", ".join(matter or "unnamed" for matter in custody.holds)
        findings.add("custody", "legal hold", "remark", f"{incident} is under legal hold ({matters}).")
    return custody


def check_encrypted(
    manifest: Manifest, vault: EncryptedVault, custody: CustodyLog, findings: Findings, *, absent_fails: bool
) -> None:
    """Check every encrypted artifact: ciphertext always, plaintext where its key can be had."""
    for item in _encrypted(manifest):
        entry = custody.ended(item.stored_sha256)
        try:
            record = vault.keys.read(vault.incident, item.sha256)
            if record is not None and record.stored_sha256 == item.stored_sha256:
                if entry is not None:
                    message = f"{item.name}: custody entry {entry.sequence} says erased, its key is there."
                    raise SealError(message, advice="Run the same `retention erase` again.")
                vault.check(item.sha256)
                findings.holds("artifact", item.name, f"sha256 {item.stored_sha256}, encrypted")
                findings.holds("plaintext", item.name, f"sha256 {item.sha256}")
                continue
        except MissingArtifactError:
            pass  # told below, in the same words as without a key
        except (DataKeyError, ServiceError) as error:
            _check_ciphertext(item, vault.inner, findings, absent_fails=absent_fails)
            findings.add("plaintext", item.name, "could_not_check", f"{item.name}: {error.message}")
            continue
        except IncidentPipelineError as error:
            findings.error("artifact", item.name, error)
            continue
        _check_ciphertext(item, vault.inner, findings, absent_fails=absent_fails)
        if entry is not None:
            findings.add("custody", item.name, "remark", entry.told)
        elif record is None:
            taken = absent_fails and vault.keys.knows(vault.incident)
            message = f"{item.name}: the key to its plaintext is not there, and no entry says it was erased."
            findings.add("plaintext", item.name, "failed" if taken else "could_not_check", message)


def enter_reading(
    unsealing: Unsealing, vault: EncryptedVault, manifest: Manifest, findings: Findings
) -> None:
    """Enter into the access log that a seal's artifacts are read; what is read-only can't be entered."""
    if not unsealing.action:
        return
    path = unsealing.side(vault.inner) / ACCESS_LOG
    accesses = [
        Access(vault.incident, unsealing.action, it.sha256, "command line")
        for it in manifest.evidence.artifacts
    ]
    try:
        AccessLog(path).append(accesses)
    except ServiceError as error:
        findings.add("access", path.name, "remark", f"This reading was not entered: {error.message}")
    except IncidentPipelineError as error:
        findings.error("access", path.name, error)


def check_access(path: Path, findings: Findings) -> None:
    """Verify the access log at `path`, if there is one."""
    if not path.exists():
        return
    try:
        state = AccessLog(path).state()
    except IncidentPipelineError as error:
        findings.error("access", path.name, error)
        return
    findings.holds("access", path.name, f"{state.entries} entries")
    if state.torn:
        message = f"{path.name} holds {state.torn} torn lines, as a power cut leaves them."
        findings.add("access", path.name, "remark", message)


def check_anchors(
    unsealing: Unsealing, vault: EncryptedVault, custody: CustodyLog, findings: Findings
) -> None:
    """See that the access log still holds what custody entries say it held; exports come without one."""
    path = unsealing.side(vault.inner) / ACCESS_LOG
    heads = [entry.access_log for entry in custody.entries if entry.access_log and entry.access_log.entries]
    if not heads or (unsealing.partial and not path.exists()):
        return
    digests = AccessLog(path).entry_digests()
    for head in heads:
        if len(digests) < head.entries or digests[head.entries - 1] != head.head:
            message = f"{path.name} no longer holds {head.entries} entries that a custody entry anchors."
            findings.add("access", path.name, "failed", message)


def _check_ciphertext(item: _Encrypted, vault: Vault, findings: Findings, *, absent_fails: bool) -> None:
    try:
        vault.check(item.stored_sha256)
    except MissingArtifactError:
        message = f"{item.name}: the vault does not hold its ciphertext (sha256 {item.stored_sha256})."
        findings.add("artifact", item.name, "failed" if absent_fails else "could_not_check", message)
    except IncidentPipelineError as error:
        findings.error("artifact", item.name, error)
    else:
        findings.holds("artifact", item.name, f"sha256 {item.stored_sha256}, encrypted")


def _encrypted(manifest: Manifest) -> Iterator[_Encrypted]:
    predicate = manifest.statement.predicate
    record = predicate.incident.record
    if record and predicate.incident.record_storage:
        plaintext = predicate.incident.record_storage.plaintext
        yield _Encrypted("incident.json", plaintext.sha256, record.digest.sha256)
    for facts in predicate.artifacts:
        if facts.encoding:
            yield _Encrypted(facts.source.uri, facts.plaintext.sha256, object_digest(facts.subject))

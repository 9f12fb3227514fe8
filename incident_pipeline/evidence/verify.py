"""Verify results from the outside: signature, sealed bytes, evidence list, and every citation.

Whose signature counts is said by a trust root outside the results. The order is that of the claims:
a seal that does not hold makes everything under it worthless, so nothing else is looked at then.
Bytes that a present vault should hold and does not are a failure (something was taken away); where the
vault is not there at all, or knows nothing of the seal, they could not be checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.errors import (
    ErasedEvidenceError,
    EvidenceError,
    IncidentPipelineError,
    MissingArtifactError,
    SealError,
    UnreadableInputError,
)
from incident_pipeline.evidence.access_log import ACCESS_LOG
from incident_pipeline.evidence.keyring import open_keyring
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.manifest import Manifest, read_manifest, read_signed, read_statement
from incident_pipeline.evidence.pins import find_pins
from incident_pipeline.evidence.places import check_places, pin_places
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.evidence.redacted_view import check_redaction
from incident_pipeline.evidence.trust import TrustRoot, load_trust_root
from incident_pipeline.evidence.verification import (
    Checked,
    CheckedKind,
    Findings,
    Outcome,
    VerificationReport,
)
from incident_pipeline.evidence.verify_ledger import check_ledger
from incident_pipeline.evidence.verify_log import LogVerifier, check_place
from incident_pipeline.evidence.verify_stored import (
    Unsealing,
    check_access,
    check_anchors,
    check_custody,
    check_encrypted,
    encrypted_subjects,
    enter_reading,
)
from incident_pipeline.evidence.verify_time import check_time_and_key, check_time_order
from incident_pipeline.ingest import open_regular
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import canonical_json

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.evidence.encryption import EncryptedVault
    from incident_pipeline.evidence.keyring import Keyring
    from incident_pipeline.evidence.vault import Vault

__all__ = ["VerificationReport", "result_folders", "unsealed", "vault_near", "verify_results", "verify_seal"]


def verify_results(
    path: Path,
    *,
    trust_root: Path | None = None,
    vault: Vault | None = None,
    config_dir: Path | None = None,
    checkpoint: Path | None = None,
    partial: bool = False,
    keyring: Keyring | None = None,
    action: str = "",
) -> VerificationReport:
    """Verify results completely, offline.

    Args:
        path: the results folder of one incident, a folder that holds several, or a vault.
        trust_root: public key file or folder of keys; `trust/` in the configuration folder when None.
        vault: where the sealed bytes are; `.store/vault` in `path` or beside it when None.
        config_dir: configuration folder; the user's when None.
        checkpoint: a checkpoint of the log that was kept elsewhere; the log must begin with it. Pins in
            the configuration folder count as well.
        partial: whether the vault is an excerpt, as in an export: it may lack seals of other incidents.
        keyring: opens encrypted evidence; the local keys of the configuration folder when None.
        action: what the reading is entered as into the vault's access log; empty: it is not entered.

    Raises:
        TrustRootMissingError: nothing says whose signature counts.
        MissingArtifactError: there are no results at `path`.
        LogError: `checkpoint` is none.
    """
    root = load_trust_root(trust_root, folder=config_dir)
    logs = LogVerifier(root.keys, root.known, find_pins(checkpoint, config_dir), partial=partial)
    path = path.resolve()
    unsealing = _unsealing(path, keyring, config_dir, action, partial=partial)
    if (path / "seals").is_dir() and (path / "objects").is_dir():
        return _verify_vault(LocalVault(path), root, logs, unsealing)
    folders = result_folders(path)
    items: list[Checked] = []
    vault = vault or vault_near(path)
    for folder in folders:
        items += _verify_folder(folder, vault, root, logs, unsealing, with_ledger=True)
    if vault is not None:
        findings = Findings("")
        check_access(unsealing.side(vault) / ACCESS_LOG, findings)
        items += findings.items
    return _report([folder.name for folder in folders], items, root)


def verify_seal(
    folder: Path,
    *,
    trust_root: Path | None = None,
    vault: Vault | None = None,
    config_dir: Path | None = None,
) -> VerificationReport:
    """Verify the seal, its place in the log and the sealed bytes of one results folder, and nothing more.

    Arguments and errors are those of `verify_results`.
    """
    root = load_trust_root(trust_root, folder=config_dir)
    folder = folder.resolve()
    unsealing = _unsealing(folder, None, config_dir)
    items = _verify_folder(folder, vault or vault_near(folder), root, None, unsealing, with_ledger=False)
    return _report([folder.name], items, root)


def _report(incidents: list[str], items: list[Checked], root: TrustRoot) -> VerificationReport:
    return VerificationReport(tuple(incidents), tuple(items), root.keyids, str(root.source))


def result_folders(path: Path) -> list[Path]:
    """Give the results folders at `path`: itself, or those in it, sorted.

    Raises:
        MissingArtifactError: there are none.
    """
    if not path.is_dir():
        message = f"{path}: no such folder."
        raise MissingArtifactError(
            message, advice="Give the results folder, or the folder that holds several."
        )
    if _has_results(path):
        return [path]
    folders = sorted(child for child in path.iterdir() if child.is_dir() and _has_results(child))
    if not folders:
        message = f"{path}: holds no results to verify."
        raise MissingArtifactError(message, advice="Give the folder that `investigate --out` wrote.")
    return folders


def _has_results(path: Path) -> bool:
    """Say whether this is an incident's folder; also when its seal was taken away."""
    folder = ResultsFolder(path)
    files = (folder.manifest, folder.evidence, folder.ledger, folder.postmortem, folder.report)
    return not path.name.startswith(".") and any(file.exists() for file in files)


def vault_near(path: Path) -> Vault | None:
    """Give the vault that `investigate` left in or beside this folder, if there is one."""
    for folder in (path, path.parent):
        candidate = folder / ".store" / "vault"
        if candidate.is_dir():
            return LocalVault(candidate)
    return None


def unsealed(
    path: Path, vault: Vault, manifest: Manifest, keyring: Keyring | None, config_dir: Path | None
) -> Vault:
    """Give a vault as it is to be read for the incident of a seal; arguments as `verify_results`."""
    return _unsealing(path, keyring, config_dir).vault(vault, manifest.statement.predicate.incident.key)


def _verify_folder(
    path: Path,
    vault: Vault | None,
    root: TrustRoot,
    logs: LogVerifier | None,
    unsealing: Unsealing,
    *,
    with_ledger: bool,
) -> list[Checked]:
    folder = ResultsFolder(path)
    findings = Findings(path.name)
    data = _read(folder.manifest, "seal", findings)
    if data is None:
        return findings.items
    name = folder.manifest.name
    try:
        manifest = read_manifest(data, root.known, name=name)
    except IncidentPipelineError as error:
        findings.error("seal", name, error)
        return findings.items
    if not check_time_and_key(manifest, root, findings, name=name):
        return findings.items
    incident = manifest.evidence.incident_id
    findings.holds("seal", name, f"of incident {incident}, signed with key {manifest.signed.keyid}")
    knows = vault is not None and _vault_knows(vault, manifest)
    _check_chain(manifest, data, vault if knows else None, findings)
    check_time_order(manifest, vault if knows else None, root, findings)
    place = _read(folder.seal_log, "log", findings)
    if logs is not None:
        logs.check_seal(manifest, place, folder.seal_log.name, vault if knows else None, findings)
    elif place is not None:
        check_place(manifest, place, folder.seal_log.name, root.known, findings)
    opened = _check_artifacts(manifest, vault, root, unsealing, findings, absent_fails=knows)
    _check_evidence(manifest, folder, findings)
    if with_ledger:
        reader = EvidenceReader(opened, manifest.evidence.artifacts) if opened else None
        check_ledger(folder, manifest.evidence, reader, findings)
        check_redaction(folder, manifest.evidence, reader, findings)
    return findings.items


def _verify_vault(
    vault: LocalVault, root: TrustRoot, logs: LogVerifier, unsealing: Unsealing
) -> VerificationReport:
    """Verify every seal of a vault and what they name, and its log."""
    items: list[Checked] = []
    keys = vault.sealed_keys()
    for key in keys:
        findings = Findings(key)
        for sequence in vault.seal_sequences(key):
            name = f"{key}/{sequence:06d}"
            try:
                data = vault.read_seal(key, sequence)
                manifest = read_manifest(data, root.known, name=name)
                predicate = manifest.statement.predicate
                if (predicate.incident.key, predicate.seal.sequence) != (key, sequence):
                    message = f"{name} is the seal {predicate.incident.key}/{predicate.seal.sequence:06d}."
                    raise SealError(message)
            except IncidentPipelineError as error:
                findings.error("seal", name, error)
                continue
            if not check_time_and_key(manifest, root, findings, name=name):
                continue
            findings.holds("seal", name, f"signed with key {manifest.signed.keyid}")
            _check_chain(manifest, data, vault, findings)
            check_time_order(manifest, vault, root, findings)
            _check_artifacts(manifest, vault, root, unsealing, findings, absent_fails=True)
        items += findings.items
    findings = Findings("")
    logs.check_vault(vault, findings)
    check_access(unsealing.side(vault) / ACCESS_LOG, findings)
    return _report(list(keys), items + findings.items, root)


def _vault_knows(vault: Vault, manifest: Manifest) -> bool:
    """Say whether this vault is the one: it holds the seal, or any of the objects."""
    key, sequence = manifest.statement.predicate.incident.key, manifest.statement.predicate.seal.sequence
    return sequence in vault.seal_sequences(key) or any(
        vault.contains(subject.digest.sha256) for subject in manifest.statement.subject
    )


def _check_chain(manifest: Manifest, data: bytes, vault: Vault | None, findings: Findings) -> None:
    """Compare with the vault's copy, and follow the digests of payloads back to the first seal."""
    predicate = manifest.statement.predicate
    key, sequence = predicate.incident.key, predicate.seal.sequence
    name = f"{key}/{sequence:06d}"
    if vault is None:
        findings.add("chain", name, "could_not_check", "the vault that holds this seal is not there.")
        return
    try:
        if vault.read_seal(key, sequence) != data:
            message = f"Seal {name} in the vault is another one."
            raise SealError(message)
        previous = predicate.seal.previous
        for earlier in range(sequence - 1, 0, -1):
            signed = read_signed(vault.read_seal(key, earlier), name=f"Seal {key}/{earlier:06d}")
            if signed.sha256 != (previous and previous.sha256):
                message = f"Seal {key}/{earlier:06d} is not the one that its successor names."
                raise SealError(message)
            # The successor is trusted, so what it names is too, whoever signed it at the time.
            previous = read_statement(signed).predicate.seal.previous
    except MissingArtifactError as error:
        findings.add("chain", name, "failed", f"{error.message} It was taken away.")
        return
    except IncidentPipelineError as error:
        findings.error("chain", name, error)
        return
    newer = [number for number in vault.seal_sequences(key) if number > sequence]
    superseded = f"; superseded by {key}/{newer[-1]:06d}" if newer else ""
    findings.holds("chain", name, f"{sequence - 1} earlier seals hold{superseded}")


def _check_artifacts(
    manifest: Manifest,
    vault: Vault | None,
    root: TrustRoot,
    unsealing: Unsealing,
    findings: Findings,
    *,
    absent_fails: bool,
) -> EncryptedVault | None:
    """Hash every sealed object again, the incident's record too; give the vault to read from."""
    incident = manifest.statement.predicate.incident.key
    opened = unsealing.vault(vault, incident) if vault else None
    custody = check_custody(opened.inner, incident, root.keys, findings) if opened else None
    encrypted = encrypted_subjects(manifest) if opened else frozenset()
    if opened:
        enter_reading(unsealing, opened, manifest, findings)
    pin_places(manifest.statement, vault)
    check_places(manifest.statement, vault, findings)
    names = {artifact.stored_sha256: artifact.uri for artifact in manifest.evidence.artifacts}
    for subject in manifest.statement.subject:
        digest = subject.digest.sha256
        name = names.get(digest, "incident.json")
        if digest in encrypted:
            continue
        if vault is None:
            message = f"{name}: sha256 {digest} can't be compared, there is no vault."
            findings.add("artifact", name, "could_not_check", message)
            continue
        try:
            vault.check(digest)
        except (MissingArtifactError, ErasedEvidenceError):
            if custody and (entry := custody.ended(digest)):
                findings.add("custody", name, "remark", entry.told)
                continue
            outcome: Outcome = "failed" if absent_fails else "could_not_check"
            message = f"{name}: the vault does not hold its bytes (sha256 {digest})."
            findings.add("artifact", name, outcome, message)
        except IncidentPipelineError as error:
            outcome = "failed" if isinstance(error, EvidenceError) else "could_not_check"
            findings.add("artifact", name, outcome, f"{name}: {error.message}")
        else:
            findings.holds("artifact", name, f"sha256 {digest}")
    if opened and custody:
        check_encrypted(manifest, opened, custody, findings, absent_fails=absent_fails)
        check_anchors(unsealing, opened, custody, findings)
    return opened


def _unsealing(
    path: Path, keyring: Keyring | None, folder: Path | None, action: str = "", *, partial: bool = False
) -> Unsealing:
    """Find what opens encrypted evidence; `.store` is in or beside the results."""
    store = next((it / ".store" for it in (path, path.parent) if (it / ".store").is_dir()), path / ".store")
    return Unsealing(keyring or open_keyring("none", folder), store, action, partial)


def _check_evidence(manifest: Manifest, folder: ResultsFolder, findings: Findings) -> None:
    """Compare the evidence list that later stages read with what was signed, byte for byte."""
    name = folder.evidence.name
    data = _read(folder.evidence, "evidence", findings)
    if data is None:
        return
    if data == canonical_json(manifest.evidence):
        findings.holds("evidence", name, "says what the seal says")
    else:
        findings.add("evidence", name, "failed", f"{name} does not say what the seal says.")


def _read(path: Path, kind: CheckedKind, findings: Findings) -> bytes | None:
    """Read a file of the results; what can't be read could not be checked."""
    if not path.is_symlink() and not path.exists():
        findings.add(kind, path.name, "could_not_check", f"{path.name} is not there.")
        return None
    try:
        with open_regular(path, name=path.name) as file:
            return file.read()
    except UnreadableInputError as error:
        findings.error(kind, path.name, error)
    except OSError as error:
        findings.add(kind, path.name, "could_not_check", f"{path.name}: {error.strerror}.")
    return None

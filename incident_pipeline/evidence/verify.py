"""Verify results from the outside: signature, sealed bytes, evidence list, and every citation.

Whose signature counts is said by a trust root outside the results. The order is that of the claims:
a seal that does not hold makes everything under it worthless, so nothing else is looked at then.
Bytes that a present vault should hold and does not are a failure (something was taken away); where the
vault is not there at all, or knows nothing of the seal, they could not be checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.errors import (
    EvidenceError,
    IncidentPipelineError,
    MissingArtifactError,
    SealError,
    UnreadableInputError,
)
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.manifest import Manifest, read_manifest, read_signed, read_statement
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.evidence.signing import TrustRoot, load_trust_root
from incident_pipeline.evidence.verification import (
    Checked,
    CheckedKind,
    Findings,
    Outcome,
    VerificationReport,
)
from incident_pipeline.evidence.verify_ledger import check_ledger
from incident_pipeline.ingest import open_regular
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import canonical_json

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.evidence.signing import Key
    from incident_pipeline.evidence.vault import Vault

__all__ = ["VerificationReport", "vault_near", "verify_results", "verify_seal"]


def verify_results(
    path: Path,
    *,
    trust_root: Path | None = None,
    vault: Vault | None = None,
    config_dir: Path | None = None,
) -> VerificationReport:
    """Verify results completely, offline.

    Args:
        path: the results folder of one incident, a folder that holds several, or a vault.
        trust_root: public key file or folder of keys; `trust/` in the configuration folder when None.
        vault: where the sealed bytes are; `.store/vault` in `path` or beside it when None.
        config_dir: configuration folder; the user's when None.

    Raises:
        TrustRootMissingError: nothing says whose signature counts.
        MissingArtifactError: there are no results at `path`.
    """
    root = load_trust_root(trust_root, folder=config_dir)
    path = path.resolve()
    if (path / "seals").is_dir() and (path / "objects").is_dir():
        return _verify_vault(LocalVault(path), root)
    folders = _result_folders(path)
    items: list[Checked] = []
    for folder in folders:
        items += _verify_folder(folder, vault or vault_near(path), root.keys, with_ledger=True)
    return _report([folder.name for folder in folders], items, root)


def verify_seal(
    folder: Path,
    *,
    trust_root: Path | None = None,
    vault: Vault | None = None,
    config_dir: Path | None = None,
) -> VerificationReport:
    """Verify the seal and the sealed bytes of one results folder, and nothing that was derived from them.

    Arguments and errors are those of `verify_results`.
    """
    root = load_trust_root(trust_root, folder=config_dir)
    folder = folder.resolve()
    items = _verify_folder(folder, vault or vault_near(folder), root.keys, with_ledger=False)
    return _report([folder.name], items, root)


def _report(incidents: list[str], items: list[Checked], root: TrustRoot) -> VerificationReport:
    return VerificationReport(tuple(incidents), tuple(items), root.keyids, str(root.source))


def _result_folders(path: Path) -> list[Path]:
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


def vault_near(path: Path) -> LocalVault | None:
    """Give the vault that lies in a folder of results, or beside it."""
    for folder in (path, path.parent):
        candidate = folder / ".store" / "vault"
        if candidate.is_dir():
            return LocalVault(candidate)
    return None


def _verify_folder(
    path: Path, vault: Vault | None, keys: tuple[Key, ...], *, with_ledger: bool
) -> list[Checked]:
    folder = ResultsFolder(path)
    findings = Findings(path.name)
    data = _read(folder.manifest, "seal", findings)
    if data is None:
        return findings.items
    name = folder.manifest.name
    try:
        manifest = read_manifest(data, keys, name=name)
    except IncidentPipelineError as error:
        findings.error("seal", name, error)
        return findings.items
    incident = manifest.evidence.incident_id
    findings.holds("seal", name, f"of incident {incident}, signed with key {manifest.signed.keyid}")
    knows = vault is not None and _vault_knows(vault, manifest)
    _check_chain(manifest, data, vault if knows else None, findings)
    _check_artifacts(manifest, vault, findings, absent_fails=knows)
    _check_evidence(manifest, folder, findings)
    if with_ledger:
        reader = EvidenceReader(vault, manifest.evidence.artifacts) if vault else None
        check_ledger(folder, manifest.evidence, reader, findings)
    return findings.items


def _verify_vault(vault: LocalVault, root: TrustRoot) -> VerificationReport:
    """Verify every seal of a vault and what they name."""
    items: list[Checked] = []
    keys = vault.sealed_keys()
    for key in keys:
        findings = Findings(key)
        for sequence in vault.seal_sequences(key):
            name = f"{key}/{sequence:06d}"
            try:
                data = vault.read_seal(key, sequence)
                manifest = read_manifest(data, root.keys, name=name)
                predicate = manifest.statement.predicate
                if (predicate.incident.key, predicate.seal.sequence) != (key, sequence):
                    message = f"{name} is the seal {predicate.incident.key}/{predicate.seal.sequence:06d}."
                    raise SealError(message)
            except IncidentPipelineError as error:
                findings.error("seal", name, error)
                continue
            findings.holds("seal", name, f"signed with key {manifest.signed.keyid}")
            _check_chain(manifest, data, vault, findings)
            _check_artifacts(manifest, vault, findings, absent_fails=True)
        items += findings.items
    return _report(list(keys), items, root)


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
            if previous is None or signed.sha256 != previous.sha256:
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
    manifest: Manifest, vault: Vault | None, findings: Findings, *, absent_fails: bool
) -> None:
    """Hash every sealed object again: the artifacts, and the incident's record."""
    names = {artifact.sha256: artifact.uri for artifact in manifest.evidence.artifacts}
    for subject in manifest.statement.subject:
        digest = subject.digest.sha256
        name = names.get(digest, "incident.json")
        if vault is None:
            message = f"{name}: sha256 {digest} can't be compared, there is no vault."
            findings.add("artifact", name, "could_not_check", message)
            continue
        try:
            vault.check(digest)
        except MissingArtifactError:
            outcome: Outcome = "failed" if absent_fails else "could_not_check"
            message = f"{name}: the vault does not hold its bytes (sha256 {digest})."
            findings.add("artifact", name, outcome, message)
        except IncidentPipelineError as error:
            outcome = "failed" if isinstance(error, EvidenceError) else "could_not_check"
            findings.add("artifact", name, outcome, f"{name}: {error.message}")
        else:
            findings.holds("artifact", name, f"sha256 {digest}")


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

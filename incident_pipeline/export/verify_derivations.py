"""Verify derivations: every result file is what a trusted key says some stage made, from what is still there.

The other direction counts as much: a file that no statement covers is named as failed, and results without
any statement could not be checked. Not covered are what signs for itself (the seal, its proof of
inclusion in a log), the statements, and the vectors of `index.lance`, on which nothing rests. A file that a
redacted export withholds must be one that a statement covers, with the digest that it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import IncidentPipelineError, SealError
from incident_pipeline.export.derivation import FOLDER, SUFFIX, read_derivation
from incident_pipeline.export.verify_order import check_order
from incident_pipeline.ingest import hash_file, open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from incident_pipeline.evidence import TrustRoot
    from incident_pipeline.evidence.manifest import Manifest
    from incident_pipeline.evidence.statement import Subject
    from incident_pipeline.evidence.verification import Findings
    from incident_pipeline.export.derivation import Derivation

INDEX: Final = "index.lance"
SELF_SIGNED: Final = ("manifest.sigstore.json", "seal.log.json")
"""Files that carry their own signature or proof, and are verified as such."""


@dataclass(frozen=True)
class SealFacts:
    """What derivations need of a seal: its incident, the digest of its payload, and its subjects."""

    incident: str
    payload_sha256: str
    subjects: tuple[Subject, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> SealFacts:
        """Take them from a verified seal."""
        statement = manifest.statement
        return cls(statement.predicate.incident.key, manifest.signed.sha256, statement.subject)


def check_derivations(
    root: Path,
    seal: SealFacts,
    trust: TrustRoot,
    findings: Findings,
    withheld: Mapping[str, str] | None = None,
) -> None:
    """Verify all derivation statements of an incident, and that they cover all its result files.

    Args:
        root: the results folder.
        seal: what the results rest on, verified.
        trust: whose signatures count.
        findings: takes what is found.
        withheld: result files that a redacted export withholds, with their digests.
    """
    withheld = withheld or {}
    files = {name for name in result_files(root) if name not in SELF_SIGNED}
    paths = {name for name in files if name.startswith(f"{FOLDER}/")}
    if not paths:
        if files - {"evidence.json"}:
            message = f"{FOLDER} is not there: who made the {len(files)} result files can't be told."
            findings.add("derivation", FOLDER, "could_not_check", message)
        return
    found = _read_all(root, sorted(paths), seal, trust, findings)
    made = _check_subjects(root, found, files, findings, withheld)
    for name, statement in found.items():
        _check_materials(name, statement, seal, made, findings)
        if statement.predicate.stage == "timeline":
            check_order(root, statement, findings)
    # A statement that could not be checked may be the one that covers a file.
    unread = {item.name for item in findings.items if item.outcome == "could_not_check"} & paths
    for name in sorted(files - paths - made.keys()):
        message = f"{name}: no derivation statement covers this file" + (
            " that could be checked." if unread else "."
        )
        findings.add("derivation", name, "could_not_check" if unread else "failed", message)
    for name in sorted(withheld.keys() - made.keys() - set(SELF_SIGNED)):
        message = f"{name} is withheld, and no derivation statement covers it."
        findings.add("derivation", name, "failed", message)


def result_files(root: Path) -> Iterator[str]:
    """List the files of a results folder by name inside it, sorted, links included.

    Left out are hidden files (what a killed run left) and the vectors.
    """
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if hidden or name.split("/")[0] == INDEX or (path.is_dir() and not path.is_symlink()):
            continue
        yield name


def _read_all(
    root: Path, names: list[str], seal: SealFacts, trust: TrustRoot, findings: Findings
) -> dict[str, Derivation]:
    found = {}
    for name in names:
        try:
            with open_regular(root / name, name=name) as file:
                statement = read_derivation(file.read(), trust, name=name)
            predicate = statement.predicate
            if name != f"{FOLDER}/{predicate.stage}{SUFFIX}":
                message = f"{name} is the statement of the stage {predicate.stage!r}."
                raise SealError(message)
            if predicate.incident.key != seal.incident:
                message = f"{name} is of the incident {predicate.incident.key!r}."
                raise SealError(message)
            if predicate.incident.seal.sha256 != seal.payload_sha256:
                message = f"{name} rests on another seal (payload sha256 {predicate.incident.seal.sha256})."
                raise SealError(message, advice="Materialize this stage again after sealing.")
        except IncidentPipelineError as error:
            findings.error("derivation", name, error)
        else:
            findings.holds("derivation", name, f"stage {predicate.stage}, code {predicate.code.stage}")
            found[name] = statement
    return found


def _check_subjects(
    root: Path,
    found: dict[str, Derivation],
    files: set[str],
    findings: Findings,
    withheld: Mapping[str, str],
) -> dict[str, str]:
    """Compare every file with the statement that covers it; give the digests as stated."""
    made: dict[str, str] = {}
    for statement_name, statement in found.items():
        for subject in statement.subject:
            name, stated = subject.name, subject.digest.sha256
            if name in made:
                message = f"{name}: two statements cover it, {statement_name} is one of them."
                findings.add("derivation", name, "failed", message)
                continue
            made[name] = stated
            if name not in files and withheld.get(name) == stated:
                by = statement.predicate.stage
                message = f"{name}: made by {by}, sha256 {stated}; its bytes are not in this export."
                findings.add("derivation", name, "withheld", message)
                continue
            if name not in files:
                message = f"{name} is not there, and {statement_name} says it was made."
                findings.add("derivation", name, "failed", message)
                continue
            try:
                actual = _sha256(root, name)
            except IncidentPipelineError as error:
                findings.error("derivation", name, error)
                continue
            if actual == stated:
                findings.holds("derivation", name, f"sha256 {actual}, made by {statement.predicate.stage}")
            else:
                message = f"{name}: has sha256 {actual}; {statement_name} says {stated}."
                findings.add("derivation", name, "failed", message)
    return made


def _check_materials(
    name: str, statement: Derivation, seal: SealFacts, made: dict[str, str], findings: Findings
) -> None:
    """See that a stage read what the seal holds, or what another stage made."""
    sealed = {subject.name: subject.digest.sha256 for subject in seal.subjects}
    own = {subject.name for subject in statement.subject}
    for material in statement.predicate.materials:
        stated = material.digest.sha256
        known = sealed.get(material.name, None if material.name in own else made.get(material.name))
        if known is None:
            message = f"{name}: its input {material.name} was neither sealed nor made by another stage."
            findings.add("derivation", material.name, "failed", message)
        elif known != stated:
            message = f"{name}: was made from another {material.name} (sha256 {stated}) than the one here."
            findings.add("derivation", material.name, "failed", message)


def _sha256(root: Path, name: str) -> str:
    if (root / name).is_symlink():
        message = f"{name} is a link; a result is a regular file."
        raise SealError(message)
    return hash_file(root / name, name=name)[0]

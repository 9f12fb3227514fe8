"""Walk from a sentence of a postmortem to the bytes it rests on: what `verify --explain` shows.

Nothing is believed on the way: the whole of the results is verified first, and the walk reports what that
said about each step. This module collects; `walk_text` puts it into words and commands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from incident_pipeline.errors import (
    ConfigError,
    IncidentPipelineError,
    MalformedInputError,
    MissingArtifactError,
)
from incident_pipeline.evidence import EvidenceReader, LocalVault, load_trust_root
from incident_pipeline.evidence.manifest import read_manifest
from incident_pipeline.evidence.vault import object_name
from incident_pipeline.evidence.verify import result_folders, unsealed, vault_near
from incident_pipeline.export import layout
from incident_pipeline.export.derivation import FOLDER, SUFFIX, read_derivation
from incident_pipeline.export.verify import verify_path
from incident_pipeline.model.citation import Ledger
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.evidence import Keyring, TrustRoot
    from incident_pipeline.evidence.manifest import Manifest
    from incident_pipeline.evidence.statement import Subject
    from incident_pipeline.evidence.vault import Vault
    from incident_pipeline.evidence.verification import Checked, VerificationReport
    from incident_pipeline.export.derivation import Derivation
    from incident_pipeline.model.artifact import SealedArtifact
    from incident_pipeline.model.citation import Citation, Derived, Sentence


@dataclass(frozen=True)
class CitedBytes:
    """One citation and the sealed object that holds its bytes; None where it can't be read here."""

    citation: Citation
    artifact: SealedArtifact | None
    object_file: str
    compression: str | None


@dataclass(frozen=True)
class Made:
    """One stage on the way back: its statement, and what it read: sealed objects and result files."""

    statement_file: str
    statement: Derivation
    objects: tuple[Subject, ...]
    files: tuple[Subject, ...]


@dataclass(frozen=True)
class DerivedValue:
    """One value of a result file, its place as jq counts it, and the stage that wrote the file, if known."""

    derived: Derived
    path: tuple[str | int, ...]
    value: str
    stage: str | None


@dataclass(frozen=True)
class Walk:
    """All steps from one sentence down, and what verification said; `made` has the nearest stages first."""

    root: Path
    sentence: Sentence
    manifest: Manifest
    citations: tuple[CitedBytes, ...]
    derived: tuple[DerivedValue, ...]
    made: tuple[Made, ...]
    vault: str
    report: VerificationReport

    @property
    def checks(self) -> tuple[Checked, ...]:
        """Give what verification says about this sentence, its citations and its values."""
        names = (self.sentence.id, f"{self.sentence.id},")
        return tuple(
            item
            for item in self.report.items
            if item.incident == self.root.name and (item.name == names[0] or item.name.startswith(names[1]))
        )


def explain(
    path: Path,
    sentence_id: str,
    *,
    trust_root: Path | None = None,
    vault: Vault | None = None,
    config_dir: Path | None = None,
    checkpoint: Path | None = None,
    keyring: Keyring | None = None,
    action: str = "",
) -> Walk:
    """Walk from a sentence to its bytes.

    Args:
        path: a results folder, a folder of several, or an export.
        sentence_id: the id of the sentence in `ledger.json`, as the report shows it.
        trust_root: as `verify_path`.
        vault: as `verify_path`.
        config_dir: as `verify_path`.
        checkpoint: as `verify_path`.
        keyring: as `verify_path`.
        action: as `verify_path`.

    Raises:
        MissingArtifactError: no ledger at `path` has the sentence.
        MalformedInputError: a ledger can't be read.
        ConfigError: ledgers of several incidents have it.
        EvidenceError: the seal does not hold; then there is nothing to walk to.
    """
    path = path.resolve()
    trust = load_trust_root(trust_root, folder=config_dir)
    report = verify_path(
        path,
        trust_root=trust_root,
        vault=vault,
        config_dir=config_dir,
        checkpoint=checkpoint,
        keyring=keyring,
        action=action,
    )
    if layout.is_bag(path):
        path, vault = path / layout.DATA / "results", LocalVault(path / layout.DATA)
    root, sentence = _find(path, sentence_id)
    file = ResultsFolder(root).manifest
    if not file.is_file():
        message = f"{root.name}: the seal that {sentence_id} leads down to is not here, or is withheld."
        raise MissingArtifactError(
            message, advice="`verify` says what holds; the walk needs the full export."
        )
    manifest = read_manifest(file.read_bytes(), trust.known, name=file.name)
    made = _statements(root, trust)
    vault = vault or vault_near(path)
    opened = unsealed(path, vault, manifest, keyring, config_dir) if vault else None
    reader = EvidenceReader(opened, manifest.evidence.artifacts) if opened else None
    location = vault.location if vault else ""
    return Walk(
        root=root,
        sentence=sentence,
        manifest=manifest,
        citations=tuple(_cited(citation, manifest, reader, location) for citation in sentence.citations),
        derived=tuple(_derived(root, derived, made) for derived in sentence.derived_from),
        made=_chain([derived.file for derived in sentence.derived_from], made),
        vault=location,
        report=report,
    )


def _find(path: Path, sentence_id: str) -> tuple[Path, Sentence]:
    found: list[tuple[Path, Sentence]] = []
    known = ""
    for folder in result_folders(path):
        file = ResultsFolder(folder).ledger
        if not file.is_file():
            continue
        try:
            ledger = Ledger.model_validate(parse_json(file.read_bytes(), name=file.name))
        except ValidationError as error:
            message = f"{folder.name}: {file.name} is no ledger."
            raise MalformedInputError(message) from error
        if ledger.sentences:
            known = f"{folder.name} has {ledger.sentences[0].id} to {ledger.sentences[-1].id}."
        found += [(folder, sentence) for sentence in ledger.sentences if sentence.id == sentence_id]
    if not found:
        message = f"{path}: no ledger has a sentence {sentence_id!r}."
        raise MissingArtifactError(message, advice=known or "Give the folder that `investigate --out` wrote.")
    if len(found) > 1:
        names = ", ".join(folder.name for folder, _ in found)
        message = f"Several incidents have a sentence {sentence_id!r}: {names}."
        raise ConfigError(message, advice="Give the results folder of one incident.")
    return found[0]


def _cited(
    citation: Citation, manifest: Manifest, reader: EvidenceReader | None, location: str
) -> CitedBytes:
    artifact = next((it for it in manifest.evidence.artifacts if it.sha256 == citation.sha256), None)
    if artifact is None:
        return CitedBytes(citation, None, "", None)
    place = f"{location}/{object_name(artifact.stored_sha256)}"
    try:
        compression = reader.encoding(citation.sha256) if reader else None
    except IncidentPipelineError:
        compression = None  # verification has said why
    return CitedBytes(citation, artifact, place, compression)


def _statements(root: Path, trust: TrustRoot) -> dict[str, Made]:
    """Give the statement that covers each result file; those that do not hold cover nothing."""
    made: dict[str, Made] = {}
    for file in sorted((root / FOLDER).glob(f"*{SUFFIX}")):
        try:
            statement = read_derivation(file.read_bytes(), trust, name=file.name)
        except IncidentPipelineError:
            continue
        materials = statement.predicate.materials
        objects = tuple(it for it in materials if it.name.startswith("objects/"))
        files = tuple(it for it in materials if not it.name.startswith("objects/"))
        for subject in statement.subject:
            made[subject.name] = Made(file.relative_to(root).as_posix(), statement, objects, files)
    return made


def _chain(files: list[str], made: dict[str, Made]) -> tuple[Made, ...]:
    """Follow materials back from some files, each stage once."""
    chain: dict[str, Made] = {}
    pending = list(files)
    while pending:
        step = made.get(pending.pop(0))
        if step is not None and step.statement_file not in chain:
            chain[step.statement_file] = step
            pending += [material.name for material in step.files]
    return tuple(chain.values())


def _derived(root: Path, derived: Derived, made: dict[str, Made]) -> DerivedValue:
    path, value = _value(root / derived.file, derived.json_pointer)
    step = made.get(derived.file)
    return DerivedValue(derived, path, value, step.statement.predicate.stage if step else None)


def _value(file: Path, pointer: str) -> tuple[tuple[str | int, ...], str]:
    """Give the place as jq counts it, and the value there; what is missing, verification has named."""
    try:
        value = parse_json(file.read_bytes(), name=file.name)
    except (OSError, IncidentPipelineError):
        return (), "(can't be read)"
    path: list[str | int] = []
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            path.append(int(key))
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            path.append(key)
            value = value[key]
        else:
            return tuple(path), "(nothing is there)"
    return tuple(path), json.dumps(value, ensure_ascii=False)

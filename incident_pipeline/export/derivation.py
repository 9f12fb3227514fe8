"""Derivation statements: for every result file, what it was made from, by which code, and how configured.

One in-toto Statement v1 per stage, in `derivations/<stage>.sigstore.json`. Subjects are the files the
stage wrote, materials what it read: sealed objects by the name they have in the seal, and result files
of earlier stages by digest. So a row of any table goes back to raw bytes in two hops: file -> material
-> sealed object. A statement names the seal by the digest of its payload; it holds no path and no host, and
no time but the token over its signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from incident_pipeline.errors import MissingArtifactError
from incident_pipeline.evidence.manifest import read_signed, read_statement
from incident_pipeline.evidence.statement import STATEMENT_TYPE, Digest, Subject
from incident_pipeline.export import signed
from incident_pipeline.export.steps import STEPS
from incident_pipeline.ingest import hash_file
from incident_pipeline.serialise import sha256_hex, write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from incident_pipeline.evidence import TrustRoot
    from incident_pipeline.evidence.signing import Signer
    from incident_pipeline.evidence.timestamps import TimeAuthority
    from incident_pipeline.results import ResultsFolder

PREDICATE_TYPE: Final = "https://incident-pipeline.dev/derivation/v1"
FOLDER: Final = "derivations"
SUFFIX: Final = ".sigstore.json"


class Incident(signed.Signed):
    """Whose results these are, and the seal they rest on, by the digest of its payload."""

    key: str
    seal: Digest


class Predicate(signed.Signed):
    """Our predicate, `derivation/v1`."""

    incident: Incident
    stage: str
    materials: tuple[Subject, ...]
    code: signed.Code
    configuration: dict[str, str]


class Derivation(signed.Signed):
    """in-toto Statement v1 about what one stage wrote."""

    statement_type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: Literal["https://incident-pipeline.dev/derivation/v1"]
    predicate: Predicate


def write_derivation(
    folder: ResultsFolder,
    stage: str,
    signer: Signer,
    configuration: Mapping[str, str],
    *,
    authority: TimeAuthority | None = None,
) -> str:
    """Sign and write what a stage has just made; give the SHA-256 of the statement.

    Args:
        folder: the results folder, with the stage's outputs in it.
        stage: an asset key of `STEPS`.
        signer: whose key signs.
        configuration: settings that change what the stage makes; no paths and no hosts.
        authority: who stamps the statement with a trusted time; nobody when None.

    Raises:
        MissingArtifactError: the seal is not there.
        SealError: the seal can't be read.
        UnreadableInputError: a file that the stage reads or writes can't be read.
    """
    step = STEPS[stage]
    if not folder.manifest.is_file():
        message = f"{folder.root.name}: no seal."
        raise MissingArtifactError(message, advice="Materialize sealed_evidence for this incident first.")
    seal = read_signed(folder.manifest.read_bytes())
    sealed = read_statement(seal)
    objects = sealed.subject if step.reads_sealed else ()
    statement = Derivation(
        statement_type=STATEMENT_TYPE,
        subject=_digests(folder.root, step.writes),
        predicate_type=PREDICATE_TYPE,
        predicate=Predicate(
            incident=Incident(key=sealed.predicate.incident.key, seal=Digest(sha256=seal.sha256)),
            stage=stage,
            materials=(*_digests(folder.root, step.reads), *objects),
            code=signed.Code(stage=step.code_version),
            configuration=dict(sorted(configuration.items())),
        ),
    )
    data = signed.sign(statement, signer, authority)
    write_bytes(statement_path(folder.root, stage), data)
    return sha256_hex(data)


def read_derivation(data: bytes, trust: TrustRoot, *, name: str) -> Derivation:
    """Read a derivation statement; errors as `signed.read`, and when it names a file twice."""
    statement = signed.read(data, Derivation, trust, name=name)
    signed.refuse_twins(statement.subject, name)
    signed.refuse_twins(statement.predicate.materials, name)
    return statement


def statement_path(root: Path, stage: str) -> Path:
    """Give the file of a stage's statement in a results folder."""
    return root / FOLDER / f"{stage}{SUFFIX}"


def _digests(root: Path, names: tuple[str, ...]) -> tuple[Subject, ...]:
    listed: list[str] = []
    for name in names:
        folder = root / name
        found = sorted(folder.iterdir()) if name.endswith("/") and folder.is_dir() else []
        listed += [f"{name}{path.name}" for path in found] if name.endswith("/") else [name]
    return tuple(
        Subject(name=name, digest=Digest(sha256=hash_file(root / name, name=name)[0]))
        for name in sorted(listed)
    )

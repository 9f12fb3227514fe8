"""What a seal says: an in-toto Statement v1 whose predicate describes sealed evidence.

Pure data: models, and the way from `SealedEvidence` to a statement and back. Subjects are the vault's
objects by name and digest, so an auditor checks them inside the vault with
`jq -r '.subject[] | .digest.sha256 + "  " + .name' payload.json | sha256sum -c`. How a statement is
signed stands in `manifest`.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints
from pydantic.alias_generators import to_camel

from incident_pipeline.errors import SealError
from incident_pipeline.evidence.vault import Place, Worm, object_digest, object_name
from incident_pipeline.ingest import fold_name
from incident_pipeline.model.artifact import Problem, SealedArtifact, SealedEvidence
from incident_pipeline.model.base import Frozen
from incident_pipeline.model.incident import Role, fold_incident_id
from incident_pipeline.serialise import compact_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incident_pipeline.evidence.vault import Stored

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://incident-pipeline.dev/evidence-seal/v1"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Encoding = Literal["aes-256-gcm-chunked-v1"]


class _Signed(Frozen, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True):
    """Part of a statement: camel-case names as in-toto has them, no unknown keys."""


class Digest(_Signed):
    """A SHA-256."""

    sha256: Sha256


class Subject(_Signed):
    """in-toto ResourceDescriptor: an object of the vault."""

    name: str = Field(min_length=1)
    digest: Digest


class Storage(_Signed):
    """What the vault did to bytes before it stored them, where they are encrypted.

    `plaintext` is the digest as received, `key_ref` names the data key that `evidence.data_keys` holds.
    """

    plaintext: Digest
    encoding: tuple[Encoding]
    key_ref: str


class Store(_Signed):
    """Where a service keeps an object: which version, locked how and until when, as it was sealed."""

    backend: Literal["s3"]
    bucket: str
    key: str
    version_id: str
    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    retain_until: AwareDatetime
    legal_hold: bool

    @property
    def place(self) -> Place:
        """Give it as vaults have it."""
        values = self.model_dump() | {"retain_until": self.retain_until.isoformat()}
        return Place(**values)


class IncidentFacts(_Signed):
    """The incident's record; `record` is `incident.json` as received, where there was one."""

    id: str
    key: str
    title: str | None
    start_time: str | None
    detected_by: str | None
    severity: str | None
    services: tuple[str, ...]
    record: Subject | None
    record_storage: Storage | None = None
    record_store: Store | None = None


class Position(_Signed):
    """A seal's place among the seals of one incident: each names the one before by its payload."""

    id: str
    sequence: int = Field(ge=1)
    previous: Digest | None
    supersedes: str | None
    sealed_at: str


class Source(_Signed):
    """Where an artifact came from, as its entry says."""

    kind: str
    system: str
    uri: str
    role: Role
    format: str | None
    window: tuple[str | None, str | None] | None
    timezone: str | None
    query: str | None
    also_known_as: tuple[str, ...]
    collected_at: str | None = None


class ArtifactFacts(_Signed):
    """One artifact: its object, and the digest of its bytes as received.

    `encoding` lists what the vault did to the bytes before it stored them, and `key_ref` names the data
    key; without encoding, the object holds the bytes as received.
    """

    subject: str
    size: int = Field(ge=0)
    plaintext: Digest
    encoding: tuple[()] | tuple[Encoding]
    key_ref: str | None = None
    source: Source
    store: Store | None = None


class Custody(_Signed):
    """One step of the chain of custody. `basis` says whether we did it or only were told."""

    action: Literal["collect", "seal"]
    actor: str
    at: str | None
    basis: Literal["done", "stated"]


class Pipeline(_Signed):
    """What made the seal."""

    name: str
    version: str


class Predicate(_Signed):
    """Our predicate, `evidence-seal/v1`."""

    incident: IncidentFacts
    seal: Position
    artifacts: tuple[ArtifactFacts, ...]
    problems: tuple[Problem, ...]
    evidence_root: Sha256
    custody: tuple[Custody, ...]
    worm: Worm
    pipeline: Pipeline


class Statement(_Signed):
    """in-toto Statement v1."""

    statement_type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: Literal["https://incident-pipeline.dev/evidence-seal/v1"]
    predicate: Predicate


def evidence_root(artifacts: Iterable[SealedArtifact]) -> str:
    """Give the one digest that stands for a set of artifacts, lower-case hex.

    SHA-256 over one line per artifact, each the compact JSON of [sha256, role, type, uri] and LF, the
    lines sorted as bytes. Equal evidence gives an equal root, whatever order it was listed in.
    """
    lines = sorted(compact_json([it.sha256, it.role, it.type, it.uri]) + b"\n" for it in artifacts)
    return sha256_hex(b"".join(lines))


def make_statement(
    evidence: SealedEvidence,
    *,
    record: Stored | None,
    sequence: int,
    previous: tuple[str, str | None] | None,
    custody: tuple[Custody, ...],
    sealed_at: str,
    worm: Worm,
    version: str,
    places: Mapping[str, Place] | None = None,
) -> Statement:
    """Describe sealed evidence as a statement.

    Args:
        evidence: what was sealed.
        record: `incident.json` as received, in the vault like the artifacts.
        sequence: from 1, per incident.
        previous: digest of the previous seal's payload, and that seal's id where it can be known.
        custody: who handled the evidence.
        sealed_at: RFC 3339.
        worm: what the vault promises.
        version: of this package.
        places: where a vault with locks keeps objects, by the digest of what is stored.
    """
    at = places or {}
    digests = {artifact.stored_sha256 for artifact in evidence.artifacts}
    subjects = [
        _subject(digest) for digest in sorted(digests | ({record.stored_sha256} if record else set()))
    ]
    # A name-based UUID (RFC 9562, version 5): unique like the content, and made without chance.
    identity = f"{PREDICATE_TYPE}#{evidence.incident_key}/{sequence}/{evidence.evidence_root}/{sealed_at}"
    return Statement(
        statement_type=STATEMENT_TYPE,
        subject=tuple(subjects),
        predicate_type=PREDICATE_TYPE,
        predicate=Predicate(
            incident=IncidentFacts(
                id=evidence.incident_id,
                key=evidence.incident_key,
                title=evidence.title,
                start_time=evidence.start_time,
                detected_by=evidence.detected_by,
                severity=evidence.severity,
                services=evidence.services,
                record=_subject(record.stored_sha256) if record else None,
                record_storage=_storage(record) if record else None,
                record_store=_store(at.get(record.stored_sha256)) if record else None,
            ),
            seal=Position(
                id=str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
                sequence=sequence,
                previous=Digest(sha256=previous[0]) if previous else None,
                supersedes=previous[1] if previous else None,
                sealed_at=sealed_at,
            ),
            artifacts=tuple(
                _facts(artifact, at.get(artifact.stored_sha256)) for artifact in evidence.artifacts
            ),
            problems=evidence.problems,
            evidence_root=evidence.evidence_root,
            custody=custody,
            worm=worm,
            pipeline=Pipeline(name="incident-pipeline", version=version),
        ),
    )


def evidence_of(statement: Statement) -> SealedEvidence:
    """Give the sealed evidence that a statement describes."""
    predicate = statement.predicate
    incident = predicate.incident
    return SealedEvidence(
        incident_id=incident.id,
        incident_key=incident.key,
        title=incident.title,
        start_time=incident.start_time,
        detected_by=incident.detected_by,
        severity=incident.severity,
        services=incident.services,
        artifacts=tuple(_artifact(facts) for facts in predicate.artifacts),
        problems=predicate.problems,
        evidence_root=predicate.evidence_root,
    )


def check_statement(statement: Statement) -> None:
    """Check that a statement does not contradict itself.

    Raises:
        SealError: two subjects may be taken for one, a subject or artifact has no counterpart, the
            root or the key does not follow from the rest, or the order is not canonical.
    """
    predicate = statement.predicate
    names = [subject.name for subject in statement.subject]
    if len({fold_name(name) for name in names}) < len(names):
        raise _contradiction("two subjects have the same name, or names that differ in case or form only")
    for subject in statement.subject:
        if subject.name != object_name(subject.digest.sha256):
            raise _contradiction(f"the subject {subject.name!r} is not named after its digest")
    _check_stored(predicate, set(names))
    digests = [facts.plaintext.sha256 for facts in predicate.artifacts]
    if digests != sorted(set(digests)):
        raise _contradiction("its artifacts are not in order of their digests")
    if predicate.evidence_root != evidence_root(evidence_of(statement).artifacts):
        raise _contradiction("its evidence root does not follow from its artifacts")
    if predicate.incident.key != fold_incident_id(predicate.incident.id):
        raise _contradiction("its incident key does not follow from the incident id")
    if (predicate.seal.sequence == 1) != (predicate.seal.previous is None):
        raise _contradiction("a seal names a previous one exactly when it is not the first")


def _check_stored(predicate: Predicate, subjects: set[str]) -> None:
    """Check that subjects and artifacts are each other's, encrypted or stored as received."""
    described = {facts.subject for facts in predicate.artifacts}
    record = predicate.incident.record
    if record:
        described.add(record.name)
        if record.name != object_name(record.digest.sha256):
            raise _contradiction("the incident's record is not named after its digest")
    if described != subjects:
        raise _contradiction("its subjects are not the artifacts it describes")
    for facts in predicate.artifacts:
        if not facts.encoding and facts.subject != object_name(facts.plaintext.sha256):
            raise _contradiction(f"{facts.source.uri!r} is stored as received, under another digest")
        if bool(facts.encoding) != (facts.key_ref is not None):
            raise _contradiction(f"{facts.source.uri!r} names a key exactly when it is encrypted")


def _contradiction(what: str) -> SealError:
    return SealError(f"The seal contradicts itself: {what}.")


def _storage(record: Stored) -> Storage | None:
    if not record.encoding or record.key_ref is None:
        return None
    return Storage(
        plaintext=Digest(sha256=record.sha256), encoding=record.encoding[:1], key_ref=record.key_ref
    )


def _subject(sha256: str) -> Subject:
    return Subject(name=object_name(sha256), digest=Digest(sha256=sha256))


def _store(place: Place | None) -> Store | None:
    return Store.model_validate(asdict(place)) if place else None


def _facts(artifact: SealedArtifact, place: Place | None) -> ArtifactFacts:
    return ArtifactFacts(
        subject=object_name(artifact.stored_sha256),
        size=artifact.size,
        plaintext=Digest(sha256=artifact.sha256),
        encoding=artifact.encoding[:1],
        key_ref=artifact.key_ref,
        source=Source(
            kind=artifact.type,
            system=artifact.source,
            uri=artifact.uri,
            role=artifact.role,
            format=artifact.format,
            window=artifact.window,
            timezone=artifact.timezone,
            query=artifact.query,
            also_known_as=artifact.also_known_as,
            collected_at=artifact.collected_at,
        ),
        store=_store(place),
    )


def _artifact(facts: ArtifactFacts) -> SealedArtifact:
    source = facts.source
    return SealedArtifact(
        sha256=facts.plaintext.sha256,
        size=facts.size,
        stored_sha256=object_digest(facts.subject),
        encoding=facts.encoding,
        key_ref=facts.key_ref,
        uri=source.uri,
        type=source.kind,
        source=source.system,
        role=source.role,
        format=source.format,
        window=source.window,
        timezone=source.timezone,
        query=source.query,
        also_known_as=source.also_known_as,
        collected_at=source.collected_at,
    )

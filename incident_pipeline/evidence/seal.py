"""Seal a bundle: artifacts into the vault first, the signed manifest last.

The manifest's appearance under a free sequence number is the commit point, so a killed run leaves a
whole seal or none; objects it left are adopted by the next run, because they are named by their bytes.
The same evidence again finds its seal and makes no new one; other evidence under the same incident id
makes a new seal that names and supersedes the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline import __version__
from incident_pipeline.errors import HashMismatchError, IncidentIdError, ServiceError, UnreadableInputError
from incident_pipeline.evidence.log import enter_seal
from incident_pipeline.evidence.manifest import (
    SignedPayload,
    read_signed,
    read_statement,
    sign_statement,
    verify_signature,
)
from incident_pipeline.evidence.places import places_of
from incident_pipeline.evidence.sealing_lock import sealing
from incident_pipeline.evidence.statement import Custody, evidence_of, evidence_root, make_statement
from incident_pipeline.evidence.timestamps import refuse_clock_set_back
from incident_pipeline.model.artifact import Problem, SealedArtifact, SealedEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from incident_pipeline.evidence.signing import Key, Signer
    from incident_pipeline.evidence.statement import Statement
    from incident_pipeline.evidence.timestamps import TimeAuthority
    from incident_pipeline.evidence.vault import Stored, Vault
    from incident_pipeline.ingest import Bundle, BundleArtifact

_ATTEMPTS: Final = 64
"""Other sealers of the same incident to lose against before giving up."""


@dataclass(frozen=True)
class Sealed:
    """A seal: what was sealed, the bytes of its file, its number, whether it is new, its place in the log."""

    evidence: SealedEvidence
    manifest: bytes
    sequence: int
    created: bool
    log_proof: bytes


@dataclass(frozen=True)
class _Latest:
    """The newest seal of an incident. `known` says whether its signature could be checked."""

    data: bytes
    sequence: int
    signed: SignedPayload
    statement: Statement
    known: bool


def seal(
    bundle: Bundle,
    vault: Vault,
    signer: Signer,
    *,
    now: datetime,
    trusted: Iterable[Key] = (),
    authority: TimeAuthority | None = None,
    stored: Mapping[str, Stored] | None = None,
) -> Sealed:
    """Put a bundle's artifacts into the vault, sign what was put there, and enter the seal into the log.

    An artifact that can't be read to its end becomes a problem and the others go on.

    Args:
        bundle: as `ingest.open_bundle` gives it.
        vault: where bytes and seals are kept.
        signer: whose key signs.
        now: aware time of sealing; it stands in the signed manifest only.
        trusted: further keys under which an earlier seal of the incident may be signed.
        authority: who stamps the new seal's signature with a trusted time; nobody when None.
        stored: by digest, what the vault holds already because it was stored while being hashed (`Intake`).

    Raises:
        IncidentIdError: the vault holds another incident whose id folds to the same key.
        HashMismatchError: an object in the vault was altered.
        SignatureError: the incident's newest seal has a known key and its signature does not hold.
        SealError: the incident's newest seal is no seal any more.
        LogError: the vault's log was altered; the seal stands, and is entered once the log is mended.
        ServiceError: the vault can't be written, or signer or authority don't answer, or the clock was set
            back behind the seal before.
    """
    # Objects that a killed run left are adopted below: nothing may collect them until a seal names them.
    with sealing(vault):
        evidence = _store(bundle, vault, stored or {})
        return _seal(bundle, evidence, vault, signer, now=now, trusted=tuple(trusted), authority=authority)


def _seal(
    bundle: Bundle,
    evidence: SealedEvidence,
    vault: Vault,
    signer: Signer,
    *,
    now: datetime,
    trusted: tuple[Key, ...],
    authority: TimeAuthority | None,
) -> Sealed:
    record = vault.put_bytes(bundle.record) if bundle.record is not None else None
    places = places_of(vault, _stored_digests(evidence, record))
    keys = (signer.public_key, *trusted)
    for _ in range(_ATTEMPTS):
        latest = _latest(vault, evidence.incident_key, keys)
        if latest is not None:
            _refuse_namesake(evidence, latest)
            if latest.known and _says(latest.statement, evidence, record):
                proof = enter_seal(vault, (evidence.incident_key, latest.sequence), signer, trusted)
                return Sealed(evidence, latest.data, latest.sequence, created=False, log_proof=proof)
        sequence = latest.sequence + 1 if latest else 1
        statement = make_statement(
            evidence,
            record=record,
            sequence=sequence,
            previous=(latest.signed.sha256, latest.statement.predicate.seal.id) if latest else None,
            custody=_custody(bundle, signer, now),
            sealed_at=now.isoformat(),
            worm=vault.worm,
            version=__version__,
            places=places,
        )
        manifest = sign_statement(statement, signer, authority)
        _refuse_clock_set_back(manifest, latest)
        if vault.publish_seal(evidence.incident_key, sequence, manifest):
            # A run killed before this line leaves a whole seal, which the next run enters.
            proof = enter_seal(vault, (evidence.incident_key, sequence), signer, trusted)
            return Sealed(evidence, manifest, sequence, created=True, log_proof=proof)
    message = f"{evidence.incident_key}: {_ATTEMPTS} other runs sealed this incident at the same time."
    raise ServiceError(message)


def _stored_digests(evidence: SealedEvidence, record: Stored | None) -> list[str]:
    digests = {artifact.stored_sha256 for artifact in evidence.artifacts}
    return sorted(digests | ({record.stored_sha256} if record else set()))


def _store(bundle: Bundle, vault: Vault, stored: Mapping[str, Stored]) -> SealedEvidence:
    artifacts: list[SealedArtifact] = []
    problems = list(bundle.problems)
    for artifact in bundle.artifacts:
        try:
            artifacts.append(_store_one(artifact, vault, stored.get(artifact.sha256)))
        except UnreadableInputError as error:
            uri = artifact.entry.uri
            problems.append(
                Problem(kind="unreadable", uri=uri, detail=error.message, advice=error.advice, exit_code=3)
            )
    artifacts.sort(key=lambda artifact: artifact.sha256)
    problems.sort(key=lambda problem: (problem.uri, problem.kind, problem.detail))
    incident = bundle.incident
    return SealedEvidence(
        incident_id=incident.incident_id,
        incident_key=incident.key,
        title=incident.title,
        start_time=incident.start_time,
        detected_by=incident.detected_by,
        severity=incident.severity,
        services=incident.services,
        artifacts=tuple(artifacts),
        problems=tuple(problems),
        evidence_root=evidence_root(artifacts),
    )


def _store_one(artifact: BundleArtifact, vault: Vault, stored: Stored | None) -> SealedArtifact:
    entry = artifact.entry
    try:
        stored = stored or vault.put_file(artifact.path, name=entry.uri, expected=artifact.sha256)
    except HashMismatchError as error:
        message = f"{entry.uri}: {error.message}"
        raise HashMismatchError(message, advice=error.advice) from error
    return SealedArtifact(
        sha256=stored.sha256,
        size=stored.size,
        stored_sha256=stored.stored_sha256,
        encoding=stored.encoding,
        key_ref=stored.key_ref,
        uri=entry.uri,
        type=entry.type,
        source=entry.source,
        role=entry.role,
        format=entry.format,
        window=entry.window,
        timezone=entry.timezone,
        collected_at=entry.collected_at,
        query=entry.query,
        also_known_as=artifact.also_known_as,
    )


def _latest(vault: Vault, key: str, keys: tuple[Key, ...]) -> _Latest | None:
    sequences = vault.seal_sequences(key)
    if not sequences:
        return None
    sequence = sequences[-1]
    name = f"Seal {key}/{sequence:06d}"
    data = vault.read_seal(key, sequence)
    signed = read_signed(data, name=name)
    known = signed.keyid in {it.keyid for it in keys}
    if known:
        verify_signature(signed, keys, name=name)
    return _Latest(data, sequence, signed, read_statement(signed, name=name), known)


def _refuse_namesake(evidence: SealedEvidence, latest: _Latest) -> None:
    sealed_id = latest.statement.predicate.incident.id
    if sealed_id != evidence.incident_id:
        message = (
            f"The incident ids {evidence.incident_id!r} and {sealed_id!r} both become "
            f"{evidence.incident_key!r}; the vault holds the second."
        )
        raise IncidentIdError(message)


def _says(statement: Statement, evidence: SealedEvidence, record: Stored | None) -> bool:
    sealed_record = statement.predicate.incident.record
    return evidence_of(statement) == evidence and (
        sealed_record.digest.sha256 if sealed_record else None
    ) == (record.stored_sha256 if record else None)


def _refuse_clock_set_back(manifest: bytes, latest: _Latest | None) -> None:
    new = read_signed(manifest).timestamps
    if latest is not None and new and latest.signed.timestamps:
        predicate = latest.statement.predicate
        name = f"seal {predicate.incident.key}/{predicate.seal.sequence:06d}"
        refuse_clock_set_back(new[0], latest.signed.timestamps[0], name=name)


def _custody(bundle: Bundle, signer: Signer, now: datetime) -> tuple[Custody, ...]:
    incident = bundle.incident
    sealing = Custody(action="seal", actor=signer.public_key.keyid, at=now.isoformat(), basis="done")
    if not incident.ingested_by:
        return (sealing,)
    collecting = Custody(
        action="collect", actor=incident.ingested_by, at=incident.ingest_time, basis="stated"
    )
    return (collecting, sealing)

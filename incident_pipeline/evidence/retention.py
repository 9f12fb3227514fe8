"""How evidence ends: what is due by the policy, legal holds, and erasure by order.

An encrypted artifact ends with its data key (crypto-shredding): ciphertext, digests, seal and log stay
and still verify. An artifact that is stored as received ends with its object, which only a local vault
gives up. Before either, a signed custody entry says by whose authority and why; the entry is decided on
the state that earlier entries add up to, so a hold entered meanwhile stops it.

Time counts from the newest seal that names an artifact. Only seals whose signature holds count: what
can't be verified is named and left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, runtime_checkable

from incident_pipeline.errors import (
    ConfigError,
    IncidentPipelineError,
    LegalHoldError,
    MissingArtifactError,
    SealError,
)
from incident_pipeline.evidence.custody import Concerned, CustodyLog, Decision, Entry, enter, read_custody
from incident_pipeline.evidence.manifest import Manifest, read_manifest
from incident_pipeline.evidence.places import pin_places
from incident_pipeline.evidence.sealing_lock import removing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from incident_pipeline.evidence.custody import AccessHead
    from incident_pipeline.evidence.data_keys import DataKeys
    from incident_pipeline.evidence.retention_policy import RetentionPolicy
    from incident_pipeline.evidence.s3_lock import Lock
    from incident_pipeline.evidence.signing import Key, Signer
    from incident_pipeline.evidence.vault import Vault

State = Literal["kept", "due", "held", "ended", "unfinished", "unverified"]
End = Literal["erase-key", "dispose"]
RECORD: Final = "incident.json"
"""What the incident's own record is called among its artifacts; its class is `record`."""
_NOBODY: Final = Concerned(uri="*", sha256="0" * 64, stored_sha256="0" * 64)


@runtime_checkable
class RemovesObjects(Protocol):
    """A vault whose objects can be taken away: a folder, never a bucket with locks."""

    def remove(self, sha256: str) -> bool:
        """Remove an object; False when there was none."""


@runtime_checkable
class HoldsObjects(Protocol):
    """A vault whose service knows legal holds and retention itself."""

    def set_legal_hold(self, sha256: str, *, on: bool) -> None:
        """Put an object under legal hold, or lift it."""

    def extend(self, sha256: str, until: datetime) -> None:
        """Keep an object until then, which is later than now."""

    def lock_of(self, sha256: str) -> Lock:
        """Give the lock of an object as the service states it."""


@dataclass(frozen=True)
class Due:
    """One artifact of an incident, and what the policy says of it now.

    `keep_until` is None where nothing can be said. `why` names the rule, the hold or the entry.
    """

    incident: str
    artifact: Concerned
    state: State
    why: str
    keep_until: datetime | None = None
    ends_by: End = "dispose"
    exit_code: int = 0

    def as_dict(self) -> dict[str, object]:
        """Give it as a JSON value."""
        return {
            "incident": self.incident, "artifact": self.artifact.uri, "sha256": self.artifact.sha256,
            "state": self.state, "why": self.why, "ends_by": self.ends_by,
            "keep_until": self.keep_until.isoformat() if self.keep_until else None,
        }  # fmt: skip


@dataclass(frozen=True)
class Custodian:
    """Who may decide about a vault: it, its data keys, the signing key, and whom to trust."""

    vault: Vault
    keys: DataKeys
    signer: Signer
    trusted: tuple[Key, ...]
    now: datetime
    access_head: Callable[[], AccessHead | None] = field(default=lambda: None)

    def custody(self, incident: str) -> CustodyLog:
        """Read an incident's custody entries, verified (errors as `read_custody`)."""
        return read_custody(self.vault, incident, (self.signer.public_key, *self.trusted))

    def enter(self, incident: str, decide: Callable[[CustodyLog], Decision | None]) -> Entry | None:
        """Sign and add an entry (errors as `custody.enter`)."""
        return enter(
            self.vault, incident, decide, signer=self.signer, keys=self.trusted, now=self.now.isoformat()
        )


def plan(custodian: Custodian, policy: RetentionPolicy) -> tuple[Due, ...]:
    """Say of every artifact in the vault whether it is due, until when it is kept, and why."""
    found: list[Due] = []
    for incident in custodian.vault.sealed_keys():
        try:
            found += _plan_one(custodian, policy, incident)
        except IncidentPipelineError as error:
            code = error.exit_code
            found.append(Due(incident, _NOBODY, "unverified", error.message, exit_code=code))
    return tuple(found)


def apply(custodian: Custodian, policy: RetentionPolicy, *, authority: str) -> tuple[Due, ...]:
    """End what is due, and finish what an interrupted run began; give what was ended.

    Raises:
        ServiceError: vault or keys can't be written; run again.
    """
    listed = plan(custodian, policy)
    done: list[Due] = []
    for due in listed:
        if due.state == "unfinished":
            _end(custodian, due.incident, due.artifact, due.ends_by)
            done.append(due)
        elif due.state == "kept" and due.keep_until is not None:
            _keep(custodian.vault, due.artifact.stored_sha256, due.keep_until)
    groups: dict[tuple[str, End, str], list[Due]] = {}
    for due in listed:
        if due.state == "due":
            groups.setdefault((due.incident, due.ends_by, due.why), []).append(due)
    for members in groups.values():
        done += _end_all(custodian, members, authority)
    return tuple(done)


def _end_all(custodian: Custodian, members: list[Due], authority: str) -> list[Due]:
    """Enter the end of artifacts that one rule ends, and end them; none when a hold came first."""
    incident, action, why = members[0].incident, members[0].ends_by, members[0].why

    def decide(log: CustodyLog) -> Decision | None:
        left = tuple(it.artifact for it in members if log.ended(it.artifact.stored_sha256) is None)
        if log.holds or not left:
            return None
        return Decision(action, why, authority, artifacts=left, access_log=custodian.access_head())

    if custodian.enter(incident, decide) is None:
        return []
    for due in members:
        _end(custodian, incident, due.artifact, action)
    return members


def hold(
    custodian: Custodian, incident: str, *, reason: str, authority: str, matter: str = ""
) -> Entry | None:
    """Put an incident under legal hold for a matter; None when it is already.

    Raises:
        MissingArtifactError: the vault holds no seal of it.
    """
    artifacts = _artifacts(custodian, incident)

    def decide(log: CustodyLog) -> Decision | None:
        if matter in log.holds:
            return None
        return Decision("hold", reason, authority, matter=matter or None, access_log=custodian.access_head())

    entry = custodian.enter(incident, decide)
    _tell_service(custodian, artifacts, on=True)
    return entry


def release(
    custodian: Custodian, incident: str, *, reason: str, authority: str, matter: str = ""
) -> Entry | None:
    """Lift the hold for a matter; others stay. None when there is no such hold.

    Raises:
        MissingArtifactError: the vault holds no seal of it.
    """
    artifacts = _artifacts(custodian, incident)

    def decide(log: CustodyLog) -> Decision | None:
        if matter not in log.holds:
            return None
        head = custodian.access_head()
        return Decision("release", reason, authority, matter=matter or None, access_log=head)

    entry = custodian.enter(incident, decide)
    if not custodian.custody(incident).holds:
        _tell_service(custodian, artifacts, on=False)
    return entry


def erase(custodian: Custodian, incident: str, uri: str, *, reason: str, authority: str) -> Entry:
    """Destroy the data key of an artifact, in all seals of the incident that name it by this URI.

    Raises:
        LegalHoldError: the incident is under legal hold.
        MissingArtifactError: no seal of the incident has such an artifact.
        ConfigError: it is not encrypted.
    """
    concerned = tuple(it for it in _artifacts(custodian, incident).values() if it.uri == uri)
    if not concerned:
        message = f"No seal of {incident} has an artifact {uri!r}."
        raise MissingArtifactError(message, advice="Give the URI as `retention plan` lists it.")
    if any(it.key_ref is None for it in concerned):
        message = f"{uri} is stored as received: there is no key to destroy."
        raise ConfigError(message, advice="`retention apply` disposes of it when its time is over.")

    def decide(log: CustodyLog) -> Decision | None:
        left = tuple(it for it in concerned if log.ended(it.stored_sha256) is None)
        if not left:
            return None
        if log.holds:
            matters = ", ".join(matter or "unnamed" for matter in log.holds)
            message = f"{incident} is under legal hold ({matters}): {uri} can't be erased."
            raise LegalHoldError(message)
        return Decision("erase-key", reason, authority, artifacts=left, access_log=custodian.access_head())

    entry = custodian.enter(incident, decide)
    if entry is None and custodian.custody(incident).holds:
        message = f"{incident} is under legal hold: what is left of {uri} can't be erased now."
        raise LegalHoldError(message)
    for it in concerned:
        _end(custodian, incident, it, "erase-key")
    # An earlier run may have entered it and been killed before it destroyed the key.
    entry = entry or custodian.custody(incident).ended(concerned[-1].stored_sha256)
    if entry is None:
        message = f"{uri}: its custody entry is gone."
        raise SealError(message)
    return entry


def _plan_one(custodian: Custodian, policy: RetentionPolicy, incident: str) -> list[Due]:
    log = custodian.custody(incident)
    found: dict[str, Due] = {}
    for manifest in _manifests(custodian, incident):
        sealed_at = datetime.fromisoformat(manifest.statement.predicate.seal.sealed_at).astimezone(UTC)
        for artifact, kind in _named(manifest):
            rule = policy.rule_for(manifest.evidence.severity, kind)
            until = sealed_at + timedelta(days=rule.keep_days)
            known = found.get(artifact.stored_sha256)
            if known and known.keep_until:  # a later seal never shortens
                until = max(until, known.keep_until)
            found[artifact.stored_sha256] = _judge(custodian, incident, log, artifact, until, rule.told)
    return list(found.values())


def _judge(
    custodian: Custodian, incident: str, log: CustodyLog, artifact: Concerned, until: datetime, rule: str
) -> Due:
    by: End = "erase-key" if artifact.key_ref else "dispose"
    entry = log.ended(artifact.stored_sha256)
    left = entry is not None and _left(custodian, incident, artifact, by)
    if entry is not None and not (left and log.holds):
        return Due(incident, artifact, "unfinished" if left else "ended", entry.told, until, by)
    if log.holds:
        matters = ", ".join(matter or "unnamed" for matter in log.holds)
        return Due(incident, artifact, "held", f"legal hold ({matters})", until, by)
    due = custodian.now >= until
    if due and by == "dispose" and not isinstance(custodian.vault, RemovesObjects):
        due, rule = False, f"{rule}; stored as received in a bucket, whose lifecycle rules end it"
    return Due(incident, artifact, "due" if due else "kept", rule, until, by)


def _left(custodian: Custodian, incident: str, artifact: Concerned, by: End) -> bool:
    """Say whether a run entered the end of an artifact and was killed before it came to pass."""
    if by == "erase-key":
        record = custodian.keys.read(incident, artifact.sha256)
        return record is not None and record.stored_sha256 == artifact.stored_sha256
    return (
        isinstance(custodian.vault, RemovesObjects)
        and custodian.vault.contains(artifact.stored_sha256)
        and not _needed_elsewhere(custodian, incident, artifact.stored_sha256)
    )


def _end(custodian: Custodian, incident: str, artifact: Concerned, by: End) -> None:
    """Do what a custody entry says was done; doing it again does nothing."""
    if by == "erase-key":
        if _left(custodian, incident, artifact, by):
            custodian.keys.destroy(incident, artifact.sha256)
        return
    # Nobody may be about to seal the same bytes for another incident, counting on the object.
    with removing(custodian.vault):
        if _left(custodian, incident, artifact, by) and isinstance(custodian.vault, RemovesObjects):
            custodian.vault.remove(artifact.stored_sha256)


def _needed_elsewhere(custodian: Custodian, incident: str, stored_sha256: str) -> bool:
    """Say whether another incident's seals name the object too, and did not end it. In doubt, they do."""
    for other in custodian.vault.sealed_keys():
        if other == incident:
            continue
        try:
            named = stored_sha256 in _artifacts(custodian, other)
            if named and custodian.custody(other).ended(stored_sha256) is None:
                return True
        except IncidentPipelineError:
            return True
    return False


def _manifests(custodian: Custodian, incident: str) -> list[Manifest]:
    """Read all seals of an incident, oldest first, each signature verified."""
    keys = (custodian.signer.public_key, *custodian.trusted)
    sequences = custodian.vault.seal_sequences(incident)
    if not sequences:
        message = f"The vault holds no seal of {incident}."
        raise MissingArtifactError(message, advice="Give the incident's key, as `retention plan` lists it.")
    manifests = [
        read_manifest(custodian.vault.read_seal(incident, it), keys, name=f"Seal {incident}/{it:06d}")
        for it in sequences
    ]
    for manifest in manifests:
        # The seal says which versions are meant, so that a custodian need not read them to find out.
        pin_places(manifest.statement, custodian.vault)
    return manifests


def _artifacts(custodian: Custodian, incident: str) -> dict[str, Concerned]:
    """Give all artifacts that any seal of an incident names, by the digest of what is stored."""
    return {
        artifact.stored_sha256: artifact
        for manifest in _manifests(custodian, incident)
        for artifact, _ in _named(manifest)
    }


def _named(manifest: Manifest) -> Iterator[tuple[Concerned, str]]:
    """Give what a seal names, with its class: the artifacts, and the incident's record."""
    for it in manifest.evidence.artifacts:
        yield (
            Concerned(uri=it.uri, sha256=it.sha256, stored_sha256=it.stored_sha256, key_ref=it.key_ref),
            it.type,
        )
    incident = manifest.statement.predicate.incident
    if incident.record is not None:
        stored, storage = incident.record.digest.sha256, incident.record_storage
        sha256 = storage.plaintext.sha256 if storage else stored
        key_ref = storage.key_ref if storage else None
        yield Concerned(uri=RECORD, sha256=sha256, stored_sha256=stored, key_ref=key_ref), "record"


def _keep(vault: Vault, stored_sha256: str, until: datetime) -> None:
    """Have the service lock an object for as long as the policy keeps it; a lock is never shortened."""
    if isinstance(vault, HoldsObjects):
        locked_until = vault.lock_of(stored_sha256).retain_until
        if locked_until is not None and locked_until < until:
            vault.extend(stored_sha256, until)


def _tell_service(custodian: Custodian, stored: Iterable[str], *, on: bool) -> None:
    if isinstance(custodian.vault, HoldsObjects):
        for sha256 in stored:
            custodian.vault.set_legal_hold(sha256, on=on)

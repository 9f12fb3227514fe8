"""Where sealed objects lie and how long they are locked: said in the seal, and checked by `verify`.

Only vaults whose service locks versions have places. What the service kept at sealing is part of what
was signed; a version that is gone, or whose lock is weaker or shorter now, does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.errors import IncidentPipelineError, MissingArtifactError
from incident_pipeline.evidence.vault import LockingVault, Place, Vault, object_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_pipeline.evidence.statement import Statement
    from incident_pipeline.evidence.verification import Findings


def places_of(vault: Vault, stored: Iterable[str]) -> dict[str, Place]:
    """Give the places of stored objects by digest; none for a vault without locks.

    Raises:
        ConfigError: the service does not lock, or does not let us see the lock.
        ServiceError: the service fails.
    """
    locking = _locking(vault)
    return {sha256: locking.place(sha256) for sha256 in stored} if locking else {}


def pin_places(statement: Statement, vault: Vault | None) -> None:
    """Have the vault read those versions that a seal names, and no newer ones."""
    locking = _locking(vault)
    for _, sha256, place in _sealed(statement) if locking else ():
        if locking and _is_of(place, locking):
            locking.pin(sha256, place.version_id)


def check_places(statement: Statement, vault: Vault | None, findings: Findings) -> None:
    """Compare the locks that a seal states with those that the service states now."""
    locking = _locking(vault)
    for name, _, place in _sealed(statement):
        until = f"{place.mode} until {place.retain_until}"
        if locking is None or not _is_of(place, locking):
            message = f"{name}: locked {until} in bucket {place.bucket}, not in the vault at hand."
            findings.add("lock", name, "could_not_check", message)
            continue
        try:
            locking.check_place(place)
        except MissingArtifactError:
            message = f"{name}: version {place.version_id} of {place.key} is gone, though it was locked."
            findings.add("lock", name, "failed", message)
        except IncidentPipelineError as error:
            findings.error("lock", name, error)
        else:
            findings.holds("lock", name, until)


def _locking(vault: Vault | None) -> LockingVault | None:
    # A vault that encrypts stands before the one that stores.
    found: object = vault
    while not isinstance(found, LockingVault) and hasattr(found, "inner"):
        found = found.inner
    return found if isinstance(found, LockingVault) else None


def _is_of(place: Place, vault: LockingVault) -> bool:
    return f"s3://{place.bucket}/{place.key}".startswith(f"{vault.location}/")


def _sealed(statement: Statement) -> Iterator[tuple[str, str, Place]]:
    """Give name, stored digest and place of all that the seal has a place for."""
    incident = statement.predicate.incident
    if incident.record and incident.record_store:
        yield "incident.json", incident.record.digest.sha256, incident.record_store.place
    for facts in statement.predicate.artifacts:
        if facts.store:
            yield facts.source.uri, object_digest(facts.subject), facts.store.place

"""Find and collect what no seal names: objects of killed sealers, their data keys, and half-made files.

A sealer that is killed before its seal leaves objects. The next one that seals the same bytes adopts
them; nobody else ever looks at them, and they are evidence all the same. An object counts as named if
its digest stands anywhere in any seal or custody entry, whoever signed it. Nothing is collected while in
doubt: a seal, a log or a custody entry that does not hold ends the sweep, and so does a seal that the
log knows and that is gone. Under a legal hold everything stays that can't be told to be of another
incident. In a folder a sweep has the vault alone (`sealing_lock`); in S3 the service refuses to delete
what a sealer has locked, and a sealer whose object went before that fails and can be run again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, runtime_checkable

from incident_pipeline.errors import ConfigError, LogError, MissingArtifactError, SealError, ServiceError
from incident_pipeline.evidence.access_log import Access, AccessLog
from incident_pipeline.evidence.custody import read_custody
from incident_pipeline.evidence.leftovers import HalfMade, half_made, remove
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.log_records import count_entries, read_entry, seal_name
from incident_pipeline.evidence.log_view import read_log
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.sealing_lock import removing
from incident_pipeline.evidence.vault import object_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from incident_pipeline.evidence.data_keys import DataKeys, KeyRecord
    from incident_pipeline.evidence.s3_bucket import Version
    from incident_pipeline.evidence.s3_lock import Lock
    from incident_pipeline.evidence.signing import Key
    from incident_pipeline.evidence.vault import Vault

State = Literal["due", "young", "held", "locked", "beside", "collected", "refused"]
Kind = Literal["object", "data key", "file"]
GRACE: Final = timedelta(hours=24)
_DIGEST: Final = re.compile(rb"[0-9a-f]{64}")
_VERSION: Final = re.compile(rb'"versionId":"([^"]{1,1024})"')
_NOBODY: Final = "*"
"""The incident in the access log where nothing says which one an object was of."""


@runtime_checkable
class KeepsVersions(Protocol):
    """A vault in a service that keeps versions and locks them."""

    def object_versions(self) -> tuple[tuple[str, Version], ...]:
        """List all versions of objects, by digest."""

    def version_lock(self, version: Version) -> Lock:
        """Give the lock of a version, its legal hold included."""

    def delete_version(self, version: Version) -> None:
        """Delete a version, which the service refuses while it is locked."""


@dataclass(frozen=True)
class Leftover:
    """One thing that nothing names. `since` is its last change; `why` says what the state rests on."""

    kind: Kind
    name: str
    size: int
    since: datetime
    state: State
    why: str
    incident: str = _NOBODY
    sha256: str = ""
    record: KeyRecord | None = field(default=None, repr=False)
    version: Version | None = field(default=None, repr=False)
    path: Path | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, object]:
        """Give it as a JSON value."""
        return {
            "kind": self.kind, "name": self.name, "size": self.size, "since": self.since.isoformat(),
            "state": self.state, "why": self.why, "incident": self.incident,
        }  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """What is swept: a vault with its data keys and access log, and the folder of results beside it."""

    vault: Vault
    keys: DataKeys
    access: AccessLog
    trusted: tuple[Key, ...]
    out: Path | None = None


@dataclass(frozen=True)
class _Named:
    """What seals and custody entries name, and which incidents are under legal hold."""

    digests: frozenset[bytes]
    versions: frozenset[bytes]
    held: frozenset[str]


def plan(ground: Ground, now: datetime, grace: timedelta = GRACE) -> tuple[Leftover, ...]:
    """List what nothing names, with what would become of it. Changes nothing.

    Args:
        ground: what is looked at.
        now: aware time.
        grace: how long ago the last change must be.

    Raises:
        SealError: a seal or custody entry can't be read, or is gone.
        SignatureError: a signature of the log or of a custody entry does not hold.
        LogError: the log contradicts itself or the seals.
        EncryptionError: a key record was altered.
        ServiceError: the vault can't be read.
    """
    named = _named(ground)
    records = _unnamed_records(ground.keys, named)
    found: list[Leftover] = []
    if isinstance(ground.vault, LocalVault):
        found += _local_objects(ground.vault, named, records)
    elif isinstance(ground.vault, KeepsVersions):
        found += _versions(ground.vault, named, records, now)
    else:
        message = f"{ground.vault.location}: this vault can't be swept."
        raise ConfigError(message)
    seen = {it.sha256 for it in found}
    for stored, (record, since) in sorted(records.items()):
        if stored not in seen:
            name = f"keys/{record.incident}/{record.sha256}.json"
            found.append(
                Leftover("data key", name, 0, since, "due", "its object is gone", record.incident,
                         stored, record)
            )  # fmt: skip
    found += [_file(it, ground) for it in half_made(ground.out, _root(ground.vault))]
    return tuple(_judged(it, named, now, grace) for it in found)


def collect(
    ground: Ground, now: datetime, grace: timedelta = GRACE, *, authority: str
) -> tuple[Leftover, ...]:
    """Remove what is due, each entered into the access log before; give all, with what became of it.

    Args:
        ground: what is swept.
        now: aware time.
        grace: how long ago the last change must be.
        authority: who decided it.

    Raises:
        ServiceError: something is being sealed into the vault, or it can't be written; run again.
        SealError: as `plan`, like all its errors.
    """
    with removing(ground.vault):
        # Planned under the lock: whatever was sealed before it is seen.
        return _collect(ground, now, grace, authority)


def _collect(ground: Ground, now: datetime, grace: timedelta, authority: str) -> tuple[Leftover, ...]:
    listed = plan(ground, now, grace)
    due = [it for it in listed if it.state == "due"]
    reason = f"by authority of {authority}: no seal names it"
    ground.access.append(
        Access(it.incident, "sweep", it.sha256 or it.name, reason, "collected") for it in due
    )
    done = {id(it): _end(ground, it, reason) for it in due}
    return tuple(done.get(id(it), it) for it in listed)


def _end(ground: Ground, it: Leftover, reason: str) -> Leftover:
    if it.path is not None:
        remove(it.path)
    elif it.version is not None and isinstance(ground.vault, KeepsVersions):
        # The object first: as long as it could not be deleted, somebody may seal it and need the key.
        try:
            ground.vault.delete_version(it.version)
        except MissingArtifactError:
            pass  # somebody else deleted it
        except (ConfigError, ServiceError) as error:
            ground.access.append([Access(it.incident, "sweep", it.sha256, reason, "refused")])
            return replace(it, state="refused", why=error.message)
        _destroy_key(ground, it)
    else:
        # The key first: a record whose object is gone would stand in the way of the next sealer.
        _destroy_key(ground, it)
        if isinstance(ground.vault, LocalVault):
            ground.vault.remove(it.sha256)
    return replace(it, state="collected")


def _destroy_key(ground: Ground, it: Leftover) -> None:
    if it.record is not None:
        ground.keys.destroy(it.record.incident, it.record.sha256)


def _named(ground: Ground) -> _Named:
    """Read all that may name an object; refuse to go on where it is not whole."""
    vault, digests, versions = ground.vault, set[bytes](), set[bytes]()
    seals = {(key, sequence) for key in vault.sealed_keys() for sequence in vault.seal_sequences(key)}
    for key, sequence in sorted(seals):
        name = f"Seal {key}/{sequence:06d}"
        payload = read_signed(vault.read_seal(key, sequence), name=name).payload
        digests.update(_DIGEST.findall(payload))
        versions.update(_VERSION.findall(payload))
    read_log(vault, ground.trusted)
    for index in range(count_entries(vault)):
        entry = read_entry(vault, index)
        if entry.seal not in seals:
            message = f"Log entry {index} is of seal {seal_name(entry.seal)}, which was taken away."
            raise LogError(message)
    held = set[str]()
    for name in vault.list_records("custody/"):
        digests.update(_DIGEST.findall(read_signed(vault.read_record(name), name=name).payload))
        incident = name.split("/")[1]
        if incident not in {key for key, _ in seals}:
            message = f"There are custody entries of {incident}, and no seal: it was taken away."
            raise SealError(message)
        if read_custody(vault, incident, ground.trusted).holds:
            held.add(incident)
    return _Named(frozenset(digests), frozenset(versions), frozenset(held))


def _unnamed_records(keys: DataKeys, named: _Named) -> dict[str, tuple[KeyRecord, datetime]]:
    """Give the key records of objects that nothing names, by the digest of what is stored."""
    found: dict[str, tuple[KeyRecord, datetime]] = {}
    for path in sorted(keys.root.glob("*/*.json")) if keys.root.is_dir() else ():
        record = keys.read(path.parent.name, path.stem)
        if record is not None and record.stored_sha256.encode() not in named.digests:
            found[record.stored_sha256] = (record, _changed(path))
    return found


def _local_objects(
    vault: LocalVault, named: _Named, records: dict[str, tuple[KeyRecord, datetime]]
) -> Iterator[Leftover]:
    objects = vault.root / "objects"
    for path in sorted(objects.glob("[0-9a-f][0-9a-f]/*")) if objects.is_dir() else ():
        sha256 = path.parent.name + path.name
        whole = _DIGEST.fullmatch(sha256.encode()) and path.is_file() and not path.is_symlink()
        if whole and sha256.encode() not in named.digests:
            record, since = records.get(sha256, (None, _changed(path)))
            incident = record.incident if record else _NOBODY
            yield Leftover(
                "object", object_name(sha256), path.stat().st_size, max(since, _changed(path)), "due",
                "no seal names it", incident, sha256, record,
            )  # fmt: skip


def _versions(
    vault: KeepsVersions, named: _Named, records: dict[str, tuple[KeyRecord, datetime]], now: datetime
) -> Iterator[Leftover]:
    for sha256, version in vault.object_versions():
        sealed = sha256.encode() in named.digests
        if sealed and version.version_id.encode() in named.versions:
            continue
        record, _ = records.get(sha256, (None, None))
        lock = vault.version_lock(version)
        state: State = "due"
        why = "no seal names it"
        if sealed:
            # Put over sealed bytes by somebody who may write: for a person to look at.
            state, why = "beside", "no seal names this version, but others of its key"
        elif lock.legal_hold:
            state, why = "locked", "the service keeps it: legal hold"
        elif lock.retain_until is not None and lock.retain_until > now:
            state, why = "locked", f"the service keeps it: {lock.mode} until {lock.retain_until.isoformat()}"
        yield Leftover(
            "object", f"{version.key} version {version.version_id}", version.size,
            version.modified or now, state, why, record.incident if record else _NOBODY, sha256,
            record, version,
        )  # fmt: skip


def _file(found: HalfMade, ground: Ground) -> Leftover:
    base = next(
        (it for it in (ground.out, _root(ground.vault)) if it and found.path.is_relative_to(it)), None
    )
    name = str(found.path.relative_to(base)) if base else str(found.path)
    return Leftover("file", name, found.size, found.since, "due", "half-made", path=found.path)


def _judged(it: Leftover, named: _Named, now: datetime, grace: timedelta) -> Leftover:
    if it.state != "due":
        return it
    held = sorted(named.held & {it.incident}) if it.incident != _NOBODY else sorted(named.held)
    if held and it.kind != "file":
        return replace(it, state="held", why=f"may be of an incident under legal hold ({', '.join(held)})")
    if now - it.since < grace:
        return replace(it, state="young", why=f"changed at {it.since:%Y-%m-%d %H:%M} UTC")
    return it


def _root(vault: Vault) -> Path | None:
    return vault.root if isinstance(vault, LocalVault) else None


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)

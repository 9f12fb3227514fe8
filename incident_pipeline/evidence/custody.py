"""The chain of custody after sealing: holds, releases, erasures and disposals as signed entries.

    records/custody/<incident key>/000001.sigstore.json

Each entry is an in-toto statement signed like a seal (`manifest`), stands under a sequence number that
only one writer can get, and names the one before by the digest of its payload. Whoever decides something
from the state so far publishes under the next number or decides again, so a hold and an erasure can't
pass each other unseen. Entries are never removed; the state of an incident is what they add up to.

An erasure's entry is written before the key is destroyed. A run killed in between leaves an entry that
says more than was done, which `verify` reports, and which the same command run again makes true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from incident_pipeline.errors import MalformedInputError, SealError, ServiceError
from incident_pipeline.evidence.manifest import SignedPayload, read_signed, sign_payload, verify_signature
from incident_pipeline.serialise import compact_json, parse_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from incident_pipeline.evidence.signing import Key, Signer
    from incident_pipeline.evidence.vault import Vault

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://incident-pipeline.dev/custody/v1"
_ATTEMPTS: Final = 64

Action = Literal["hold", "release", "erase-key", "dispose"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Said = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]

PAST: Final = {"hold": "held", "release": "released", "erase-key": "erased", "dispose": "disposed of"}
"""How messages say that an action was done."""


class _Signed(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class _Digest(_Signed):
    sha256: Sha256


class _Subject(_Signed):
    name: str = Field(min_length=1)
    digest: _Digest


class Concerned(_Signed):
    """An artifact that an entry ends: as received, and as stored."""

    uri: str
    sha256: Sha256
    stored_sha256: Sha256
    key_ref: str | None = None


class AccessHead(_Signed):
    """How far the access log had come: entries up to here can't be dropped or edited unnoticed."""

    entries: int = Field(ge=0)
    head: Sha256


class Entry(_Signed):
    """One entry: who did what, when, why and by whose authority.

    `actor` is the signing key's id; `authority` is who decided, as stated by whoever ran the command.
    """

    incident: str
    sequence: int = Field(ge=1)
    previous: _Digest | None
    action: Action
    actor: str
    at: str
    reason: Said
    authority: Said
    matter: str | None = Field(default=None, description="which hold, where there are several")
    artifacts: tuple[Concerned, ...] = ()
    access_log: AccessHead | None = None

    @property
    def told(self) -> str:
        """Give the entry as the end of a sentence for people."""
        return f"{PAST[self.action]} by authority of {self.authority} at {self.at}: {self.reason}"


class _Statement(_Signed):
    statement_type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[_Subject, ...] = Field(min_length=1)
    predicate_type: Literal["https://incident-pipeline.dev/custody/v1"]
    predicate: Entry


@dataclass(frozen=True)
class Decision:
    """What is to be entered, before it has a number."""

    action: Action
    reason: str
    authority: str
    matter: str | None = None
    artifacts: tuple[Concerned, ...] = ()
    access_log: AccessHead | None = None


@dataclass(frozen=True)
class CustodyLog:
    """All entries of an incident in order, and the digest of the last one's payload."""

    incident: str
    entries: tuple[Entry, ...]
    last_sha256: str | None

    @property
    def holds(self) -> tuple[str, ...]:
        """Give the matters for which the incident is under legal hold, sorted."""
        held: set[str] = set()
        for entry in self.entries:
            if entry.action == "hold":
                held.add(entry.matter or "")
            elif entry.action == "release":
                held.discard(entry.matter or "")
        return tuple(sorted(held))

    def ended(self, stored_sha256: str) -> Entry | None:
        """Give the entry that ended a stored object: its key was destroyed, or it was disposed of."""
        for entry in reversed(self.entries):
            if entry.action in ("erase-key", "dispose") and any(
                it.stored_sha256 == stored_sha256 for it in entry.artifacts
            ):
                return entry
        return None


def read_custody(vault: Vault, incident: str, keys: Iterable[Key]) -> CustodyLog:
    """Read an incident's entries, each verified: signature, number, and link to the one before.

    Raises:
        SealError: an entry is none, is missing from the sequence, or does not follow its predecessor.
        SignatureError: an entry's signature does not hold under these keys.
    """
    keys = tuple(keys)
    entries: list[Entry] = []
    last: str | None = None
    for number, name in enumerate(vault.list_records(_folder(incident)), start=1):
        title = f"Custody entry {incident}/{number:06d}"
        if name != _name(incident, number):
            message = f"{title} is not there, {name} is: an entry was taken away."
            raise SealError(message)
        signed = read_signed(vault.read_record(name), name=title)
        verify_signature(signed, keys, name=title)
        entry = _entry(signed, title)
        previous = entry.previous.sha256 if entry.previous else None
        if (entry.incident, entry.sequence, previous, entry.actor) != (incident, number, last, signed.keyid):
            message = f"{title} does not follow the entry before it."
            raise SealError(message)
        entries.append(entry)
        last = signed.sha256
    return CustodyLog(incident, tuple(entries), last)


def enter(
    vault: Vault,
    incident: str,
    decide: Callable[[CustodyLog], Decision | None],
    *,
    signer: Signer,
    keys: Iterable[Key],
    now: str,
) -> Entry | None:
    """Add an entry that was decided on knowing all earlier ones; None when there is nothing to enter.

    Args:
        vault: where entries are kept.
        incident: the incident's key.
        decide: gives what to enter, from the state so far; asked again when another was entered first.
        signer: whose key signs.
        keys: further keys under which earlier entries may be signed.
        now: RFC 3339.

    Raises:
        SealError: an earlier entry does not hold, or the incident has no seal.
        SignatureError: an earlier entry's signature does not hold.
        ServiceError: the vault can't be written.
    """
    trusted = (signer.public_key, *keys)
    for _ in range(_ATTEMPTS):
        log = read_custody(vault, incident, trusted)
        decision = decide(log)
        if decision is None:
            return None
        sequence = len(log.entries) + 1
        entry = Entry(
            incident=incident,
            sequence=sequence,
            previous=_Digest(sha256=log.last_sha256) if log.last_sha256 else None,
            action=decision.action,
            actor=signer.public_key.keyid,
            at=now,
            reason=decision.reason,
            authority=decision.authority,
            matter=decision.matter,
            artifacts=decision.artifacts,
            access_log=decision.access_log,
        )
        statement = _Statement(
            statement_type=STATEMENT_TYPE,
            subject=_subjects(vault, entry),
            predicate_type=PREDICATE_TYPE,
            predicate=entry,
        )
        data = sign_payload(compact_json(statement.model_dump(mode="json", by_alias=True)), signer)
        name = _name(incident, sequence)
        # A lost reply makes one's own entry look like another's.
        if vault.publish_record(name, data) or vault.read_record(name) == data:
            return entry
    message = f"{incident}: {_ATTEMPTS} other runs entered something at the same time."
    raise ServiceError(message)


def recorded_end(vault: Vault, incident: str, sha256: str) -> str | None:
    """Say what an entry tells about the end of an artifact; None when there is none.

    For messages only: signatures are for `read_custody` to check.
    """
    for name in reversed(vault.list_records(_folder(incident))):
        entry = _entry(read_signed(vault.read_record(name), name=name), name)
        if entry.action in ("erase-key", "dispose"):
            for artifact in entry.artifacts:
                if artifact.sha256 == sha256:
                    return f"{artifact.uri} was {entry.told.rstrip('.')} (custody entry {entry.sequence})."
    return None


def _subjects(vault: Vault, entry: Entry) -> tuple[_Subject, ...]:
    """Name what an entry is about: the objects it ends, else the incident's newest seal."""
    if entry.artifacts:
        digests = sorted({artifact.stored_sha256 for artifact in entry.artifacts})
        return tuple(_Subject(name=f"objects/{it[:2]}/{it[2:]}", digest=_Digest(sha256=it)) for it in digests)
    sequences = vault.seal_sequences(entry.incident)
    if not sequences:
        message = f"The vault holds no seal of {entry.incident}."
        raise SealError(message, advice="Give the incident's key, as `retention plan` lists it.")
    seal = vault.read_seal(entry.incident, sequences[-1])
    name = f"seals/{entry.incident}/{sequences[-1]:06d}.sigstore.json"
    return (_Subject(name=name, digest=_Digest(sha256=sha256_hex(seal))),)


def _entry(signed: SignedPayload, name: str) -> Entry:
    try:
        return _Statement.model_validate(parse_json(signed.payload, name=name)).predicate
    except MalformedInputError as error:
        message = f"{name} holds no statement ({error.message})."
        raise SealError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{name} is no custody entry ({place}: {first['msg']})."
        raise SealError(message) from error


def _folder(incident: str) -> str:
    return f"custody/{incident}/"


def _name(incident: str, sequence: int) -> str:
    return f"{_folder(incident)}{sequence:06d}.sigstore.json"

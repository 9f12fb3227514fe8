"""`trust.json`: which keys may sign, from when to when, in signed versions (after TUF's root role).

One file holds every version. Each names the one before by its digest and is signed by the threshold of
root keys of the version before AND of its own, so that nobody can leave out, insert or reorder a
version; entries are never removed, and what is revoked stays revoked. A key is known by the SHA-256 of
its public key, so one key can't appear under two ids and fill a threshold twice.

What belongs here: the form and its rules, as pure functions. Where the file comes from and what
follows from it for a seal stands in `trust`; new versions are made in `trust_changes`.
(The Update Framework specification 1.0, 5.3 "Update the root role"; DSSE for the signatures.)
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from pydantic import AwareDatetime, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError

from incident_pipeline.errors import MalformedInputError, SignatureError
from incident_pipeline.evidence.signing import Signature, public_keys
from incident_pipeline.evidence.timestamps import Authority, read_authorities
from incident_pipeline.model.base import Frozen
from incident_pipeline.serialise import canonical_json, compact_json, parse_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incident_pipeline.evidence.signing import Key, Signer

TRUST_PAYLOAD_TYPE: Final = "application/vnd.incident-pipeline.trust+json"
TRUST_FILE_TYPE: Final = "application/vnd.incident-pipeline.trust-list.v1+json"

KeyRole = Literal["root", "seal"]
KeyStatus = Literal["active", "retired", "revoked"]
_KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Part(Frozen, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True):
    """Part of a version: camel-case names, no unknown keys."""


class KeyEntry(_Part):
    """One key: what it may sign, and when it was good for that.

    `retired` keys were replaced and are still believed for their time. `revoked` ones are believed for
    nothing, or, with `compromised_since`, for what a trusted time puts before it; whether the word of
    the sealing machine's own clock is enough for that says `self_asserted_time`.
    """

    keyid: _KeyId
    role: KeyRole
    public_key: str
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    status: KeyStatus = "active"
    replaced_by: _KeyId | None = None
    compromised_since: AwareDatetime | None = None
    reason: str | None = None
    self_asserted_time: bool = False

    def key(self) -> Key:
        """Give the key itself.

        Raises:
            SignatureError: the PEM is not one key, or not the key of this id.
        """
        try:
            keys = public_keys(self.public_key.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SignatureError(f"The trust list's key {self.keyid} can't be read ({error}).") from error
        if [key.keyid for key in keys] != [self.keyid]:
            raise SignatureError(f"The trust list's key {self.keyid} is another key than its id says.")
        return keys[0]


class TrustVersion(_Part):
    """One version of the list."""

    schema_version: Literal[1] = 1
    version: int = Field(ge=1)
    previous: _KeyId | None = Field(description="SHA-256 of the previous version's payload")
    issued_at: AwareDatetime
    threshold: int = Field(ge=1, description="root keys that must sign")
    keys: tuple[KeyEntry, ...]
    time_authorities: tuple[str, ...] = Field(default=(), description="root certificates, PEM")

    def roots(self) -> dict[str, Key]:
        """Give the root keys that may sign, by id."""
        active = (it for it in self.keys if it.role == "root" and it.status == "active")
        return {entry.keyid: entry.key() for entry in active}

    def entry(self, keyid: str) -> KeyEntry | None:
        """Give the entry of a key."""
        return next((entry for entry in self.keys if entry.keyid == keyid), None)

    def authorities(self) -> tuple[Authority, ...]:
        """Give the time authorities.

        Raises:
            SignatureError: a certificate can't be read.
        """
        try:
            return tuple(it for pem in self.time_authorities for it in read_authorities(pem.encode()))
        except ValueError as error:
            raise SignatureError(f"The trust list holds a certificate that is none ({error}).") from error


class _Signature(Frozen):
    keyid: str
    sig: str


class _Dsse(Frozen):
    payload: str
    payloadType: Literal["application/vnd.incident-pipeline.trust+json"]  # noqa: N815 - the format's name
    signatures: tuple[_Signature, ...] = Field(min_length=1, max_length=64)


class _File(Frozen):
    mediaType: Literal["application/vnd.incident-pipeline.trust-list.v1+json"]  # noqa: N815 - the format's name
    versions: tuple[_Dsse, ...] = Field(min_length=1, max_length=10_000)


@dataclass(frozen=True)
class SignedVersion:
    """A version's exact bytes and who signed them: key id and signature."""

    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class TrustList:
    """All versions of a list, every one checked; the last one counts."""

    signed: tuple[SignedVersion, ...]
    current: TrustVersion

    @property
    def sha256(self) -> str:
        """Give the digest of the current version: what two people compare."""
        return sha256_hex(self.signed[-1].payload)


def sign_version(version: TrustVersion, signers: Iterable[Signer]) -> SignedVersion:
    """Sign a version with each of the signers."""
    payload = compact_json(version.model_dump(mode="json", by_alias=True))
    pae = Envelope(payload, TRUST_PAYLOAD_TYPE, {}).pae()
    signatures = [signer.sign(pae) for signer in signers]
    return SignedVersion(payload, tuple(sorted((it.keyid, bytes.fromhex(it.signature)) for it in signatures)))


def require_threshold(signed: SignedVersion, keys: Mapping[str, Key], threshold: int, *, name: str) -> None:
    """Require signatures by `threshold` different keys; signatures by other keys count for nothing.

    Raises:
        SignatureError: there are fewer, a key signed twice, or a signature by one of the keys does not hold.
    """
    ids = [keyid for keyid, _ in signed.signatures]
    if len(set(ids)) < len(ids):
        raise SignatureError(f"{name} is signed twice by the same key.")
    pae = Envelope(signed.payload, TRUST_PAYLOAD_TYPE, {}).pae()
    count = 0
    for keyid, signature in signed.signatures:
        if keyid not in keys:
            continue
        try:
            keys[keyid].verify_signature(Signature(keyid, signature.hex()), pae)
        except UnverifiedSignatureError as error:
            raise SignatureError(f"{name} has a signature by key {keyid} that does not hold.") from error
        count += 1
    if count < threshold:
        raise SignatureError(f"{name} is signed by {count} of the {threshold} root keys that it needs.")


def trust_file_bytes(signed: Iterable[SignedVersion]) -> bytes:
    """Give the one form that the file has."""
    versions = [
        {
            "payload": base64.b64encode(it.payload).decode(),
            "payloadType": TRUST_PAYLOAD_TYPE,
            "signatures": [
                {"keyid": keyid, "sig": base64.b64encode(signature).decode()}
                for keyid, signature in it.signatures
            ],
        }
        for it in signed
    ]
    return canonical_json({"mediaType": TRUST_FILE_TYPE, "versions": versions})


def read_trust_list(data: bytes, *, name: str = "trust.json") -> TrustList:
    """Read a trust list and check every version of it against the one before.

    The first version vouches for itself: whoever uses the list must have it from a source of their own
    and compare its digest.

    Raises:
        SignatureError: a signature is missing or does not hold, a version was left out, or it
            contradicts the one before.
        MalformedInputError: it is no trust list.
    """
    signed = _take_apart(data, name)
    versions = [_read_version(it, f"{name}, version {number}") for number, it in enumerate(signed, start=1)]
    before: TrustVersion | None = None
    for number, (it, version) in enumerate(zip(signed, versions, strict=True), start=1):
        place = f"{name}, version {number}"
        roots = version.roots()
        known = roots | (before.roots() if before else {})
        if strangers := sorted({keyid for keyid, _ in it.signatures} - set(known)):
            raise SignatureError(f"{place} is signed with key {strangers[0]}, which is no root key.")
        if before is None:
            if version.version != 1 or version.previous is not None:
                raise SignatureError(f"{place} is not the first version: those before it are missing.")
        else:
            require_threshold(it, before.roots(), before.threshold, name=f"{place} (by the keys before)")
            _check_succession(before, version, signed[number - 2], place)
        require_threshold(it, roots, version.threshold, name=place)
        before = version
    versions[-1].authorities()
    return TrustList(signed, versions[-1])


def _take_apart(data: bytes, name: str) -> tuple[SignedVersion, ...]:
    try:
        file = _File.model_validate(parse_json(data, name=name))
        signed = tuple(
            SignedVersion(
                base64.b64decode(it.payload, validate=True),
                tuple((sig.keyid, base64.b64decode(sig.sig, validate=True)) for sig in it.signatures),
            )
            for it in file.versions
        )
    except (ValidationError, binascii.Error, ValueError) as error:
        raise MalformedInputError(f"{name}: is no trust list ({type(error).__name__}).") from error
    if trust_file_bytes(signed) != data:
        raise SignatureError(f"{name} was changed outside its signed parts: it is not in its canonical form.")
    return signed


def _read_version(signed: SignedVersion, place: str) -> TrustVersion:
    try:
        version = TrustVersion.model_validate(parse_json(signed.payload, name=place))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedInputError(f"{place}: is no trust list ({where}: {first['msg']}).") from error
    ids = [entry.keyid for entry in version.keys]
    if len(set(ids)) < len(ids):
        raise SignatureError(f"{place} lists a key twice.")
    for entry in version.keys:
        entry.key()
    return version


def _check_succession(
    before: TrustVersion, version: TrustVersion, signed_before: SignedVersion, place: str
) -> None:
    if version.version != before.version + 1 or version.previous != sha256_hex(signed_before.payload):
        raise SignatureError(f"{place} does not follow the version before it: one was left out or changed.")
    if version.issued_at < before.issued_at:
        raise SignatureError(f"{place} says it was issued before the version it follows.")
    for old in before.keys:
        new = version.entry(old.keyid)
        if new is None or new.role != old.role:
            raise SignatureError(f"{place} no longer lists key {old.keyid}: entries are never removed.")
        if old.status != "active" and new.status == "active":
            raise SignatureError(f"{place} makes key {old.keyid} active again, which was {old.status}.")
        if old.status == "revoked" and not _no_milder(old, new):
            raise SignatureError(f"{place} softens the revocation of key {old.keyid}.")


def _no_milder(old: KeyEntry, new: KeyEntry) -> bool:
    """Say whether a revocation stays at least as hard: it may be moved back in time, never forward."""
    if new.status != "revoked" or (new.self_asserted_time and not old.self_asserted_time):
        return False
    if new.compromised_since is None:
        return True
    return old.compromised_since is not None and new.compromised_since <= old.compromised_since

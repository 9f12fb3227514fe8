"""The seal's file: a statement in a DSSE envelope in a Sigstore bundle (v0.3, public-key hint).

DSSE signs the exact payload bytes, so nothing depends on how JSON is written; the signature is checked
before the payload is read at all. The bundle around it is not signed: it is held to its canonical
form, so that no byte of the file can change unnoticed.

Without this code: `PAE = "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload`, then
`openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in pae -sigfile sig` (Ed25519).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field, ValidationError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError

from incident_pipeline.errors import MalformedInputError, SealError, SignatureError
from incident_pipeline.evidence.signing import Signature
from incident_pipeline.evidence.statement import Statement, check_statement, evidence_of
from incident_pipeline.model.base import Frozen
from incident_pipeline.serialise import canonical_json, compact_json, parse_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.evidence.signing import Key, Signer
    from incident_pipeline.evidence.timestamps import TimeAuthority
    from incident_pipeline.model.artifact import SealedEvidence

BUNDLE_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


class _Signature(Frozen):
    keyid: str
    sig: str


class _Dsse(Frozen):
    payload: str
    payloadType: Literal["application/vnd.in-toto+json"]  # noqa: N815 - the format's name
    signatures: tuple[_Signature] = Field(description="exactly one")


class _PublicKeyHint(Frozen):
    hint: str


class _SignedTimestamp(Frozen):
    signedTimestamp: str  # noqa: N815 - the format's name


class _Timestamps(Frozen):
    rfc3161Timestamps: tuple[_SignedTimestamp, ...] = Field(  # noqa: N815 - the format's name
        min_length=1, max_length=4
    )


class _Material(Frozen):
    publicKey: _PublicKeyHint  # noqa: N815 - the format's name
    timestampVerificationData: _Timestamps | None = None  # noqa: N815 - the format's name


class _Bundle(Frozen):
    mediaType: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]  # noqa: N815 - the format's name
    verificationMaterial: _Material  # noqa: N815 - the format's name
    dsseEnvelope: _Dsse  # noqa: N815 - the format's name


@dataclass(frozen=True)
class SignedPayload:
    """A seal's parts before anything is believed: payload, signature, and whose it claims to be.

    `timestamps` are RFC 3161 tokens over the signature, as DER TimeStampResp (`timestamps`).
    """

    payload: bytes
    signature: bytes
    keyid: str
    timestamps: tuple[bytes, ...] = ()

    @property
    def sha256(self) -> str:
        """Give the payload's digest: how the next seal names this one."""
        return sha256_hex(self.payload)

    @property
    def pae(self) -> bytes:
        """Give the bytes that are signed (DSSE pre-authentication encoding)."""
        return Envelope(self.payload, PAYLOAD_TYPE, {}).pae()


@dataclass(frozen=True)
class Manifest:
    """A seal whose signature was checked, and what it says."""

    signed: SignedPayload
    statement: Statement

    @property
    def evidence(self) -> SealedEvidence:
        """Give what was sealed."""
        return evidence_of(self.statement)


def sign_statement(statement: Statement, signer: Signer, authority: TimeAuthority | None = None) -> bytes:
    """Give the bytes of the seal's file for a statement, stamped where an authority is given."""
    payload = compact_json(statement.model_dump(mode="json", by_alias=True))
    return sign_payload(payload, signer, authority)


def sign_payload(payload: bytes, signer: Signer, authority: TimeAuthority | None = None) -> bytes:
    """Give the bytes of the file that carries any in-toto statement, signed: seals, derivations, bags."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    signature = signer.sign(envelope.pae())
    signed = SignedPayload(payload, bytes.fromhex(signature.signature), signature.keyid)
    if authority is not None:
        signed = replace(signed, timestamps=(authority.stamp(signed.signature),))
    return file_bytes(signed)


def read_signed(data: bytes, *, name: str = "The seal") -> SignedPayload:
    """Take a seal's file apart without believing anything in it.

    Raises:
        SealError: it is not, byte for byte, what `sign_statement` writes.
    """
    try:
        bundle = _Bundle.model_validate(parse_json(data, name=name))
        envelope = bundle.dsseEnvelope
        signature = envelope.signatures[0]
        payload = base64.b64decode(envelope.payload, validate=True)
        stamps = bundle.verificationMaterial.timestampVerificationData
        signed = SignedPayload(
            payload,
            base64.b64decode(signature.sig, validate=True),
            signature.keyid,
            tuple(
                base64.b64decode(it.signedTimestamp, validate=True)
                for it in (stamps.rfc3161Timestamps if stamps else ())
            ),
        )
    except (MalformedInputError, ValidationError, binascii.Error, ValueError) as error:
        reason = error.message if isinstance(error, MalformedInputError) else type(error).__name__
        message = f"{name} can't be read as a seal ({reason})."
        raise SealError(message) from error
    # Base64 with stray bits, other spacing or another hint would all read the same: only this form counts.
    if file_bytes(signed) != data:
        message = f"{name} was changed outside its signed part: it is not in its canonical form."
        raise SealError(message)
    return signed


def verify_signature(signed: SignedPayload, keys: Iterable[Key], *, name: str = "The seal") -> None:
    """Check a seal's signature under keys that are trusted for a reason outside it.

    Raises:
        SignatureError: it is signed by another key, or the signature does not hold.
    """
    trusted = {key.keyid: key for key in keys}
    if signed.keyid not in trusted:
        message = f"{name} is signed with key {signed.keyid[:80]}, which is not trusted."
        known = ", ".join(sorted(trusted)) or "none"
        advice = f"Trusted keys: {known}. Ask the signer, on another way, for the key's fingerprint."
        raise SignatureError(message, advice=advice)
    envelope = Envelope(
        signed.payload, PAYLOAD_TYPE, {signed.keyid: Signature(signed.keyid, signed.signature.hex())}
    )
    try:
        envelope.verify([trusted[signed.keyid]], 1)
    except VerificationError as error:
        message = f"{name} has a signature by key {signed.keyid} that does not hold: it was altered."
        raise SignatureError(message) from error


def read_statement(signed: SignedPayload, *, name: str = "The seal") -> Statement:
    """Read the statement in a payload; the caller has checked the signature, or treats it as hearsay.

    Raises:
        SealError: it is no statement of ours, or contradicts itself.
    """
    try:
        statement = Statement.model_validate(parse_json(signed.payload, name=name))
    except MalformedInputError as error:
        message = f"{name} holds no statement ({error.message})."
        raise SealError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{name} holds no evidence seal ({place}: {first['msg']})."
        raise SealError(message) from error
    check_statement(statement)
    return statement


def read_manifest(data: bytes, keys: Iterable[Key], *, name: str = "The seal") -> Manifest:
    """Read a seal: the signature first, then what it says.

    Raises:
        SealError: it is no seal, or contradicts itself.
        SignatureError: the signature does not hold under these keys.
    """
    signed = read_signed(data, name=name)
    verify_signature(signed, keys, name=name)
    return Manifest(signed, read_statement(signed, name=name))


def file_bytes(signed: SignedPayload) -> bytes:
    """Give the one form that a seal's file has."""
    signature = {"keyid": signed.keyid, "sig": base64.b64encode(signed.signature).decode()}
    material: dict[str, object] = {"publicKey": {"hint": signed.keyid}}
    if signed.timestamps:
        tokens = [{"signedTimestamp": base64.b64encode(token).decode()} for token in signed.timestamps]
        material["timestampVerificationData"] = {"rfc3161Timestamps": tokens}
    return canonical_json(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": base64.b64encode(signed.payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [signature],
            },
        }
    )

"""Checkpoints of the transparency log: what a signer says about the log's size and root at a time.

A checkpoint is a C2SP `tlog-checkpoint`, which is a C2SP `signed-note`: three lines (origin, size, root
in base64), an empty line, and signature lines `— <origin> <base64(key id || signature)>`. Ed25519
signatures (type 0x01) have the key id SHA-256(name || 0x0A || 0x01 || key)[:4]; ECDSA ones (type 0x02,
what a P-256 key in a key management service makes) have SHA-256(SubjectPublicKeyInfo)[:4].

Auditors keep checkpoints, so they are read strictly: one spelling of each value, nothing around it.
A note says nothing before a trusted key's signature holds; signatures of unknown keys are passed over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.exceptions import UnverifiedSignatureError

from incident_pipeline.errors import ConfigError, LogError, SignatureError
from incident_pipeline.evidence.signing import Signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.evidence.signing import Key, Signer

MAX_BYTES: Final = 128 * 1024
MAX_SIGNATURES: Final = 32
ROOT_BYTES: Final = 32
_ED25519: Final = b"\x01"
_ECDSA: Final = b"\x02"
_KEY_ID_BYTES: Final = 4
_BODY_LINES: Final = 3
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_SIGNATURE_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class Checkpoint:
    """A log's name, the number of its leaves, and the RFC 6962 root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """Give the note text, which is what is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


@dataclass(frozen=True)
class NoteSignature:
    """A signature line: the key's name, its short id, and the signature."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """Give the line, with its end."""
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True)
class SignedCheckpoint:
    """A note's parts before anything in it is believed; `text` is what the signatures are over."""

    checkpoint: Checkpoint
    text: bytes
    signatures: tuple[NoteSignature, ...]

    @property
    def note(self) -> bytes:
        """Give the note's bytes; a note has one form, so they are those it was read from."""
        return self.text + b"\n" + "".join(signature.line for signature in self.signatures).encode()


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """Give the note of a checkpoint with one signature, under the log's origin as the key's name.

    Raises:
        ConfigError: the key is of a type that signed notes have no signature for.
    """
    key_id = note_key_id(checkpoint.origin, signer.public_key)
    if key_id is None:
        message = f"A key of type {signer.public_key.keytype} can't sign checkpoints of the log."
        raise ConfigError(message, advice="Sign with an Ed25519 key or an ECDSA key (P-256).")
    signature = bytes.fromhex(signer.sign(checkpoint.text).signature)
    line = NoteSignature(checkpoint.origin, key_id, signature).line
    return checkpoint.text + b"\n" + line.encode()


def read_checkpoint(data: bytes, *, name: str = "The checkpoint") -> SignedCheckpoint:
    """Take a note apart without believing anything in it.

    Extension lines are kept in `text` and not understood, as the specification has it.

    Raises:
        LogError: it is no checkpoint, or one in another spelling.
    """
    try:
        text, lines = _split(data)
        origin, size, root, *extensions = text.decode()[:-1].split("\n")
        if not origin or not _SIZE.fullmatch(size) or not all(extensions):
            message = "an origin, a size and a root are wanted, each on a line"
            raise ValueError(message)  # noqa: TRY301 -- one place turns all of them into our error
        checkpoint = Checkpoint(origin, int(size), _strict_base64(root))
        if len(checkpoint.root) != ROOT_BYTES:
            message = f"the root has {len(checkpoint.root)} bytes"
            raise ValueError(message)  # noqa: TRY301 -- as above
        signatures = tuple(_read_signature(line) for line in lines)
    except ValueError as error:
        reason = f"byte {error.start} is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        message = f"{name} can't be read as a checkpoint ({reason})."
        raise LogError(message, advice="Fetch the checkpoint again from whoever kept it.") from error
    return SignedCheckpoint(checkpoint, text, signatures)


def verify_checkpoint(signed: SignedCheckpoint, keys: Iterable[Key], *, name: str = "The checkpoint") -> Key:
    """Check a note under keys that are trusted for a reason outside it; give the key that signed.

    Every signature by a trusted key must hold, and there must be one.

    Raises:
        SignatureError: no trusted key signed it, or a signature does not hold.
    """
    keys = tuple(keys)
    known = known_signatures(signed, keys)
    if not known:
        message = f"{name} is signed by no trusted key."
        advice = f"Trusted keys: {', '.join(sorted(key.keyid for key in keys)) or 'none'}."
        raise SignatureError(message, advice=advice)
    for signature, key in known:
        try:
            key.verify_signature(Signature(key.keyid, signature.signature.hex()), signed.text)
        except UnverifiedSignatureError as error:
            message = f"{name} has a signature by key {key.keyid} that does not hold: it was altered."
            raise SignatureError(message) from error
    return known[0][1]


def known_signatures(signed: SignedCheckpoint, keys: Iterable[Key]) -> list[tuple[NoteSignature, Key]]:
    """Give the signatures that say they are by one of these keys, as the log's own; none is checked."""
    origin = signed.checkpoint.origin
    known = {key_id: key for key in keys if (key_id := note_key_id(origin, key)) is not None}
    return [
        (signature, known[signature.key_id])
        for signature in signed.signatures
        if signature.name == origin and signature.key_id in known
    ]


def open_checkpoint(data: bytes, keys: Iterable[Key], *, name: str = "The checkpoint") -> Checkpoint:
    """Read a note and check its signature.

    Raises:
        LogError: it is no checkpoint.
        SignatureError: its signature does not hold under these keys.
    """
    signed = read_checkpoint(data, name=name)
    verify_checkpoint(signed, keys, name=name)
    return signed.checkpoint


def note_key_id(name: str, key: Key) -> bytes | None:
    """Give a key's four-byte id under a name; None for key types that signed notes don't have."""
    encoded = _note_key(key)
    if encoded is None:
        return None
    kind, public = encoded
    data = public if kind == _ECDSA else name.encode() + b"\n" + kind + public
    return hashlib.sha256(data).digest()[:_KEY_ID_BYTES]


def verifier_key(name: str, key: Key) -> str | None:
    """Give a key in the form that signed-note tools take: `<name>+<key id>+<base64(type || key)>`."""
    encoded, key_id = _note_key(key), note_key_id(name, key)
    if encoded is None or key_id is None:
        return None
    return f"{name}+{key_id.hex()}+{base64.b64encode(encoded[0] + encoded[1]).decode()}"


def _note_key(key: Key) -> tuple[bytes, bytes] | None:
    """Give the type byte and the encoding of a public key."""
    public = key.keyval["public"]
    if key.keytype == "ed25519":
        return _ED25519, bytes.fromhex(public)
    if key.keytype == "ecdsa":
        der = load_pem_public_key(public.encode()).public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return _ECDSA, der
    return None


def _split(data: bytes) -> tuple[bytes, list[str]]:
    """Give the note text and the signature lines without their ends."""
    if len(data) > MAX_BYTES:
        message = f"{len(data)} bytes are too many"
        raise ValueError(message)
    if _CONTROL.search(data.decode()):
        message = "it has control characters"
        raise ValueError(message)
    text, blank, rest = data.rpartition(b"\n\n")
    if not blank or not rest.endswith(b"\n"):
        message = "a text, an empty line and signature lines are wanted"
        raise ValueError(message)
    lines = rest.decode()[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        message = f"{len(lines)} signatures are too many"
        raise ValueError(message)
    if text.count(b"\n") + 1 < _BODY_LINES:
        message = "the text has too few lines"
        raise ValueError(message)
    return text + b"\n", lines


def _read_signature(line: str) -> NoteSignature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        message = "a signature line is malformed"
        raise ValueError(message)
    data = _strict_base64(match[2])
    if len(data) <= _KEY_ID_BYTES:
        message = "a signature is too short"
        raise ValueError(message)
    return NoteSignature(match[1], data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _strict_base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        message = "a value is no base64"
        raise ValueError(message) from error
    # Stray bits in the last character would let two spellings mean the same.
    if base64.b64encode(data).decode() != text:
        message = "a value is not in its canonical base64"
        raise ValueError(message)
    return data

"""Who signs seals: the signer's shape, the local key, and keys as files.

A signer is anything that signs bytes under a named key: the local Ed25519 key below, or one in a key
management service (`kms`). Whose signatures count stands in `trust`. A key's id is the SHA-256 of its
public key (DER), so that anyone can compute it:
`openssl pkey -pubin -in KEY.pem -outform DER | sha256sum`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

# The package re-exports these without an __all__, which mypy --strict does not accept.
from securesystemslib.signer import CryptoSigner, Key, Signature, SSlibKey  # type: ignore[attr-defined]

from incident_pipeline.errors import ConfigError
from incident_pipeline.evidence.passphrases import GIVE_IT, PASSPHRASE_VARIABLE, passphrase_of
from incident_pipeline.serialise import sha256_hex, write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PASSPHRASE_VARIABLE",
    "Key",
    "LocalSigner",
    "Signature",
    "Signer",
    "as_key",
    "config_dir",
    "load_or_create_local_signer",
    "load_private",
    "public_keys",
    "public_pem",
    "write_private",
]

CONFIG_DIR_VARIABLE: Final = "INCIDENT_PIPELINE_CONFIG_DIR"
_PEM_BEGIN: Final = b"-----BEGIN PUBLIC KEY-----"
_PEM_END: Final = b"-----END PUBLIC KEY-----"
_PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey


class Signer(Protocol):
    """Signs bytes under one key; `securesystemslib` signers (KMS, HSM, file) have this shape."""

    @property
    def public_key(self) -> Key:
        """Give the public key, whose `keyid` stands in every signature."""

    def sign(self, payload: bytes) -> Signature:
        """Sign bytes."""


@dataclass(frozen=True)
class LocalSigner:
    """The signer whose key lies in the user's configuration folder, and whether it was made just now.

    `encrypted` says whether the private key is under a passphrase; one that is not is for development.
    """

    signer: Signer
    keyid: str
    key_path: Path
    trust_path: Path
    created: bool
    encrypted: bool = False


def config_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Give the user's configuration folder: the variable, XDG's, else `~/.config/incident-pipeline`.

    Raises:
        ConfigError: the user has no home.
    """
    env = os.environ if environ is None else environ
    if named := env.get(CONFIG_DIR_VARIABLE):
        return Path(named).absolute()
    if base := env.get("XDG_CONFIG_HOME"):
        return Path(base) / "incident-pipeline"
    try:
        return Path.home() / ".config" / "incident-pipeline"
    except RuntimeError as error:
        message = "There is no home folder for the configuration."
        raise ConfigError(message, advice=f"Set {CONFIG_DIR_VARIABLE} to a folder of yours.") from error


def load_or_create_local_signer(
    folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> LocalSigner:
    """Give the local Ed25519 signer; on first use make its key and trust it.

    The private key is PKCS #8 PEM with mode 0600, encrypted when a passphrase is given at creation
    (`passphrases`). Its public key is put into `trust/` before the private key appears, so that a
    crash between the two leaves no key whose seals would not verify.

    Args:
        folder: configuration folder; the user's when None.
        environ: where the passphrase is looked up; the process environment when None.

    Raises:
        ConfigError: the key can't be read, is open to others, or the passphrase is missing or wrong.
    """
    folder = config_dir(environ) if folder is None else folder
    passphrase = passphrase_of(environ)
    path = folder / "keys" / "seal.pem"
    try:
        created = not path.exists() and _create(path, folder / "trust", passphrase)
        private = load_private(path, passphrase)
        encrypted = _is_encrypted(path.read_bytes())
    except OSError as error:
        message = f"{path}: the signing key can't be made or read ({error.strerror or error})."
        raise ConfigError(message, advice=f"Set {CONFIG_DIR_VARIABLE} to a folder of yours.") from error
    key = as_key(private.public_key())
    trust_path = folder / "trust" / f"{key.keyid}.pem"
    return LocalSigner(CryptoSigner(private, key), key.keyid, path, trust_path, created, encrypted)


def public_pem(key: Key) -> bytes:
    """Give a key as PEM (SubjectPublicKeyInfo), which openssl reads."""
    public = key.keyval["public"]
    if key.keytype == "ed25519":
        raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        return raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(public).encode()


def as_key(public: _PublicKey) -> SSlibKey:
    """Give a public key under its id, with the one algorithm that its kind is used with here.

    Raises:
        ValueError: keys on this curve are not supported.
    """
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(public, keyid=sha256_hex(der))


def public_keys(pem: bytes) -> list[SSlibKey]:
    """Read every public key in PEM text; certificates and private keys are passed over.

    Raises:
        ValueError: a block is no public key, or of a kind that is not supported.
        UnsupportedAlgorithm: a block holds a key of an unknown algorithm.
    """
    blocks = [_PEM_BEGIN + block.split(_PEM_END)[0] + _PEM_END for block in pem.split(_PEM_BEGIN)[1:]]
    publics = [load_pem_public_key(block) for block in blocks]
    return [as_key(public) for public in publics if isinstance(public, _PublicKey)]


def write_private(path: Path, private: Ed25519PrivateKey, passphrase: bytes | None) -> bool:
    """Write a private key as PKCS #8 PEM with mode 0600, whole or not at all; False when there is one.

    The folder is closed to others (mode 0700). An existing key is never replaced.
    """
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".seal-")  # mode 0600 from the start
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)  # unlike a rename, never replaces a key
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
    return True


def _create(path: Path, trust: Path, passphrase: bytes | None) -> bool:
    """Make the key; False when another process was first."""
    private = Ed25519PrivateKey.generate()
    key = as_key(private.public_key())
    trusted = trust / f"{key.keyid}.pem"
    write_bytes(trusted, public_pem(key))
    created = write_private(path, private, passphrase)
    if not created:
        trusted.unlink()
    return created


def _is_encrypted(pem: bytes) -> bool:
    return b"ENCRYPTED" in pem


def load_private(path: Path, passphrase: bytes | None) -> Ed25519PrivateKey:
    """Read a private key that is for its user alone.

    Raises:
        ConfigError: it can't be read, is open to others, or the passphrase is missing or wrong.
        OSError: there is no such file.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        message = f"{path}: the signing key is open to others (mode {mode:04o})."
        raise ConfigError(message, advice=f"Run: chmod 600 {path}")
    pem = path.read_bytes()
    encrypted = _is_encrypted(pem)
    if encrypted and passphrase is None:
        message = f"{path}: the signing key is encrypted."
        raise ConfigError(message, advice=GIVE_IT)
    try:
        private = load_pem_private_key(pem, passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"{path}: the signing key can't be read ({error})."
        raise ConfigError(message, advice="Check the key and its passphrase.") from error
    if not isinstance(private, Ed25519PrivateKey):
        message = f"{path}: is no Ed25519 key."
        raise ConfigError(message, advice="Move it away; a new key is made on the next run.")
    return private

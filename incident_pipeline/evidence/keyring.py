"""Key-encryption keys: who wraps and unwraps the data keys of encrypted evidence.

Either a key in the user's configuration folder (`keys/kek.key`, mode 0600), or one in AWS KMS that never
leaves it. Both bind a wrapped key to its purpose, the incident and the artifact: AES-GCM's associated
data here, KMS's EncryptionContext there, where a key policy can also grant single incidents.

A keyring wraps with one key and unwraps with any it has: after a change of the setting, or of the local
key (rename the old one to `kek-<anything>.key`), old evidence stays readable. Losing a key-encryption
key loses everything under it; nobody can help then, so keep a copy apart from the vault.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from incident_pipeline.errors import ConfigError, DataKeyError, EncryptionError, ServiceError
from incident_pipeline.evidence.signing import config_dir
from incident_pipeline.evidence.write_once import make_folder
from incident_pipeline.serialise import compact_json, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from botocore.client import BaseClient

KEY_BYTES: Final = 32
_NONCE: Final = 12
_LOCAL: Final = "local:"
_KMS: Final = "awskms:"
_ALTERED: Final = ("InvalidCiphertextException", "IncorrectKeyException")
"""How KMS answers when the wrapped key, its context or its key is not the one it was made with."""


@dataclass(frozen=True)
class DataKey:
    """A fresh data key, and how it is kept: wrapped, and by which key-encryption key."""

    key: bytes
    wrapped: bytes
    wrapped_by: str


class KeyEncryptionKey(Protocol):
    """Makes data keys and opens those it made."""

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """Make a data key bound to a context."""

    def unwrap(self, wrapped: bytes, wrapped_by: str, context: Mapping[str, str]) -> bytes:
        """Give the data key again, for the same context only."""

    def opens(self, wrapped_by: str) -> bool:
        """Say whether this is the key that wrapped it."""


@dataclass(frozen=True)
class Keyring:
    """The key that wraps new data keys, None where nothing new is encrypted, and all that unwrap."""

    current: KeyEncryptionKey | None
    known: tuple[KeyEncryptionKey, ...]
    made: Path | None = None
    """The key file, when opening the keyring made it."""

    def unwrap(self, wrapped: bytes, wrapped_by: str, context: Mapping[str, str]) -> bytes:
        """Give a data key.

        Raises:
            DataKeyError: the key that wrapped it is not here.
            EncryptionError: the wrapped key was altered, or belongs to another artifact.
            ServiceError: KMS does not answer.
        """
        for key in self.known:
            if key.opens(wrapped_by):
                return key.unwrap(wrapped, wrapped_by, context)
        message = f"The key-encryption key {wrapped_by[:200]} is not at hand."
        raise DataKeyError(message)


class LocalKey:
    """A key-encryption key in a file."""

    def __init__(self, key: bytes) -> None:
        """Take 32 bytes. The id that records name it by is a digest of them."""
        self._cipher = AESGCM(key)
        self.id = _LOCAL + sha256_hex(b"key-encryption key\0" + key)[:16]

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """Make a data key and wrap it under a random nonce."""
        key, nonce = os.urandom(KEY_BYTES), os.urandom(_NONCE)
        wrapped = nonce + self._cipher.encrypt(nonce, key, compact_json(dict(context)))
        return DataKey(key, wrapped, self.id)

    def unwrap(self, wrapped: bytes, wrapped_by: str, context: Mapping[str, str]) -> bytes:
        """Give the data key again.

        Raises:
            EncryptionError: the wrapped key was altered, or belongs to another artifact.
        """
        try:
            return self._cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], compact_json(dict(context)))
        except (InvalidTag, ValueError) as error:
            raise EncryptionError(_altered(wrapped_by, context)) from error

    def opens(self, wrapped_by: str) -> bool:
        """Say whether this is the key that wrapped it."""
        return wrapped_by == self.id


class KmsKey:
    """A symmetric key in AWS KMS; region, credentials and endpoint come from the environment."""

    def __init__(self, key_id: str) -> None:
        """Take a key's id, ARN or alias; nothing is asked of KMS yet."""
        self._key_id = key_id

    @cached_property
    def _kms(self) -> BaseClient:
        import boto3  # noqa: PLC0415 -- slow to import, and only needed here
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        try:
            return boto3.client("kms")
        except BotoCoreError as error:
            raise ConfigError(f"AWS KMS can't be used ({error}).", advice="Set the AWS region.") from error

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """Have KMS make a data key.

        Raises:
            ServiceError: KMS refuses or does not answer.
        """
        answer = self._call(
            "generate_data_key", context, KeyId=self._key_id, KeySpec="AES_256",
            EncryptionContext=dict(context),
        )  # fmt: skip
        return DataKey(
            _as_bytes(answer["Plaintext"]), _as_bytes(answer["CiphertextBlob"]), f"{_KMS}{answer['KeyId']}"
        )

    def unwrap(self, wrapped: bytes, wrapped_by: str, context: Mapping[str, str]) -> bytes:
        """Have KMS open a data key.

        Raises:
            EncryptionError: the wrapped key was altered, or belongs to another artifact.
            ServiceError: KMS refuses or does not answer.
        """
        answer = self._call(
            "decrypt", context, KeyId=wrapped_by.removeprefix(_KMS), CiphertextBlob=wrapped,
            EncryptionContext=dict(context),
        )  # fmt: skip
        return _as_bytes(answer["Plaintext"])

    def opens(self, wrapped_by: str) -> bool:
        """Say whether KMS wrapped it; which of its keys, KMS knows."""
        return wrapped_by.startswith(_KMS)

    def _call(self, name: str, context: Mapping[str, str], **arguments: object) -> Mapping[str, object]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            answer: Mapping[str, object] = getattr(self._kms, name)(**arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ALTERED:
                raise EncryptionError(_altered(self._key_id, context)) from error
            message = f"AWS KMS refused {name} with key {self._key_id} ({error})."
            raise ServiceError(message, advice="Check that the key is enabled and granted to you.") from error
        except BotoCoreError as error:
            raise ServiceError(f"AWS KMS did not answer {name} ({error}).") from error
        return answer


def open_keyring(setting: str = "none", folder: Path | None = None, *, create: bool = False) -> Keyring:
    """Give the keyring of the setting `encryption`.

    Args:
        setting: `none`, `local`, or `awskms:<key id, ARN or alias>`.
        folder: configuration folder; the user's when None.
        create: make the local key when it is wanted and not there.

    Raises:
        ConfigError: there is no such setting, or the local key can't be made or read.
        DataKeyError: `local` is wanted, its key is not there, and none is to be made.
    """
    keys = (config_dir() if folder is None else folder) / "keys"
    path = keys / "kek.key"
    made = path if setting == "local" and create and _create(path) else None
    retired = sorted(keys.glob("kek-*.key")) if keys.is_dir() else []
    current = LocalKey(_load(path)) if path.exists() else None
    local = ((current,) if current else ()) + tuple(LocalKey(_load(old)) for old in retired)
    if setting in ("", "none"):
        return Keyring(None, local)
    if setting == "local":
        if create and current is None:
            raise DataKeyError(f"{path}: the key-encryption key is not there.")
        return Keyring(current, local, made)
    if setting.startswith(_KMS) and len(setting) > len(_KMS):
        kms = KmsKey(setting.removeprefix(_KMS))
        return Keyring(kms, (kms, *local))
    message = f"encryption = {setting!r} is not known."
    raise ConfigError(message, advice="One of: none, local, awskms:<key id, ARN or alias>.")


def _create(path: Path) -> bool:
    """Make the local key, whole or not at all; False when it is there already."""
    if path.exists():
        return False
    try:
        make_folder(path.parent)
        path.parent.chmod(0o700)
        aside = path.with_name(f".kek-{os.getpid()}-{os.urandom(4).hex()}")
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, path)  # unlike a rename, never replaces a key
        finally:
            aside.unlink()
    except FileExistsError:
        return False
    except OSError as error:
        message = f"{path}: the key-encryption key can't be made ({error.strerror or error})."
        raise ConfigError(message, advice="Set `config_dir` to a folder of yours.") from error
    return True


def _load(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_bytes()
    except OSError as error:
        message = f"{path}: the key-encryption key can't be read ({error.strerror or error})."
        raise ConfigError(message, advice="Check its owner and mode.") from error
    if mode & 0o077:
        message = f"{path}: the key-encryption key is open to others (mode {mode:04o})."
        raise ConfigError(message, advice=f"Run: chmod 600 {path}")
    try:
        key = base64.b64decode(text, validate=False) if text.strip() else b""
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        message = f"{path}: is no key-encryption key (32 bytes in base64)."
        raise ConfigError(message, advice="Restore it from its copy; a new key opens nothing old.")
    return key


def _altered(wrapped_by: str, context: Mapping[str, str]) -> str:
    what = ", ".join(f"{name} {value}" for name, value in context.items())
    return f"The wrapped key of {what} does not open with {wrapped_by}: it was altered or swapped."


def _as_bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ServiceError("AWS KMS gave no key.")
    return value

"""Tokens that stand for redacted values: the same value gives the same token within an incident.

A token is `[kind:12 hex digits]`, the digits being HMAC-SHA256 (RFC 2104) over incident, kind and value
under a key of the installation. Without the key nobody can try out values (a plain digest of a card
number or an address would be guessed in seconds); with the key and the sealed original a token can be
traced back, see `view.reveal`. The key lies in the configuration folder, not in results or vault.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from incident_pipeline.errors import ConfigError
from incident_pipeline.evidence import config_dir

KEY_FILE: Final = "redaction.key"
TOKEN: Final = re.compile(r"\[[a-z][a-z-]{1,30}:[0-9a-f]{12}\]")

_KEY_BYTES: Final = 32
_DIGITS: Final = 12


@dataclass(frozen=True)
class TokenKey:
    """The key of an installation's tokens. Its `id` may be told, its bytes may not."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Name the key: 16 hex digits that say nothing about it."""
        return hmac.new(self.secret, b"redaction key id", hashlib.sha256).hexdigest()[:16]

    def token(self, incident: str, kind: str, value: bytes) -> str:
        """Give the token of a value; JSON escapes in it make no difference."""
        message = b"\0".join((incident.encode(), kind.encode(), plain_value(value)))
        return f"[{kind}:{hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:_DIGITS]}]"


def plain_value(value: bytes) -> bytes:
    """Undo JSON escapes, so that a value has one token in the raw record and in the parsed one."""
    if b"\\" not in value:
        return value
    try:
        return str(json.loads(b'"' + value + b'"', strict=False)).encode("utf-8", "surrogatepass")
    except ValueError:
        return value


def load_or_create_token_key(folder: Path | None = None) -> TokenKey:
    """Give the key in the configuration folder, made on first use (mode 0600).

    Raises:
        ConfigError: the file holds no key, or can't be read or made.
    """
    path = (folder or config_dir()) / KEY_FILE
    try:
        if not path.exists():
            _create(path)
        text = path.read_text("ascii").strip()
        secret = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: no usable redaction key ({type(error).__name__}).",
            advice="Restore it from your backup; or remove it, and new tokens will differ from the old ones.",
        ) from error
    if len(secret) != _KEY_BYTES:
        raise ConfigError(
            f"{path}: a redaction key has {2 * _KEY_BYTES} hex digits, this one has {len(text)}.",
            advice="Restore it from your backup; or remove it, and new tokens will differ from the old ones.",
        )
    return TokenKey(secret)


def _create(path: Path) -> None:
    """Make the key whole or not at all; of two processes the first one's key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    aside = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(aside)
    finally:
        aside.unlink()

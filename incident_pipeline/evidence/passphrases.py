"""Where the passphrase of local private keys comes from: a variable, or the operating system's keyring.

`INCIDENT_PIPELINE_KEY_PASSPHRASE` gives it outright and wins. `INCIDENT_PIPELINE_KEY_PASSPHRASE_FROM`
names where it is kept: `keyring` is the entry of service `incident-pipeline` and user `signing-key`,
`keyring:USER` that of another user. The keyring (Secret Service, KWallet, macOS, Windows) is reached
through the package `keyring`, an extra that is loaded only when it is asked for. A keyring that was
asked for and gives nothing is an error: a key made without its passphrase would lie open unnoticed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSPHRASE_VARIABLE: Final = "INCIDENT_PIPELINE_KEY_PASSPHRASE"  # noqa: S105 - the name, not the secret
SOURCE_VARIABLE: Final = "INCIDENT_PIPELINE_KEY_PASSPHRASE_FROM"
KEYRING_SERVICE: Final = "incident-pipeline"
KEYRING_USER: Final = "signing-key"
GIVE_IT: Final = f"Set {PASSPHRASE_VARIABLE}, or {SOURCE_VARIABLE}=keyring."
"""Advice for a key that is encrypted where no passphrase is given."""


def passphrase_of(environ: Mapping[str, str] | None = None) -> bytes | None:
    """Give the passphrase that protects private keys; None where none is set and no keyring asked for.

    Args:
        environ: where the variables are looked up; the process environment when None.

    Raises:
        ConfigError: the source is unknown, or the keyring is not installed, locked, or has no such entry.
    """
    env = os.environ if environ is None else environ
    if given := env.get(PASSPHRASE_VARIABLE):
        return given.encode()
    source = env.get(SOURCE_VARIABLE, "")
    if not source:
        return None
    kind, _, user = source.partition(":")
    if kind != "keyring":
        message = f"{SOURCE_VARIABLE} is {source[:80]!r}."
        raise ConfigError(message, advice="Set it to keyring, or keyring:USER, or unset it.")
    return _from_keyring(user or KEYRING_USER).encode()


def _from_keyring(user: str) -> str:
    try:
        import keyring  # noqa: PLC0415 -- an extra
        from keyring.errors import KeyringError, KeyringLocked  # noqa: PLC0415
    except ImportError as error:
        message = f"{SOURCE_VARIABLE} asks for the keyring, and the package `keyring` is not installed."
        advice = f"Run: pip install 'incident-pipeline[keyring]', or set {PASSPHRASE_VARIABLE}."
        raise ConfigError(message, advice=advice) from error
    entry = f"service {KEYRING_SERVICE}, user {user}"
    try:
        found = keyring.get_password(KEYRING_SERVICE, user)
    except KeyringLocked as error:
        message = f"The keyring is locked ({entry}): {error}"
        advice = f"Unlock it, or set {PASSPHRASE_VARIABLE}."
        raise ConfigError(message, advice=advice) from error
    except KeyringError as error:
        message = f"The keyring can't be asked ({entry}): {error}"
        advice = f"See `python -m keyring diagnose`, or set {PASSPHRASE_VARIABLE}."
        raise ConfigError(message, advice=advice) from error
    if not found:
        message = f"The keyring has no passphrase under {entry}."
        advice = f"Put it there with: keyring set {KEYRING_SERVICE} {user}"
        raise ConfigError(message, advice=advice)
    return str(found)

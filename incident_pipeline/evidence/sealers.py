"""What settings name: who signs a seal and who stamps it, opened and ready, with what their user should know.

The one place that decides between the local key and KMS, and between this machine's time authority and
one behind a URL. What belongs here: choosing. What does not: signing, stamping and trusting themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incident_pipeline.errors import ConfigError
from incident_pipeline.evidence.kms import KMS_SCHEME, open_kms_signer
from incident_pipeline.evidence.passphrases import PASSPHRASE_VARIABLE
from incident_pipeline.evidence.signing import config_dir, load_or_create_local_signer
from incident_pipeline.evidence.timestamps import open_url_authority
from incident_pipeline.evidence.trust import load_trust_root, require_active
from incident_pipeline.evidence.tsa_local import open_local_authority

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from incident_pipeline.evidence.signing import Key, Signer
    from incident_pipeline.evidence.timestamps import TimeAuthority


@dataclass(frozen=True)
class OpenedSigner:
    """A signer that is ready; `notices` are said when its key is used for the first time."""

    signer: Signer
    keyid: str
    kind: str
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Sealer:
    """Everything that a seal needs besides evidence: signer, trusted keys, and who stamps it."""

    opened: OpenedSigner
    trusted: tuple[Key, ...]
    authority: TimeAuthority | None
    notices: tuple[str, ...]


def open_signer(setting: str, folder: Path | None = None) -> OpenedSigner:
    """Open the signer that a setting names; empty is the local key.

    Raises:
        ConfigError: the setting names no signer, or its key can't be used.
        ServiceError: KMS refuses or does not answer.
    """
    folder = config_dir() if folder is None else folder
    if setting.startswith(KMS_SCHEME) and len(setting) > len(KMS_SCHEME):
        signer, trusted = open_kms_signer(setting, folder)
        first = (f"trusting this KMS key from now on, back up {trusted}",) if trusted else ()
        return OpenedSigner(signer, signer.public_key.keyid, "KMS", first)
    if setting:
        advice = "Leave it empty for the local key, or set awskms:<key id or ARN>."
        raise ConfigError(f"signer: {setting!r} names no signer.", advice=advice)
    local = load_or_create_local_signer(folder)
    notices = []
    if local.created:
        notices.append(f"made a signing key in {local.key_path.parent}, back up {local.trust_path}")
        if not local.encrypted:
            notices.append(
                f"it is a development key: not encrypted, {PASSPHRASE_VARIABLE} was not set when it was made"
            )
    kind = "local" if local.encrypted else "development"
    return OpenedSigner(local.signer, local.keyid, kind, tuple(notices))


def open_sealer(*, signer: str, tsa: str, tsa_url: str, folder: Path | None, now: datetime) -> Sealer:
    """Open what settings name for sealing; on first use make what is missing and trust it.

    Args:
        signer: as the setting of this name.
        tsa: `local`, `url` or `none`.
        tsa_url: for `url`.
        folder: configuration folder; the user's when None.
        now: aware time of sealing, at which the signing key must be valid.

    Raises:
        ConfigError: a setting can't be meant, or the signing key may not seal any more.
        ServiceError: KMS refuses or does not answer.
    """
    folder = config_dir() if folder is None else folder
    opened = open_signer(signer, folder)
    notices = list(opened.notices)
    authority: TimeAuthority | None = None
    if tsa == "local":
        authority = open_local_authority(folder)
        if authority is None:
            notices.append("no time stamp: openssl is not installed")
    elif tsa == "url":
        authority = open_url_authority(tsa_url, load_trust_root(folder=folder).authorities)
    elif tsa == "none":
        notices.append("no time stamp: tsa is none")
    else:
        raise ConfigError(f"tsa: {tsa!r} is none of local, url, none.", advice="Set one of these.")
    root = load_trust_root(folder=folder)
    require_active(root, opened.keyid, now)
    return Sealer(opened, root.keys, authority, tuple(notices))

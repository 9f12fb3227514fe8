"""Make new versions of the trust list: the first one, and those that retire or revoke keys.

The list is signed by a root key of its own (`keys/root.pem`), so that a stolen signing key can't vouch
for itself; it may be moved to another place and brought back for a change. Versions are plain values
here; the file is written whole, in one step, and only after it was read back as a verifier would.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined] # re-export without __all__

from incident_pipeline.errors import ConfigError, EvidenceError
from incident_pipeline.evidence.passphrases import passphrase_of
from incident_pipeline.evidence.signing import as_key, load_private, public_pem, write_private
from incident_pipeline.evidence.trust import TRUST_LIST, TrustRoot, load_trust_root
from incident_pipeline.evidence.trust_list import (
    KeyEntry,
    SignedVersion,
    TrustList,
    TrustVersion,
    read_trust_list,
    sign_version,
    trust_file_bytes,
)
from incident_pipeline.serialise import sha256_hex, write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from incident_pipeline.evidence.signing import Key, Signer

ROOT_KEY: Final = "root.pem"
SEAL_KEY: Final = "seal.pem"
NEXT_KEY: Final = "next.pem"


@dataclass(frozen=True)
class Revocation:
    """Why a key is believed no more, and since when; None: for nothing it ever signed.

    `self_asserted_time` says that the sealing machine's own clock may still date seals before that:
    only where whoever had the key did not have the machine.
    """

    reason: str
    compromised_since: datetime | None = None
    self_asserted_time: bool = False


def first_version(root: TrustRoot, root_key: Key, now: datetime) -> TrustVersion:
    """Give the first version of a list: what is trusted so far, without dates, under one root key."""
    entries = [KeyEntry(keyid=root_key.keyid, role="root", public_key=public_pem(root_key).decode())]
    entries += [
        KeyEntry(keyid=key.keyid, role="seal", public_key=public_pem(key).decode()) for key in root.known
    ]
    return TrustVersion(
        version=1,
        previous=None,
        issued_at=now,
        threshold=1,
        keys=tuple(entries),
        time_authorities=_certificates(root),
    )


def next_version(before: TrustList, keys: Iterable[KeyEntry], now: datetime) -> TrustVersion:
    """Give the version that follows, with these entries."""
    return before.current.model_copy(
        update={
            "version": before.current.version + 1,
            "previous": sha256_hex(before.signed[-1].payload),
            "issued_at": max(now, before.current.issued_at),
            "keys": tuple(keys),
        }
    )


def replaced(keys: Iterable[KeyEntry], old: str, new: KeyEntry, now: datetime) -> tuple[KeyEntry, ...]:
    """Retire a key in favour of another, which is added unless it is there."""
    changed = [
        it.model_copy(update={"status": "retired", "valid_until": now, "replaced_by": new.keyid})
        if it.keyid == old and it.status == "active"
        else it.model_copy(update={"replaced_by": new.keyid})
        if it.keyid == old
        else it
        for it in keys
    ]
    return (*changed, *([] if new.keyid in {it.keyid for it in changed} else [new]))


def revoked(keys: Iterable[KeyEntry], keyid: str, revocation: Revocation) -> tuple[KeyEntry, ...]:
    """Revoke a key."""
    update = {
        "status": "revoked",
        "reason": revocation.reason,
        "compromised_since": revocation.compromised_since,
        "self_asserted_time": revocation.self_asserted_time,
    }
    return tuple(it.model_copy(update=update) if it.keyid == keyid else it for it in keys)


def rotate_local_key(
    folder: Path, now: datetime, *, replaces: str | None = None, environ: Mapping[str, str] | None = None
) -> tuple[str | None, str, TrustList]:
    """Replace the local signing key; give the old and new key ids and the list.

    The new key waits as `next.pem` until the list names it, then takes the place of the old one, which
    is gone after that. A run killed in between is finished by the next one.

    Args:
        folder: configuration folder.
        now: when the old key stops and the new one begins.
        replaces: id of the key that is retired, when it is not the one in `keys/`.
        environ: where the passphrase is looked up; the process environment when None.

    Raises:
        ConfigError: a key can't be read, or the one to replace is not in the list.
    """
    passphrase = passphrase_of(environ)
    keys = folder / "keys"
    with _changing(folder):
        current = keys / SEAL_KEY
        old = as_key(load_private(current, passphrase).public_key()).keyid if current.exists() else None
        if old is None and replaces is None:
            message = f"{current} is not there: there is no key to replace yet."
            raise ConfigError(message, advice="The first seal makes one.")
        write_private(keys / NEXT_KEY, Ed25519PrivateKey.generate(), passphrase)
        new_key = as_key(load_private(keys / NEXT_KEY, passphrase).public_key())
        new = _entry(new_key, now)
        before, signer = _open_list(folder, now, passphrase)
        retired = replaces or old
        if retired is not None:
            _require_listed(before, retired)
        if before.current.entry(new.keyid) is None:
            entries = (
                replaced(before.current.keys, retired, new, now) if retired else (*before.current.keys, new)
            )
            before = _publish(folder, before, next_version(before, entries, now), [signer])
        write_bytes(folder / "trust" / f"{new.keyid}.pem", public_pem(new_key))
        (keys / NEXT_KEY).replace(current)
        _sync(keys)
    return retired, new.keyid, before


def replace_key(
    folder: Path, now: datetime, *, old: str, new: Key, environ: Mapping[str, str] | None = None
) -> TrustList:
    """Retire a key in favour of one that is kept elsewhere, such as in KMS.

    Raises:
        ConfigError: the old key is not in the list, or the root key can't be read.
    """
    with _changing(folder):
        before, signer = _open_list(folder, now, passphrase_of(environ))
        _require_listed(before, old)
        entries = replaced(before.current.keys, old, _entry(new, now), now)
        return _publish(folder, before, next_version(before, entries, now), [signer])


def rotate_root_key(
    folder: Path, now: datetime, *, environ: Mapping[str, str] | None = None
) -> tuple[str, str, TrustList]:
    """Replace the root key: the new version is signed by the old one and the new one.

    Raises:
        ConfigError: the root key can't be read.
    """
    passphrase = passphrase_of(environ)
    keys = folder / "keys"
    with _changing(folder):
        before, signer = _open_list(folder, now, passphrase)
        aside = keys / f"next-{ROOT_KEY}"
        write_private(aside, Ed25519PrivateKey.generate(), passphrase)
        private = load_private(aside, passphrase)
        new_key = as_key(private.public_key())
        new = _entry(new_key, now).model_copy(update={"role": "root"})
        old = signer.public_key.keyid
        if before.current.entry(new.keyid) is None:
            entries = replaced(before.current.keys, old, new, now)
            both = [signer, CryptoSigner(private, new_key)]
            before = _publish(folder, before, next_version(before, entries, now), both)
        aside.replace(keys / ROOT_KEY)
        _sync(keys)
    return old, new.keyid, before


def revoke_key(
    folder: Path,
    keyid: str,
    revocation: Revocation,
    now: datetime,
    *,
    environ: Mapping[str, str] | None = None,
) -> TrustList:
    """Revoke a signing key, and take it out of the folder of keys that are trusted without dates.

    Raises:
        ConfigError: it is not in the list, is a root key, or the root key can't be read.
    """
    with _changing(folder):
        before, signer = _open_list(folder, now, passphrase_of(environ))
        entry = _require_listed(before, keyid)
        if entry.role == "root":
            message = f"Key {keyid} is a root key: it signs lists, not seals."
            raise ConfigError(message, advice="Replace it with `incident-pipeline keys rotate --root`.")
        version = next_version(before, revoked(before.current.keys, keyid, revocation), now)
        after = _publish(folder, before, version, [signer])
        (folder / "trust" / f"{keyid}.pem").unlink(missing_ok=True)
        return after


def find_key(root: TrustRoot, prefix: str) -> str:
    """Give the one trusted key whose id begins so.

    Raises:
        ConfigError: there is none, or there are several.
    """
    found = sorted(
        keyid for keyid in {key.keyid for key in root.known} | set(root.entries) if keyid.startswith(prefix)
    )
    if len(found) != 1 or not prefix:
        message = f"{prefix!r} is the beginning of {len(found)} key ids."
        raise ConfigError(message, advice="See `incident-pipeline keys show`.")
    return found[0]


def _open_list(folder: Path, now: datetime, passphrase: bytes | None) -> tuple[TrustList, Signer]:
    """Give the list, made on first use from what is trusted so far, and the signer of its next version."""
    path = folder / "keys" / ROOT_KEY
    listed = folder / TRUST_LIST
    if listed.exists() and not path.exists():
        message = f"{path} is not there: the trust list can't be changed without its root key."
        raise ConfigError(message, advice="Bring the root key back from where it is kept.")
    if not path.exists():
        write_private(path, Ed25519PrivateKey.generate(), passphrase)
    try:
        private = load_private(path, passphrase)
    except OSError as error:
        message = f"{path}: the root key can't be read ({error.strerror or error})."
        raise ConfigError(message, advice="Check its owner and mode.") from error
    key = as_key(private.public_key())
    signer = CryptoSigner(private, key)
    root = load_trust_root(folder=folder)
    before = root.trust_list
    if before is None:
        before = _publish(folder, None, first_version(root, key, now), [signer])
    missing = [it for it in root.known if before.current.entry(it.keyid) is None]
    certificates = _certificates(root)
    if missing or certificates != before.current.time_authorities:
        # What was put into the folder by hand since is taken over, so that the list says all.
        entries = (
            *before.current.keys,
            *(KeyEntry(keyid=it.keyid, role="seal", public_key=public_pem(it).decode()) for it in missing),
        )
        version = next_version(before, entries, now).model_copy(update={"time_authorities": certificates})
        before = _publish(folder, before, version, [signer])
    return before, signer


def _publish(
    folder: Path, before: TrustList | None, version: TrustVersion, signers: Iterable[Signer]
) -> TrustList:
    signed: tuple[SignedVersion, ...] = (*(before.signed if before else ()), sign_version(version, signers))
    data = trust_file_bytes(signed)
    try:
        checked = read_trust_list(data, name=TRUST_LIST)
    except EvidenceError as error:
        # A verifier would refuse it, so it is never written.
        advice = "See how the keys stand with `incident-pipeline keys show`."
        raise ConfigError(f"The change is not allowed: {error.message}", advice=advice) from error
    write_bytes(folder / TRUST_LIST, data)
    return checked


@contextlib.contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Let one process at a time change keys."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".keys.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _require_listed(before: TrustList, keyid: str) -> KeyEntry:
    entry = before.current.entry(keyid)
    if entry is None:
        message = f"Key {keyid} is not trusted here."
        raise ConfigError(message, advice="See `incident-pipeline keys show`.")
    return entry


def _entry(key: Key, now: datetime) -> KeyEntry:
    return KeyEntry(keyid=key.keyid, role="seal", public_key=public_pem(key).decode(), valid_from=now)


def _certificates(root: TrustRoot) -> tuple[str, ...]:
    return tuple(sorted(it.pem.decode() for it in root.authorities))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

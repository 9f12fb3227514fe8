"""Whose signatures count: the trust root, always given from outside the evidence.

Two forms, which add up in the user's configuration folder:

    trust/*.pem         public keys, trusted without dates
    trust/tsa/*.pem     root certificates of time authorities
    trust.json          the signed list of keys with their dates (`trust_list`); what it says of a key binds

A signature counts if its key was valid at the seal's trusted time. What can't be placed in time is
never given the benefit of the doubt: a revoked key's seals then fail, a retired key's can't be checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm

from incident_pipeline.errors import (
    ConfigError,
    EvidenceError,
    MalformedInputError,
    SignatureError,
    TrustRootMissingError,
    UnreadableInputError,
)
from incident_pipeline.evidence.signing import config_dir, public_keys
from incident_pipeline.evidence.timestamps import SKEW, Authority, TrustedTime, read_authorities
from incident_pipeline.evidence.trust_list import KeyEntry, TrustList, read_trust_list

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from incident_pipeline.evidence.signing import Key

TRUST_LIST: Final = "trust.json"


@dataclass(frozen=True)
class TrustRoot:
    """The keys whose signatures count, and where they were found.

    `keys` are those that may be believed without asking about time further than that they were not
    revoked. `known` has the revoked ones too: a seal of theirs is judged by its trusted time.
    """

    keys: tuple[Key, ...]
    source: Path
    known: tuple[Key, ...] = ()
    entries: Mapping[str, KeyEntry] = field(default_factory=dict)
    authorities: tuple[Authority, ...] = ()
    trust_list: TrustList | None = None

    @property
    def keyids(self) -> tuple[str, ...]:
        """Give the key ids, sorted: the fingerprints a person compares."""
        return tuple(sorted(key.keyid for key in self.keys))

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Give a line for each thing that is trusted: keys with their standing, list, time authorities."""
        lines = []
        if self.trust_list is not None:
            lines.append(f"trust list, version {self.trust_list.current.version}, {self.trust_list.sha256}")
        for key in sorted(self.known or self.keys, key=lambda it: it.keyid):
            entry = self.entries.get(key.keyid)
            lines.append(f"key {key.keyid} ({describe(entry) if entry else 'no dates'})")
        lines += [
            f"time authority {it.fingerprint} ({it.assurance})"
            for it in sorted(self.authorities, key=lambda it: it.fingerprint)
        ]
        return tuple(lines)

    def judge(self, keyid: str, time: TrustedTime | None, *, name: str) -> None:
        """Decide whether a key of `known` was valid when it signed.

        Args:
            keyid: the key whose signature was found to hold.
            time: trusted time of the signature, if it has one.
            name: what messages call the seal.

        Raises:
            SignatureError: it was not valid then, or it was revoked and nothing says when it signed.
            UnreadableInputError: it was retired, and nothing says when it signed.
        """
        entry = self.entries.get(keyid)
        if entry is None:
            return
        if entry.status == "revoked":
            _judge_revoked(entry, time, name)
        if time is None:
            if entry.status != "revoked" and entry.valid_until is not None:
                message = (
                    f"{name} is signed with key {keyid}, which was valid until {_at(entry.valid_until)}, "
                    "and has no trusted time: nobody can tell whether that was before."
                )
                raise UnreadableInputError(message, advice="Seal the evidence anew with a valid key.")
            return
        if entry.valid_from is not None and time.latest < entry.valid_from - SKEW:
            since = _at(entry.valid_from)
            message = f"{name} is signed with key {keyid} before it was valid ({since}): {time}."
            raise SignatureError(message)
        if entry.valid_until is not None and time.earliest > entry.valid_until:
            until = _at(entry.valid_until)
            message = f"{name} is signed with key {keyid} after it was valid ({until}): {time}."
            raise SignatureError(message)


def load_trust_root(path: Path | None = None, *, folder: Path | None = None) -> TrustRoot:
    """Read the keys whose signatures count.

    Args:
        path: a trust list, a PEM file (public keys and certificates), or a folder of `*.pem`; when None,
            what the configuration folder holds.
        folder: configuration folder; the user's when None.

    Raises:
        TrustRootMissingError: there is no key to trust, or the file can't be read as a trust root.
    """
    if path is None:
        base = config_dir() if folder is None else folder
        listed, pems = base / TRUST_LIST, base / "trust"
        source = listed if listed.is_file() else pems
    elif path.is_dir():
        pems = path / "trust" if (path / "trust").is_dir() else path
        source, listed = path, path / TRUST_LIST
    else:
        source, listed, pems = path, path, path
    trust_list = _read_list(listed) if _is_list(listed) else None
    files = [*sorted(pems.glob("*.pem")), *sorted((pems / "tsa").glob("*.pem"))] if pems.is_dir() else []
    if not pems.is_dir() and trust_list is None:
        files = [pems]
    root = _combine(source, trust_list, [_read_pem(file) for file in files])
    if not root.known:
        message = f"{source}: holds no public key to trust."
        raise TrustRootMissingError(message)
    return root


def require_active(root: TrustRoot, keyid: str, now: datetime) -> None:
    """Refuse to sign with a key whose seals would not be believed.

    Raises:
        ConfigError: the key is retired, revoked, or outside its dates.
    """
    entry = root.entries.get(keyid)
    if entry is None:
        return
    early = entry.valid_from is not None and now < entry.valid_from - SKEW
    late = entry.valid_until is not None and now > entry.valid_until
    if entry.status != "active" or early or late or entry.role != "seal":
        message = f"The signing key {keyid} may not seal any more ({describe(entry)})."
        raise ConfigError(message, advice="Make a new key with `incident-pipeline keys rotate`.")


def describe(entry: KeyEntry) -> str:
    """Say in words how a key stands."""
    parts: list[str] = [entry.role, entry.status]
    if entry.valid_from:
        parts.append(f"from {_at(entry.valid_from)}")
    if entry.valid_until:
        parts.append(f"until {_at(entry.valid_until)}")
    if entry.compromised_since:
        parts.append(f"compromised since {_at(entry.compromised_since)}")
    if entry.reason:
        parts.append(entry.reason)
    if entry.replaced_by:
        parts.append(f"replaced by {entry.replaced_by[:12]}")
    return ", ".join(parts)


def _judge_revoked(entry: KeyEntry, time: TrustedTime | None, name: str) -> None:
    what = f"{name} is signed with key {entry.keyid}, which was revoked ({entry.reason or 'no reason given'})"
    if entry.compromised_since is None:
        raise SignatureError(f"{what} for all time.")
    since = _at(entry.compromised_since)
    if time is None:
        raise SignatureError(f"{what}; it has no trusted time that puts it before {since}.")
    if time.authority.assurance == "self-asserted" and not entry.self_asserted_time:
        raise SignatureError(
            f"{what}; its time is self-asserted, and whoever had the key could have set it before {since}."
        )
    if time.latest >= entry.compromised_since:
        raise SignatureError(f"{what} and compromised since {since}: {time}.")


def _at(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _is_list(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _read_list(path: Path) -> TrustList:
    try:
        return read_trust_list(path.read_bytes(), name=path.name)
    except (EvidenceError, MalformedInputError) as error:
        # Nothing can be said about any seal then, good or bad.
        advice = "Get the trust list again from the signer, on another way than the evidence."
        raise TrustRootMissingError(f"{path} can't be used: {error.message}", advice=advice) from error


def _read_pem(path: Path) -> tuple[list[Key], tuple[Authority, ...]]:
    try:
        data = path.read_bytes()
        return list(public_keys(data)), read_authorities(data)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        message = f"{path}: no public key can be read ({error})."
        raise TrustRootMissingError(message) from error


def _combine(
    source: Path, trust_list: TrustList | None, pems: list[tuple[list[Key], tuple[Authority, ...]]]
) -> TrustRoot:
    entries = {entry.keyid: entry for entry in trust_list.current.keys} if trust_list else {}
    known = {entry.keyid: entry.key() for entry in entries.values() if entry.role == "seal"}
    authorities = {it.fingerprint: it for it in (trust_list.current.authorities() if trust_list else ())}
    for keys, certificates in pems:
        # A root key signs lists, never seals, whatever folder a copy of it lies in.
        known |= {key.keyid: key for key in keys if key.keyid not in entries}
        authorities |= {it.fingerprint: it for it in certificates}
    return TrustRoot(
        keys=tuple(
            known[keyid]
            for keyid in sorted(known)
            if keyid not in entries or entries[keyid].status != "revoked"
        ),
        source=source,
        known=tuple(known[keyid] for keyid in sorted(known)),
        entries=entries,
        authorities=tuple(authorities[it] for it in sorted(authorities)),
        trust_list=trust_list,
    )

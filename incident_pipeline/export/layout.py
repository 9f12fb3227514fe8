"""The layout of an export: a BagIt folder (RFC 8493) whose payload is a vault beside the results.

    bagit.txt  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt      as the RFC has them
    bag.sigstore.json     signed statement about every other tag file: what plain BagIt can't give
    VERIFY.md  verify.sh  how to check all this without our code
    data/objects/ab/cdef...                    sealed bytes as received, by their SHA-256
    data/seals/<incident>/000001.sigstore.json
    data/records/log/...                       the transparency log, where the vault has one
    data/results/<incident>/...                what was derived
    data/keys/<key id>.pem                     for comparison only, never for trust
    data/keys/tsa/<fingerprint>.pem            roots of time authorities, likewise

A redacted export has no objects and no table with raw text. Its statement lists what is withheld by name
and digest, so that nothing can be missing without being named.

Pure functions over names and digests: the manifests have one form only, so that a line more, another order
or another spacing shows as a difference.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from incident_pipeline.evidence.statement import Digest, Sha256, Subject  # noqa: TC001 -- pydantic reads them
from incident_pipeline.export import signed

if TYPE_CHECKING:
    from collections.abc import Mapping

PREDICATE_TYPE: Final = "https://incident-pipeline.dev/bag/v1"
BAGIT: Final = "bagit.txt"
INFO: Final = "bag-info.txt"
MANIFEST: Final = "manifest-sha256.txt"
TAG_MANIFEST: Final = "tagmanifest-sha256.txt"
STATEMENT: Final = "bag.sigstore.json"
INSTRUCTIONS: Final = "VERIFY.md"
SCRIPT: Final = "verify.sh"
DATA: Final = "data"

SIGNED_TAGS: Final = tuple(sorted((BAGIT, INFO, MANIFEST, INSTRUCTIONS, SCRIPT)))
"""Tag files that the signed statement covers; the other two follow from these."""
TAGS: Final = tuple(sorted((*SIGNED_TAGS, STATEMENT)))
"""Tag files that the tag manifest lists."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


class Seal(signed.Signed):
    """A seal in the bag, by the digest of its payload."""

    incident: str
    sequence: int
    payload: Digest


Reason = Literal["raw evidence", "derived from raw evidence", "holds text that is redacted"]


class Withheld(signed.Signed):
    """A file that a full export has and this one has not, by its name there and the digest of its bytes."""

    name: str = Field(min_length=1)
    digest: Digest
    reason: Reason


class WithheldArtifact(signed.Signed):
    """One artifact of a seal that is withheld: names, digest as received, and its object."""

    uri: str
    also_known_as: tuple[str, ...]
    size: int = Field(ge=0)
    plaintext: Digest
    subject: str


class WithheldSeal(signed.Signed):
    """What is told of a seal whose own text (a title, a note) is redacted.

    `leaf` is its leaf hash in the log, so that the log still shows that it is there; its digests are the
    word of whoever signs the export until the seal itself is shown.
    """

    incident: str
    incident_id: str
    sequence: int
    leaf: Sha256
    subject: tuple[Subject, ...] = Field(min_length=1)
    artifacts: tuple[WithheldArtifact, ...]


class RedactedView(signed.Signed):
    """Says that an export is redacted: by which rules, and all that it withholds."""

    ruleset: str
    withheld: tuple[Withheld, ...] = Field(min_length=1)
    seals: tuple[WithheldSeal, ...] = ()


class Predicate(signed.Signed):
    """Our predicate, `bag/v1`; `redacted` is null where everything is handed out."""

    seals: tuple[Seal, ...]
    code: signed.Code
    redacted: RedactedView | None = None


class Bag(signed.Signed):
    """in-toto Statement v1 about the tag files of a bag, and through the manifest about its payload."""

    statement_type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: Literal["https://incident-pipeline.dev/bag/v1"]
    predicate: Predicate


def is_bag(path: Path) -> bool:
    """Say whether this folder is an export of ours, or what somebody left of one."""
    tags = (BAGIT, MANIFEST, TAG_MANIFEST, STATEMENT)
    return any((path / name).exists() for name in tags) or (path / DATA / "seals").is_dir()


def is_safe_name(name: str) -> bool:
    """Say whether shells, BagIt and people all read this name alike."""
    return _SAFE_NAME.fullmatch(name) is not None and not {".", ".."} & set(name.split("/"))


def manifest_text(digests: Mapping[str, str]) -> bytes:
    """Give the one form a manifest has: what `sha256sum` prints, in order of the names' bytes."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def survey(root: Path) -> tuple[list[str], dict[str, str]]:
    """Walk a bag without following links.

    Returns:
        Names of its regular files, sorted; and what has no place in a bag, with the reason: links, devices,
        names that could be misread, and empty folders.
    """
    files: list[str] = []
    misfits: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        where = Path(folder)
        if not folders and not names:
            misfits[where.relative_to(root).as_posix()] = "is an empty folder"
        for name in (*folders, *names):
            path = where / name
            inside = path.relative_to(root).as_posix()
            mode = path.lstat().st_mode
            if not is_safe_name(inside):
                misfits[inside] = "has a name that no export has"
            elif stat.S_ISLNK(mode):
                misfits[inside] = "is a link"
            elif stat.S_ISREG(mode):
                files.append(inside)
            elif not stat.S_ISDIR(mode):
                misfits[inside] = "is no regular file"
    return sorted(files), misfits

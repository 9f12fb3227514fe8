"""A citation is bytes: artifact, digest, range and excerpt (design section 4.3)."""

from __future__ import annotations

from typing import Literal

from incident_pipeline.model.base import Frozen

ClaimType = Literal["observed", "reported", "inferred", "human", "decision"]


class Citation(Frozen):
    """A range of an artifact's decoded stream, with the text that stands there.

    `sha256` is of the artifact's bytes as received; `byte_start` and `byte_end` count in the decoded
    (decompressed, never transcoded) stream; `excerpt` equals those bytes as UTF-8. `line` counts from 1.
    """

    uri: str
    sha256: str
    line: int | None = None
    byte_start: int
    byte_end: int
    json_pointer: str | None = None
    excerpt: str


class Derived(Frozen):
    """A place in one of our own result files that a count or verdict was taken from."""

    file: str
    sha256: str
    json_pointer: str


class Sentence(Frozen):
    """One row of the ledger: a sentence of the postmortem and what it rests on."""

    id: str
    where: str
    text: str
    claim_type: ClaimType
    status: Literal["verified", "human"] = "verified"
    citations: tuple[Citation, ...]
    derived_from: tuple[Derived, ...] = ()


class Ledger(Frozen):
    """Every statement of a postmortem with its evidence."""

    schema_version: Literal[1] = 1
    incident_id: str
    sentences: tuple[Sentence, ...]

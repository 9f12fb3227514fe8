"""The base of all file-facing types: frozen, strict about what we write, lenient about what we read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A value we write ourselves: immutable, and an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Lenient(BaseModel):
    """A value others write: immutable, and unknown keys are kept, never refused."""

    model_config = ConfigDict(frozen=True, extra="allow")

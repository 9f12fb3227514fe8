"""The place of a seal in the transparency log, as it stands beside the results (`seal.log.json`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from incident_pipeline.model.base import Frozen

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class LogProof(Frozen):
    """One seal's entry, the inclusion proof (RFC 6962), and the checkpoint that the proof leads to."""

    schema_version: Literal[1] = 1
    incident: str = Field(description="the incident's key")
    sequence: int = Field(ge=1, description="the seal's number among those of the incident")
    leaf_index: int = Field(ge=0)
    leaf_hash: Hash = Field(description="SHA-256(0x00 || payload || signature) of the seal's envelope")
    inclusion_proof: tuple[Hash, ...] = Field(description="sibling hashes from the leaf to the root")
    checkpoint: str = Field(description="C2SP tlog-checkpoint, a signed note")

"""Keep evidence: vault, manifest, signing, verification, decoding and citation."""

from __future__ import annotations

from typing import Final

from incident_pipeline.evidence.decode import decode
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.locate import locate
from incident_pipeline.evidence.manifest import Manifest, read_manifest
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.evidence.seal import Sealed, seal
from incident_pipeline.evidence.signing import (
    LocalSigner,
    Signer,
    TrustRoot,
    config_dir,
    load_or_create_local_signer,
    load_trust_root,
)
from incident_pipeline.evidence.statement import evidence_root
from incident_pipeline.evidence.vault import Stored, Vault

CODE_VERSION: Final = "1"
"""Raised when the same bundle would be sealed as something else."""

__all__ = [
    "CODE_VERSION",
    "EvidenceReader",
    "LocalSigner",
    "LocalVault",
    "Manifest",
    "Sealed",
    "Signer",
    "Stored",
    "TrustRoot",
    "Vault",
    "config_dir",
    "decode",
    "evidence_root",
    "load_or_create_local_signer",
    "load_trust_root",
    "locate",
    "read_manifest",
    "seal",
]

"""Keep evidence: vault, manifest, signing, verification, decoding and citation."""

from __future__ import annotations

from typing import Final

from incident_pipeline.evidence.access_log import ACCESS_LOG, Access, AccessLog, WatchedVault
from incident_pipeline.evidence.data_keys import DataKeys
from incident_pipeline.evidence.decode import DecodedStream, decode, decoding
from incident_pipeline.evidence.encryption import EncryptedVault
from incident_pipeline.evidence.intake import Intake
from incident_pipeline.evidence.keyring import Keyring, open_keyring
from incident_pipeline.evidence.local_vault import LocalVault
from incident_pipeline.evidence.locate import locate
from incident_pipeline.evidence.manifest import Manifest, read_manifest
from incident_pipeline.evidence.merkle import merkle_root
from incident_pipeline.evidence.open_vault import S3_SCHEME, open_vault
from incident_pipeline.evidence.reader import EvidenceReader
from incident_pipeline.evidence.redacted_view import apply_spans, read_span_maps, spans_within
from incident_pipeline.evidence.seal import Sealed, seal
from incident_pipeline.evidence.sealers import open_sealer, open_signer
from incident_pipeline.evidence.signing import (
    LocalSigner,
    Signer,
    config_dir,
    load_or_create_local_signer,
)
from incident_pipeline.evidence.statement import evidence_root
from incident_pipeline.evidence.trust import TrustRoot, load_trust_root
from incident_pipeline.evidence.vault import Stored, Vault

CODE_VERSION: Final = "1"
"""Raised when the same bundle would be sealed as something else."""

__all__ = [
    "ACCESS_LOG",
    "CODE_VERSION",
    "S3_SCHEME",
    "Access",
    "AccessLog",
    "DataKeys",
    "DecodedStream",
    "EncryptedVault",
    "EvidenceReader",
    "Intake",
    "Keyring",
    "LocalSigner",
    "LocalVault",
    "Manifest",
    "Sealed",
    "Signer",
    "Stored",
    "TrustRoot",
    "Vault",
    "WatchedVault",
    "apply_spans",
    "config_dir",
    "decode",
    "decoding",
    "evidence_root",
    "load_or_create_local_signer",
    "load_trust_root",
    "locate",
    "merkle_root",
    "open_keyring",
    "open_sealer",
    "open_signer",
    "open_vault",
    "read_manifest",
    "read_span_maps",
    "seal",
    "spans_within",
]

"""Take evidence in: bundles as folders or archives, and alerts from an inbox. Input is hostile."""

from __future__ import annotations

from typing import Final

from incident_pipeline.ingest.alerts import Alert, read_alert, write_alert_bundle
from incident_pipeline.ingest.artifacts import BundleArtifact
from incident_pipeline.ingest.bundle import Bundle, bundle_name, open_bundle
from incident_pipeline.ingest.compression import DecodeLimits, decoded_chunks, sniff_encoding
from incident_pipeline.ingest.files import hash_file, open_regular
from incident_pipeline.ingest.inbox import Inbox
from incident_pipeline.ingest.members import fold_name
from incident_pipeline.ingest.peek import is_bundle, peek_incident_id
from incident_pipeline.ingest.record import read_record
from incident_pipeline.ingest.unpack import UnpackLimits, unpack

CODE_VERSION: Final = "1"
"""Raised when the same bundle would give other artifacts or problems."""

__all__ = [
    "CODE_VERSION",
    "Alert",
    "Bundle",
    "BundleArtifact",
    "DecodeLimits",
    "Inbox",
    "UnpackLimits",
    "bundle_name",
    "decoded_chunks",
    "fold_name",
    "hash_file",
    "is_bundle",
    "open_bundle",
    "open_regular",
    "peek_incident_id",
    "read_alert",
    "read_record",
    "sniff_encoding",
    "unpack",
    "write_alert_bundle",
]

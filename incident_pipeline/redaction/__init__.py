"""Derive a redacted view of the evidence: secrets and personal data become tokens, the sealed bytes stay."""

from __future__ import annotations

from typing import Final

from incident_pipeline.redaction.regions import RedactionMap
from incident_pipeline.redaction.scan import find, find_in_chunks
from incident_pipeline.redaction.spans import RULESET, Found, Rules
from incident_pipeline.redaction.stage import (
    ensure_redacted,
    read_redacted,
    redact_incident,
    redact_record,
)
from incident_pipeline.redaction.tables import Redactor
from incident_pipeline.redaction.tokens import TOKEN, TokenKey, load_or_create_token_key
from incident_pipeline.redaction.view import Redacted, is_text, redact, reveal

CODE_VERSION: Final = RULESET
"""Raised when the same bytes would be redacted otherwise."""

__all__ = [
    "CODE_VERSION",
    "RULESET",
    "TOKEN",
    "Found",
    "Redacted",
    "RedactionMap",
    "Redactor",
    "Rules",
    "TokenKey",
    "ensure_redacted",
    "find",
    "find_in_chunks",
    "is_text",
    "load_or_create_token_key",
    "read_redacted",
    "redact",
    "redact_incident",
    "redact_record",
    "reveal",
]

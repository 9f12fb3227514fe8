"""Draft a postmortem from facts: the deterministic drafter, the claim guard and what both read."""

from __future__ import annotations

from incident_pipeline.drafting.drafter import DRAFTED_BY, draft
from incident_pipeline.drafting.guard import ClaimGuard
from incident_pipeline.drafting.inputs import DraftInputs

__all__ = ["DRAFTED_BY", "ClaimGuard", "DraftInputs", "draft"]

"""Run checks as SQL over the sealed evidence's tables and settle each hypothesis by the outcome."""

from __future__ import annotations

from typing import Final

from incident_pipeline.checks.run import run_checks

CODE_VERSION: Final = "1"
"""Raised when the same tables would give other outcomes."""

__all__ = ["CODE_VERSION", "run_checks"]

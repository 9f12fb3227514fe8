"""Hand evidence and results to a stranger: derivation statements, the archive, and its verification."""

from __future__ import annotations

from typing import Final

from incident_pipeline.export.archive import write_archive
from incident_pipeline.export.bag import Exported, export
from incident_pipeline.export.derivation import write_derivation
from incident_pipeline.export.verify import verify_path

CODE_VERSION: Final = "1"
"""Raised when the same results would be exported as something else."""

__all__ = ["CODE_VERSION", "Exported", "export", "verify_path", "write_archive", "write_derivation"]

"""Find out whether a store keeps the promises of S3 Object Lock: 55 checks, run against it.

"S3-compatible" says little: stores take the lock headers and forget them. What belongs here: the checks
as data with their small functions, and the verdict. What does not: storing evidence (`s3_vault`).
"""

from __future__ import annotations

from incident_pipeline.evidence.doctor.check import Check, CheckOutcome
from incident_pipeline.evidence.doctor.examination import CHECKS, Examination, examine

__all__ = ["CHECKS", "Check", "CheckOutcome", "Examination", "examine"]

"""Assemble the postmortem and its sentence ledger, check its wording, render it for people."""

from __future__ import annotations

from typing import Final

from incident_pipeline.postmortem.assemble import assemble, assemble_with_refusals, key_times
from incident_pipeline.postmortem.html import render_html
from incident_pipeline.postmortem.lint import Finding, lint
from incident_pipeline.postmortem.markdown import render_markdown

CODE_VERSION: Final = "2"
"""Raised when the same results would give another text."""

__all__ = [
    "CODE_VERSION",
    "Finding",
    "assemble",
    "assemble_with_refusals",
    "key_times",
    "lint",
    "render_html",
    "render_markdown",
]

"""Parsers: sealed bytes to events, samples and quarantine; one file per format family."""

from __future__ import annotations

from incident_pipeline.parsers.artifact import ParsedArtifact, Reading, parse_artifact
from incident_pipeline.parsers.bundle import ParsedTables, parse_sealed, parse_sealed_into, write_tables
from incident_pipeline.parsers.files import parse_cases, parse_files, parse_into_folder
from incident_pipeline.parsers.own_format import digest_of, load_formats
from incident_pipeline.parsers.registry import all_formats, known_formats
from incident_pipeline.parsers.sink import MemorySink, ParquetSink
from incident_pipeline.parsers.source import Assume, Source

CODE_VERSION = "2"
"""Raised when the same bytes give other rows, so that what was parsed before counts as stale."""

__all__ = [
    "CODE_VERSION",
    "Assume",
    "MemorySink",
    "ParquetSink",
    "ParsedArtifact",
    "ParsedTables",
    "Reading",
    "Source",
    "all_formats",
    "digest_of",
    "known_formats",
    "load_formats",
    "parse_artifact",
    "parse_cases",
    "parse_files",
    "parse_into_folder",
    "parse_sealed",
    "parse_sealed_into",
    "write_tables",
]

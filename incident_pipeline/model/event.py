"""The vocabulary of the event table: kinds, precisions and time bases (design section 4.2)."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an event is."""

    LOG = "log"
    SPAN = "span"
    SPAN_EVENT = "span_event"
    ALERT = "alert"
    CHAT = "chat"
    CHANGE = "change"
    K8S_EVENT = "k8s_event"
    AUDIT = "audit"
    TRANSCRIPT = "transcript"
    SCREEN_TEXT = "screen_text"
    RUNBOOK_STEP = "runbook_step"
    TICKET = "ticket"
    OBJECT_STATE = "object_state"
    TOOL_OUTPUT = "tool_output"


class Precision(StrEnum):
    """The finest unit the source wrote."""

    SECOND = "s"
    MILLI = "ms"
    MICRO = "us"
    NANO = "ns"


class TimeBasis(StrEnum):
    """How the UTC time was arrived at."""

    EXPLICIT = "explicit"
    ASSUMED_ZONE = "assumed_zone"
    ASSUMED_YEAR = "assumed_year"
    ASSUMED_ZONE_AND_YEAR = "assumed_zone+assumed_year"
    RELATIVE = "relative"
    NONE = "none"


class Severity:
    """OpenTelemetry severity numbers (logs data model): the first of each block of four."""

    TRACE = 1
    DEBUG = 5
    INFO = 9
    NOTICE = 10
    WARN = 13
    ERROR = 17
    CRITICAL = 18
    FATAL = 21

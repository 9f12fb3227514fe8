"""The priority of syslog: facility times eight plus severity (RFC 5424, 6.2.1), as names and numbers."""

from __future__ import annotations

from typing import Final

from incident_pipeline.model.event import Severity

NAMES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""The names of the eight severities."""
LEVELS: Final = (
    22, Severity.CRITICAL + 1, Severity.CRITICAL, Severity.ERROR, Severity.WARN, Severity.NOTICE,
    Severity.INFO, Severity.DEBUG,
)  # fmt: skip
"""The OpenTelemetry severity numbers of the eight (logs data model, appendix B: 21 to 24 fatal, 19 alert)."""
FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
"""The names of the facilities."""
HIGHEST: Final = 191
"""The highest priority there is."""

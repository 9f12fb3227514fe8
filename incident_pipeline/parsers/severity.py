"""Severity words and numbers of other systems as OpenTelemetry severity numbers (logs data model, 1-24)."""

from __future__ import annotations

from typing import Final

from incident_pipeline.model.event import Severity


def _table(*rows: tuple[int, str]) -> dict[str, int]:
    return {word: number for number, words in rows for word in words.split()}


_WORDS: Final = _table(
    (Severity.TRACE, "trace verbose finest finer v"),
    (Severity.DEBUG, "debug dbg fine d debug1 debug2 debug3 debug4 debug5"),
    (Severity.INFO, "info information informational log default ok i"),
    (Severity.NOTICE, "notice n"),
    (Severity.WARN, "warn warning wrn w"),
    (Severity.ERROR, "error err severe e"),
    (Severity.CRITICAL, "critical crit alert dpanic c"),
    (Severity.FATAL, "fatal emerg emergency panic f"),
)
_STEPS: Final = _table(
    (Severity.TRACE, "10"),
    (Severity.DEBUG, "20"),
    (Severity.INFO, "30"),
    (Severity.WARN, "40"),
    (Severity.ERROR, "50"),
    (Severity.FATAL, "60"),
)
"""Levels of pino and bunyan."""
_ALERTS: Final = _table(
    (Severity.INFO, "info informational low lowest none maintenance p4 p5 sev4 sev5 sev-4 sev-5"),
    (Severity.WARN, "warning warn ticket minor medium moderate p3 sev3 sev-3"),
    (Severity.ERROR, "major error high p2 sev2 sev-2"),
    (Severity.CRITICAL, "critical page emergency blocker highest p0 p1 sev0 sev1 sev-0 sev-1"),
)
_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400


def severity_of(text: str | None) -> int | None:
    """Give the number of a level as loggers write it: a word, a letter, or a step of pino and bunyan."""
    if not text:
        return None
    return _WORDS.get(text.strip().strip("[]<>").lower()) or _STEPS.get(text)


def alert_severity(text: str | None) -> int | None:
    """Give the number of an alert's `severity` label, or of an incident's severity, priority or impact."""
    return _ALERTS.get(text.strip().lower()) if text else None


def status_severity(status: int) -> int:
    """Give the number that an HTTP status stands for in an access log."""
    if status >= _SERVER_ERROR:
        return Severity.ERROR
    return Severity.WARN if status >= _CLIENT_ERROR else Severity.INFO

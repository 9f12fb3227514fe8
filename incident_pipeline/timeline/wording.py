"""What one event says in one line, and who recorded it.

Only words of the row itself, put in the order people read them: who, what, how it ended. No judgement:
why an entry matters is `selection`, how it looks is `narrative`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.model.artifact import SealedArtifact

MAX_MESSAGE: Final = 400
"""Characters; longer messages end in an ellipsis, the whole one stands at the entry's byte range."""

_MILLISECOND: Final = 1_000_000
_HTTP_STATUS: Final = ("http.response.status_code", "http.status_code")


def message_of(row: Mapping[str, Any], *, failed: bool = False, limit: int = MAX_MESSAGE) -> str:
    """Give the line for a row of the event table (`attributes` as a dict); `failed` marks a failing span."""
    text = (row["message"] or "").strip()
    attributes: Mapping[str, str] = row["attributes"]
    kind = row["kind"]
    if kind == Kind.ALERT:
        line = _alert(text, attributes)
    elif kind == Kind.CHANGE:
        line = _lead(_words(attributes.get("change.kind"), _by(row["actor"])), text)
    elif kind == Kind.CHAT:
        line = _lead(row["actor"] or "", text)
    elif kind == Kind.SPAN:
        line = _span(text, row, attributes, failed=failed)
    else:
        line = text
    line = line or row["severity_raw"] or f"{kind} without a message"
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def recorded_by(row: Mapping[str, Any], artifact: SealedArtifact | None) -> str:
    """Give who or what wrote the entry: the person, else the system and the artifact it came through."""
    if row["actor"]:
        return str(row["actor"])
    via = artifact.source if artifact is not None else ""
    system = row["source"] or ""
    if system and via and system != via:
        return f"{system} via {via}"
    return system or via or row["service"] or row["host"] or row["artifact_uri"]


def source_of(row: Mapping[str, Any], artifact: SealedArtifact | None) -> str:
    """Give the system an event came from."""
    given = (artifact.source or artifact.type) if artifact is not None else ""
    return row["source"] or given or "unknown"


def _alert(text: str, attributes: Mapping[str, str]) -> str:
    name = attributes.get("labels.alertname") or ""
    shown = text if name and name in text else _lead(name, text)
    status = attributes.get("status") or ""
    return shown if status.lower() in shown.lower() else f"{status}: {shown}"


def _span(text: str, row: Mapping[str, Any], attributes: Mapping[str, str], *, failed: bool) -> str:
    status = next((attributes[name] for name in _HTTP_STATUS if attributes.get(name)), None)
    if failed:
        ending = _words("failed", f"with {status}" if status else None)
    else:
        ending = f"answered {status}" if status else "ended"
    if row["time_ns"] is not None and row["end_time_ns"] is not None:
        ending += f" after {(row['end_time_ns'] - row['time_ns']) / _MILLISECOND:.1f} ms"
    reason = attributes.get("status.message") or attributes.get("error.type")
    # An error type that only repeats the status code says nothing new.
    return _words(text, ending) + (f": {reason}" if reason and reason != status else "")


def _by(actor: str | None) -> str | None:
    return f"by {actor}" if actor else None


def _lead(head: str, text: str) -> str:
    return f"{head}: {text}" if head and text else head or text


def _words(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)

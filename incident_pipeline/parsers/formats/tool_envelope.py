"""Answers of tools around what they fetched: `{"tool_name": ..., "data": ..., "error_message": ...}`.

What lies inside, an API's object or text in one string, is read by its own format; what the envelope says
(tool, query, parameters, error, return code) goes to every row. An answer that failed or holds nothing is a
row: the source could not tell, which says nothing of the application.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.json_format import PageFormat, dict_of, first_text, text
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.nested import InnerText, NestedRows, inner_format
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.rows import Rows

_TOOLS: Final = ("tool_name", "toolName", "tool")
_COMMANDS: Final = ("command", "cmd", "invocation")
_PAYLOADS: Final = ("data", "result", "results", "output", "stdout", "response", "content", "payload", "text")
_ERRORS: Final = ("error_message", "error", "errorMessage", "stderr")
_CODES: Final = ("return_code", "returncode", "exit_code", "exitCode")
_FINE: Final = ("success", "succeeded", "ok", "200", "true", "no_data", "completed")
_EMPTY: Final = (b"null", b'""', b"[]", b"{}")
_MAX_SAID: Final = 300
_MAX_KNOWN: Final = 4_096


class ToolEnvelope(PageFormat):
    """The parser of tools' answers."""

    id = "tool_envelope"
    aliases = ("tool_result", "tool_output", "tool_call_result")
    title = "Answers of tools around what they fetched"
    spec = "own shape: a tool's name beside its data and its error"
    kinds = (Kind.TOOL_OUTPUT,)
    certainty = 0.96
    generality = 1

    def recognise(self, value: Any) -> float:
        """Recognise a tool's name beside a payload or an error, or a command beside its output."""
        value = dict_of(value)
        tool, command = first_text(value, _TOOLS[:2]), first_text(value, _COMMANDS)
        payload = any(name in value for name in _PAYLOADS)
        failed = any(name in value for name in _ERRORS)
        coded = any(name in value for name in _CODES)
        if tool is not None:
            return 1.0 if payload or failed else 0.6
        if isinstance(value.get("tool"), str) and payload:
            return 0.9
        if "stdout" in value and (coded or "stderr" in value):
            return 0.9
        return 0.8 if command is not None and isinstance(value.get("output"), str) else 0.0

    def read(self, place: Place, rows: Rows) -> bool:
        """Read what the envelope holds, or say that it holds nothing."""
        members = place.members()
        if not self.recognise(dict.fromkeys(members, "x")):
            return False
        payload = next(
            (members[key] for key in _PAYLOADS if key in members and members[key].raw not in _EMPTY), None
        )
        known: dict[str, str] = {}
        for key, member in members.items():
            if member is not payload and member.raw not in _EMPTY:
                known |= flatten({key: member.record().value})
        facts = {f"tool.{_short(key)}": value for key, value in known.items() if len(value) <= _MAX_KNOWN}
        failed = _failed(known)
        if failed:
            facts["tool.failed"] = "true"
        if payload is None or failed:
            rows.event(_own(place, known, facts, failed=failed))
        if payload is not None:
            _inside(place, payload, rows, facts)
        return True


def _short(key: str) -> str:
    return {"tool_name": "name", "toolName": "name", "tool": "name"}.get(key, key)


def _failed(known: dict[str, str]) -> bool:
    code = first_text(known, _CODES)
    status = (first_text(known, ("status",)) or "success").lower()
    said = first_text(known, _ERRORS[:3])
    return bool(said) or (code not in (None, "0")) or status in ("error", "failed", "failure", "timeout")


def _own(place: Place, known: dict[str, str], facts: dict[str, str], *, failed: bool) -> Event:
    """Give the row of an answer that failed or holds nothing."""
    tool = first_text(known, (*_TOOLS, *_COMMANDS)) or "a tool"
    query = first_text(known, ("query", "promql", "params", "description"))
    said = (first_text(known, _ERRORS) or "it failed") if failed else "it gave nothing"
    message = f"{tool}{f' ({query[:_MAX_SAID]})' if query else ''}: {said[:_MAX_SAID]}"
    whole = "" if b"\n" in place.raw else None
    return Event(
        start=place.start,
        end=place.end,
        kind=Kind.TOOL_OUTPUT,
        message=message,
        attributes={**facts, "record": "answer"},
        severity=Severity.ERROR if failed else Severity.INFO,
        severity_raw=text(known.get("status")),
        pointer=place.pointer or whole,
    )


def _inside(place: Place, payload: Place, rows: Rows, facts: dict[str, str]) -> None:
    """Read the payload by its own format; one that no format knows is one row."""
    # The list of formats holds this one: it can be asked for only when all are known.
    from incident_pipeline.parsers.registry import all_formats  # noqa: PLC0415 - the registry imports this module

    formats: Sequence[Format] = [item for item in all_formats() if not isinstance(item, ToolEnvelope)]
    pointer = place.pointer or ("" if b"\n" in place.raw else None)
    if payload.opener == b'"':
        inner = InnerText(
            payload.data[payload.start + 1 : max(payload.end - 1, payload.start + 1)], payload.start + 1
        )
        nested = NestedRows(
            rows,
            inner.data,
            inner.place,
            lambda found: f"{payload.pointer}{found}" if found else pointer,
            facts,
        )
        data = inner.data
    else:
        data = payload.raw
        nested = NestedRows(
            rows, data, lambda at: payload.start + at, lambda found: f"{payload.pointer}{found or ''}", facts
        )
    chosen = inner_format(data, formats, rows.source.type)
    if chosen is not None:
        chosen.parse(data, nested)
        if nested.given:
            return
    rows.event(
        Event(
            start=payload.start,
            end=payload.end,
            kind=Kind.TOOL_OUTPUT,
            message=data.decode("utf-8", "replace").strip(),
            attributes={**facts, "record": "answer"},
            pointer=payload.pointer if payload.opener != b'"' else pointer,
        )
    )


FORMATS: Final[tuple[Format, ...]] = (ToolEnvelope(),)

"""What tools make of logs: a pod's lines as one text in a JSON object, and clusters of like lines.

The lines stand in one JSON string: a row's bytes are its part of that string, as it is escaped there, and
its pointer is that of the object. Clusters have no times.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_format import PageFormat, dict_of, list_of, text
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json, flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.shipped_line import Envelope, shipped_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.rows import Rows

_NAMES: Final = ("pod_name", "pod", "podName", "container", "container_name")
_TEXTS: Final = ("logs", "log")
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)


class PodLog(PageFormat):
    """The parser of a pod's log in one object."""

    id = "pod_log"
    stands_alone = True
    aliases = ("pod_log_object", "kubernetes_pod_log")
    title = "Log of a pod in a JSON object"
    spec = "own shape: a pod's name beside its log as one text"
    kinds = (Kind.LOG,)
    certainty = 0.9

    def recognise(self, value: Any) -> float:
        """Recognise a pod's name beside a text of lines."""
        value = dict_of(value)
        return float(
            any(isinstance(value.get(name), str) for name in _NAMES)
            and any(isinstance(value.get(name), str) for name in _TEXTS[:1])
        )

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the lines of the text; what else the object says belongs to every line."""
        members = place.members()
        logs = next((members[name] for name in _TEXTS if name in members), None)
        if logs is None or logs.opener != b'"':
            return False
        known: dict[str, str] = {}
        for key, member in members.items():
            if member is not logs:
                known.update(flatten({key: member.record().value}))
        pod = next((known[name] for name in _NAMES if known.get(name)), None)
        container = known.get("container") or known.get("container_name")
        for start, end in _lines(place.data, logs.start + 1, logs.end - 1):
            line = _unescaped(place.data[start:end])
            if line is None:
                rows.reject(start, end, "a line that is no JSON text")
            elif line.strip():
                envelope = Envelope(known, service=container or _workload(pod), host=pod)
                event = shipped_line(line, envelope, rows.zone, start, end, place.pointer or None)
                rows.event(event)
        return True


class LogPatterns(PageFormat):
    """The parser of clustered log patterns."""

    id = "log_patterns"
    aliases = ("log_clusters", "clustered_patterns")
    title = "Clustered log patterns"
    spec = "own shape: a signature with slots beside its count"
    kinds = (Kind.TOOL_OUTPUT,)
    certainty = 0.9

    def recognise(self, value: Any) -> float:
        """Recognise a signature beside a count."""
        value = dict_of(value)
        items = next(
            (list_of(value[key]) for key in ("patterns", "clusters") if list_of(value.get(key))), [value]
        )
        return sum(_is_pattern(item) for item in items) / len(items)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read the patterns."""
        members = place.members()
        inner = members.get("patterns") or members.get("clusters")
        found = list(inner.items()) if inner is not None and inner.opener == b"[" else [place.record()]
        taken = False
        for record in found:
            if not _is_pattern(record.value):
                if inner is not None:
                    rows.reject(record.start, record.end, record.problem or "no pattern with a count")
                continue
            value: dict[str, Any] = record.value
            taken = True
            signature = _signature(value) or ""
            count = text(value.get("count"))
            rows.event(
                Event(
                    start=record.start,
                    end=record.end,
                    kind=Kind.TOOL_OUTPUT,
                    message=signature,
                    attributes={**flatten(value), "pattern.count": count or ""},
                    service=text(value.get("service")),
                    pointer=record.pointer,
                )
            )
        return taken or inner is not None


def _signature(value: Mapping[str, Any]) -> str | None:
    return text(value.get("signature")) or text(value.get("pattern"))


def _is_pattern(value: Any) -> bool:
    value = dict_of(value)
    return isinstance(value.get("signature", value.get("pattern")), str) and "count" in value


def _lines(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    r"""Give the ranges of the lines of a JSON string's inside: they end where `\n` is written."""
    at = start
    for match in _ESCAPED.finditer(data, start, end):
        if match[1] == b"n":
            if match.start() > at:
                yield at, match.start()
            at = match.end()
    if end > at:
        yield at, end


def _unescaped(raw: bytes) -> str | None:
    try:
        found = decode_json(b'"' + raw + b'"')
    except NotJsonError:
        return None
    return found if isinstance(found, str) else None


def _workload(pod: str | None) -> str | None:
    """Give the workload of a pod: its name without the hashes of replica set and pod, or the ordinal."""
    if pod is None:
        return None
    match = re.fullmatch(r"(.+?)(?:-[a-z0-9]{6,10})?-(?:[a-z0-9]{5}|\d{1,3})", pod)
    return match[1] if match else pod


FORMATS: Final[tuple[Format, ...]] = (PodLog(), LogPatterns())

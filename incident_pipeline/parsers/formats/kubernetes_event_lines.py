"""Kubernetes events as lines: a time, the type, the object, the reason and the message.

`2026-01-02T10:00:00Z Warning Pod/web-1 BackOff (x5): ...`, and timelines of one day that mix events with
what Flux did (`10:00:00 [event] ...`); their lines name no date, so their times stay unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.clock import TIME_OF_DAY
from incident_pipeline.parsers.kubectl_text import known_as, reference
from incident_pipeline.parsers.kubernetes import event_severity, reason_severity, workload_of
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose

if TYPE_CHECKING:
    import re

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Event, Rows

_HIDDEN: Final = ("Node", "Namespace")


class KubernetesEventLines(LineFormat):
    """The parser of events as lines."""

    id = "kubernetes_event_lines"
    aliases = ("k8s_event_lines", "event_lines")
    title = "Kubernetes events as lines"
    spec = "own shape: time, type, object, reason, count and message"
    kinds = (Kind.K8S_EVENT, Kind.CHANGE)
    certainty = 0.94
    patterns = compile_verbose(
        r"""(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) \s+
        \[? (?P<level>Normal|Warning) \]? \s+
        (?: (?P<about>[A-Za-z][\w.]{1,80}/[^\s:]{1,260}) \s+ (?P<reason>[A-Z]\w{1,80})
          | (?P<reason_first>[A-Z]\w{1,80}) \s+ (?P<about_second>[A-Za-z][\w.]{1,80}/[^\s:]{1,260}) )
        (?:\s+ \(x(?P<count>\d{1,9})\))? :? \s+ (?P<message>.*)""",
        rf"""{TIME_OF_DAY} \s+ \[(?P<origin>event|flux|k8s|deploy|change)\] \s+
        (?: (?P<level>Normal|Warning) \s+ )? (?P<message>.*)""",
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Read a line; what it is about gives workload and pod, its reason the severity."""
        found = super().event(match, data, start, end, rows)
        facts = dict(found.attributes)
        about = facts.pop("about_second", None) or facts.get("about")
        reason = facts.pop("reason_first", None) or facts.get("reason")
        facts.pop("about", None)
        if reason:
            facts["reason"] = reason
        origin = facts.get("origin", "event")
        named = reference(about) if about else None
        if named is None and origin in ("event", "k8s"):
            named = next(
                (one for word in (found.message or "").split()[:6] if (one := reference(word))), None
            )
        kind, name = named or (None, None)
        by_reason = reason_severity(reason) if reason else None
        is_event = origin in ("event", "k8s")
        return found._replace(
            kind=Kind.K8S_EVENT if is_event else Kind.CHANGE,
            attributes={**facts, **known_as(kind, None, name)},
            service=None if kind in _HIDDEN else workload_of(kind, name),
            host=name if kind in ("Pod", "Node") else None,
            severity=event_severity(found.severity_raw, reason) if is_event else by_reason or Severity.INFO,
        )


FORMATS: Final[tuple[Format, ...]] = (KubernetesEventLines(),)

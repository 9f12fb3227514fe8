"""Tables of kubectl: `get` of any kind, `get events` and `top`, with or without their headings.

Ages count back from the time of collection (`ages`); without it there are no times. A row of an object
has the time of its latest change that the row tells of: a restart, else its creation. `top` gives samples
when the time of collection is known, in cores and bytes. Headings are rows of their own: what is missing
below them is missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.ages import AGE, collected_ns
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.kubectl_text import event_of, kind_of_table, object_row
from incident_pipeline.parsers.kubernetes import quantity, workload_of
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.table import series_id
from incident_pipeline.parsers.text_table import Column, cells_of, header_of

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_NAME: Final = r"[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?"
_EVENT_ROW: Final = re.compile(
    rf"(?:(?P<namespace>{_NAME})\s+)?(?P<age>{AGE}(?: \(x\d{{1,9}} over {AGE}\))?|<unknown>|<invalid>)\s+"
    rf"(?P<type>Normal|Warning)\s+(?P<reason>[A-Z]\w{{1,80}})\s+(?P<about>[\w.]{{1,80}}/\S{{1,253}})\s+(?P<message>\S.*)"
)
_POD_ROW: Final = re.compile(
    rf"(?:(?P<NAMESPACE>{_NAME})\s+)?(?P<NAME>(?:pods?/)?{_NAME})\s+(?P<READY>\d{{1,4}}/\d{{1,4}})\s+"
    r"(?P<STATUS>[A-Z][\w:/.]{1,80}|Init:\d+/\d+)\s+"
    rf"(?P<RESTARTS>\d{{1,9}}(?: \({AGE} ago\))?)\s+(?P<AGE>{AGE}|<unknown>|<invalid>)(?:\s+(?P<rest>\S.*))?"
)
_NODE_ROW: Final = re.compile(
    rf"(?P<NAME>{_NAME})\s+(?P<STATUS>(?:Not)?Ready(?:,SchedulingDisabled)?)\s+(?P<ROLES>\S{{1,100}})\s+"
    rf"(?P<AGE>{AGE})\s+(?P<VERSION>v\d\S{{0,60}})(?:\s+(?P<rest>\S.*))?"
)
_TOP_ROW: Final = re.compile(
    rf"(?:(?P<NAMESPACE>{_NAME})\s+)?(?P<NAME>{_NAME})\s+(?P<CPU>\d{{1,12}}[num]?)\s+(?:(?P<CPU_SHARE>\d{{1,6}}%)\s+)?"
    r"(?P<MEMORY>\d{1,15}(?:[KMGT]i?))(?:\s+(?P<MEMORY_SHARE>\d{1,6}%))?"
)
_REQUEST_ROW: Final = re.compile(
    rf"(?P<NAMESPACE>{_NAME})\s+(?P<NAME>{_NAME})\s+(?P<AMOUNT>\d{{1,15}}(?:\.\d{{1,6}})?)\s{{0,3}}(?P<UNIT>[KMGT]i?B?|m)"
)
_OBJECT_ROW: Final = re.compile(rf"(?P<NAME>[a-z]{{2,40}}(?:\.[a-z0-9.]{{1,80}})?/{_NAME})\s+(?P<rest>\S.*)")
_BARE: Final = {
    "pod": _POD_ROW,
    "node": _NODE_ROW,
    "event": _EVENT_ROW,
    "top": _TOP_ROW,
    "object": _OBJECT_ROW,
}
"""Rows that are known without a heading."""
_LEVELS: Final = ("CPU(cores)", "MEMORY(bytes)")
_MEASURES: Final = {
    "CPU(cores)": ("cpu.usage", "{cpu}"), "CPU%": ("cpu.utilization", "1"),
    "MEMORY(bytes)": ("memory.usage", "By"), "MEMORY%": ("memory.utilization", "1"),
}  # fmt: skip
"""Columns of `top`, and the names of OpenTelemetry's semantic conventions (k8s metrics) with their units."""
_SEEN: Final = ("LAST SEEN", "LASTSEEN", "LAST", "AGE")
_EVENT_COLUMNS: Final = ("REASON", "MESSAGE")
_NOTHING: Final = re.compile(r"No resources found(?: in \S{1,253} namespace)?\.?")
_REFUSED: Final = re.compile(r"(?:Error from server|error:|Error:|The connection to the server )")
_SIZES: Final = ("CPU", "MEMORY", "CPU_SHARE", "MEMORY_SHARE")
_TOP: Final = dict(zip(_SIZES, ("CPU(cores)", "MEMORY(bytes)", "CPU%", "MEMORY%"), strict=True))
_OBJECT_NAME: Final = re.compile(r"[a-z0-9][\w.:/@-]*", re.ASCII)
_MAX_LINE: Final = 20_000
_MAX_EVENT: Final = 16_384
"""So far an event's message may go on over lines."""


class KubectlTable(Format):
    """The parser of kubectl's tables."""

    id = "kubectl_table"
    aliases = (
        "kubectl_get", "kubectl_events", "kubectl_top", "kubectl", "kubectl_get_events", "k8s_table",
        "kubectl_text",
    )  # fmt: skip
    title = "kubectl get, get events and top, as printed"
    spec = "https://kubernetes.io/docs/reference/kubectl/"
    kinds = (Kind.OBJECT_STATE, Kind.K8S_EVENT, Kind.TOOL_OUTPUT)

    def score(self, sample: Sample) -> float:
        """Recognise headings of kubectl, else rows that only kubectl prints."""
        texts = [line.decode("utf-8", "replace")[:_MAX_LINE] for line in sample.lines]
        if not texts:
            return 0.0
        good, columns, headed = 0, None, False
        for text in texts:
            header = header_of(text)
            if header is not None and _is_kubectl(header):
                columns, headed, good = header, True, good + 1
            elif columns is not None:
                good += cells_of(text, columns) is not None
            else:
                good += any(form.fullmatch(text) for form in _BARE.values()) or bool(_NOTHING.fullmatch(text))
        share = good / len(texts)
        return (0.9 if headed else 0.85) * share if share >= 0.5 else 0.0  # noqa: PLR2004 - most of it

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every table."""
        reader = _Reader(rows)
        for start, end in lines(data):
            # Cells stand below their headings: the white space before the first one counts.
            begin = data.rfind(b"\n", 0, start) + 1
            indent = text_of(data, begin, start, rows)
            reader.take(start, end, indent + text_of(data, start, end, rows))
        reader.finish()


def _is_kubectl(columns: tuple[Column, ...]) -> bool:
    names = tuple(column.name for column in columns)
    if set(_EVENT_COLUMNS) <= set(names) or any(name in _LEVELS for name in names):
        return True
    return (
        kind_of_table(names) is not None
        or ("NAME" in names and ("AGE" in names or "CREATED AT" in names))
        or ({"NAMESPACE", "NAME"} <= set(names) or {"NAME", "STATUS"} <= set(names))
    )


class _Reader:
    """Reads line by line; keeps the headings, and an event whose message may go on."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.columns: tuple[Column, ...] | None = None
        self.names: tuple[str, ...] = ()
        self.held: Event | None = None
        self.series = 0

    def take(self, start: int, end: int, line: str) -> None:
        """Take a line that is not blank."""
        text = line.strip()
        header = header_of(line)
        if header is not None:
            self.finish()
            self.columns, self.names = header, tuple(column.name for column in header)
            facts = {"record": "headings", "table.kind": kind_of_table(self.names) or ""}
            self.rows.event(Event(start, end, Kind.TOOL_OUTPUT, text, {k: v for k, v in facts.items() if v}))
            return
        said = _said(text)
        if said is not None:
            self.finish()
            severity, facts = said
            self.rows.event(Event(start, end, Kind.TOOL_OUTPUT, text, facts, severity=severity))
            return
        cells = cells_of(line, self.columns) if self.columns is not None else None
        if cells is not None and self._fits(cells):
            self._give(self._row(cells, start, end, text))
            return
        for what, form in _BARE.items():
            match = form.fullmatch(text[:_MAX_LINE])
            if match is not None:
                groups = {name: value for name, value in match.groupdict().items() if value}
                self._give(self._bare(what, groups, start, end, text))
                return
        if self.held is not None and end - self.held.start <= _MAX_EVENT:
            joined = f"{self.held.message}\n{text}"
            self.held = self.held._replace(end=end, message=joined)
            return
        self.rows.reject(start, end, "no heading and no row of a table of kubectl")

    def finish(self) -> None:
        """Hand over what is held back."""
        if self.held is not None:
            self.rows.event(self.held)
            self.held = None

    def _give(self, event: Event) -> None:
        self.finish()
        if event.kind == Kind.K8S_EVENT:
            self.held = event
        else:
            self.rows.event(event)

    def _fits(self, cells: dict[str, str]) -> bool:
        """Tell a row of the table from text between tables: an event has a type, an object a name."""
        if set(_EVENT_COLUMNS) <= set(self.names):
            return cells.get("TYPE", "Normal") in ("Normal", "Warning") and bool(cells.get("REASON"))
        name = cells.get("NAME") or cells.get("NAMESPACE") or cells.get("POD")
        return name is None or _OBJECT_NAME.fullmatch(name) is not None

    def _row(self, cells: dict[str, str], start: int, end: int, text: str) -> Event:
        if set(_EVENT_COLUMNS) <= set(self.names):
            return self._event(cells, start, end)
        kind = kind_of_table(self.names)
        if any(name in _LEVELS for name in self.names):
            kind = (
                "Pod"
                if "POD" in self.names or "NAMESPACE" in self.names or "CPU%" not in self.names
                else "Node"
            )
            self._measure(cells, kind, start, end)
        return object_row(cells, kind, start, end, self.rows, _spaced(text))

    def _event(self, cells: dict[str, str], start: int, end: int) -> Event:
        taken = ("LAST SEEN", "LASTSEEN", "LAST", "TYPE", "REASON", "MESSAGE", "OBJECT", "AGE")
        about = cells.get("OBJECT") or "/".join(
            part for part in (cells.get("KIND"), cells.get("NAME")) if part
        )
        return event_of(
            start, end, self.rows,
            age=next((cells[key] for key in _SEEN if cells.get(key)), None),
            by_type=cells.get("TYPE"), reason=cells.get("REASON"), about=about or None,
            message=cells.get("MESSAGE"),
            attributes={key.lower().replace(" ", "_"): one for key, one in cells.items() if key not in taken},
            namespace=cells.get("NAMESPACE"), actor=cells.get("SOURCE"),
        )  # fmt: skip

    def _bare(self, what: str, groups: dict[str, str], start: int, end: int, text: str) -> Event:
        if what == "event":
            return event_of(
                start, end, self.rows, age=groups["age"], by_type=groups["type"], reason=groups["reason"],
                about=groups["about"], message=groups["message"], attributes={},
                namespace=groups.get("namespace"),
            )  # fmt: skip
        kind = {"pod": "Pod", "node": "Node"}.get(what)
        if what == "top":
            kind = "Node" if "CPU_SHARE" in groups else "Pod"
            groups = {_TOP.get(name, name): value for name, value in groups.items()}
            self._measure(groups, kind, start, end)
        return object_row(groups, kind, start, end, self.rows, _spaced(text))

    def _measure(self, cells: dict[str, str], kind: str, start: int, end: int) -> None:
        """Give the samples of a row of `top`, if it is known when it was taken."""
        moment = collected_ns(self.rows)
        if moment is None:
            return
        name = cells.get("POD") or cells.get("NAME") or ""
        container = cells.get("NAME") if "POD" in cells else None
        scope = f"k8s.{'container' if container else kind.lower()}"
        labels = {f"k8s.{kind.lower()}.name": name}
        if container:
            labels["k8s.container.name"] = container
        if cells.get("NAMESPACE"):
            labels["k8s.namespace.name"] = cells["NAMESPACE"]
        for column, (measure, unit) in _MEASURES.items():
            raw = cells.get(column, "")
            value = quantity(raw.removesuffix("%"))
            if value is None:
                continue
            value = value / 100 if raw.endswith("%") else value
            self.series += 1
            key = self.rows.series(
                series_id(self.rows.source.sha256, f"{start}:{column}"), f"{scope}.{measure}", labels,
                unit=unit, service=workload_of(kind, name),
            )  # fmt: skip
            self.rows.samples(key, [moment], [value], [start], [end])


def _said(text: str) -> tuple[int, dict[str, str]] | None:
    """Know what kubectl says in place of a table."""
    if _NOTHING.fullmatch(text):
        return Severity.INFO, {"record": "nothing found"}
    if _REFUSED.match(text):
        return Severity.ERROR, {"record": "refusal", "tool.failed": "true"}
    return None


def _spaced(text: str) -> str:
    """Give a row without its padding."""
    return " ".join(text.split())


FORMATS: Final[tuple[Format, ...]] = (KubectlTable(),)

"""What `kubectl describe` prints: objects of any kind, one after the other, with their events at the end.

An object is a tree of `Key:  value` by indentation; a value goes on in lines that begin in its column. Its
row has no time. Starts and ends of containers, transitions of conditions and the events have times and are
rows of their own; ages of events count back from the time of collection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.clock import TIME_OF_DAY
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.kubectl_text import event_of, known_as
from incident_pipeline.parsers.kubernetes import (
    condition_severity,
    exit_severity,
    reason_severity,
    state_severity,
    workload_of,
)
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Stamp

_NAME: Final = re.compile(r"Name:[ \t]+(\S{1,300})[ \t]*$")
_SECOND: Final = re.compile(
    r"(?:Namespace|Labels|Annotations|Priority|Roles|IsDefaultClass|Finalizers|StorageClass|Subsets|Kind"
    r"|API Version):"
    r"(?:[ \t]|$)"
)
_KEY: Final = re.compile(
    r"(?P<indent>[ \t]*)(?P<key>[A-Za-z0-9(/][^:\n]{0,120}?):(?:(?P<gap>[ \t]+)(?P<value>\S.*)?)?$"
)
_MAIL_TIME: Final = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, )(?P<day>\d{{1,2}}) (?P<mon>[A-Z][a-z]{{2}}) (?P<year>\d{{4}}) {TIME_OF_DAY}"
    r" (?P<offset>[+-]\d{4}|[A-Z]{2,5})",
    re.ASCII,
)
_GAP: Final = re.compile(r" {2,}|\t+")
_RULE: Final = re.compile(r"[ \t]*(?:-{2,}|={2,})(?:[ \t]+(?:-{2,}|={2,}))*[ \t]*$")
_EVENT_HEAD: Final = re.compile(r"[ \t]*(?:FirstSeen[ \t]+LastSeen|Type[ \t]+Reason[ \t]+Age|LastSeen)\b")
_EVENT_CELLS: Final = 5
_KINDS: Final = (
    ("Pod", ("node", "containers")), ("Pod", ("start_time", "containers")), ("Deployment", ("strategytype",)),
    ("DaemonSet", ("desired_number_of_nodes_scheduled",)), ("CronJob", ("schedule", "concurrency_policy")),
    ("Job", ("parallelism",)), ("StatefulSet", ("update_strategy", "pods_status")),
    ("ReplicaSet", ("replicas", "pods_status")), ("Node", ("capacity", "allocatable")),
    ("HorizontalPodAutoscaler", ("reference", "min_replicas")), ("Ingress", ("rules", "ingress_class")),
    ("Ingress", ("rules", "default_backend")), ("Service", ("session_affinity",)),
    ("Service", ("ip_families",)),
    ("Endpoints", ("subsets",)), ("PersistentVolume", ("reclaim_policy", "claim")),
    ("PersistentVolumeClaim", ("access_modes", "volume")), ("StorageClass", ("provisioner",)),
    ("ServiceAccount", ("mountable_secrets",)), ("Secret", ("type",)),
    ("NetworkPolicy", ("spec.podselector",)),
)  # fmt: skip
"""Kinds by the keys that only their descriptions have; a custom resource names its own."""
_DATA: Final = ("Data", "BinaryData")
_HIDDEN: Final = ("Node", "Namespace", "PersistentVolume", "StorageClass")
_TOLD: Final = ("replicas", "pods_status", "reason")
_MAX_LINE: Final = 65_536
_MAX_EVENT: Final = 16_384
_LOOK: Final = 4


class Line(NamedTuple):
    """A line that is not blank, with its white space in front."""

    start: int
    end: int
    text: str


class Entry(NamedTuple):
    """A key with its path, its value as far as it stands in the line, and its place."""

    path: tuple[str, ...]
    value: str
    start: int
    end: int


class KubectlDescribe(Format):
    """The parser of `kubectl describe`."""

    id = "kubectl_describe"
    aliases = ("describe", "kubernetes_describe", "k8s_describe")
    title = "kubectl describe, as printed"
    spec = "https://kubernetes.io/docs/reference/kubectl/generated/kubectl_describe/"
    kinds = (Kind.OBJECT_STATE, Kind.K8S_EVENT)

    def score(self, sample: Sample) -> float:
        """Recognise a name at the margin, followed by what a description goes on with."""
        texts = [line.decode("utf-8", "replace") for line in sample.lines]
        heads = [index for index, text in enumerate(texts) if _begins(texts, index)]
        if not heads:
            return 0.0
        keyed = sum(_KEY.match(text) is not None for text in texts) / len(texts)
        return 0.93 if heads[0] == 0 else 0.8 if keyed > 0.3 else 0.5  # noqa: PLR2004 - text before it

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object."""
        held: list[Line] = []
        found = [_line(data, start, end, rows) for start, end in lines(data)]
        texts = [line.text for line in found]
        for index, line in enumerate(found):
            if _begins(texts, index):
                _take(held, rows)
                held = []
            held.append(line)
        _take(held, rows)


def _line(data: bytes, start: int, end: int, rows: Rows) -> Line:
    begin = data.rfind(b"\n", 0, start) + 1
    indent = data[begin:start].decode("ascii", "replace").replace("\ufeff", "").replace("\ufffd", "")
    return Line(start, end, indent + text_of(data, start, end, rows))


def _begins(texts: Sequence[str], index: int) -> bool:
    if not texts[index].startswith("Name:") or _NAME.match(texts[index]) is None:
        return False
    return any(_SECOND.match(text) for text in texts[index + 1 : index + _LOOK])


def _take(held: list[Line], rows: Rows) -> None:
    if not held:
        return
    if _NAME.match(held[0].text) is None:
        for line in held:
            rows.reject(line.start, line.end, "text before the first description")
        return
    at = next((index for index, line in enumerate(held) if line.text.startswith("Events:")), len(held))
    body, rest = held[: at + 1], held[at + 1 :]
    while rest and (_EVENT_HEAD.match(rest[0].text) or _RULE.match(rest[0].text)):
        body.append(rest.pop(0))
    described = _Described(body, rows)
    for event in described.rows_of():
        rows.event(event)
    _events(rest, described, rows)


class _Described:
    """One object while it is read."""

    def __init__(self, body: list[Line], rows: Rows) -> None:
        self.body = body
        self.rows = rows
        self.entries = list(_entries(body))
        self.attributes = _attributes(body, self.entries)
        self.kind = _kind_of(self.attributes)
        self.name = self.attributes.get("name")
        self.namespace = self.attributes.get("namespace")
        self.service = self._service()
        self.host = self.name if self.kind in ("Pod", "Node") else None

    @property
    def title(self) -> str:
        """The object as people name it."""
        name = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind or 'Object'} {name}"

    def _service(self) -> str | None:
        if self.kind in _HIDDEN:
            return None
        owner = (self.attributes.get("controlled_by") or "").split("/")
        if len(owner) == 2 and owner[0] not in _HIDDEN:  # noqa: PLR2004 - Kind/name
            return workload_of(owner[0], owner[1])
        return workload_of(self.kind, self.name)

    def rows_of(self) -> list[Event]:
        """Give the rows, in the order of their places."""
        found = [*self._parts()]
        weights = [row.severity for row in found if row.severity is not None and row.stamp is UNKNOWN]
        status = self.attributes.get("status") or ""
        words = [f"{self.title}: {status}" if status else self.title]
        words += [
            f"{key.replace('_', ' ')} {self.attributes[key]}" for key in _TOLD if key in self.attributes
        ]
        words += [row.message or "" for row in found if row.stamp is UNKNOWN]
        severity = max([state_severity(status) or 0, *weights]) or None
        timed = [row for row in found if row.stamp is not UNKNOWN]
        state = self._row(
            self.body[0].start, self.body[-1].end, ", ".join(words), {**self.attributes, "record": "object"},
            UNKNOWN, severity, status or None,
        )  # fmt: skip
        return sorted([state, *timed], key=lambda event: (event.start, -event.end))

    def _row(
        self,
        start: int,
        end: int,
        message: str,
        attributes: dict[str, str],
        stamp: Stamp,
        severity: int | None = None,
        raw: str | None = None,
    ) -> Event:
        return Event(
            start=start,
            end=end,
            kind=Kind.OBJECT_STATE,
            message=message,
            attributes={**attributes, **known_as(self.kind, self.namespace, self.name)},
            stamp=stamp,
            service=self.service,
            host=self.host,
            severity=severity,
            severity_raw=raw,
        )

    def _parts(self) -> Iterator[Event]:
        """Give what has a time of its own, and (untimed, not rows) what adds to the object's own row."""
        for index, entry in enumerate(self.entries):
            key = entry.path[-1]
            if entry.path in (("start_time",), ("creationtimestamp",), ("metadata", "creation_timestamp")):
                stamp = _time(entry.value, self.rows)
                what = "started" if key == "start_time" else "created"
                if stamp.time_ns is not None:
                    yield self._row(
                        entry.start, entry.end, f"{self.title} {what}", {"transition": what}, stamp
                    )
            elif key in ("state", "last_state") and len(entry.path) > 2:  # noqa: PLR2004 - of a container
                yield from self._container(index, entry)
        yield from self._conditions()

    def _container(self, index: int, entry: Entry) -> Iterator[Event]:
        inner = []
        for other in self.entries[index + 1 :]:
            if other.path[: len(entry.path)] != entry.path:
                break
            inner.append(other)
        facts = {other.path[-1]: other.value for other in inner}
        container, state = entry.path[-2], entry.value.strip().lower()
        reason, code = facts.get("reason"), facts.get("exit_code")
        end = inner[-1].end if inner else entry.end
        stamp = _time(facts.get("finished") if state == "terminated" else facts.get("started"), self.rows)
        severity = exit_severity(code, reason) if state == "terminated" else reason_severity(reason)
        what = f"container {container} {state}"
        if state == "terminated":
            what += f": {reason or 'no reason'}" + (f", exit code {code}" if code else "")
        elif reason:
            what += f": {reason}"
        named = {f"container.{key}": value for key, value in facts.items()} | {"container.name": container}
        if stamp.time_ns is not None:
            yield self._row(
                entry.start,
                end,
                f"{self.title} {what}",
                {**named, "transition": state},
                stamp,
                severity,
                reason,
            )
        if entry.path[-1] == "state" and state != "running":
            yield self._row(entry.start, end, what, named, UNKNOWN, severity, reason)

    def _conditions(self) -> Iterator[Event]:
        at = next((i for i, line in enumerate(self.body) if line.text.startswith("Conditions:")), None)
        if at is None or at + 1 >= len(self.body):
            return
        names = [_key(name) for name in _GAP.split(self.body[at + 1].text.strip())]
        if names[:2] != ["type", "status"]:
            return
        for line in self.body[at + 2 :]:
            if not line.text.startswith(" ") or _KEY.match(line.text):
                break
            if _RULE.match(line.text):
                continue
            cells = dict(zip(names, _GAP.split(line.text.strip(), maxsplit=len(names) - 1), strict=False))
            kind, status = cells.get("type", ""), cells.get("status", "")
            severity = condition_severity(kind, status, self.kind)
            stamp = _time(cells.get("lasttransitiontime"), self.rows)
            what = ": ".join(
                part for part in (f"{kind}={status}", cells.get("reason"), cells.get("message")) if part
            )
            facts = {f"condition.{key}": value for key, value in cells.items()} | {"transition": "condition"}
            if stamp.time_ns is not None:
                yield self._row(line.start, line.end, f"{self.title} {what}", facts, stamp, severity, status)
            if severity > Severity.INFO:
                yield self._row(line.start, line.end, f"{kind}={status}", facts, UNKNOWN, severity, status)


def _entries(body: list[Line]) -> Iterator[Entry]:
    """Give the keys with their paths; the lines of a value that goes on belong to its key."""
    open_keys: list[tuple[int, str]] = []
    column = -1
    for line in body:
        text = line.text[:_MAX_LINE]
        if text.strip() in _DATA:  # what follows is a file's text
            return
        indent = len(text) - len(text.lstrip())
        if column >= 0 and indent == column:
            continue
        match = _KEY.match(text)
        if match is None:
            continue
        while open_keys and open_keys[-1][0] >= indent:
            open_keys.pop()
        open_keys.append((indent, _key(match["key"])))
        column = match.start("value") if match["value"] else -1
        yield Entry(
            tuple(name for _, name in open_keys), (match["value"] or "").rstrip(), line.start, line.end
        )


def _attributes(body: list[Line], entries: list[Entry]) -> dict[str, str]:
    """Give every key with its value; lines that are no key go on with the value of the last one."""
    found: dict[str, list[str]] = {}
    by_start = {entry.start: entry for entry in entries}
    name, depth = "name", 0
    for line in body:
        entry = by_start.get(line.start)
        indent = len(line.text) - len(line.text.lstrip())
        if entry is None and name != "data" and indent <= depth:
            name = "data" if line.text.strip() in _DATA else "table"
        if entry is not None:
            name, depth = ".".join(entry.path), indent
            found.setdefault(name, [])
            if entry.value:
                found[name].append(entry.value)
        else:
            found.setdefault(name, []).append(line.text.strip())
    joined = {key: "\n".join(values) for key, values in found.items()}
    return {key: value for key, value in joined.items() if value and value != "<none>"}


def _kind_of(attributes: dict[str, str]) -> str | None:
    if attributes.get("kind"):
        return attributes["kind"]
    held = set(attributes) | {key.partition(".")[0] for key in attributes}
    if attributes.get("table", "").split()[:3] == ["Resource", "Used", "Hard"]:
        return "ResourceQuota"
    if attributes.get("data", "").startswith("Data\n==="):
        return "Secret" if "type" in held else "ConfigMap"
    return next((kind for kind, keys in _KINDS if all(key in held for key in keys)), None)


def _events(rest: list[Line], described: _Described, rows: Rows) -> None:
    """Read the rows of the events' table; the lines of a message that goes on belong to its event."""
    held: Event | None = None
    about = f"{described.kind or 'Object'}/{described.name}"
    for line in rest:
        cells = _GAP.split(line.text.strip()[:_MAX_LINE], maxsplit=_EVENT_CELLS - 1)
        if len(cells) == _EVENT_CELLS and cells[0] in ("Normal", "Warning"):
            if held is not None:
                rows.event(held)
            held = event_of(
                line.start, line.end, rows, age=cells[2], by_type=cells[0], reason=cells[1], about=about,
                message=cells[4], attributes={}, namespace=described.namespace, actor=cells[3],
            )._replace(service=described.service)  # fmt: skip
        elif held is not None and line.end - held.start <= _MAX_EVENT:
            held = held._replace(end=line.end, message=f"{held.message}\n{line.text.strip()}")
        else:
            rows.reject(line.start, line.end, "no row of the events' table")
    if held is not None:
        rows.event(held)


def _time(text: str | None, rows: Rows) -> Stamp:
    if not text:
        return UNKNOWN
    match = _MAIL_TIME.match(text)
    return rows.clock.stamp(match, match[0]) if match is not None else parse_time(text, rows.zone)


def _key(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


FORMATS: Final[tuple[Format, ...]] = (KubectlDescribe(),)

"""The state of a cluster as tools of one's own report it: pods, nodes, workloads and warnings in plain JSON.

`{"pods": [...]}`, `{"nodes": [...]}`, `{"deployments": [...]}`, `{"warning_events": [...]}`, several of
them in one object, with snake_case names. States have no times of their own; containers and events do. A
list that is empty is a finding and a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.json_format import PageFormat, dict_of, first_text, list_of, text, time_of
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.kubernetes import (
    condition_severity,
    event_severity,
    exit_severity,
    state_severity,
    workload_of,
)
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_EVENTS: Final = ("warning_events", "events", "k8s_events", "kubernetes_events")
_KINDS: Final = {
    "pods": "Pod", "nodes": "Node", "deployments": "Deployment", "statefulsets": "StatefulSet",
    "stateful_sets": "StatefulSet", "daemonsets": "DaemonSet", "daemon_sets": "DaemonSet",
    "replicasets": "ReplicaSet", "replica_sets": "ReplicaSet", "services": "Service", "jobs": "Job",
    "cronjobs": "CronJob", "persistent_volume_claims": "PersistentVolumeClaim",
    "pvcs": "PersistentVolumeClaim",
}  # fmt: skip
_TELLING: Final = {
    "Pod": ("phase", "containers", "restart_count", "restarts", "node_name", "container_statuses"),
    "Node": ("ready", "role", "roles", "conditions", "internal_ip", "memory_pressure", "capacity_cpu"),
    "Service": ("cluster_ip", "namespace"),
}  # fmt: skip
_COUNTS: Final = ("desired", "ready", "available", "unavailable", "replicas", "namespace", "status", "phase")
_PRESSURES: Final = {
    "memory_pressure": "MemoryPressure", "disk_pressure": "DiskPressure", "pid_pressure": "PIDPressure",
    "network_unavailable": "NetworkUnavailable", "ready": "Ready",
}  # fmt: skip
_ABOUT: Final = ("involved_object", "object", "involvedObject", "regarding")
_LAST: Final = ("last_time", "last_timestamp", "last_seen", "event_time", "timestamp", "time", "first_time",
                "first_timestamp")  # fmt: skip
_STARTS: Final = ("start_time", "started_at", "created_at", "creation_timestamp")


class ClusterApi(PageFormat):
    """The parser of plain reports of a cluster's state."""

    id = "cluster_api"
    aliases = ("cluster_state", "k8s_summary", "cluster_summary")
    title = "State of a cluster in plain JSON (pods, nodes, workloads, warnings)"
    spec = "own shape: lists of pods, nodes, deployments and events with snake_case names"
    kinds = (Kind.OBJECT_STATE, Kind.K8S_EVENT)
    certainty = 0.93

    def recognise(self, value: Any) -> float:
        """Recognise a list under one of these names whose items say what only such objects say."""
        value = dict_of(value)
        if "apiVersion" in value or ("kind" in value and "items" in value):
            return 0.0
        held = [key for key in (*_KINDS, *_EVENTS) if isinstance(value.get(key), list)]
        full = [key for key in held if value[key]]
        if not full:
            return (
                0.9 if any(key in ("pods", "nodes", "deployments", "warning_events") for key in held) else 0.0
            )
        good = [all(_fits(key, item) for item in value[key][:20]) for key in full]
        return 1.0 if all(good) else 0.5 * sum(good) / len(good)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read every list of the object."""
        members = place.members()
        lists = {
            key: item
            for key, item in members.items()
            if (key in _KINDS or key in _EVENTS) and item.opener == b"["
        }
        if not lists:
            return False
        known: dict[str, str] = {}
        for key, item in members.items():
            if key not in lists:
                known |= flatten({key: item.record().value})
        for key, item in sorted(lists.items(), key=lambda pair: pair[1].start):
            empty = True
            for record in item.items():
                empty = False
                if not isinstance(record.value, dict):
                    rows.reject(
                        record.start, record.end, record.problem or f"an entry of {key} that is no object"
                    )
                    continue
                for event in _read(key, Place.of(item.data, record), record, rows, known):
                    rows.event(event)
            if empty:
                rows.event(
                    Event(item.start, item.end, Kind.TOOL_OUTPUT, f"{key}: none", {**known, "list": key},
                          pointer=item.pointer)
                )  # fmt: skip
        return True


def _fits(key: str, item: Any) -> bool:
    item = dict_of(item)
    if key in _EVENTS:
        return "reason" in item and any(name in item for name in _ABOUT)
    telling = _TELLING.get(_KINDS[key], _COUNTS)
    return isinstance(item.get("name", item.get("pod_name")), str) and any(name in item for name in telling)


def _read(key: str, place: Place, record: Record, rows: Rows, known: Mapping[str, str]) -> Iterator[Event]:
    if key in _EVENTS:
        yield _event(record, rows, known)
        return
    found = [*_object(_KINDS[key], place, record, rows, known)]
    yield from sorted(found, key=lambda event: (event.start, -event.end))


def _event(record: Record, rows: Rows, known: Mapping[str, str]) -> Event:
    value: dict[str, Any] = record.value
    flat = {**known, **flatten(value)}
    about = next((value[key] for key in _ABOUT if value.get(key)), None)
    kind, _, name = about.partition("/") if isinstance(about, str) else ("", "", "")
    if isinstance(about, dict):
        kind, name = text(about.get("kind")) or "", text(about.get("name")) or ""
    elif not name:
        kind, name = "", kind
    taken = next((key for key in _LAST if time_of(value.get(key), rows.zone).time_ns is not None), None)
    stamp = time_of(value.get(taken), rows.zone) if taken else UNKNOWN
    if taken:
        flat.pop(taken)
    by_type, reason = text(value.get("type")), text(value.get("reason"))
    said = text(value.get("message"))
    flat.update({key: item for key, item in (("k8s.kind", kind), ("k8s.name", name)) if item})
    if text(value.get("namespace")):
        flat["k8s.namespace"] = str(text(value.get("namespace")))
    if said:
        flat.pop("message", None)
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.K8S_EVENT,
        message=said or f"{reason or 'event'} on {kind} {name}".strip(),
        attributes=flat,
        stamp=stamp,
        service=workload_of(kind, name),
        host=name if kind in ("Pod", "Node") else None,
        severity=event_severity(by_type, reason),
        severity_raw=by_type,
        pointer=record.pointer,
    )


def _object(kind: str, place: Place, record: Record, rows: Rows, known: Mapping[str, str]) -> Iterator[Event]:
    value: dict[str, Any] = record.value
    name, namespace = first_text(value, ("name", "pod_name")), text(value.get("namespace"))
    title = f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
    who = {"k8s.kind": kind, "k8s.name": name or "", **({"k8s.namespace": namespace} if namespace else {})}
    service, host = workload_of(kind, name), name if kind in ("Pod", "Node") else None

    def row(
        at: Record | Place, message: str, attributes: dict[str, str], severity: int | None, raw: str | None,
        when: Any = None,
    ) -> Event:  # fmt: skip
        stamp = time_of(when, rows.zone)
        return Event(at.start, at.end, Kind.OBJECT_STATE, message, {**known, **attributes, **who}, stamp,
                     service=service, host=host, severity=severity, severity_raw=raw,
                     pointer=at.pointer or None)  # fmt: skip

    raw = first_text(value, ("phase", "status"))
    words, severity = [f"{title}: {raw}" if raw and "{" not in raw else title], state_severity(raw or "")
    attributes = {**flatten(value), "record": "object"}
    for condition, status in _conditions(kind, value):
        attributes[f"condition.{condition}"] = status
        weight = condition_severity(condition, status, kind)
        severity = max(severity or 0, weight)
        words += [f"{condition}={status}"] if weight > Severity.INFO or kind == "Node" else []
    words += [
        f"{key} {count}"
        for key in _COUNTS[:4]
        if kind not in ("Node", "Pod") and (count := text(value.get(key)))
    ]
    severity = max(severity or 0, _lack(value) or 0) or None
    inner = place.find("containers") or place.find("container_statuses")
    for item in inner.items() if inner is not None else ():
        container = dict_of(item.value)
        if not container:
            continue
        label, state = text(container.get("name")) or "container", dict_of(container.get("state"))
        reason, code = text(state.get("reason")), text(state.get("exit_code"))
        ended = bool(state.get("terminated"))
        weight = exit_severity(code if ended else None, reason)
        severity = max(severity or 0, weight)
        restarts = first_text(container, ("restart_count", "restarts"))
        words.append(
            " ".join(part for part in (label, reason, f"restarts {restarts}" if restarts else None) if part)
        )
        when = (first_text(state, ("finished_at",)) if ended else None) or text(state.get("started_at"))
        if time_of(when, rows.zone).time_ns is not None:
            what = f"terminated: {reason or 'no reason'}" if ended else "started"
            facts = {f"container.{key}": one for key, one in flatten(container).items()}
            at = Place.of(place.data, item)._replace(pointer=f"{item.pointer or ''}")
            yield row(at, f"{title} container {label} {what}", facts, weight, reason, when)
    started = next((key for key in _STARTS if time_of(value.get(key), rows.zone).time_ns is not None), None)
    if started:
        spot = place.find(started)
        if spot is not None:
            yield row(spot._replace(pointer=place.pointer), f"{title} started", {"transition": started},
                      None, None, value[started])  # fmt: skip
    yield row(record, ", ".join(words), attributes, severity, raw)


def _conditions(kind: str, value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the conditions: a list of types and statuses, an object of them, or members of their own."""
    held = value.get("conditions")
    for item in list_of(held):
        if isinstance(item, dict) and text(item.get("type")) and text(item.get("status")):
            yield str(text(item["type"])), str(text(item["status"]))
    for name, status in dict_of(held).items():
        said = status.get("status") if isinstance(status, dict) else status
        if text(said):
            yield name, str(text(said)).capitalize()
    if kind == "Node":
        for key, name in _PRESSURES.items():
            if text(value.get(key)):
                yield name, str(text(value[key])).capitalize()


def _lack(value: dict[str, Any]) -> int | None:
    """Give the severity of a workload that has fewer replicas than it should."""
    wanted, ready = (text(value.get(key)) or "" for key in ("desired", "ready"))
    short = wanted.isdecimal() and ready.isdecimal() and len(wanted + ready) < 18 and int(ready) < int(wanted)  # noqa: PLR2004
    return (Severity.ERROR if int(ready) == 0 else Severity.WARN) if short else None


FORMATS: Final[tuple[Format, ...]] = (ClusterApi(),)

"""What the formats of kubectl's text output share: kinds by their columns, rows of objects and of events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.ages import AGE, before_collection, granularity, repeated
from incident_pipeline.parsers.kubernetes import event_severity, state_severity, workload_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.rows import Rows

_SIGNATURES: Final = (
    ("Pod", ("READY", "STATUS", "RESTARTS")), ("Pod", ("POD", "NODE")),
    ("DaemonSet", ("DESIRED", "CURRENT", "UP-TO-DATE")), ("Deployment", ("UP-TO-DATE", "AVAILABLE")),
    ("ReplicaSet", ("DESIRED", "CURRENT", "READY")), ("Service", ("CLUSTER-IP",)),
    ("Endpoints", ("ENDPOINTS",)),
    ("EndpointSlice", ("ADDRESSTYPE",)), ("Node", ("ROLES", "VERSION")),
    ("PersistentVolume", ("RECLAIM POLICY",)),
    ("PersistentVolumeClaim", ("VOLUME", "CAPACITY")), ("StorageClass", ("PROVISIONER",)),
    ("CronJob", ("SCHEDULE",)), ("Job", ("COMPLETIONS",)),
    ("HorizontalPodAutoscaler", ("REFERENCE", "TARGETS")),
    ("Ingress", ("HOSTS",)), ("Ingress", ("CLASS", "ADDRESS")), ("Secret", ("TYPE", "DATA")),
    ("ConfigMap", ("DATA",)),
    ("ServiceAccount", ("SECRETS",)), ("NetworkPolicy", ("POD-SELECTOR",)), ("ResourceQuota", ("REQUEST",)),
    ("StatefulSet", ("READY", "AGE")), ("PodDisruptionBudget", ("ALLOWED DISRUPTIONS",)),
    ("Lease", ("HOLDER",)),
)  # fmt: skip
"""Which kind of object a table lists, by columns that only it has; the first that fits."""
_NAMED: Final = {
    "po": "Pod", "pod": "Pod", "pods": "Pod", "deploy": "Deployment", "deployment": "Deployment",
    "rs": "ReplicaSet", "replicaset": "ReplicaSet", "sts": "StatefulSet", "statefulset": "StatefulSet",
    "ds": "DaemonSet", "daemonset": "DaemonSet", "svc": "Service", "service": "Service", "job": "Job",
    "cronjob": "CronJob", "cj": "CronJob", "node": "Node", "no": "Node", "endpoints": "Endpoints",
    "ep": "Endpoints",
    "cm": "ConfigMap", "configmap": "ConfigMap", "secret": "Secret", "ingress": "Ingress", "ing": "Ingress",
    "pvc": "PersistentVolumeClaim", "persistentvolumeclaim": "PersistentVolumeClaim",
    "pv": "PersistentVolume",
    "persistentvolume": "PersistentVolume", "hpa": "HorizontalPodAutoscaler", "namespace": "Namespace",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler", "serviceaccount": "ServiceAccount",
    "sa": "ServiceAccount",
    "networkpolicy": "NetworkPolicy", "storageclass": "StorageClass", "event": "Event", "ns": "Namespace",
    "endpointslice": "EndpointSlice", "poddisruptionbudget": "PodDisruptionBudget",
    "resourcequota": "ResourceQuota",
}  # fmt: skip
_HIDDEN: Final = ("Node", "Namespace", "PersistentVolume", "StorageClass")
_RESTARTED: Final = re.compile(rf"\d{{1,9}} \((?P<age>{AGE}) ago\)", re.ASCII)
_SHARE: Final = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)
_STATES: Final = ("STATUS", "PHASE", "STATE")


class Reference(NamedTuple):
    """An object that a text names: `pod/web-1`, `Deployment.apps/web`."""

    kind: str
    name: str


def kind_named(word: str) -> str:
    """Give the kind of a short, plural or lower-case name; other words as they are."""
    bare = word.partition(".")[0]
    return _NAMED.get(bare.lower(), _NAMED.get(bare.lower().removesuffix("s"), bare))


def reference(text: str) -> Reference | None:
    """Read `kind/name`; None when it is none."""
    kind, slash, name = text.partition("/")
    return Reference(kind_named(kind), name) if slash and kind and name else None


def kind_of_table(columns: tuple[str, ...]) -> str | None:
    """Give the kind of object that a table with these columns lists."""
    return next((kind for kind, needed in _SIGNATURES if all(name in columns for name in needed)), None)


def attributes_of(cells: Mapping[str, str]) -> dict[str, str]:
    """Give a row's cells as attributes; what kubectl prints for nothing is left out."""
    return {
        name.lower().replace(" ", "_"): value
        for name, value in cells.items()
        if value not in ("<none>", "<unset>")
    }


def known_as(kind: str | None, namespace: str | None, name: str | None) -> dict[str, str]:
    """Give the attributes by which every row names its object."""
    pairs = (("k8s.kind", kind), ("k8s.namespace", namespace), ("k8s.name", name))
    return {key: value for key, value in pairs if value}


def object_row(
    cells: Mapping[str, str], kind: str | None, start: int, end: int, rows: Rows, message: str
) -> Event:
    """Read a row that tells the state of an object; its time is its latest change that the row tells of."""
    name = cells.get("NAME") or cells.get("POD")
    named = reference(name) if name else None
    if named is not None:
        kind, name = named
    stamp, of, age = UNKNOWN, None, cells.get("AGE")
    restarted = _RESTARTED.fullmatch(cells.get("RESTARTS", ""))
    if restarted is not None:
        stamp, of, age = before_collection(restarted["age"], rows), "restarted", restarted["age"]
    elif age:
        stamp, of = before_collection(age, rows), "created"
    elif cells.get("CREATED AT"):
        stamp, of = parse_time(cells["CREATED AT"], rows.zone), "created"
    state = next((cells[key] for key in _STATES if cells.get(key)), None)
    facts: dict[str, str] = {
        "record": "object",
        **({"time.of": of} if of and stamp.time_ns is not None else {}),
    }
    if stamp.time_ns is not None and of:
        facts |= granularity(age)
    return Event(
        start=start,
        end=end,
        kind=Kind.OBJECT_STATE,
        message=message,
        attributes={**attributes_of(cells), **facts, **known_as(kind, cells.get("NAMESPACE"), name)},
        stamp=stamp,
        service=None if kind in _HIDDEN or kind is None else workload_of(kind, name),
        host=name if kind in ("Pod", "Node") else None,
        severity=_severity(kind, state, cells),
        severity_raw=state,
    )


def event_of(
    start: int,
    end: int,
    rows: Rows,
    *,
    age: str | None,
    by_type: str | None,
    reason: str | None,
    about: str | None,
    message: str | None,
    attributes: dict[str, str],
    namespace: str | None = None,
    actor: str | None = None,
) -> Event:
    """Read a row of an events table, in `kubectl get events` or at the end of a description."""
    seen = repeated(age) if age else None
    stamp = before_collection(seen.age, rows) if seen is not None else UNKNOWN
    if seen is None and age:
        stamp = parse_time(age, rows.zone)
    facts = dict(attributes)
    if seen is not None:
        facts |= {key: value for key, value in (("count", seen.times), ("over", seen.over)) if value}
        if stamp.time_ns is not None:
            facts |= {"time.of": "last seen", **granularity(seen.age)}
    found = reference(about) if about else None
    kind, name = found or (None, about)
    return Event(
        start=start,
        end=end,
        kind=Kind.K8S_EVENT,
        message=message or f"{reason or 'event'} on {about or 'an object'}",
        attributes={**facts, **({"reason": reason} if reason else {}), **known_as(kind, namespace, name)},
        stamp=stamp,
        service=None if kind in _HIDDEN else workload_of(kind, name),
        host=name if kind in ("Pod", "Node") else None,
        actor=actor,
        severity=event_severity(by_type, reason),
        severity_raw=by_type,
    )


def _severity(kind: str | None, state: str | None, cells: Mapping[str, str]) -> int | None:
    by_state = state_severity(state) if state else None
    if kind == "Node" and state and state.split(",")[0] == "Ready":
        by_state = Severity.INFO
    share = _SHARE.fullmatch(cells.get("READY", ""))
    if kind != "Job" and share is not None and int(share[1]) < int(share[2]):
        done = state in ("Completed", "Succeeded")
        short = Severity.INFO if done else Severity.WARN if kind == "Pod" or int(share[1]) else Severity.ERROR
        by_state = max(by_state or 0, short)
    return by_state

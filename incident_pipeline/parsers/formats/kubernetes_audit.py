"""Kubernetes audit events (audit.k8s.io): who asked the API server for what, and what came of it.

One row per stage: a request has the same `auditID` at every stage, so a stage's own identity is both. The
time is when the request was received, the end when the stage was reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    first_text,
    list_of,
    objects,
    text,
    time_of,
)
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.kubernetes import workload_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import status_severity
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows

_BEGINS: Final = ("requestReceivedTimestamp", "timestamp", "metadata.creationTimestamp", "stageTimestamp")
_END: Final = "stageTimestamp"
_SINGULAR: Final = {"statuses": "status", "ingresses": "ingress", "endpoints": "endpoints"}
_STATUS_DIGITS: Final = 3


class KubernetesAudit(PageFormat):
    """The parser of the API server's audit log."""

    id = "kubernetes_audit"
    stands_alone = True
    aliases = ("k8s_audit", "kube_apiserver_audit", "audit_k8s_io")
    title = "Kubernetes audit log"
    spec = "https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/"
    kinds = (Kind.AUDIT,)
    certainty = 0.99

    def recognise(self, value: Any) -> float:
        """Recognise an audit id with a stage, or a list of such events."""
        value = dict_of(value)
        items = list_of(value.get("items"))
        return sum(map(_is_audit, items)) / len(items) if items else float(_is_audit(value))

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an event or a list of events."""
        items = place.members().get("items")
        if items is not None and items.opener == b"[":
            for record in objects(items.items(), rows, "an item"):
                rows.event(_event(record, rows))
            return True
        record = place.record()
        if not _is_audit(record.value):
            return False
        whole = "" if b"\n" in place.raw else None
        rows.event(_event(record._replace(pointer=record.pointer or whole), rows))
        return True


def _is_audit(value: Any) -> bool:
    value = dict_of(value)
    return isinstance(value.get("auditID"), str) and isinstance(value.get("stage"), str)


def _event(record: Record, rows: Rows) -> Event:
    value: dict[str, Any] = record.value
    flat = flatten(value)
    stamps = {key: time_of(flat.get(key), rows.zone) for key in (*_BEGINS, _END)}
    taken = next((key for key in _BEGINS if stamps[key].time_ns is not None), None)
    stamp = stamps[taken] if taken else next((one for one in stamps.values() if one.raw), UNKNOWN)
    end_ns = stamps[_END].time_ns
    if end_ns is not None and (stamp.time_ns is None or end_ns < stamp.time_ns or taken == _END):
        end_ns = None
    about = dict_of(value.get("objectRef"))
    kind, name = _kind_of(text(about.get("resource"))), text(about.get("name"))
    code = text(dict_of(value.get("responseStatus")).get("code"))
    if taken is not None:
        flat.pop(taken)
        if taken == _END:
            flat["time.kind"] = "end"
    known = {"k8s.kind": kind, "k8s.namespace": text(about.get("namespace")), "k8s.name": name}
    is_code = code is not None and code.isascii() and code.isdigit() and len(code) == _STATUS_DIGITS
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.AUDIT,
        message=_said(value, about, code),
        attributes={**flat, **{key: item for key, item in known.items() if item}},
        stamp=stamp,
        end_ns=end_ns,
        service=workload_of(kind, name),
        host=name if kind in ("pod", "node") else None,
        actor=first_text(dict_of(value.get("impersonatedUser")), ("username",))
        or first_text(dict_of(value.get("user")), ("username",)),
        severity=status_severity(int(code)) if code and is_code else None,
        severity_raw=code,
        pointer=record.pointer,
    )


def _said(value: dict[str, Any], about: dict[str, Any], code: str | None) -> str:
    who = first_text(dict_of(value.get("user")), ("username",)) or "somebody"
    what = "/".join(part for key in ("resource", "subresource") if (part := text(about.get(key))))
    name = "/".join(part for key in ("namespace", "name") if (part := text(about.get(key))))
    target = " ".join(part for part in (what, name) if part) or text(value.get("requestURI")) or "something"
    said = f"{who} {text(value.get('verb')) or 'asked for'} {target}"
    stage = text(value.get("stage"))
    return (
        f"{said} -> {code}"
        if code and stage == "ResponseComplete"
        else f"{said} ({stage}{' ' + code if code else ''})"
    )


def _kind_of(resource: str | None) -> str | None:
    """Give the kind of a resource's plural, in lower case."""
    if resource is None or resource in _SINGULAR:
        return _SINGULAR.get(resource or "")
    if resource.endswith("ies"):
        return resource[:-3] + "y"
    return resource.removesuffix("s")


FORMATS: Final[tuple[Format, ...]] = (KubernetesAudit(),)

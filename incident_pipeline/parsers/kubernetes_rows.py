"""Read Kubernetes objects into rows: the object's state, and what it says happened at times of their own.

The Kubernetes API reference (core/v1, apps/v1, batch/v1, events.k8s.io/v1). An object says what is, so its
row has no time; its creation, the ends of containers, the transitions of conditions and what managers
applied have times and are rows of their own. JSON and YAML are read alike through `Spot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.json_format import dict_of, first_text, list_of, text, time_of
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.kubernetes import (
    condition_severity,
    event_severity,
    exit_severity,
    reason_severity,
    workload_of,
)
from incident_pipeline.parsers.kubernetes_identity import identity_of, is_event
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.kubernetes_identity import Identity, Spot
    from incident_pipeline.parsers.timestamps import Stamp, Zone


_EVENT_TIMES: Final = (
    "lastTimestamp", "deprecatedLastTimestamp", "eventTime", "series.lastObservedTime", "firstTimestamp",
    "deprecatedFirstTimestamp", "metadata.creationTimestamp",
)  # fmt: skip
"""In the order in which Fluent Bit's kubernetes_events input takes them, with the names of events.k8s.io."""
_COUNTS: Final = ("count", "series.count", "deprecatedCount")
_STATUSES: Final = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_MOMENTS: Final = {
    "startTime": "started", "completionTime": "completed", "lastScheduleTime": "scheduled a job",
    "lastSuccessfulTime": "last succeeded", "lastScaleTime": "scaled",
}  # fmt: skip
"""Times in a status that stand for themselves, and what happened then."""
_REPLICAS: Final = (
    "replicas", "desiredNumberScheduled", "readyReplicas", "numberReady", "updatedReplicas",
    "updatedNumberScheduled", "availableReplicas", "numberAvailable", "unavailableReplicas",
    "numberUnavailable", "active", "succeeded", "failed",
)  # fmt: skip
_REVISION: Final = "deployment.kubernetes.io/revision"
_RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"
_OPERATORS: Final = ("kube-", "kubelet")
"""Managers that carry out what others asked for."""


def event_row(value: dict[str, Any], spot: Spot, zone: Zone | None, known: Mapping[str, str]) -> Event:
    """Read an Event, of core/v1 or events.k8s.io."""
    flat = flatten(value)
    stamp: Stamp = UNKNOWN
    taken = None
    for key in _EVENT_TIMES:
        found = time_of(flat.get(key), zone)
        if found.time_ns is not None:
            stamp, taken = found, key
            break
        stamp = stamp if stamp.raw else found
    about = dict_of(value.get("involvedObject")) or dict_of(value.get("regarding"))
    kind, name = text(about.get("kind")), text(about.get("name"))
    count = first_text(flat, _COUNTS)
    reason = text(value.get("reason"))
    attributes = {**known, **flat}
    if taken is not None:
        attributes.pop(taken, None)
        attributes["time.of"] = taken
    if taken == "metadata.creationTimestamp":
        attributes["time.kind"] = "observed"
    if count is not None:
        attributes["count"] = count
    attributes |= _pairs(
        ("k8s.kind", kind), ("k8s.namespace", text(about.get("namespace"))), ("k8s.name", name)
    )
    message = first_text(value, ("message", "note"))
    if message is not None:
        attributes.pop("message" if text(value.get("message")) else "note", None)
    by_type = text(value.get("type"))
    return Event(
        start=spot.start,
        end=spot.end,
        kind=Kind.K8S_EVENT,
        message=message or f"{reason or 'event'} on {kind or 'object'} {name or ''}".rstrip(),
        attributes=attributes,
        stamp=stamp,
        service=workload_of(kind, name),
        host=name if kind in ("Pod", "Node") else None,
        actor=first_text(flat, ("source.component", "reportingComponent", "reportingController")),
        severity=event_severity(by_type, reason),
        severity_raw=by_type,
        pointer=spot.pointer,
    )


def object_rows(
    value: dict[str, Any], spot: Spot, zone: Zone | None, known: Mapping[str, str], kind: str | None = None
) -> list[Event]:
    """Read an object: its state, and what happened to it, in the order of their places."""
    if is_event(value):
        return [event_row(value, spot, zone, known)]
    if value.get("kind") == "Status":
        return [_refusal(value, spot, known)]
    found = [*_Object(value, spot, zone, known, identity_of(value, kind)).rows()]
    return sorted(found, key=lambda event: (event.start, -event.end))


def _refusal(value: dict[str, Any], spot: Spot, known: Mapping[str, str]) -> Event:
    """Read the API server's answer that it has no object to give."""
    failed = value.get("status") != "Success"
    return Event(
        start=spot.start,
        end=spot.end,
        kind=Kind.TOOL_OUTPUT,
        message=first_text(value, ("message", "reason", "status")) or "the API server's status",
        attributes={**known, **flatten(value), "tool.failed": "true" if failed else "false"},
        severity=Severity.ERROR if failed else Severity.INFO,
        severity_raw=text(value.get("status")),
        pointer=spot.pointer,
    )


class _Object:
    """One object while it is read."""

    def __init__(
        self, value: dict[str, Any], spot: Spot, zone: Zone | None, known: Mapping[str, str], who: Identity
    ) -> None:
        self.value, self.spot, self.zone, self.known, self.who = value, spot, zone, known, who
        self.metadata = dict_of(value.get("metadata"))
        self.spec = dict_of(value.get("spec"))
        self.status = dict_of(value.get("status"))
        self.containers = _pod_spec(self.spec, who.kind)

    def rows(self) -> Iterator[Event]:
        """Give the rows, in no order."""
        yield self._state()
        yield from self._lifetime()
        yield from self._managers()
        yield from self._conditions()
        yield from self._containers()
        for key, what in _MOMENTS.items():
            yield from self._at(("status", key), self.status.get(key), what)

    def _row(
        self,
        spot: Spot | None,
        message: str,
        attributes: dict[str, str],
        stamp: Stamp = UNKNOWN,
        *,
        pointer: str | None = None,
        kind: Kind = Kind.OBJECT_STATE,
        severity: int | None = None,
        raw: str | None = None,
        actor: str | None = None,
    ) -> Event:
        where = spot or self.spot
        return Event(
            start=where.start,
            end=where.end,
            kind=kind,
            message=message,
            attributes={**self.known, **attributes, **self.who.attributes},
            stamp=stamp,
            service=self.who.service,
            host=self.who.host,
            actor=actor,
            severity=severity,
            severity_raw=raw,
            pointer=pointer if pointer is not None else where.pointer,
        )

    def _state(self) -> Event:
        attributes = {**flatten(self.value), "record": "object"}
        for container in self.containers:
            attributes |= _container_facts(container)
        severity: int | None = reason_severity(
            text(self.status.get("reason")) or text(self.status.get("phase"))
        )
        words = [self.title_words()]
        states = [
            item for key in _STATUSES for item in list_of(self.status.get(key)) if isinstance(item, dict)
        ]
        for item in states:
            name, (state, detail) = text(item.get("name")) or "container", _state_of(item.get("state"))
            reason, exit_code = text(detail.get("reason")), text(detail.get("exitCode"))
            attributes |= _pairs(
                (f"container.{name}.state", state), (f"container.{name}.reason", reason),
                (f"container.{name}.exit_code", exit_code),
                (f"container.{name}.ready", text(item.get("ready"))),
                (f"container.{name}.restarts", text(item.get("restartCount"))),
            )  # fmt: skip
            weight = exit_severity(exit_code, reason) if state == "terminated" else reason_severity(reason)
            severity = max(severity or 0, weight or 0) or None
            if state != "running" and reason:
                words.append(f"container {name} {reason}" + (f" (exit {exit_code})" if exit_code else ""))
        for condition in list_of(self.status.get("conditions")):
            condition = dict_of(condition)  # noqa: PLW2901 - of any type until now
            kind, status = text(condition.get("type")), text(condition.get("status"))
            if kind and status:
                attributes[f"condition.{kind}"] = status
                weight = condition_severity(kind, status, self.who.kind)
                severity = max(severity or 0, weight)
                if weight > Severity.INFO or self.who.kind == "Node":
                    words.append(f"{kind}={status}")
        raw = text(self.status.get("phase"))
        return self._row(self.spot, ", ".join(words), attributes, severity=severity, raw=raw)

    def title_words(self) -> str:
        """Give the object with its phase or its replicas."""
        if not self.status:
            replicas = text(self.spec.get("replicas"))
            return f"{self.who.title} as applied" + (f", replicas {replicas}" if replicas else "")
        phase = first_text(self.status, ("phase", "reason"))
        statuses = [item for item in list_of(self.status.get("containerStatuses")) if isinstance(item, dict)]
        words = [f"{self.who.title}: {phase}" if phase else self.who.title]
        if statuses:
            ready = sum(item.get("ready") in (True, "true") for item in statuses)
            restarts = [text(item.get("restartCount")) or "0" for item in statuses]
            words.append(f"ready {ready}/{len(statuses)}, restarts {'+'.join(restarts)}")
        words += [f"{key} {count}" for key in _REPLICAS if (count := text(self.status.get(key)))]
        return ", ".join(words)

    def _lifetime(self) -> Iterator[Event]:
        annotations = dict_of(self.metadata.get("annotations"))
        created = time_of(self.metadata.get("creationTimestamp"), self.zone)
        revision = text(annotations.get(_REVISION)) or (
            text(self.value.get("revision")) if self.who.kind == "ControllerRevision" else None
        )
        if created.time_ns is not None:
            rolled = revision is not None and self.who.owner is not None
            what = f"{self.who.title} created"
            if rolled:
                images = ", ".join(image for one in self.containers if (image := text(one.get("image"))))
                what = f"{self.who.owner} rolled out revision {revision}" + (f": {images}" if images else "")
            facts = _pairs(("transition", "rollout" if rolled else "created"), ("revision", revision),
                           ("change_cause", text(annotations.get("kubernetes.io/change-cause"))))  # fmt: skip
            kind = Kind.CHANGE if rolled else Kind.OBJECT_STATE
            yield self._row(self.spot.find("metadata"), what, facts, created, kind=kind)
        deleted = self.metadata.get("deletionTimestamp")
        yield from self._at(("metadata", "deletionTimestamp"), deleted, "is being deleted", Severity.WARN)
        template = dict_of(dict_of(self.spec.get("template")).get("metadata"))
        again = dict_of(template.get("annotations")).get(_RESTARTED)
        if self.who.kind != "ReplicaSet":  # its template repeats its deployment's
            path = ("spec", "template", "metadata", "annotations", _RESTARTED)
            yield from self._at(path, again, "was told to restart", kind=Kind.CHANGE)

    def _at(
        self,
        path: tuple[str, ...],
        when: Any,
        what: str,
        severity: int | None = None,
        kind: Kind = Kind.OBJECT_STATE,
    ) -> Iterator[Event]:
        """Give a row for a time that stands by itself: its bytes, and the pointer of what it stands in."""
        stamp = time_of(when, self.zone)
        if stamp.time_ns is None:
            return
        spot, around = self.spot.find(*path), self.spot.find(*path[:-1])
        pointer = around.pointer if around is not None else None
        yield self._row(
            spot, f"{self.who.title} {what}", {"transition": path[-1]}, stamp, pointer=pointer, kind=kind,
            severity=severity,
        )  # fmt: skip

    def _managers(self) -> Iterator[Event]:
        for index, entry in enumerate(list_of(self.metadata.get("managedFields"))):
            entry = dict_of(entry)  # noqa: PLW2901 - of any type until now
            manager, stamp = text(entry.get("manager")), time_of(entry.get("time"), self.zone)
            if (
                stamp.time_ns is None
                or not manager
                or entry.get("subresource")
                or manager.startswith(_OPERATORS)
            ):
                continue
            spot = self.spot.find("metadata", "managedFields", str(index))
            what = f"{self.who.title}: {text(entry.get('operation')) or 'Update'} by {manager}"
            yield self._row(
                spot,
                what,
                {**flatten(entry), "transition": "managed"},
                stamp,
                kind=Kind.CHANGE,
                actor=manager,
            )

    def _conditions(self) -> Iterator[Event]:
        for index, condition in enumerate(list_of(self.status.get("conditions"))):
            condition = dict_of(condition)  # noqa: PLW2901 - of any type until now
            kind, status = (
                text(condition.get("type")) or "condition",
                text(condition.get("status")) or "Unknown",
            )
            taken = next(
                (key for key in ("lastTransitionTime", "lastUpdateTime")
                 if time_of(condition.get(key), self.zone).time_ns is not None), None,
            )  # fmt: skip
            if taken is None:
                continue
            reason, said = text(condition.get("reason")), text(condition.get("message"))
            what = ": ".join(part for part in (f"{self.who.title} {kind}={status}", reason, said) if part)
            facts = {f"condition.{key}": item for key, item in flatten(condition).items() if key != taken}
            yield self._row(
                self.spot.find("status", "conditions", str(index)),
                what,
                {**facts, "transition": "condition"},
                time_of(condition[taken], self.zone),
                severity=condition_severity(kind, status, self.who.kind),
                raw=status,
            )

    def _containers(self) -> Iterator[Event]:
        for key in _STATUSES:
            for index, item in enumerate(list_of(self.status.get(key))):
                if not isinstance(item, dict):
                    continue
                for member in ("lastState", "state"):
                    state, detail = _state_of(item.get(member))
                    spot = self.spot.find("status", key, str(index), member, state)
                    yield from self._container(item, state, detail, spot)

    def _container(
        self, item: dict[str, Any], state: str, detail: dict[str, Any], spot: Spot | None
    ) -> Iterator[Event]:
        taken = {"terminated": "finishedAt", "running": "startedAt"}.get(state, "")
        stamp = time_of(detail.get(taken), self.zone)
        if stamp.time_ns is None:
            return
        name, reason, code = text(item.get("name")), text(detail.get("reason")), text(detail.get("exitCode"))
        what = f"{self.who.title} container {name} "
        severity: int = Severity.INFO
        if state == "terminated":
            severity = exit_severity(code, reason)
            what += f"terminated: {reason or 'no reason'}" + (f", exit code {code}" if code else "")
        else:
            what += "started"
        facts = {f"container.{key}": value for key, value in flatten(detail).items() if key != taken}
        facts |= _pairs(("container.name", name), ("container.image", text(item.get("image"))),
                        ("container.restarts", text(item.get("restartCount"))))  # fmt: skip
        yield self._row(spot, what, {**facts, "transition": state}, stamp, severity=severity, raw=reason)


def _state_of(value: Any) -> tuple[str, dict[str, Any]]:
    """Give which of a container's states holds, and what it says."""
    value = dict_of(value)
    name = next((key for key in ("waiting", "terminated", "running") if isinstance(value.get(key), dict)), "")
    return name, dict_of(value.get(name))


def _pod_spec(spec: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Give the containers of a pod or of the template of a workload."""
    if kind == "CronJob":
        spec = dict_of(dict_of(spec.get("jobTemplate")).get("spec"))
    inner = dict_of(dict_of(spec.get("template")).get("spec")) or spec
    return [item for key in _CONTAINERS for item in list_of(inner.get(key)) if isinstance(item, dict)]


def _container_facts(container: dict[str, Any]) -> dict[str, str]:
    """Give image, resources and probes of a container."""
    name = text(container.get("name")) or "container"
    facts = _pairs((f"container.{name}.image", text(container.get("image"))))
    for key, value in flatten(dict_of(container.get("resources"))).items():
        facts[f"container.{name}.{key}"] = value
    for probe in _PROBES:
        for key, value in flatten(dict_of(container.get(probe))).items():
            facts[f"container.{name}.{probe}.{key}"] = value
    return facts


def _pairs(*pairs: tuple[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in pairs if value}

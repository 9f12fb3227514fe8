"""Kubernetes objects and events in JSON: what `kubectl get -o json`, watches and event exporters write.

Lists of any kind, single objects, watch records `{type, object}`, and what Fluent Bit's kubernetes_events
input writes (`[time, {event}]`). What an object becomes is told in `kubernetes_rows`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_format import PageFormat, dict_of, is_number, list_of, text
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.jsontext import documents, elements, flatten, is_json
from incident_pipeline.parsers.kubernetes_identity import is_event, is_list, is_object
from incident_pipeline.parsers.kubernetes_rows import event_row, object_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Event, Rows

_WATCH: Final = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
_PAIR: Final = 2


@dataclass
class JsonSpot:
    """A place of JSON that remembers what stands inside it."""

    place: Place
    _children: dict[str, JsonSpot] | None = field(default=None, repr=False)

    @property
    def start(self) -> int:
        """The first byte."""
        return self.place.start

    @property
    def end(self) -> int:
        """The byte after the last."""
        return self.place.end

    @property
    def pointer(self) -> str | None:
        """The pointer; of a document that is a line of its own there is none."""
        return self.place.pointer or ("" if b"\n" in self.place.raw else None)

    def find(self, *path: str) -> JsonSpot | None:
        """Give what stands at a path of keys and indices."""
        spot: JsonSpot | None = self
        for name in path:
            spot = spot.children.get(name) if spot is not None else None
        return spot

    @property
    def children(self) -> dict[str, JsonSpot]:
        """The members or elements."""
        if self._children is None:
            place = self.place
            if place.opener == b"[":
                found = {
                    str(index): Place(place.data, record.start, record.end, f"{place.pointer}/{index}")
                    for index, record in enumerate(place.items())
                }
            else:
                found = place.members()
            self._children = {key: JsonSpot(item) for key, item in found.items()}
        return self._children


class KubernetesJson(PageFormat):
    """What the formats of Kubernetes JSON share: reading lists, watches and single objects."""

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a document."""
        members = place.members()
        if "items" in members and members["items"].opener == b"[":
            for event in _listed(members, rows):
                rows.event(event)
            return True
        record = place.record()
        value = record.value
        if not isinstance(value, dict):
            return False
        if _is_watch(value) and "object" in members:
            known = {"watch.type": str(value["type"])}
            inner = members["object"].record().value
            if isinstance(inner, dict):
                _take(inner, JsonSpot(members["object"]), rows, known)
                return True
        if not (is_object(value) or is_event(value)):
            return False
        _take(value, JsonSpot(place), rows, {})
        return True

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every document; `[time, {event}]` on a line is one record of Fluent Bit."""
        if not _has_pairs(data):
            super().parse(data, rows)
            return
        for start, end in documents(data):
            found = list(elements(data, start, end)) if data[start : start + 1] == b"[" else []
            if not _is_pair([record.value for record in found]):
                rows.reject(start, end, "no pair of a time and an event")
                continue
            event = event_row(
                found[1].value,
                JsonSpot(Place.of(data, found[1])),
                rows.zone,
                {"fluentbit.time": str(found[0].value)},
            )
            rows.event(event)


class KubernetesEvents(KubernetesJson):
    """The parser of Kubernetes events."""

    id = "kubernetes_events"
    stands_alone = True
    aliases = ("k8s_events", "event_list", "kube_events")
    title = "Kubernetes events (EventList, watch, core/v1 and events.k8s.io)"
    spec = "https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/"
    kinds = (Kind.K8S_EVENT,)
    certainty = 0.99

    def score(self, sample: Sample) -> float:
        """Recognise events, also in the pairs of Fluent Bit."""
        if _has_pairs(sample.head):
            return 0.97
        return super().score(sample)

    def recognise(self, value: Any) -> float:
        """Recognise a list of events, a watch record of one, or one."""
        value = dict_of(value)
        if _is_watch(value):
            return float(is_event(value.get("object")))
        items = list_of(value.get("items"))
        if is_list(value):
            audit = str(value.get("apiVersion")).startswith("audit.")
            return 0.0 if audit or not items else sum(map(is_event, items)) / len(items)
        return float(is_event(value))


class KubernetesObjects(KubernetesJson):
    """The parser of Kubernetes objects."""

    id = "kubernetes_objects"
    aliases = ("kubernetes", "k8s_objects", "kubectl_json", "kubernetes_list", "kubectl_get_json", "k8s_json")
    title = "Kubernetes objects in JSON (`kubectl get -o json` of any kind)"
    spec = "https://kubernetes.io/docs/reference/kubernetes-api/"
    kinds = (Kind.OBJECT_STATE, Kind.CHANGE, Kind.K8S_EVENT)
    certainty = 0.97

    def recognise(self, value: Any) -> float:
        """Recognise an object, a list of objects or a watch record."""
        value = dict_of(value)
        if _is_watch(value):
            return float(is_object(value.get("object")))
        return float(is_object(value) and not str(value.get("apiVersion")).startswith("audit."))


def _take(value: dict[str, Any], spot: JsonSpot, rows: Rows, known: Mapping[str, str]) -> None:
    for event in object_rows(value, spot, rows.zone, known):
        rows.event(event)


def _listed(members: Mapping[str, Place], rows: Rows) -> Iterator[Event]:
    """Read the items of a list; a typed list (PodList) names their kind."""
    kind = members["kind"].record().value if "kind" in members else None
    of = kind.removesuffix("List") if isinstance(kind, str) else ""
    known = _envelope(members)
    for record in members["items"].items():
        if isinstance(record.value, dict):
            spot = JsonSpot(Place.of(members["items"].data, record))
            yield from object_rows(record.value, spot, rows.zone, known, of or None)
        else:
            rows.reject(record.start, record.end, record.problem or "an item that is no object")


def _envelope(members: Mapping[str, Place]) -> dict[str, str]:
    """Give what a list says of itself: whether there is more of it."""
    value = members["metadata"].record().value if "metadata" in members else None
    flat = flatten(value) if isinstance(value, dict) else {}
    return {
        f"list.{key}": item
        for key, item in flat.items()
        if key in ("continue", "remainingItemCount") and item
    }


def _is_watch(value: Mapping[str, Any]) -> bool:
    return text(value.get("type")) in _WATCH and isinstance(value.get("object"), dict)


def _has_pairs(data: bytes) -> bool:
    """Tell whether the first line is a pair of Fluent Bit."""
    first = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1_048_576].partition(b"\n")[0].rstrip()
    if not first.startswith(b"[") or not is_json(first):
        return False
    found: list[Record] = list(elements(first, 0, len(first)))
    return _is_pair([record.value for record in found])


def _is_pair(values: list[Any]) -> bool:
    return len(values) == _PAIR and is_number(values[0]) and is_event(values[1])


FORMATS: Final[tuple[Format, ...]] = (KubernetesEvents(), KubernetesObjects())

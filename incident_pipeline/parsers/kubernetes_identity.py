"""Which Kubernetes object a value is: its kind and names, the workload it belongs to, where it stands.

The Kubernetes API conventions: every object has a kind, an API version and metadata; lists name their
kind with `List` at the end, and the items of a typed list do not name theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from incident_pipeline.parsers.json_format import dict_of, list_of, text
from incident_pipeline.parsers.kubernetes import app_of, workload_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_SERVICE: Final = ("Node", "Namespace", "PersistentVolume", "StorageClass", "Lease", "ComponentStatus")
_APPS: Final = (
    "Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Service", "Endpoints",
    "HorizontalPodAutoscaler", "Rollout", "ReplicationController",
)  # fmt: skip


class Spot(Protocol):
    """A value in a document, of JSON or YAML: its bytes, its pointer, and what stands inside it."""

    @property
    def start(self) -> int:
        """The first byte."""

    @property
    def end(self) -> int:
        """The byte after the last."""

    @property
    def pointer(self) -> str | None:
        """The pointer of a row that is this value."""

    def find(self, *path: str) -> Spot | None:
        """Give what stands at a path of keys and indices."""


class Identity(NamedTuple):
    """Which object it is: kind, namespace, name; the workload it belongs to; the machine or pod."""

    kind: str
    namespace: str | None
    name: str | None
    service: str | None
    host: str | None
    owner: str | None

    @property
    def title(self) -> str:
        """The object as people name it."""
        name = self.name or "(no name)"
        return f"{self.kind} {self.namespace}/{name}" if self.namespace else f"{self.kind} {name}"

    @property
    def attributes(self) -> dict[str, str]:
        """What every row of the object says of it."""
        pairs = (("k8s.kind", self.kind), ("k8s.namespace", self.namespace), ("k8s.name", self.name),
                 ("k8s.owner", self.owner))  # fmt: skip
        return {key: value for key, value in pairs if value}


def is_object(value: Any) -> bool:
    """Tell whether a value is a Kubernetes object: kind, apiVersion, and metadata or items."""
    value = dict_of(value)
    return isinstance(value.get("kind"), str) and (
        (isinstance(value.get("apiVersion"), str) and isinstance(value.get("metadata"), dict))
        or is_list(value)
    )


def is_list(value: Mapping[str, Any]) -> bool:
    """Tell whether an object is a list of objects."""
    kind = value.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and "items" in value


def is_event(value: Any) -> bool:
    """Tell whether an object is an Event; in a typed list the items do not name their kind."""
    value = dict_of(value)
    return value.get("kind") in (None, "Event") and (
        isinstance(value.get("involvedObject"), dict) or isinstance(value.get("regarding"), dict)
    )


def identity_of(value: Mapping[str, Any], kind: str | None = None) -> Identity:
    """Give the identity of an object; `kind` holds where a typed list's item names none."""
    metadata = dict_of(value.get("metadata"))
    kind = text(value.get("kind")) or kind or "Object"
    name, namespace = text(metadata.get("name")), text(metadata.get("namespace"))
    owners = [owner for owner in list_of(metadata.get("ownerReferences")) if isinstance(owner, dict)]
    owner = next(
        (one for one in owners if one.get("controller") in (True, "true")), owners[0] if owners else {}
    )
    owner_kind, owner_name = text(owner.get("kind")), text(owner.get("name"))
    service = app_of(dict_of(metadata.get("labels")))
    if owner_name and owner_kind not in _NO_SERVICE:
        service = workload_of(owner_kind, owner_name) or service
    elif kind in _APPS:
        service = workload_of(kind, name) or service
    return Identity(
        kind,
        namespace,
        name,
        None if kind in _NO_SERVICE else service,
        name if kind in ("Pod", "Node") else None,
        f"{owner_kind or 'Object'}/{owner_name}" if owner_name else None,
    )

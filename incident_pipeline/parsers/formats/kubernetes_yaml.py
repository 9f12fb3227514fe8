"""Kubernetes objects in YAML: `kubectl get -o yaml`, and the manifests that were applied.

Several documents in a stream, each an object or a list of objects. A document that is no object goes to
quarantine, as does one that is no YAML; the others go on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.json_format import dict_of
from incident_pipeline.parsers.kubernetes_identity import is_object
from incident_pipeline.parsers.kubernetes_rows import object_rows
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.yaml_tree import records, yaml_documents

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.yaml_tree import Node

_TOP: Final = re.compile(
    rb"^(apiVersion|kind|metadata|items|spec|status|data|involvedObject):(?:[ \t\r\n]|\Z)", re.MULTILINE
)


class KubernetesYaml(Format):
    """The parser of Kubernetes objects in YAML."""

    id = "kubernetes_yaml"
    aliases = ("k8s_yaml", "kubectl_yaml", "kubernetes_manifest", "manifest_yaml")
    title = "Kubernetes objects in YAML (`kubectl get -o yaml`, applied manifests)"
    spec = "https://kubernetes.io/docs/concepts/overview/working-with-objects/"
    kinds = (Kind.OBJECT_STATE, Kind.CHANGE, Kind.K8S_EVENT)

    def score(self, sample: Sample) -> float:
        """Recognise the members that every object has, at the margin of a document."""
        if sample.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            return 0.0
        found = {match[1] for match in _TOP.finditer(sample.head)}
        if not {b"apiVersion", b"kind"} <= found:
            return 0.0
        return 0.95 if len(found) > 2 else 0.7  # noqa: PLR2004 - and something that makes it an object

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every document."""
        for document in yaml_documents(data):
            root = document.root
            if root is None:
                rows.reject(document.start, document.end, document.problem or "no YAML")
            else:
                for node in records(data, root):
                    _take(node, rows)


def _take(node: Node, rows: Rows) -> None:
    value: dict[str, Any] = dict_of(node.value)
    items = node.children.get("items")
    if items is not None and isinstance(items.value, list):
        of = str(value.get("kind") or "").removesuffix("List")
        rows.event(_list(node, len(items.value), rows))
        for child in items.children.values():
            _object(child, rows, of or None)
    elif is_object(value):
        _object(node, rows, None)
    else:
        rows.reject(node.start, node.end, "a YAML document that is no Kubernetes object")


def _list(node: Node, count: int, rows: Rows) -> Event:
    """Give the row of a list: how much it holds, for what is not in it."""
    rows.assume("a list of objects is a row of its own beside them")
    return Event(
        start=node.start,
        end=node.end,
        kind=Kind.TOOL_OUTPUT,
        message=f"a list of {count} Kubernetes objects",
        attributes={"list.count": str(count), "record": "list"},
        pointer=node.pointer,
    )


def _object(node: Node, rows: Rows, kind: str | None) -> None:
    value = dict_of(node.value)
    if not value:
        rows.reject(node.start, node.end, "an item that is no object")
        return
    for event in object_rows(value, node, rows.zone, {}, kind):
        rows.event(event)


FORMATS: Final[tuple[Format, ...]] = (KubernetesYaml(),)

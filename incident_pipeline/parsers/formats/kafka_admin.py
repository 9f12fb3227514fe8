"""Kafka admin output in YAML: clusters, topics, descriptions of topics, consumer groups.

Dumped by tools from client objects, Python tags among them: nothing is constructed (`yaml_tree`). The
entries have no times. What a group or a partition lacks (no members, fewer replicas in sync) weighs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.json_format import dict_of, first_text, list_of, text
from incident_pipeline.parsers.jsontext import flatten
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.yaml_tree import records, yaml_documents

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.yaml_tree import Node

_MARKS: Final = re.compile(
    rb"^[ \t-]*(?:group_id|groups?|state|members|assignment|is_simple_consumer_group|partition_assignor"
    rb"|coordinator|topics?|topic_id"
    rb"|partitions|isr|isrs|in_sync_replicas|leader|replicas|partition_id|cluster_id|brokers"
    rb"|bootstrap_servers|kafka_clusters"
    rb"|consumer_groups|kafka_broker|lag|is_internal|topic_partitions)[ \t]*:",
    re.MULTILINE,
)
_TELLING: Final = frozenset(
    b"""group_id is_simple_consumer_group partition_assignor isr isrs in_sync_replicas partition_id
    kafka_clusters bootstrap_servers consumer_groups kafka_broker topic_partitions topic_id""".split()
)
_WORD: Final = re.compile(rb"\w+")
_NAMES: Final = {
    "group": ("group_id", "group", "consumer_group"),
    "topic": ("topic", "topic_name", "name"),
    "cluster": ("cluster_id", "kafka_cluster", "kafka_cluster_name", "name"),
}  # fmt: skip
_LISTS: Final = ("topics", "groups", "consumer_groups", "clusters", "kafka_clusters", "brokers", "partitions")
_STATES: Final = {
    "stable": Severity.INFO, "empty": Severity.WARN, "dead": Severity.ERROR,
    "preparingrebalance": Severity.WARN, "completingrebalance": Severity.WARN,
    "preparing_rebalance": Severity.WARN, "unknown": Severity.WARN,
}  # fmt: skip
_IN_SYNC: Final = ("isr", "isrs", "in_sync_replicas")


class KafkaAdmin(Format):
    """The parser of Kafka admin output."""

    id = "kafka_admin"
    aliases = ("kafka_yaml", "kafka_admin_yaml")
    title = "Kafka admin output in YAML (clusters, topics, consumer groups)"
    spec = "own shape: what admin clients describe, dumped as YAML"
    kinds = (Kind.OBJECT_STATE,)
    generality = 2

    def score(self, sample: Sample) -> float:
        """Recognise keys at the front of lines that only Kafka's admin clients have."""
        if sample.head.lstrip()[:1] in (b"{", b"[") or b"apiVersion:" in sample.head[:4096]:
            return 0.0
        found = {
            word[0] for match in _MARKS.finditer(sample.head) if (word := _WORD.search(match[0])) is not None
        }
        telling = found & _TELLING
        return 0.9 if telling and len(found) > 1 else 0.6 if telling else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every entry of every document."""
        for document in yaml_documents(data):
            if document.root is None:
                rows.reject(document.start, document.end, document.problem or "no YAML")
            else:
                for node in records(data, document.root):
                    if isinstance(node.value, list) and node.value:
                        rows.event(_row(node, f"a list of {len(node.value)}", flatten({"list": node.value})))
                    else:
                        _read(node, "entry", {}, rows)


def _read(node: Node, what: str, known: dict[str, str], rows: Rows) -> None:
    """Read a list's elements, an object of lists, or an object."""
    value = node.value
    if isinstance(value, list):
        for child in node.children.values():
            _read(child, what, known, rows)
        if not value:
            rows.event(_row(node, f"{what}: none", {**known, "record": what}))
        return
    if not isinstance(value, dict):
        name = text(value) or "nothing"
        rows.event(_row(node, f"{what} {name}", {**known, "record": what, what: name}))
        return
    lists = [key for key in _LISTS[:6] if isinstance(value.get(key), (list, dict)) and key in node.children]
    kind = _kind_of(value, what)
    rows.event(_entry(node, value, kind, {**known}))
    if kind in ("entry", "cluster"):
        for key in lists:
            _read(node.children[key], key.removesuffix("s"), known, rows)


def _kind_of(value: dict[str, Any], what: str) -> str:
    if "group_id" in value or ("members" in value and "state" in value):
        return "group"
    if "partitions" in value or "topic" in value or "topic_id" in value:
        return "topic"
    return "cluster" if "cluster_id" in value or "brokers" in value else what


def _entry(node: Node, value: dict[str, Any], kind: str, known: dict[str, str]) -> Event:
    facts = {**known, **flatten(value), "record": kind}
    name = first_text(value, _NAMES.get(kind, ("name",))) or ""
    state = text(value.get("state"))
    severity = _STATES.get((state or "").rpartition(".")[2].lower()) if kind == "group" else None
    words = [f"{kind} {name}".strip() + (f": {state}" if state and "{" not in state else "")]
    if kind == "group":
        words.append(f"{len(list_of(value.get('members')))} members")
    short = [item for item in _partitions(value) if _out_of_sync(item)]
    if short:
        words.append(f"{len(short)} partitions with replicas out of sync")
        severity = max(severity or 0, Severity.WARN)
    lone = [item for item in _partitions(value) if text(item.get("leader")) in ("-1", "none")]
    if lone:
        words.append(f"{len(lone)} partitions without a leader")
        severity = Severity.ERROR
    return _row(node, ", ".join(words), facts)._replace(severity=severity, severity_raw=state)


def _row(node: Node, message: str, facts: dict[str, str]) -> Event:
    return Event(
        start=node.start,
        end=node.end,
        kind=Kind.OBJECT_STATE,
        message=message,
        attributes=facts,
        service="kafka",
        pointer=node.pointer,
    )


def _partitions(value: dict[str, Any]) -> list[dict[str, Any]]:
    held = value.get("partitions")
    items = list(held.values()) if isinstance(held, dict) else list_of(held)
    return [dict_of(item) for item in items if isinstance(item, dict)]


def _out_of_sync(item: dict[str, Any]) -> bool:
    in_sync = next((item[key] for key in _IN_SYNC if isinstance(item.get(key), list)), None)
    return in_sync is not None and len(in_sync) < len(list_of(item.get("replicas")))


FORMATS: Final[tuple[Format, ...]] = (KafkaAdmin(),)

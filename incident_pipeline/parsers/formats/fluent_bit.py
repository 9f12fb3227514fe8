"""Lines of Fluent Bit's and Fluentd's Kubernetes filter: a container's line with what it was enriched by.

`{"time"?, "log", "stream"?, "kubernetes": {...}}`, one object per line or in a list. Without a `time` the
line's own time holds, if it has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.envelope import wrapped
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import flatten, records, text_of
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Event, Rows

_LINE: Final = ("log", "message", "msg", "MESSAGE")
_TIME: Final = ("time", "@timestamp", "timestamp", "date")
_APP: Final = (
    "kubernetes.labels.app.kubernetes.io/name", "kubernetes.labels.app", "kubernetes.labels.k8s-app",
    "kubernetes.labels.name", "kubernetes.container_name", "kubernetes.container.name",
)  # fmt: skip


class FluentBit(Format):
    """The parser of container lines that Fluent Bit or Fluentd enriched."""

    id = "fluent_bit"
    stands_alone = True
    aliases = ("fluentbit", "fluentd", "fluent_bit_kubernetes", "kubernetes_filter")
    title = "Fluent Bit and Fluentd with Kubernetes metadata"
    spec = "https://docs.fluentbit.io/manual/data-pipeline/filters/kubernetes"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "json"

    def score(self, sample: Sample) -> float:
        """Recognise a line's text beside an object of Kubernetes names."""
        good = [
            isinstance(item, dict)
            and isinstance(item.get("kubernetes"), dict)
            and isinstance(item.get("log"), str)
            for item in sample.records
        ]
        return 0.95 * sum(good) / len(good) * sample.json_share if good else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object into a log event of the line it holds."""
        for record in records(data):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
                continue
            rows.event(_event(record, record.value, rows))


def _event(record: Record, value: dict[str, Any], rows: Rows) -> Event:
    key = next((name for name in _LINE if value.get(name) is not None), None)
    text = text_of(value[key]) if key else ""
    when = next((name for name in _TIME if value.get(name) is not None), None)
    stamp = parse_time(text_of(value[when]), rows.zone) if when else UNKNOWN
    taken = {key, when if stamp.time_ns is not None else None}
    attributes = flatten({name: item for name, item in value.items() if name not in taken})
    service = next((attributes[name] for name in _APP if attributes.get(name)), None)
    host = attributes.get("kubernetes.pod_name") or attributes.get("kubernetes.pod.name")
    return wrapped(
        rows,
        record.start,
        record.end,
        text,
        stamp,
        attributes,
        service=service,
        host=host,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (FluentBit(),)

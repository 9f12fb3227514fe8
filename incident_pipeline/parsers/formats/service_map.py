"""Service maps: which service calls which, as `{"edges": [[caller, callee], ...]}` or as named pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.evidence import locate
from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import documents, elements, flatten
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_CALLERS: Final = ("caller", "source", "from", "parent", "client")
_CALLEES: Final = ("callee", "target", "to", "child", "server")
_POINTER: Final = "/edges"


class ServiceMap(Format):
    """The parser of service maps."""

    id = "service_map"
    aliases = ("topology", "service_graph", "dependency_map")
    title = "Service map"
    spec = "own shape: services with what calls them and what they call"
    kinds = (Kind.OBJECT_STATE,)
    generality = 2

    def score(self, sample: Sample) -> float:
        """Recognise a document with a list of edges."""
        value = sample.records[0] if sample.records else None
        if isinstance(value, dict) and isinstance(value.get("edges"), list):
            edges = value["edges"]
            return 0.97 if all(_ends(edge) is not None for edge in edges) else 0.0
        return 0.6 if sample.truncated and sample.has_member("edges") else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every edge into the state of an object, without a time."""
        for start, end in documents(data):
            try:
                first, last = locate(data, _POINTER, start)
            except MalformedInputError:
                rows.reject(start, end, "a JSON document without `edges`, or cut off")
                continue
            for record in elements(data, first, last, _POINTER):
                ends = _ends(record.value)
                if ends is None:
                    rows.reject(record.start, record.end, record.problem or "no pair of caller and callee")
                    continue
                extra = flatten(record.value) if isinstance(record.value, dict) else {}
                rows.event(
                    Event(
                        start=record.start,
                        end=record.end,
                        kind=Kind.OBJECT_STATE,
                        message=f"{ends[0]} -> {ends[1]}",
                        attributes={**extra, "caller": ends[0], "callee": ends[1]},
                        pointer=record.pointer,
                    )
                )


def _ends(edge: Any) -> tuple[str, str] | None:
    if isinstance(edge, dict):
        edge = [next((edge[key] for key in keys if key in edge), None) for keys in (_CALLERS, _CALLEES)]
    if isinstance(edge, list) and len(edge) >= 2 and all(isinstance(name, str) for name in edge[:2]):  # noqa: PLR2004
        return edge[0], edge[1]
    return None


FORMATS: Final[tuple[Format, ...]] = (ServiceMap(),)

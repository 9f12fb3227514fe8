"""OTLP/JSON: traces, logs and metrics as the collector's file exporter, Tempo and SDKs write them.

One Export*Request per line, or one document. Times are nanoseconds as strings or integers, where zero
means unknown; ids are hex, or base64 in Tempo's answers. Every row has the byte range of its own
record, not of the batch. (opentelemetry-proto, protobuf JSON mapping.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.otlp_metrics import read_metric
from incident_pipeline.parsers.formats.otlp_records import BROKEN, emitter_of, read_log, read_span
from incident_pipeline.parsers.formats.otlp_structs import Document
from incident_pipeline.parsers.formats.otlp_values import attribute_map
from incident_pipeline.parsers.jsontext import Number, documents, elements, too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.formats.otlp_structs import Request, ResourceGroup, ScopeGroup
    from incident_pipeline.parsers.rows import Rows

DOCUMENT: Final = msgspec.json.Decoder(Document, float_hook=Number)

_ROOTS: Final = ("resourceSpans", "resourceLogs", "resourceMetrics")
_GAP: Final = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")


class OtlpJson(Format):
    """The parser of OTLP/JSON."""

    id = "otlp_json"
    stands_alone = True
    aliases = (
        "otlp", "otlp_json_traces", "otlp_json_logs", "otlp_json_metrics", "otlp_traces", "otlp_logs",
        "otlp_metrics", "tempo_json", "otlp_jsonl",
    )  # fmt: skip
    title = "OpenTelemetry logs, traces and metrics in JSON"
    spec = "https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding"
    kinds = (Kind.LOG, Kind.SPAN, Kind.SPAN_EVENT)
    splitting = "json"

    def score(self, sample: Sample) -> float:
        """Recognise the member names of export requests and of Tempo's answers."""
        share = max(sample.share(_ROOTS), _tempo_share(sample))
        if share:
            return share
        members = any(sample.has_member(name) for name in _ROOTS)
        tempo = sample.has_member("batches") and sample.has_member("scopeSpans")
        return 0.95 if members or tempo else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read each document into spans, span events, log records and samples."""
        for start, end, pointer in _requests(data):
            line = data[start:end]
            try:
                document = DOCUMENT.decode(line)
            except BROKEN as error:
                rows.reject(start, end, f"no OTLP/JSON request: {str(error)[:120]}")
                continue
            reader = _Reader(rows, line, start)
            if document.trace is not None:
                reader.read(document.trace, f"{pointer}/trace")
            if document.result is not None:
                reader.read(document.result, f"{pointer}/result")
            reader.read(document, pointer)
            if not reader.groups:
                rows.reject(start, end, "a JSON document without resource spans, logs or metrics")


def _requests(data: bytes) -> Iterator[tuple[int, int, str]]:
    """Give place and pointer of every request: documents, or the elements of lists."""
    for start, end in documents(data):
        if data[start : start + 1] != b"[":
            yield start, end, ""
            continue
        for record in elements(data, start, end):
            yield record.start, record.end, record.pointer or ""


class _Reader:
    """Walks one document and keeps the place where the last record ended."""

    def __init__(self, rows: Rows, line: bytes, base: int) -> None:
        self.rows = rows
        self.line = line
        self.base = base
        self.at = 0
        self.groups = 0

    def read(self, document: Request, pointer: str) -> None:
        """Read every group of resources; `groups` counts the members that hold such."""
        named = (
            ("resourceSpans", document.resource_spans), ("batches", document.batches),
            ("resourceLogs", document.resource_logs), ("resourceMetrics", document.resource_metrics),
        )  # fmt: skip
        for name, groups in named:
            self.groups += groups is not None
            for index, group in enumerate(groups or ()):
                self._read_group(group, f"{pointer}/{name}/{index}")

    def _read_group(self, group: ResourceGroup, pointer: str) -> None:
        resource = attribute_map(group.resource.attributes if group.resource else None)
        for name, scopes in (
            ("scopeSpans", group.scope_spans),
            ("instrumentationLibrarySpans", group.instrumentation_library_spans),
            ("scopeLogs", group.scope_logs),
            ("instrumentationLibraryLogs", group.instrumentation_library_logs),
            ("scopeMetrics", group.scope_metrics),
            ("instrumentationLibraryMetrics", group.instrumentation_library_metrics),
        ):
            for index, scope_group in enumerate(scopes or ()):
                self._read_scope(scope_group, resource, f"{pointer}/{name}/{index}")

    def _read_scope(self, group: ScopeGroup, resource: dict[str, str], pointer: str) -> None:
        emitter = emitter_of(resource, group.scope or group.instrumentation_library)
        for start, raw, place in self._records(group.spans, f"{pointer}/spans"):
            read_span(self.rows, start, raw, place, emitter)
        for start, raw, place in self._records(group.log_records, f"{pointer}/logRecords"):
            read_log(self.rows, start, raw, place, emitter)
        for start, raw, place in self._records(group.logs, f"{pointer}/logs"):
            read_log(self.rows, start, raw, place, emitter)
        for start, raw, place in self._records(group.metrics, f"{pointer}/metrics"):
            read_metric(self.rows, raw, start, place, emitter.service, emitter.attributes)

    def _records(self, raws: list[msgspec.Raw] | None, pointer: str) -> Iterator[tuple[int, bytes, str]]:
        """Give place, bytes and pointer of each record of a list."""
        for index, slice_ in enumerate(raws or ()):
            raw = bytes(slice_)
            start = self._place(raw)
            self.at = start + len(raw)
            if too_deep(raw):
                self.rows.reject(self.base + start, self.base + self.at, "nested too deeply")
                continue
            yield self.base + start, raw, f"{pointer}/{index}"

    def _place(self, raw: bytes) -> int:
        """Find a record's bytes after the one before: next to it within a list, else by search."""
        after = _GAP.match(self.line, self.at)
        start = after.end() if after else self.at
        if self.line.startswith(raw, start):
            return start
        found = self.line.find(raw, self.at)
        return found if found >= 0 else self.line.find(raw)


def _tempo_share(sample: Sample) -> float:
    hits = [_is_tempo(item) for item in sample.records]
    return sum(hits) / len(hits) * sample.json_share if hits else 0.0


def _is_tempo(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    for name in ("trace", "result"):
        inner = value.get(name)
        if isinstance(inner, dict):
            return "resourceSpans" in inner or _is_tempo(inner)
    batches = value.get("batches")
    if not isinstance(batches, list):
        return False
    names = ("resource", "scopeSpans", "instrumentationLibrarySpans")
    return all(isinstance(item, dict) and any(name in item for name in names) for item in batches)


FORMATS: Final[tuple[Format, ...]] = (OtlpJson(),)

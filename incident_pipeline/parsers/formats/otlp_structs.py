"""The shapes of OTLP/JSON (opentelemetry-proto 1.x, protobuf JSON mapping) as far as they are read.

Old names (`instrumentationLibrarySpans`) and Tempo's wrappers (`batches`, `trace`) are included. Spans,
records and data points stay raw, so that each is decoded on its own and its bytes are known: one
broken record costs that record only. Field names are the protocol's, in snake case.
"""

from __future__ import annotations

from typing import Any

import msgspec

Raws = list[msgspec.Raw]


class AnyValue(msgspec.Struct, gc=False, rename="camel"):
    """A typed value: exactly one member is set."""

    string_value: str | None = None
    int_value: int | str | None = None
    bool_value: bool | None = None
    double_value: Any = None
    array_value: Any = None
    kvlist_value: Any = None
    bytes_value: str | None = None


class KeyValue(msgspec.Struct, gc=False, rename="camel"):
    """An attribute."""

    key: str = ""
    value: AnyValue | None = None


class Resource(msgspec.Struct, gc=False, rename="camel"):
    """What emitted the telemetry."""

    attributes: list[KeyValue] | None = None


class Scope(msgspec.Struct, gc=False, rename="camel"):
    """The instrumentation library."""

    name: str | None = None
    version: str | None = None
    attributes: list[KeyValue] | None = None


class ScopeGroup(msgspec.Struct, gc=False, rename="camel"):
    """Spans, log records or metrics of one scope."""

    scope: Scope | None = None
    instrumentation_library: Scope | None = None
    spans: Raws | None = None
    log_records: Raws | None = None
    logs: Raws | None = None
    metrics: Raws | None = None


class ResourceGroup(msgspec.Struct, gc=False, rename="camel"):
    """Everything of one resource."""

    resource: Resource | None = None
    scope_spans: list[ScopeGroup] | None = None
    instrumentation_library_spans: list[ScopeGroup] | None = None
    scope_logs: list[ScopeGroup] | None = None
    instrumentation_library_logs: list[ScopeGroup] | None = None
    scope_metrics: list[ScopeGroup] | None = None
    instrumentation_library_metrics: list[ScopeGroup] | None = None


class Request(msgspec.Struct, gc=False, rename="camel"):
    """One Export*Request, or a trace as Tempo gives it."""

    resource_spans: list[ResourceGroup] | None = None
    resource_logs: list[ResourceGroup] | None = None
    resource_metrics: list[ResourceGroup] | None = None
    batches: list[ResourceGroup] | None = None


class Document(Request, gc=False, rename="camel"):
    """A request, bare, in Tempo's wrapper (`trace`), or in that of Jaeger's API v3 (`result`)."""

    trace: Request | None = None
    result: Request | None = None


class Status(msgspec.Struct, gc=False, rename="camel"):
    """The outcome of a span."""

    code: int | str = 0
    message: str | None = None


class Link(msgspec.Struct, gc=False, rename="camel"):
    """A reference to another span."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: list[KeyValue] | None = None


class Span(msgspec.Struct, gc=False, rename="camel"):
    """A span."""

    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: int | str | None = 0
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[KeyValue] | None = None
    status: Status | None = None
    events: Raws | None = None
    links: list[Link] | None = None
    trace_state: str | None = None
    flags: int | None = None
    dropped_attributes_count: int | None = None
    dropped_events_count: int | None = None
    dropped_links_count: int | None = None


class SpanEvent(msgspec.Struct, gc=False, rename="camel"):
    """Something that happened during a span."""

    time_unix_nano: int | str | None = None
    name: str | None = None
    attributes: list[KeyValue] | None = None


class LogRecord(msgspec.Struct, gc=False, rename="camel"):
    """A log record."""

    time_unix_nano: int | str | None = None
    observed_time_unix_nano: int | str | None = None
    severity_number: int | str | None = None
    severity_text: str | None = None
    body: AnyValue | None = None
    attributes: list[KeyValue] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None
    flags: int | None = None
    dropped_attributes_count: int | None = None


class Points(msgspec.Struct, gc=False, rename="camel"):
    """The data points of a metric."""

    data_points: Raws | None = None


class Metric(msgspec.Struct, gc=False, rename="camel"):
    """A metric of one kind."""

    name: str = ""
    unit: str | None = None
    gauge: Points | None = None
    sum: Points | None = None
    histogram: Points | None = None
    exponential_histogram: Points | None = None
    summary: Points | None = None


class Exemplar(msgspec.Struct, gc=False, rename="camel"):
    """A measurement with the trace it came from."""

    trace_id: str | None = None


class Quantile(msgspec.Struct, gc=False, rename="camel"):
    """One quantile of a summary."""

    quantile: float = 0.0
    value: float | str | None = None


class Buckets(msgspec.Struct, gc=False, rename="camel"):
    """One side of an exponential histogram: counts of neighbouring buckets from `offset` on."""

    offset: int = 0
    bucket_counts: list[int | str] | None = None


class Point(msgspec.Struct, gc=False, rename="camel"):
    """A data point of any kind."""

    time_unix_nano: int | str | None = None
    attributes: list[KeyValue] | None = None
    as_double: float | str | None = None
    as_int: int | str | None = None
    count: int | str | None = None
    sum: float | str | None = None
    min: float | str | None = None
    max: float | str | None = None
    scale: int = 0
    zero_count: int | str | None = None
    positive: Buckets | None = None
    negative: Buckets | None = None
    bucket_counts: list[int | str] | None = None
    explicit_bounds: list[float] | None = None
    quantile_values: list[Quantile] | None = None
    exemplars: list[Exemplar] | None = None

"""What a metric measures, told from the words of its name, label values and unit.

The words are those of the Prometheus naming guide, the OpenTelemetry semantic conventions, and the
USE and RED methods; no metric of any known system is listed. Host metrics belong to no workload: a
neighbour's work moves them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from incident_pipeline.signals.series import words

if TYPE_CHECKING:
    from incident_pipeline.signals.series import Series


class MetricKind(StrEnum):
    """The families that the analyses tell apart."""

    RESOURCE = "resource"
    LATENCY = "latency"
    ERRORS = "errors"
    SUCCESS = "success"
    TRAFFIC = "traffic"
    HOST = "host"
    CONCURRENCY = "concurrency"
    STATE = "state"
    OTHER = "other"


_HOST: Final = frozenset({"node", "machine", "host", "hypervisor"})
_STATE: Final = frozenset({"alerts", "info", "up", "created", "alertstate", "build", "scrape"})
_SUCCESS: Final = frozenset({"availability", "success", "succeeded", "healthy", "apdex"})
_ERRORS: Final = frozenset(
    {"error", "errors", "failure", "failures", "failed", "fail", "exceptions", "exception", "dropped",
     "rejected", "timeouts", "timeout", "throttled", "faults", "aborted", "5xx", "restarts", "oom"}
)  # fmt: skip
_LATENCY: Final = frozenset(
    {"latency", "duration", "latencies", "p50", "p75", "p90", "p95", "p99", "p999", "elapsed", "rtt", "ttfb"}
)
_RESOURCE: Final = frozenset(
    {"cpu", "memory", "mem", "rss", "resident", "heap", "gc", "threads", "thread", "goroutines", "syscalls",
     "syscall", "io", "disk", "fs", "filesystem", "fds", "fd", "pool", "connections", "waiting", "queue",
     "queued", "backlog", "pending", "saturation", "utilization", "utilisation", "usage", "lag", "locks",
     "lock", "swap", "load1", "load5", "stalled", "pressure", "evictions", "working"}
)  # fmt: skip
_CONCURRENCY: Final = frozenset({"inflight", "flight", "concurrency", "concurrent", "active"})
"""Little's law: what is in progress grows with latency, so it is a symptom."""
_TRAFFIC: Final = frozenset(
    {"requests", "request", "calls", "rps", "qps", "throughput", "messages", "receive", "transmit",
     "received", "sent", "packets", "hits", "count", "operations", "ops", "rate"}
)  # fmt: skip
_WAITING: Final = frozenset(
    {"waiting", "pending", "queued", "queue", "backlog", "lag", "pool", "connections"}
)
_CODE_LABELS: Final = frozenset({"code", "status", "status_code", "http_status_code", "response_code",
                                 "http_response_status_code", "grpc_code"})  # fmt: skip
_ERROR_CODES: Final = ("5", "429", "408")


_BY_NAME: Final = (
    (MetricKind.SUCCESS, _SUCCESS),
    (MetricKind.LATENCY, _LATENCY),
    (MetricKind.ERRORS, _ERRORS),
    (MetricKind.CONCURRENCY, _CONCURRENCY),
    (MetricKind.TRAFFIC, frozenset({"network"})),
    (MetricKind.RESOURCE, _RESOURCE),
    (MetricKind.TRAFFIC, _TRAFFIC),
)
"""The first family that a name has a word of: success rates come before rates, and so on."""


def metric_kind(series: Series) -> MetricKind:
    """Tell what a series measures."""
    named = words(series.name)
    labels = dict(series.labels)
    if named & _STATE or "alertname" in labels:
        return MetricKind.STATE
    if named & _HOST:
        return MetricKind.HOST
    codes = [value for key, value in labels.items() if key in _CODE_LABELS]
    if codes:
        failing = any(code.startswith(_ERROR_CODES) for code in codes)
        return MetricKind.ERRORS if failing else MetricKind.TRAFFIC
    return next((kind for kind, family in _BY_NAME if named & family), MetricKind.OTHER)


def grows_with_waiting(series: Series) -> bool:
    """Say whether the series counts what waits or is held: it grows when whatever it waits for slows."""
    return bool(words(series.name) & _WAITING)

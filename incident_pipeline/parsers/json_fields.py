"""What the fields of structured log records are called, by logger and shipper, and which role each plays.

One table for zap, logrus, slog, bunyan, pino, log4j2, ECS, serilog, python-json-logger, Rust tracing,
Caddy, MongoDB, Cloudflare and Traefik. Names are those of the record flattened with dots; the first
name that a record has plays the role. Roles are worked out once per set of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

TIME: Final = (
    "datetime", "@timestamp", "timestamp", "ts", "time", "eventTime", "event_time", "asctime", "Timestamp",
    "@t", "t.$date", "_time", "date", "EdgeStartTimestamp", "StartUTC", "start_time", "startTime",
    "created_at", "timeMillis", "t", "Time", "TimeGenerated", "instant.epochSecond",
)  # fmt: skip
LEVEL: Final = (
    "level", "severity", "lvl", "log.level", "log_level", "loglevel", "severity_text", "severityText",
    "SeverityText", "levelname", "Level", "@l", "LogLevel", "s", "l",
)  # fmt: skip
NUMBER: Final = ("severity_number", "severityNumber", "SeverityNumber")
MESSAGE: Final = (
    "msg", "message", "fields.message", "Message", "MESSAGE", "@m", "@mt", "MessageTemplate", "body", "Body",
    "log", "text", "short_message", "event", "error",
)  # fmt: skip
TRACE: Final = (
    "trace_id", "traceId", "traceID", "trace.id", "TraceId", "trace", "otelTraceID", "dd.trace_id", "@tr",
    "logging.googleapis.com/trace",
)  # fmt: skip
SPAN: Final = (
    "span_id", "spanId", "spanID", "span.id", "SpanId", "otelSpanID", "dd.span_id", "@sp",
    "logging.googleapis.com/spanId",
)  # fmt: skip
SERVICE: Final = (
    "service", "service.name", "service_name", "serviceName", "ServiceName", "dd.service", "app",
    "application", "kubernetes.labels.app", "kubernetes.labels.app.kubernetes.io/name",
)  # fmt: skip
LOGGER: Final = ("logger", "loggerName", "logger_name", "SourceContext", "log.logger")
HOST: Final = (
    "host", "hostname", "host.name", "pod", "pod_name", "k8s.pod.name", "kubernetes.pod_name",
    "kubernetes.pod.name", "instance",
)  # fmt: skip
STATUS: Final = (
    "st", "status", "status_code", "statusCode", "http_status", "response_code", "http.status_code",
    "http.response.status_code", "res.statusCode", "EdgeResponseStatus", "DownstreamStatus", "code",
)  # fmt: skip
METHOD: Final = (
    "m", "method", "http_method", "request_method", "verb", "http.method", "http.request.method",
    "request.method", "req.method", "ClientRequestMethod", "RequestMethod",
)  # fmt: skip
URL: Final = (
    "uri", "url", "request_uri", "url.full", "http.url", "http.target", "url.original", "request.uri",
    "req.url", "ClientRequestURI", "RequestPath", "path", "url.path",
)  # fmt: skip
DURATION: Final[dict[str, int]] = {
    "rt": 0, "request_time": 0, "duration": 0, "duration_s": 0, "latency_s": 0, "elapsed_s": 0,
    "duration_ms": 3, "latency_ms": 3, "elapsed_ms": 3, "responseTime": 3, "response_time_ms": 3,
    "OriginResponseDurationMs": 3, "took_ms": 3, "duration_us": 6, "Duration": 9, "duration_ns": 9,
}  # fmt: skip
"""Field -> how many decimal places its unit lies below the second."""

BUNYAN: Final = ("name", "hostname", "pid", "level", "v")


@dataclass(frozen=True)
class Plan:
    """Which key of a record plays which role; None where it has none."""

    time: str | None
    level: str | None
    number: str | None
    message: str | None
    trace: str | None
    span: str | None
    service: str | None
    logger: str | None
    host: str | None
    status: str | None
    method: str | None
    url: str | None
    duration: str | None

    @property
    def is_access(self) -> bool:
        """Whether the record tells of a request: method, address and status."""
        return self.status is not None and self.method is not None and self.url is not None


@lru_cache(maxsize=2048)
def plan_of(keys: tuple[str, ...]) -> Plan:
    """Work out the roles of a record's keys."""
    held = frozenset(keys)

    def first(names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in held), None)

    service = first(SERVICE)
    if service is None and all(key in held for key in BUNYAN):
        service = "name"
    return Plan(
        time=first(TIME),
        level=first(LEVEL),
        number=first(NUMBER),
        message=first(MESSAGE),
        trace=first(TRACE),
        span=first(SPAN),
        service=service,
        logger=first(LOGGER),
        host=first(HOST),
        status=first(STATUS),
        method=first(METHOD),
        url=first(URL),
        duration=first(tuple(DURATION)),
    )

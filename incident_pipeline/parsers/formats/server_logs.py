"""The logs of single servers that have a shape of their own: klog, Redis, MongoDB, RabbitMQ.

Specs: klog's header (k8s.io/klog), Redis's serverLogRaw and `loglevel`, MongoDB's log message formats before
and since 4.4, RabbitMQ's default formatter (and lager's, before 3.9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.clock import MONTHS
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.json_lines import log_event
from incident_pipeline.parsers.inner import REDIS_LEVELS, read_line
from incident_pipeline.parsers.json_fields import plan_of
from incident_pipeline.parsers.jsontext import flatten, records
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.timestamps import parse_epoch

if TYPE_CHECKING:
    import re

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Event, Rows
    from incident_pipeline.parsers.timestamps import Stamp


class Klog(LineFormat):
    """The parser of glog's and klog's header."""

    id = "glog"
    aliases = ("klog", "google_glog")
    title = "glog and klog"
    spec = "https://pkg.go.dev/k8s.io/klog/v2#hdr-Log_Formats"
    certainty = 0.95
    patterns = compile_verbose(
        r"""(?P<level>[IWEFD])(?P<year>\d{4}(?=\d{4}\ ))?(?P<month>\d\d)(?P<day>\d\d)
            \ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)\.(?P<fraction>\d{1,9})
            \ {1,10}(?P<thread__id>\d{1,20})\ (?P<code__location>[^\s\]]{1,300}:\d+)\]\ ?(?P<message>.*)"""
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Read the pairs of a structured line as well."""
        event = super().event(match, data, start, end, rows)
        if not (match["message"] or "").startswith('"'):
            return event
        found = read_line(match.string, rows.zone)
        if found.severity_raw is None or "code.location" not in found.attributes:
            return event
        more = (event.message or "")[len(match["message"]) :]
        attributes = {**found.attributes, **event.attributes}
        attributes.pop("thread", None)
        return event._replace(
            message=found.message + more,
            attributes=attributes,
            trace_id=found.trace_id,
            span_id=found.span_id,
        )


class RedisLog(LineFormat):
    """The parser of Redis's log."""

    id = "redis_log"
    aliases = ("redis", "valkey", "redis_server")
    title = "Redis and Valkey"
    spec = "https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/ (loglevel)"
    service = "redis"
    certainty = 0.96
    patterns = compile_verbose(
        r"""(?P<process__pid>\d{1,10}):(?P<redis__role>[XCSM])
            \ (?P<day>\d\d)\ (?P<mon>[A-Z][a-z]{2})(?:\ (?P<year>\d{4}))?
            \ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{3}))?
            \ (?P<level>[.*\#-])\ (?P<message>.*)""",
        r"""(?P<process__pid>\d{1,10}):signal-handler\ \((?P<epoch>\d{9,11})\)\ (?P<message>.*)""",
        r"""\[(?P<process__pid>\d{1,10})\]\ (?P<day>\d\d)\ (?P<mon>[A-Z][a-z]{2})
            \ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{3}))?
            \ (?P<level>[.*\#-])\ (?P<message>.*)""",
    )

    def stamp(self, match: re.Match[str], groups: dict[str, str], rows: Rows) -> Stamp:
        """Read the signal handler's epoch seconds, or the calendar time."""
        if "epoch" in groups:
            return parse_epoch(groups["epoch"], "s")
        if groups["mon"].lower() not in MONTHS:
            return super().stamp(match, {}, rows)
        return rows.clock.stamp(match)

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:  # noqa: ARG002 - for overrides
        """Give the number of Redis's signs: `#` warning, `*` notice, `-` verbose, `.` debug."""
        return REDIS_LEVELS.get(level) if level else None


_MONGO_LEVELS: Final = {"F": Severity.FATAL, "E": Severity.ERROR, "W": Severity.WARN, "I": Severity.INFO}


def _mongo_severity(level: str | None) -> int | None:
    if not level:
        return None
    return Severity.DEBUG if level.startswith("D") else _MONGO_LEVELS.get(level)


class MongodbText(LineFormat):
    """The parser of MongoDB's log before 4.4."""

    id = "mongodb_text"
    aliases = ("mongodb_log", "mongod_text", "mongodb")
    title = "MongoDB log before 4.4"
    spec = "https://www.mongodb.com/docs/v4.2/reference/log-messages/"
    service = "mongodb"
    certainty = 0.95
    patterns = compile_verbose(
        r"""(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d{4}))\ (?P<level>[FEWID][1-5]?)
            \ (?P<mongodb__component>[A-Z_-]{1,20})
            \s{1,12}\[(?P<mongodb__context>[^\]]{1,120})\]\ (?P<message>.*)"""
    )

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:  # noqa: ARG002 - for overrides
        """Give the number of MongoDB's letters."""
        return _mongo_severity(level)


class MongodbStructured(Format):
    """The parser of MongoDB's JSON log (4.4 on)."""

    id = "mongodb_structured"
    stands_alone = True
    aliases = ("mongodb_log", "mongod_json", "mongodb")
    title = "MongoDB log since 4.4"
    splitting: ClassVar[Splitting] = "json"
    spec = "https://www.mongodb.com/docs/manual/reference/log-messages/"
    kinds = (Kind.LOG,)

    def score(self, sample: Sample) -> float:
        """Recognise the short keys and the wrapped date."""
        if not any(isinstance(item, dict) and _dated(item) for item in sample.records):
            return 0.0
        return 0.96 * sample.share(("t", "s", "c", "ctx", "msg"), need=5)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object into a log event."""
        for record in records(data):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
                continue
            flat = flatten(record.value)
            event = log_event(record, flat, plan_of(tuple(flat)), rows.zone, service="mongodb", message="")
            level = event.severity_raw
            rows.event(event._replace(severity=_mongo_severity(level) or severity_of(level)))


def _dated(item: dict[str, Any]) -> bool:
    return isinstance(item.get("t"), dict) and "$date" in item["t"]


class Rabbitmq(LineFormat):
    """The parser of RabbitMQ's log."""

    id = "rabbitmq_log"
    aliases = ("rabbitmq", "rabbitmq_server", "lager")
    title = "RabbitMQ"
    spec = "https://www.rabbitmq.com/docs/logging"
    service = "rabbitmq"
    certainty = 0.95
    patterns = compile_verbose(
        r"""(?P<time>\d{4}-\d\d-\d\d\ \d\d:\d\d:\d\d\.\d{3,9}(?:[+-]\d\d:\d\d)?)\ \[(?P<level>[a-z]{2,10})\]
            \ (?P<erlang__pid><\d+\.\d+\.\d+>)\ ?(?P<message>.*)""",
        r"""=(?P<level>INFO|ERROR|WARNING)\ REPORT====\ (?P<day>\d{1,2})
            -(?P<mon>[A-Z][a-z]{2})-(?P<year>\d{4})
            ::(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?
            \ ===(?P<message>)""",
    )


FORMATS: Final[tuple[Format, ...]] = (Klog(), RedisLog(), MongodbText(), MongodbStructured(), Rabbitmq())

"""Logs of Java loggers as text, and of the servers with layouts of their own.

log4j and logback layouts, Spring Boot, java.util.logging and Tomcat; the
servers: Kafka, ZooKeeper, Elasticsearch, Logstash.

Layouts are configuration, so several patterns stand for each; what they share is a time, a level, and thread
and logger in brackets or columns. Stack traces and other lines without a head belong to the record before.
Ids that a mapped diagnostic context printed (`traceId=...`, Spring's `[app,trace,span]`) go to the columns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.json_lines import log_event
from incident_pipeline.parsers.inner import LEVELS, trace_ids
from incident_pipeline.parsers.json_fields import plan_of
from incident_pipeline.parsers.jsontext import (
    NotJsonError,
    Record,
    decode_json,
    flatten,
    lines,
    text_of,
    too_deep,
    value_end,
)  # fmt: skip
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Event, Rows

_TIME: Final = r"(?P<time>\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:\ ?(?:Z|[+-]\d\d:?\d\d))?)"
_LEVEL: Final = rf"(?P<level>{LEVELS}|ALL|OFF|DEPRECATION|CRITICAL)"
_LOGGER: Final = r"(?P<logger>[A-Za-z_$][\w$.\-/:\[\]@]{0,200})"
_THREAD: Final = (
    r"\[\ {0,40}(?P<thread__name>[^\[\]]{0,200}(?:\[[^\[\]]{0,80}\][^\[\]]{0,80}){0,3}?)\ {0,40}\]"
)


class JavaFormat(LineFormat):
    """What the layouts have in common: ids in the text of a record's first line."""

    certainty = 0.9

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Give the event, with the ids of its first line."""
        event = super().event(match, data, start, end, rows)
        if event.trace_id:
            return event._replace(
                trace_id=event.trace_id.lower(), span_id=(event.span_id or "").lower() or None
            )
        trace_id, span_id = trace_ids(match.string)
        return event if trace_id is None else event._replace(trace_id=trace_id, span_id=span_id)


class Kafka(JavaFormat):
    """The parser of Kafka's log4j layouts."""

    id = "kafka_log4j"
    aliases = ("kafka", "kafka_log", "kafka_server")
    title = "Apache Kafka"
    spec = "https://github.com/apache/kafka/blob/trunk/config/log4j2.yaml ([%d] %p %m (%c)%n)"
    service = "kafka"
    certainty = 0.93
    patterns = compile_verbose(
        rf"\[{_TIME}\]\ \[{_LEVEL}\ *\]\ {_THREAD}\ \[{_LOGGER}\]\ -\ (?P<message>.*)",
        rf"\[{_TIME}\]\ {_LEVEL}\ (?P<message>.*?)(?:\ \((?P<logger>[A-Za-z][\w.$-]{{2,200}})\))?$",
    )


class ZooKeeper(JavaFormat):
    """The parser of ZooKeeper's layout."""

    id = "zookeeper_log"
    aliases = ("zookeeper",)
    title = "Apache ZooKeeper"
    spec = "https://github.com/apache/zookeeper/blob/master/conf/logback.xml"
    service = "zookeeper"
    certainty = 0.93
    patterns = compile_verbose(
        rf"""{_TIME}\ \[myid:(?P<zookeeper__myid>[^\]]{{0,20}})\]
             \ -\ {_LEVEL}\ {{1,3}}
             \[(?P<thread__name>.{{0,200}}?):(?P<logger>[\w.$]{{1,120}})
             @(?P<code__line>-?\d+|\?)\]\ -\ (?P<message>.*)""",
        rf"""{_TIME}\ -\ {_LEVEL}\ {{1,3}}
             \[(?P<thread__name>.{{0,200}}?):(?P<logger>[\w.$]{{1,120}})
             @(?P<code__line>-?\d+|\?)\]\ -\ (?P<message>.*)""",
    )


_BRACKETED: Final = rf"\[{_TIME}\]\[{_LEVEL}\ *\]\[(?P<logger>[\w.$:/-]{{1,200}})\ *\]"


class Bracketed(JavaFormat):
    """The layout that Elastic's servers share; whose it is, the loggers tell."""

    own: ClassVar[re.Pattern[str]]
    """The loggers of the product."""

    def score(self, sample: Sample) -> float:
        """Score by the layout, where any logger is the product's own."""
        found = [self.match(line.decode("utf-8", "replace")) for line in sample.lines]
        loggers = [match["logger"] for match in found if match is not None]
        owned = any(self.own.match(logger) is not None for logger in loggers)
        return super().score(sample) if owned else 0.0


class ElasticsearchText(Bracketed):
    """The parser of Elasticsearch's (and OpenSearch's) text log."""

    id = "elasticsearch_text"
    aliases = ("elasticsearch_server", "elasticsearch_log", "opensearch")
    title = "Elasticsearch and OpenSearch server log"
    spec = "https://www.elastic.co/guide/en/elasticsearch/reference/current/logging.html"
    service = "elasticsearch"
    certainty = 0.95
    own = re.compile(r"o\.(?:e|o)\.|org\.(?:elasticsearch|opensearch)\.")
    patterns = compile_verbose(rf"{_BRACKETED}\ (?:\[(?P<node>[^\]\s]{{0,200}})\]\ )?(?P<message>.*)")


class Logstash(Bracketed):
    """The parser of Logstash's text log."""

    id = "logstash_log"
    aliases = ("logstash", "logstash_plain")
    title = "Logstash"
    spec = "https://www.elastic.co/guide/en/logstash/current/logging.html"
    service = "logstash"
    certainty = 0.95
    own = re.compile(r"(?:org\.|slowlog\.)?logstash\b")
    patterns = compile_verbose(
        rf"{_BRACKETED}(?:\[(?P<pipeline>[^\]]{{1,120}})\])?"
        r"(?:\[(?P<plugin>[0-9a-f]{32,64})\])?\ ?(?P<message>.*)",
    )


class SpringBoot(JavaFormat):
    """The parser of Spring Boot's console layout."""

    id = "spring_boot"
    aliases = ("spring", "springboot")
    title = "Spring Boot"
    spec = "https://docs.spring.io/spring-boot/reference/features/logging.html"
    certainty = 0.95
    patterns = compile_verbose(
        rf"""{_TIME}\ {{1,3}}{_LEVEL}\ {{1,2}}
             (?:\[(?P<service>[^,\]\s]{{0,120}}),
             (?P<trace_id>[0-9a-fA-F]{{16,32}})?,(?P<span_id>[0-9a-fA-F]{{16}})?(?:,(?:true|false)?)?\]\ )?
             (?P<process__pid>\d{{1,10}}|-)\ ---\ (?:\[(?P<application>[^\[\],]{{1,120}})\]\ (?=\[))?{_THREAD}
             (?:\ ?\[(?:[\w.-]{{1,120}},)?(?P<mdc_trace>[0-9a-f]{{16,32}})[-,](?P<mdc_span>[0-9a-f]{{16}})\])?
             \ {{0,3}}(?P<logger>[\w.$\[\]/-]{{1,120}})\ *:\ ?(?P<message>.*)"""
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Take the ids of Micrometer's correlation pattern, and the application's name as the service."""
        event = super().event(match, data, start, end, rows)
        attributes = dict(event.attributes)
        trace_id, span_id = attributes.pop("mdc_trace", None), attributes.pop("mdc_span", None)
        service = event.service or (attributes.get("application") or "").strip() or None
        return event._replace(
            attributes=attributes,
            service=service,
            trace_id=event.trace_id or trace_id,
            span_id=event.span_id or span_id,
        )


class Log4j(JavaFormat):
    """The parser of log4j's and logback's usual layouts."""

    id = "java_log4j"
    aliases = ("java_logback", "log4j", "logback", "log4j2", "java", "java_log", "hadoop", "spark")
    title = "Java loggers: log4j, logback"
    spec = "https://logging.apache.org/log4j/2.x/manual/pattern-layout.html"
    generality = 3
    certainty = 0.86
    patterns = compile_verbose(
        # time [thread] LEVEL logger - message
        rf"{_TIME}\ {{1,3}}(?:-\ )?{_THREAD}\ {{0,3}}{_LEVEL}\ {{1,3}}{_LOGGER}\ {{0,60}}(?:\ -\ |:\ |-\ )"
        rf"(?P<message>.*)",
        # time LEVEL [thread] [logger] message, and time LEVEL [thread] logger : message
        rf"{_TIME}\ {{1,3}}(?:-\ )?\[?{_LEVEL}\ *\]?\ *{_THREAD}\ \[(?P<logger>[\w.$-]{{1,200}})\]"
        rf"\ ?(?P<message>.*)",
        rf"{_TIME}\ {{1,3}}(?:-\ )?\[?{_LEVEL}\ *\]?\ *{_THREAD}\ {_LOGGER}\ *(?::\ |\ -\ |-\ )"
        rf"(?P<message>.*)",
        rf"{_TIME}\ {{1,3}}(?:-\ )?\[?{_LEVEL}\ *\]?\ *{_THREAD}\ ?(?P<message>.*)",
        # time LEVEL logger:line - message; Hadoop and Spark: time LEVEL logger: message
        rf"{_TIME}\ {{1,3}}(?:-\ )?{_LEVEL}\ {{1,3}}(?P<logger>[A-Za-z_$]"
        rf"[\w$]{{0,80}}(?:\.[\w$]{{1,120}}){{0,20}})(?::(?P<code__line>\d+))?(?:\ -\ |:\ )(?P<message>.*)",
        # yy/MM/dd of Spark
        rf"(?P<year>\d\d)/(?P<month>\d\d)/(?P<day>\d\d)\ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
        rf"\ {_LEVEL}\ {_LOGGER}:\ (?P<message>.*)",
        # Tomcat: 01-Jan-2024 12:34:56.789 INFO [main] org.apache.X.y message
        rf"""(?P<day>\d\d)-(?P<mon>[A-Z][a-z]{{2}})-(?P<year>\d{{4}})
             \ (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{{3}}))?
             \ {_LEVEL}\ {_THREAD}\ {_LOGGER}\ ?(?P<message>.*)""",
        # logback's default has no date: hours alone are no time
        rf"(?P<clock>\d\d:\d\d:\d\d[.,]\d{{3}})\ {_THREAD}\ {_LEVEL}\ {{1,3}}{_LOGGER}\ -\ (?P<message>.*)",
        # java.util.logging: the level begins the second line
        rf"""(?P<mon>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\ (?P<day>\d{{1,2}}),\ (?P<year>\d{{4}})
             ,?\ (?P<hour>\d{{1,2}}):(?P<minute>\d\d):(?P<second>\d\d)
             \ (?P<ampm>[AP]M)\ {_LOGGER}(?:\ (?P<method>[\w$<>]{{1,120}}))?$""",
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Read the second line of java.util.logging, which has level and message."""
        event = super().event(match, data, start, end, rows)
        if "method" not in match.re.groupindex:
            return event
        _, _, body = (event.message or "").partition("\n")
        level, colon, message = body.partition(": ")
        if not colon or level not in _JUL:
            return event
        return event._replace(message=message, severity_raw=level, severity=self.severity(level, {}))


_JUL: Final = frozenset(["SEVERE", "WARNING", "INFO", "CONFIG", "FINE", "FINER", "FINEST"])


class ElasticsearchJson(Format):
    """The parser of Elasticsearch's JSON log, whose objects may span lines (a stack trace is a list)."""

    id = "elasticsearch_json"
    stands_alone = True
    aliases = ("elasticsearch_server", "elasticsearch_server_json")
    title = "Elasticsearch server log in JSON"
    spec = "https://www.elastic.co/guide/en/elasticsearch/reference/current/logging.html#json-logging"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "records"

    def score(self, sample: Sample) -> float:
        """Recognise objects with a node's or a cluster's name beside a component."""
        heads = [line for line in sample.lines if line.startswith(b"{")]
        if not heads or not sample.lines[0].startswith(b"{"):
            return 0.0
        return 0.95 * sum(_is_server(line) for line in heads) / len(heads)

    def begins_record(self, line: bytes) -> bool:
        """Tell whether an object with the log's first keys begins here."""
        return line.lstrip().startswith((b'{"type"', b'{"@timestamp"'))

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object."""
        for record in _objects(data, self.begins_record):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
                continue
            flat = flatten(record.value)
            rows.event(
                log_event(record, flat, plan_of(tuple(flat)), rows.zone, service="elasticsearch", message="")
            )


def _is_server(line: bytes) -> bool:
    return (
        b'"cluster.name"' in line
        or b'"node.name"' in line
        or b'"elasticsearch.cluster' in line
        or b'"cluster.uuid"' in line
    ) and (b'"component"' in line or b'"log.logger"' in line or b'"logger"' in line)


def _objects(data: bytes, begins: Any) -> Iterator[Record]:
    """Give the objects of a stream, each on a line or over several; what is between them has a problem."""
    reach = 0
    for start, end in lines(data):
        if start < reach:
            continue
        raw = data[start:end]
        if not raw.startswith(b"{"):
            yield Record(start, end, None, None, "no JSON object begins here")
            continue
        record = _decoded(data, start, end)
        if record.problem is not None and begins(raw):  # only where the log's own keys say so: no long search
            stop = value_end(data, start, _next_beginning(data, end, begins))
            if stop is not None and stop > end:
                line_end = data.find(b"\n", stop)
                tail = data[stop : line_end if line_end >= 0 else len(data)].strip()
                if not tail:
                    record, reach = _decoded(data, start, stop), stop
        yield record


def _next_beginning(data: bytes, at: int, begins: Any) -> int:
    limit = min(len(data), at + _MAX_OBJECT)
    while (found := data.find(b"\n{", at, limit)) >= 0:
        if begins(data[found + 1 : found + 40]):
            return found
        at = found + 1
    return limit


_MAX_OBJECT: Final = 1024**2


def _decoded(data: bytes, start: int, end: int) -> Record:
    raw = data[start:end]
    if too_deep(raw):
        return Record(start, end, None, None, "nested too deeply")
    try:
        return Record(start, end, None, decode_json(raw))
    except NotJsonError as error:
        return Record(start, end, None, None, text_of(str(error)))


FORMATS: Final[tuple[Format, ...]] = (
    Kafka(), ZooKeeper(), ElasticsearchText(), ElasticsearchJson(), Logstash(), SpringBoot(), Log4j(),
)  # fmt: skip

"""MySQL, MariaDB and Percona Server: the slow query log.

A record is a block of `# Key: value` lines and the statement below. Its time is that of `SET timestamp`,
the moment the statement began (server's `query_start`); where that is absent, the last `# Time` above it,
the moment it was logged: servers before 5.7 write it only once per second. Headers that a starting server
writes tell of a start without a time. Pieces of a record cut by rotation go to quarantine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.mysql import SERVICE
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import compile_verbose, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_STARTED: Final = re.compile(r"\S{1,300}, Version: .{1,300}? started with:\s*$")
_START_REST: Final = re.compile(r"Tcp port: *\d*|Time\s+Id\s+Command\s+Argument")
_TIME: Final = re.compile(r"# Time: +(?P<text>\d{4}-\S+|\d{6} +\d{1,2}:\d\d:\d\d)(?P<rest>.*)", re.ASCII)
(_OLD_TIME,) = compile_verbose(
    r"(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)\ +(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)"
)
_USER: Final = re.compile(
    r"User@Host: +(?P<user>[^\[\s]*)(?:\[[^\]]*\])? *@ +(?P<host>\S*) *\[(?P<address>[^\]]*)\](?P<rest>.*)"
)
_PAIR: Final = re.compile(r"([A-Za-z_]{2,40}): *([^\s:]+)?(?=\s|$)")
_SET: Final = re.compile(r"SET timestamp=(\d{1,11}(?:\.\d{1,6})?);?\s*$", re.ASCII | re.IGNORECASE)
_USE: Final = re.compile(r"use +`?([^`;\s]{1,64})`?;\s*$", re.IGNORECASE)
_ADMIN: Final = "# administrator command:"
_NAMES: Final = {
    "Query_time": "duration_s", "Id": "thread", "Thread_id": "thread", "Schema": "db.name",
    "Lock_time": "lock_time_s",
}  # fmt: skip
_SURE: Final = 0.97


@dataclass
class _Record:
    """What was read of a record so far."""

    start: int
    end: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    stamp: Stamp = UNKNOWN
    actor: str | None = None
    body: int | None = None
    """Where the statement begins."""


class MysqlSlow(Format):
    """The parser of MySQL's slow query log."""

    id = "mysql_slow"
    aliases = ("mysql_slowlog", "slow_query_log", "mariadb_slow", "percona_slow")
    title = "MySQL and MariaDB slow query log"
    spec = "https://dev.mysql.com/doc/refman/8.4/en/slow-query-log.html"
    kinds = (Kind.LOG, Kind.OBJECT_STATE)
    splitting = "records"

    def score(self, sample: Sample) -> float:
        """Recognise the block: a user or a query time behind `#`."""
        held = [line for line in sample.lines if line.startswith((b"# Query_time:", b"# User@Host:"))]
        headers = [line for line in sample.lines if line.startswith(b"#")]
        return _SURE if held and b"# Query_time:" in sample.head and len(headers) >= len(held) else 0.0

    def begins_record(self, line: bytes) -> bool:
        """Tell whether this is a `# Time` line, which no record goes on behind, or a server's header."""
        return line.startswith(b"# Time:") or _STARTED.match(line.decode("utf-8", "replace")) is not None

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every block."""
        _Reader(data, rows).read()


class _Reader:
    """Walks the lines of a slow log."""

    def __init__(self, data: bytes, rows: Rows) -> None:
        self._data = data
        self._rows = rows
        self._record: _Record | None = None
        self._header: tuple[int, int, str] | None = None

    def read(self) -> None:
        for start, end in lines(self._data):
            self._line(start, end, text_of(self._data, start, end, self._rows))
        self._flush_header()
        self._flush()

    def _line(self, start: int, end: int, text: str) -> None:
        record = self._record
        if record is None or record.body is not None:
            if _STARTED.match(text):
                self._flush()
                self._flush_header()
                self._header = (start, end, text)
                return
            if self._header is not None and _START_REST.match(text):
                self._header = (self._header[0], end, self._header[2])
                return
        new_block = text.startswith(("# Time:", "# User@Host:"))
        if (
            new_block
            and record is not None
            and (record.body is not None or "duration_s" in record.attributes)
        ):
            self._flush()
            record = None
        if record is None:
            self._flush_header()
            record = self._record = _Record(start)
        record.end = end
        if record.body is None and text.startswith("#") and not text.startswith(_ADMIN):
            self._comment(text, record)
        elif record.body is None and (found := _SET.match(text)) is not None:
            record.stamp = parse_epoch(found[1], "s")
        elif record.body is None and (found := _USE.match(text)) is not None:
            record.attributes["db.name"] = found[1]
        elif record.body is None:
            record.body = start

    def _comment(self, text: str, record: _Record) -> None:
        rest = text
        moment = _TIME.match(text)
        if moment is not None:
            self._rows.state[MysqlSlow.id] = _logged_at(moment["text"], self._rows)
            rest = moment["rest"]
        user = _USER.search(rest)
        if user is not None:
            record.actor = user["user"] or None
            pairs = {"user": user["user"], "client.host": user["host"], "client.address": user["address"]}
            record.attributes |= {name: value for name, value in pairs.items() if value}
            rest = user["rest"]
        for name, value in _PAIR.findall(rest):
            if value:
                record.attributes[_NAMES.get(name, name.lower())] = value

    def _flush(self) -> None:
        record, self._record = self._record, None
        if record is None:
            return
        if "duration_s" not in record.attributes:
            reason = "a piece of a slow query's record: no query time"
            self._rows.reject(record.start, record.end, reason, own=True)
            return
        stamp, attributes = record.stamp, record.attributes
        if stamp.time_ns is None:
            stamp = self._rows.state.get(MysqlSlow.id, UNKNOWN)
            if stamp.time_ns is not None:
                attributes["time.kind"] = "end"
        body = record.start if record.body is None else record.body
        self._rows.event(
            Event(
                start=record.start,
                end=record.end,
                kind=Kind.LOG,
                message=text_of(self._data, body, record.end, self._rows),
                attributes=attributes,
                stamp=stamp,
                service=SERVICE,
                actor=record.actor,
                severity=Severity.INFO,
            )
        )

    def _flush_header(self) -> None:
        header, self._header = self._header, None
        if header is not None:
            start, end, text = header
            self._rows.event(
                Event(
                    start=start,
                    end=end,
                    kind=Kind.OBJECT_STATE,
                    message=text,
                    attributes={"mysql.started": "true"},
                    service=SERVICE,
                )
            )


def _logged_at(text: str, rows: Rows) -> Stamp:
    old = _OLD_TIME.match(text)
    return rows.clock.stamp(old) if old is not None else parse_time(text, rows.zone)


FORMATS: Final[tuple[Format, ...]] = (MysqlSlow(),)

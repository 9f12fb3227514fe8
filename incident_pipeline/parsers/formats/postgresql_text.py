"""PostgreSQL server logs as text and CSV: `log_destination = stderr` and `csvlog`.

Text lines begin with `log_line_prefix`, which every installation sets for itself: a time comes first
(`%m`, `%t`, or `%n` as an epoch), and before the severity stand process id, user, database, client and
application in any order and dress. What goes with an entry (DETAIL, HINT, STATEMENT, CONTEXT) is written
as lines of its own and stays a row of its own, which names the severity of the entry it belongs to:
the last one of the same process. Columns of csvlog are those of the manual, PostgreSQL 9 to 17.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.csv_records import csv_records
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.postgresql import SERVICE, SEVERITIES
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.csv_records import CsvRecord
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_WITH_ENTRY: Final = "DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION"
_LEVELS: Final = "DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC"
_PID: Final = re.compile(r"\[(\d+)(?:-(\d+))?\]|(?:^|[ :])(?:p|pid)=(\d+)", re.ASCII)
_PAIR: Final = re.compile(
    r"\b(user|u|db|d|database|app|a|application_name|client|h|host|session|line|xid|tx|vx)=([^,\s\]]+)"
)
_USER_AT_DB: Final = re.compile(r"(?:^|[ :])([^\s@:,=\[\]]+)@([^\s@:,=\[\]]+)")
_CLIENT: Final = re.compile(r"\b((?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F:]{3,39}|\[local\])\((\d+)\)", re.ASCII)
_PAIRS: Final = {
    "user": "user", "u": "user", "db": "db.name", "d": "db.name", "database": "db.name",
    "app": "application_name", "a": "application_name", "application_name": "application_name",
    "client": "client.address", "h": "client.address", "host": "client.address",
    "session": "session_id", "line": "session_line_num", "xid": "transaction_id", "tx": "transaction_id",
    "vx": "virtual_transaction_id",
}  # fmt: skip
_NAMES_NOTHING: Final = ("[unknown]", "")
_DURATION: Final = re.compile(r"duration: (\d{1,12}(?:\.\d{1,6})?) ms", re.ASCII)
_MILLIS: Final = 1_000

_COLUMNS: Final = (
    "log_time", "user", "db.name", "pid", "client.address", "session_id", "session_line_num", "command_tag",
    "session_start_time", "virtual_transaction_id", "transaction_id", "error_severity", "sql_state_code",
    "message", "detail", "hint", "internal_query", "internal_query_pos", "context", "query", "query_pos",
    "location", "application_name", "backend_type", "leader_pid", "query_id",
)  # fmt: skip
_FEWEST: Final = 22
"""Columns of the oldest csvlog (8.4): without application name."""
_TIME_AT_FRONT: Final = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? ?[A-Z+\-0-9:]{0,8},")
_SEVERITY_COLUMN: Final = _COLUMNS.index("error_severity")


class PostgresqlText(LineFormat):
    """The parser of PostgreSQL's text logs."""

    id = "postgresql_text"
    aliases = ("postgresql_log", "postgres_log", "postgresql_stderr", "rds_postgresql")
    title = "PostgreSQL server log, text"
    spec = "https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-LOG-LINE-PREFIX"
    service = SERVICE
    certainty = 0.93
    patterns = compile_verbose(
        rf"""
        (?: (?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)[ ]
            (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) (?:\.(?P<fraction>\d{{1,6}}))?
            (?: [ ]?(?P<offset>[+-]\d\d(?::?\d\d)?|[A-Z]{{2,5}})(?![A-Za-z0-9]) )?
          | (?P<epoch>\d{{10}}\.\d{{3}}) )
        (?P<prefix>[^\n]{{0,400}}?)
        (?<![A-Za-z_]) (?P<level>{_LEVELS}|{_WITH_ENTRY}): [ ]{{1,2}}
        (?P<message>.*)
        """
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Read the prefix into attributes, and join what belongs to an entry to it by its process."""
        event = super().event(match, data, start, end, rows)
        attributes = dict(event.attributes)
        prefix = attributes.pop("prefix", "")
        attributes.update(_prefix(prefix))
        last: dict[str, str] = rows.state.setdefault(self.id, {})
        level, pid = event.severity_raw or "", attributes.get("pid", "")
        if level in SEVERITIES:
            last[pid] = level
        elif pid in last:
            attributes["postgresql.belongs_to"] = last[pid]
        return event._replace(attributes=_with_duration(attributes, event.message), actor=None)

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:  # noqa: ARG002 - as declared
        """Give PostgreSQL's severities, which are not those of syslog: LOG is ordinary."""
        return SEVERITIES.get(level) if level else None


class PostgresqlCsv(Format):
    """The parser of PostgreSQL's csvlog."""

    id = "postgresql_csv"
    aliases = ("postgresql_log", "postgres_log", "postgres_csv", "postgresql_csvlog", "csvlog")
    title = "PostgreSQL server log, CSV"
    spec = "https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG"
    kinds = (Kind.LOG,)
    splitting = "records"

    def score(self, sample: Sample) -> float:
        """Recognise records of the manual's columns, a severity where it belongs."""
        if not sample.lines or _TIME_AT_FRONT.match(sample.lines[0]) is None:
            return 0.0
        found = list(csv_records(sample.head, ","))
        found = found[:-1] if sample.truncated else found
        return 0.97 * sum(_is_record(record) for record in found) / len(found) if found else 0.0

    def begins_record(self, line: bytes) -> bool:
        """Tell whether the line begins with a time and a comma."""
        return _TIME_AT_FRONT.match(line) is not None

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every record."""
        for record in csv_records(data, ","):
            if _is_record(record):
                rows.event(_csv_event(record, rows))
            else:
                rows.reject(record.start, record.end, record.problem or "no record of PostgreSQL's csvlog")


def _prefix(text: str) -> dict[str, str]:
    """Read what can be told of a log line prefix; the whole of it is kept."""
    text = text.strip(" :")
    if not text:
        return {}
    found = {"prefix": text}
    pid = _PID.search(text)
    if pid is not None:
        found["pid"] = pid[1] or pid[3]
        if pid[2]:
            found["session_line_num"] = pid[2]
    for name, value in _PAIR.findall(text):
        if value not in _NAMES_NOTHING:
            found.setdefault(_PAIRS[name], value)
    at = _USER_AT_DB.search(text)
    if at is not None and "user" not in found:
        found |= {
            name: value
            for name, value in zip(("user", "db.name"), at.groups(), strict=True)
            if value not in _NAMES_NOTHING
        }
    client = _CLIENT.search(text)
    if client is not None:
        found["client.address"], found["client.port"] = client.groups()
    return found


def _with_duration(attributes: dict[str, str], message: str | None) -> dict[str, str]:
    taken = _DURATION.match(message or "")
    if taken is not None:
        attributes["duration_s"] = f"{float(taken[1]) / _MILLIS:.6f}".rstrip("0").rstrip(".")
    return attributes


def _is_record(record: CsvRecord) -> bool:
    fields = record.fields
    return (
        record.problem is None
        and _FEWEST <= len(fields) <= len(_COLUMNS)
        and fields[_SEVERITY_COLUMN] in SEVERITIES
    )


def _csv_event(record: CsvRecord, rows: Rows) -> Event:
    held = {name: value for name, value in zip(_COLUMNS, record.fields, strict=False) if value}
    level = held.pop("error_severity", None)
    stamp = parse_time(held.pop("log_time", ""), rows.zone)
    message = held.pop("message", "")
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.LOG,
        message=message,
        attributes=_with_duration(held, message),
        stamp=stamp,
        service=SERVICE,
        severity=SEVERITIES.get(level) if level else None,
        severity_raw=level,
    )


FORMATS: Final[tuple[Format, ...]] = (PostgresqlText(), PostgresqlCsv())

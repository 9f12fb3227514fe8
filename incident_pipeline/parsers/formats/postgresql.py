"""PostgreSQL server logs in JSON (`log_destination = jsonlog`, PostgreSQL 15 on), one object per line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import flatten, records
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

SERVICE: Final = "postgresql"

SEVERITIES: Final = {
    **{f"DEBUG{step}": Severity.DEBUG for step in range(1, 6)},
    "DEBUG": Severity.DEBUG, "LOG": Severity.INFO, "INFO": Severity.INFO, "NOTICE": Severity.NOTICE,
    "WARNING": Severity.WARN, "ERROR": Severity.ERROR, "FATAL": Severity.FATAL, "PANIC": 24,
}  # fmt: skip


class PostgresqlJson(Format):
    """The parser of PostgreSQL's jsonlog."""

    id = "postgresql_json"
    aliases = ("postgres_json", "postgresql_jsonlog", "jsonlog")
    title = "PostgreSQL jsonlog"
    spec = "https://www.postgresql.org/docs/current/runtime-config-logging.html"
    kinds = (Kind.LOG,)

    def score(self, sample: Sample) -> float:
        """Recognise records with `error_severity` beside a session, pid or backend."""
        named = sample.share(("pid", "session_id", "backend_type")) > 0
        return 0.98 * sample.share(("error_severity", "timestamp"), need=2) if named else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object into a log event of the service `postgresql`."""
        for record in records(data):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
                continue
            flat = flatten(record.value)
            level = flat.pop("error_severity", None)
            time = flat.pop("timestamp", None)
            rows.event(
                Event(
                    start=record.start,
                    end=record.end,
                    kind=Kind.LOG,
                    message=flat.pop("message", ""),
                    attributes=flat,
                    stamp=parse_time(time, rows.zone) if time else UNKNOWN,
                    service=SERVICE,
                    severity=SEVERITIES.get(level) if level else None,
                    severity_raw=level,
                    pointer=record.pointer,
                )
            )


FORMATS: Final[tuple[Format, ...]] = (PostgresqlJson(),)

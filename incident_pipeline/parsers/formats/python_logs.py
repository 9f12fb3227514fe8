"""Logs of Python programs as text: the logging module's usual formats, Gunicorn, Celery, Loguru, structlog.

`logging` has no fixed layout; these are the ones of its documentation, of frameworks' defaults, and of
copies of them: time with a comma, level, logger and process in any usual order. Tracebacks belong to the
record before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.parsers.inner import trace_ids
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose

if TYPE_CHECKING:
    import re

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Event, Rows

_TIME: Final = r"(?P<time>\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:\ ?(?:Z|[+-]\d\d:?\d\d))?)"
_LEVEL: Final = r"(?P<level>DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|NOTSET|TRACE|SUCCESS)"
_ANY_LEVEL: Final = r"(?P<level>[A-Z]{4,8}|debug|info|warning|warn|error|critical)"
_LOGGER: Final = r"(?P<logger>[A-Za-z_][\w.:-]{0,160})"


class PythonLogging(LineFormat):
    """The parser of Python's logging in its usual layouts."""

    id = "python_logging"
    aliases = ("python", "python_log", "gunicorn", "celery", "loguru", "django", "airflow", "openstack")
    title = "Python logging"
    spec = "https://docs.python.org/3/library/logging.html#logrecord-attributes"
    generality = 3
    certainty = 0.86
    patterns = compile_verbose(
        # asctime - name - level - message, with or without a process
        rf"{_TIME}\ -\ {_LOGGER}\ -\ {_LEVEL}\ -\ (?P<message>.*)",
        rf"{_TIME}\ -\ {_LEVEL}\ -\ (?:{_LOGGER}\ -\ )?(?P<message>.*)",
        # Loguru: time | LEVEL | module:function:line - message
        rf"{_TIME}\ \|\ {_LEVEL}\ *\|\ (?P<logger>[\w.<>]{{1,160}}):(?P<function>[\w<>]{{1,120}})"
        rf":(?P<code__line>\d+)\ -\ (?P<message>.*)",
        # Gunicorn: [time zone] [pid] [LEVEL] message
        rf"\[{_TIME}\]\ \[(?P<process__pid>\d{{1,10}})\]\ \[{_LEVEL}\]\ (?P<message>.*)",
        # Celery: [time: LEVEL/process] message
        rf"\[{_TIME}:\ {_LEVEL}/(?P<process__name>[\w-]{{1,80}})\]\ (?P<message>.*)",
        # Airflow: [time] {{file.py:12}} LEVEL - message
        rf"\[{_TIME}\]\ \{{(?P<code__location>[\w.-]{{1,120}}:\d+)\}}\ {_LEVEL}\ -\ (?P<message>.*)",
        # [time] LEVEL in module: message (Flask)
        rf"\[{_TIME}\]\ {_LEVEL}\ in\ (?P<logger>[\w.]{{1,120}}):\ (?P<message>.*)",
        # OpenStack: time pid LEVEL logger [request ids] message
        rf"{_TIME}\ (?P<process__pid>\d{{1,10}})\ {_LEVEL}\ (?P<logger>[\w.]{{1,160}})\ \[(?P<request>[^\]"
        rf"]{{0,300}})\]\ (?P<message>.*)",
        # structlog's console: time [level    ] event [logger] key=value
        rf"{_TIME}\ \[(?P<level>debug|info|warning|error|critical)\ *\]\ (?P<message>.*)",
        # [time] [LEVEL] component - message
        rf"\[{_TIME}\]\ \[{_ANY_LEVEL}\ *\]\ (?:(?P<component>[\w.@/-]{{1,120}})\ -\ )?(?P<message>.*)",
        # asctime level message; asctime level name message of many applications
        rf"{_TIME}\ {{1,3}}(?:\[(?P<process__pid>\d{{1,10}})\]\ )?{_LEVEL}\ {{1,8}}(?:(?P<logger>[a-z_]"
        rf"[\w]{{0,60}}(?:\.[\w]{{1,80}}){{0,20}}):\ )?(?P<message>.*)",
        # basicConfig: LEVEL:name:message
        rf"{_LEVEL}:(?P<logger>[A-Za-z_][\w.-]{{0,160}}):(?P<message>.*)",
    )

    def event(self, match: re.Match[str], data: bytes, start: int, end: int, rows: Rows) -> Event:
        """Give the event, with the ids of its first line."""
        event = super().event(match, data, start, end, rows)
        trace_id, span_id = trace_ids(match.string)
        return event if trace_id is None else event._replace(trace_id=trace_id, span_id=span_id)

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:
        """Give the number of a level; Loguru's SUCCESS is information."""
        return super().severity("INFO" if level == "SUCCESS" else level, groups)


FORMATS: Final[tuple[Format, ...]] = (PythonLogging(),)

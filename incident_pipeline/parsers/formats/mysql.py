"""MySQL, MariaDB and Percona Server: the error log.

Three generations of line heads: 8.0 (`ISO-time thread [Level] [MY-code] [Subsystem]`), 5.7
(`ISO-time thread [Level]`) and before (`yymmdd HH:MM:SS [Level]`; lines of InnoDB without a time go on
the one before), MariaDB's `YYYY-MM-DD HH:MM:SS thread [Level]` among them. Only the ISO times of 5.7 on
tell their zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Severity
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Format

SERVICE: Final = "mysql"

_LEVELS: Final = {
    "system": Severity.INFO, "note": Severity.INFO, "warning": Severity.WARN, "error": Severity.ERROR,
}  # fmt: skip
_SURE: Final = 0.94
_LEVEL: Final = r"\[(?P<level>System|Note|Warning|ERROR|Error)\]"
_OLD_REST: Final = rf"""
    [ ]{{1,3}} (?P<hour>\d{{1,2}}):(?P<minute>\d\d):(?P<second>\d\d) [ ]{{1,4}}
    (?: (?P<thread>\d{{1,20}}|[0-9a-f]{{8,16}}) [ ] (?=\[|InnoDB) )?
    (?: {_LEVEL} [ ]? )?
    (?P<message>.*)
"""
_TELLS: Final = (b"[Note]", b"[Warning]", b"[ERROR]", b"[System]", b"InnoDB:", b"mysqld", b"mariadbd")


class MysqlError(LineFormat):
    """The parser of MySQL's error log."""

    id = "mysql_error"
    aliases = ("mysql", "mysql_log", "mysql_error_log", "mariadb_error", "percona_error")
    title = "MySQL and MariaDB error log"
    spec = "https://dev.mysql.com/doc/refman/8.4/en/error-log-format.html"
    service = SERVICE
    certainty = _SURE
    patterns = compile_verbose(
        rf"""
        (?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)
        T(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{{1,9}}))?
        (?P<offset>Z|[+-]\d\d:\d\d)
        [ ]{{1,4}} (?P<thread>\d{{1,20}}) [ ] {_LEVEL} [ ]?
        (?: \[(?P<error_code>MY-\d{{6}})\] [ ] \[(?P<subsystem>[^\]\n]{{1,40}})\] [ ]? )?
        (?P<message>.*)
        """,
        rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d) {_OLD_REST}",
        rf"(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d) {_OLD_REST}",
    )

    def score(self, sample: Sample) -> float:
        """Ask for the levels or the names of the product besides the shape of the lines."""
        tells = sum(any(word in line for word in _TELLS) for line in sample.lines)
        return super().score(sample) if 2 * tells >= max(1, len(sample.lines)) else 0.0

    def severity(self, level: str | None, groups: dict[str, str]) -> int | None:  # noqa: ARG002 - as declared
        """Give MySQL's four levels."""
        return _LEVELS.get(level.lower()) if level else None


FORMATS: Final[tuple[Format, ...]] = (MysqlError(),)

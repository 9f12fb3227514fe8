"""Logs in logfmt: one line of `key=value` pairs per record, as Go loggers and Heroku write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.inner import ANSI, read_logfmt
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.inner import Inner
    from incident_pipeline.parsers.rows import Rows

_HEAD: Final = 65_536


_FRONT: Final = re.compile(rb"[A-Za-z_][\w.-]{0,80}=")


class Logfmt(Format):
    """The parser of logfmt."""

    id = "logfmt"
    stands_alone = True
    aliases = ("logfmt_lines", "key_value", "logrus_text")
    title = "logfmt"
    spec = "https://brandur.org/logfmt; https://pkg.go.dev/github.com/kr/logfmt"
    kinds = (Kind.LOG,)
    generality = 2
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise lines of pairs among which are a time, a level or a message."""
        hits = sum(_read(line.decode("utf-8", "replace")[:_HEAD], None) is not None for line in sample.lines)
        return 0.85 * hits / len(sample.lines) if sample.lines else 0.0

    def takes(self, line: Sample) -> float:
        """Ask that the line begins with a pair, which prose with an equals sign does not."""
        return self.score(line) if _FRONT.match(line.head) is not None else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line."""
        for start, end in lines(data):
            found = _read(text_of(data, start, end, rows), rows)
            if found is None:
                rows.reject(start, end, "no logfmt: no pairs with a time, a level or a message among them")
                continue
            rows.event(
                Event(
                    start=start,
                    end=end,
                    kind=Kind.LOG,
                    message=found.message,
                    attributes=found.attributes,
                    stamp=found.stamp,
                    service=found.service,
                    host=found.host,
                    severity=found.severity,
                    severity_raw=found.severity_raw,
                    trace_id=found.trace_id,
                    span_id=found.span_id,
                )
            )


def _read(text: str, rows: Rows | None) -> Inner | None:
    line = ANSI.sub("", text) if "\x1b" in text else text
    head = line[:200]
    if "=" not in head or head.startswith(("{", "[", "<")):
        return None
    return read_logfmt(line, rows.zone if rows is not None else None)


FORMATS: Final[tuple[Format, ...]] = (Logfmt(),)

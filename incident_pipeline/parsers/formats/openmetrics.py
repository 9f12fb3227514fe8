"""Metrics as text: OpenMetrics 1.0 by its rules, Prometheus text 0.0.4 as it comes.

An exposition that ends with `# EOF` says that it is OpenMetrics: what breaks the rules goes to quarantine
with the rule, line by line, and point by point where the samples of a point contradict each other.
Times are seconds there and milliseconds in Prometheus text. Without times nothing is assumed: when a
page was scraped is not in it. Several expositions may follow each other, each with its own end.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.exposition_lines import (
    DESCRIPTION,
    LENIENT_SAMPLE,
    STRICT_SAMPLE,
    LabelError,
    Labelled,
    decode,
    number,
    read_labels,
    read_series,
    service_of,
    stamp_of,
    trace_of,
    unescape,
)
from incident_pipeline.parsers.formats.openmetrics_rules import (
    POINTED,
    SUFFIXES,
    Family,
    Measured,
    Point,
    RuleError,
    check_exemplar,
    check_value,
    group_of,
)
from incident_pipeline.parsers.formats.sample_columns import SampleColumns
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_END: Final = b"# EOF"
_ENDS: Final = re.compile(rb"^# EOF[ \t\r]*$", re.MULTILINE)
_SAYS_SO: Final = re.compile(
    rb"^# (?:UNIT [^ \n]+ |TYPE [^ \n]+ (?:info|stateset|gaugehistogram|unknown)\r?$)"
    rb"|^[a-zA-Z_:][^\n]* # \{[^\n]*\} [^ \n]+(?: [^ \n]+)?\r?$",
    re.MULTILINE,
)
"""What OpenMetrics has and Prometheus text has not: units, new types, exemplars."""
_TOTAL: Final = re.compile(rb"^# TYPE ([^ \n]+) counter\r?$", re.MULTILINE)
_COMMENT: Final = re.compile(rb"[ \t]*+#[ \t]*+(?:TYPE|HELP|UNIT)[ \t]")
_TYPE: Final = re.compile(rb"[ \t]*+#[ \t]++TYPE[ \t]++\S++[ \t]++(\S++)[ \t\r]*+")
_TYPES: Final = frozenset([*(name.encode() for name in SUFFIXES), b"untyped"])
_PLAIN: Final = re.compile(rb"[ \t]*+[a-zA-Z_:][a-zA-Z0-9_:]*+[ \t]++\S++[ \t\r]*+")
_EARLIEST_MS: Final = 10**17
"""Milliseconds below this many nanoseconds (1973) are seconds that were written without a point."""
_BOM: Final = b"\xef\xbb\xbf"


class PrometheusText(Format):
    """The parser of Prometheus text."""

    id = "prometheus_text"
    aliases = (
        "prometheus_exposition",
        "prometheus_text_exposition",
        "promtext",
        "exposition",
        "promtool_query",
    )
    title = "Prometheus text exposition"
    spec = "https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format"
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise descriptions and samples; names with bare numbers are in many texts."""
        return 0.0 if _is_openmetrics(sample.head) else _share(sample)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line; comments and blank lines hold no measurements."""
        known: dict[bytes, str] = rows.state.setdefault(self.id, {})
        columns = SampleColumns(rows)
        match_sample = LENIENT_SAMPLE.fullmatch
        add = columns.add
        for start, end in _lines(data):
            line = data[start:end]
            match = match_sample(line)
            if match is None:
                _other_line(line, start, end, rows)
                continue
            text, value, time, exemplar, _, _ = match.groups()
            try:
                key = known.get(text)
                if key is None:
                    key = known[text] = _series(read_series(text, strict=False), None, rows)
                trace = trace_of(read_labels(exemplar, strict=False)) if exemplar else None
            except LabelError as error:
                rows.reject(start, end, f"no sample: {error}")
                continue
            add(key, _lenient_time(time, rows) if time else None, number(value), start, end, trace)
        columns.flush()


def _other_line(line: bytes, start: int, end: int, rows: Rows) -> None:
    text = line.strip()
    if not text:
        return
    if not text.startswith(b"#"):
        rows.reject(start, end, "no sample of Prometheus text")
        return
    match = _TYPE.fullmatch(line)
    if match is not None and match[1] not in _TYPES:
        rows.reject(start, end, f"{match[1][:40].decode('utf-8', 'replace')!r} is no type")


def _lenient_time(text: bytes, rows: Rows) -> int | None:
    if b"." in text:
        return stamp_of(text, "s").time_ns
    time_ns = stamp_of(text, "ms").time_ns
    if time_ns is not None and 0 < time_ns < _EARLIEST_MS:
        rows.assume("times too small for milliseconds were read as seconds")
        return stamp_of(text, "s").time_ns
    return time_ns


class OpenMetricsText(Format):
    """The parser of OpenMetrics text."""

    id = "openmetrics_text"
    aliases = ("openmetrics", "open_metrics")
    title = "OpenMetrics text exposition"
    spec = "https://prometheus.io/docs/specs/om/open_metrics_spec/"
    binary: ClassVar[bool] = True  # its own rules say which bytes are none of it: what is no UTF-8

    def score(self, sample: Sample) -> float:
        """Recognise the end marker, or what only OpenMetrics has."""
        if sample.is_binary or not _is_openmetrics(sample.head):
            return 0.0
        share = _share(sample)
        return max(share, 0.6) if _ENDS.search(sample.head) else share

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every exposition."""
        columns = SampleColumns(rows)
        exposition = _Exposition(rows, columns)
        last: tuple[int, int] | None = None
        for start, end in _lines(data):
            line = data[start:end]
            if line.endswith(b"\r"):
                rows.assume("line ends of two characters were read as one")
                line = line[:-1]
            if line == _END:
                if last is None and start:
                    rows.reject(start, end, "a second end of the exposition")
                exposition.close()
                exposition, last = _Exposition(rows, columns), None
                continue
            exposition.read(line, start, end)
            last = (start, max(end, start + 1))
        exposition.close()
        if last is not None:
            rows.reject(*last, "no # EOF after this line: the exposition is cut off here")
        columns.flush()


class _Known(NamedTuple):
    """What is the same for every sample of a series."""

    key: str
    suffix: str
    group: str
    threshold: float | None


class _Exposition:
    """One OpenMetrics exposition while its lines are read."""

    def __init__(self, rows: Rows, columns: SampleColumns) -> None:
        self.rows = rows
        self.columns = columns
        self.owners: dict[str, Family] = {}
        self.family: Family | None = None
        self.known: dict[bytes, _Known] = {}
        self.point: Point | None = None
        self.held: list[tuple[str, int | None, float | None, int, int, str | None]] = []

    def read(self, line: bytes, start: int, end: int) -> None:
        """Read a line; one that breaks a rule goes to quarantine."""
        try:
            if line.startswith(b"#"):
                self._describe(line)
            else:
                self._sample(line, start, end)
        except (RuleError, LabelError) as error:
            self.rows.reject(start, max(end, start + 1), str(error))

    def close(self) -> None:
        """End the exposition."""
        self._end_point()

    def _describe(self, line: bytes) -> None:
        match = DESCRIPTION.fullmatch(line)
        if match is None:
            raise RuleError("a line with # that is neither TYPE, HELP, UNIT nor EOF")
        what = match[1].decode()
        name = decode(match[2], strict=True)
        name = unescape(name[1:-1]) if name.startswith('"') else name
        text = decode(match[3], strict=True)
        family = self.family
        if family is None or family.name != name:
            family = self._open(name)
        family.describe(what, text)
        if what == "TYPE":
            self._own(family)

    def _open(self, name: str) -> Family:
        """Begin a family.

        Raises:
            RuleError: its name belongs to another.
        """
        self._end_point()
        owner = self.owners.get(name)
        if owner is not None:
            if owner.name != name:
                raise RuleError(f"the name {name[:80]!r} is one of the samples of {owner.name[:80]!r}")
            if owner is self.family:
                raise RuleError(f"a sample {name[:80]!r} is not of type {owner.kind}")
            raise RuleError(f"the lines of {name[:80]!r} are not together")
        family = Family(name)
        self.owners[name] = family
        self.family = family
        self.known = {}
        return family

    def _own(self, family: Family) -> None:
        for name in family.suffixes:
            owner = self.owners.setdefault(name, family)
            if owner is not family:
                raise RuleError(f"the sample name {name[:80]!r} is of two families")

    def _sample(self, line: bytes, start: int, end: int) -> None:
        match = STRICT_SAMPLE.fullmatch(line)
        if match is None:
            raise RuleError(
                "no sample of OpenMetrics: name, labels, number, time, exemplar, with one space between"
            )
        text, value_text, time, exemplar, _, _ = match.groups()
        known = self.known.get(text)
        if known is None:
            known = self._know(text)
        family = self.family
        if family is None:
            raise RuleError("a sample of no family")
        value = float(value_text)
        kind, suffix = family.kind, known.suffix
        if kind not in ("gauge", "unknown"):
            check_value(kind, suffix, value)
        trace = None
        if exemplar is not None:
            labels = read_labels(exemplar, strict=True)
            check_exemplar(kind, suffix, labels)
            trace = trace_of(labels)
        time_ns = stamp_of(time, "s").time_ns if time else None
        sample = Measured(suffix, known.group, value, time_ns, time is not None, known.threshold, known.key)
        if self.point is not None and family.begins_point(sample):
            self._end_point()
        family.take(sample)
        row = (known.key, time_ns, number(value_text), start, end, trace)
        if kind in POINTED:
            self.point = self.point or Point()
            self.point.add(sample)
            self.held.append(row)
        else:
            self.columns.add(*row)

    def _know(self, text: bytes) -> _Known:
        """Read a series for the first time, and find the family it belongs to."""
        series = read_series(text, strict=True)
        family = self.family
        if family is None or series.name not in family.suffixes:
            family = self._open(series.name)
        suffix = family.suffixes[series.name]
        group, threshold = group_of(family.kind, family.name, suffix, series)
        known = _Known(_series(series, family.unit, self.rows), suffix, group, threshold)
        self.known[text] = known
        return known

    def _end_point(self) -> None:
        """Check the point that is complete, and hand over its samples or quarantine them."""
        point, held, family = self.point, self.held, self.family
        self.point, self.held = None, []
        if point is None or family is None:
            return
        problem = point.problem(family.kind)
        for row in held:
            if problem is None:
                self.columns.add(*row)
            else:
                self.rows.reject(row[3], row[4], problem)


def _series(series: Labelled, unit: str | None, rows: Rows) -> str:
    """Take a series; its id hangs on name and labels, as it comes back in every scrape."""
    return rows.series(
        series_id(rows.source.sha256, f"{series.name}{sorted(series.labels.items())}"),
        series.name,
        series.labels,
        unit=unit,
        service=service_of(series.labels),
    )


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Give the ranges of all lines, blank ones too: in OpenMetrics they are an error."""
    at = len(_BOM) if data.startswith(_BOM) else 0
    size = len(data)
    find = data.find
    while at < size:
        end = find(b"\n", at)
        if end < 0:
            end = size
        yield at, end
        at = end + 1


def _is_openmetrics(head: bytes) -> bool:
    """Tell whether a text says that it is OpenMetrics, or has what only OpenMetrics has."""
    if _ENDS.search(head) is not None or _SAYS_SO.search(head) is not None:
        return True
    return any(
        re.search(rb"^" + re.escape(match[1]) + rb"_total[ {]", head, re.MULTILINE) is not None
        for match in list(_TOTAL.finditer(head))[:3]
        if not match[1].endswith(b"_total")
    )


def _share(sample: Sample) -> float:
    """Give how much of the first lines is an exposition."""
    if sample.records or not sample.lines:
        return 0.0
    described = remarks = named = plain = 0
    for line in sample.lines:
        if line.startswith(b"#"):
            is_described = _COMMENT.match(line) is not None or line == _END
            described += is_described
            remarks += not is_described
        elif LENIENT_SAMPLE.fullmatch(line) is not None:
            plain += _PLAIN.fullmatch(line) is not None
            named += 1
    seen = len(sample.lines) - remarks
    share = (described + named) / seen if seen else 0.0
    if described:
        return 0.95 * share
    return (0.3 if plain == named else 0.9) * share if share > 0.5 else 0.0  # noqa: PLR2004 - most lines


FORMATS: Final[tuple[Format, ...]] = (OpenMetricsText(), PrometheusText())

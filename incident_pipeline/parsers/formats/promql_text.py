"""Answers to PromQL as tools and people write them down, and catalogues of metrics.

`metric{label="v"} = 7 (comment)`; an expression with rows of `object value unit` below it; a table
`Metric | Description | Type | Labels`. There is no time in them: the values become samples when it is known
when they were collected, and rows in any case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.ages import collected_ns
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.alerts import SERVICE_LABELS
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.line_format import text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_NUMBER: Final = r"[+-]?(?:\d{1,20}(?:[.,]\d{1,20})?(?:[eE][+-]?\d{1,3})?|Inf|NaN)"
_UNIT: Final = (
    r"(?:[KMGTPE]i?B?|B|bytes|m|ms|us|µs|ns|s|sec|seconds|%|percent|cores?|CPUs?|req/s"
    r"|rps|ops/s|/s|per second)"
)
_LABELS: Final = r"\{(?:[^{}\"']|\"(?:[^\"\\]|\\.){0,2000}\"|'(?:[^'\\]|\\.){0,2000}'){0,2000}\}"
_SERIES: Final = re.compile(
    rf"(?P<name>[a-zA-Z_:][\w:]{{0,200}})?(?P<labels>{_LABELS})?\s{{0,10}}(?:=>|=)\s{{0,10}}(?P<value>{_NUMBER})"
    rf"(?:\s{{0,4}}(?P<unit>{_UNIT}))?(?:\s{{1,10}}(?P<comment>[(#].{{0,2000}}))?$"
)
_ENTRY: Final = re.compile(
    rf"(?P<object>\S.{{0,400}}?)(?:\s{{0,4}}[:=]\s{{0,10}}|\s{{1,60}})(?P<value>{_NUMBER})(?:\s{{0,4}}(?P<unit>{_UNIT}))?"
    r"(?:\s{1,10}(?P<comment>[(#].{0,2000}))?$"
)
_EXPRESSION: Final = re.compile(
    r"(?:(?:PromQL|Query|Expr(?:ession)?):\s{0,4})?(?P<expr>.{0,2000}(?:\b(?:sum|avg|min|max|count|rate|irate|increase|topk"
    r"|bottomk|histogram_quantile|quantile|delta|deriv|absent|label_replace|predict_linear|time|up)\s{0,3}(?:by\s{0,3}\([^()]{0,300}\)\s{0,3}"
    r"|without\s{0,3}\([^()]{0,300}\)\s{0,3})?\(|\[\d{1,6}[smhdwy](?::[^\]]{0,20})?\]).{0,2000})"
)
_PAIR: Final = re.compile(
    r"([a-zA-Z_][\w.]{0,100})\s{0,4}=~?\s{0,4}(?:\"((?:[^\"\\]|\\.){0,2000})\"|'((?:[^'\\]|\\.){0,2000})')"
)
_COMMENT: Final = re.compile(r"\s{0,40}(?:\(.{0,4000}\)|#.{0,4000})$")
_CATALOGUE: Final = re.compile(
    r"\|?\s{0,40}Metric(?: Name)?\s{0,80}\|\s{0,40}Description\s{0,400}\|.{0,400}", re.IGNORECASE
)
_EXPOSED: Final = re.compile(r"# (?:TYPE|HELP|UNIT|EOF)\b")
"""What the exposition format has and answers have not."""
_RULE: Final = re.compile(r"[\s|:+=-]{3,4000}$")
_SCALES: Final = {
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60, "K": 10**3, "M": 10**6,
    "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
}  # fmt: skip
_TIMES: Final = {"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "s": 1.0, "sec": 1.0, "seconds": 1.0}
_MAX_LINE: Final = 8_000


class PromqlText(Format):
    """The parser of PromQL answers as text."""

    id = "promql_text"
    aliases = ("prometheus_text_result", "metric_catalogue")
    title = "Answers to PromQL as text; catalogues of metrics"
    spec = "own shape: series with `= value`, expressions with rows of values below them"
    kinds = (Kind.TOOL_OUTPUT,)
    generality = 3

    def score(self, sample: Sample) -> float:
        """Recognise series with values, expressions with rows below them, or a catalogue's headings."""
        texts = [line.decode("utf-8", "replace")[:_MAX_LINE] for line in sample.lines]
        if not texts or any(_EXPOSED.match(text) for text in texts):
            return 0.0
        if _CATALOGUE.match(texts[0]):
            return 0.9
        series = [match for text in texts if (match := _series(text)) is not None]
        heads = sum(_EXPRESSION.fullmatch(text) is not None and _series(text) is None for text in texts)
        rest = sum(
            _series(text) is None and (_ENTRY.match(text) or _COMMENT.match(text)) is not None
            for text in texts
        )
        if not heads and not any(match["labels"] for match in series):
            return 0.0
        share = (len(series) + (heads + rest if heads or series else 0)) / len(texts)
        return 0.85 * min(1.0, share) if share >= 0.5 else 0.0  # noqa: PLR2004 - most of it

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every value."""
        reader = _Reader(rows)
        for start, end in lines(data):
            indented = data[start - 1 : start] in (b" ", b"\t") if start else False
            reader.take(start, end, text_of(data, start, end, rows), indented=indented)


def _series(text: str) -> re.Match[str] | None:
    match = _SERIES.match(text[:_MAX_LINE])
    return match if match is not None and (match["name"] or match["labels"]) else None


class _Reader:
    """Reads line by line; keeps the expression that values stand below, and a catalogue's headings."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.expression: str | None = None
        self.columns: list[str] = []

    def take(self, start: int, end: int, text: str, *, indented: bool) -> None:
        """Take a line that is not blank."""
        head = text[:_MAX_LINE]
        if _CATALOGUE.match(head):
            self.columns = [cell.strip().lower() for cell in head.strip("| ").split("|")]
            self._row(start, end, text, {"record": "headings"})
            return
        if self.columns and "|" in head:
            cells = [cell.strip() for cell in head.strip().strip("|").split("|")]
            facts = {name: cell for name, cell in zip(self.columns, cells, strict=False) if cell and name}
            what = "rule" if _RULE.match(head) else "metric"
            self._row(start, end, text, {"record": what, **(facts if what == "metric" else {})})
            return
        series, expression = _series(head), _EXPRESSION.fullmatch(head)
        entry = _ENTRY.match(head) if self.expression is not None else None
        if series is not None:
            labels = _labels(series["labels"] or "")
            self._value(start, end, text, series, series["name"] or self.expression or "value", labels)
        elif entry is not None and (indented or expression is None):
            named = entry["object"].strip()
            labels = (
                _labels(named) if "=" in named and _PAIR.search(named) else {"object": named.rstrip(":= ")}
            )
            self._value(start, end, text, entry, self.expression or "value", labels)
        elif expression is not None:
            self.expression = expression["expr"].strip().rstrip(":")
            self._row(start, end, text, {"record": "expression", "promql": self.expression})
        elif _COMMENT.match(head):
            self._row(start, end, text, {"record": "comment", **self._known()})
        else:
            self.rows.reject(start, end, "no series, no expression and no value below one")

    def _known(self) -> dict[str, str]:
        return {"promql": self.expression} if self.expression else {}

    def _row(
        self, start: int, end: int, text: str, facts: dict[str, str], service: str | None = None
    ) -> None:
        self.rows.event(Event(start, end, Kind.TOOL_OUTPUT, text, facts, service=service))

    def _value(
        self, start: int, end: int, text: str, match: re.Match[str], name: str, labels: dict[str, str]
    ) -> None:
        value, unit = _base(match["value"], match["unit"])
        service = next((labels[key] for key in SERVICE_LABELS if labels.get(key)), None)
        facts = {**self._known(), **labels, "record": "value", "metric": name, "value": match["value"]}
        facts |= {key: match[key] for key in ("unit", "comment") if match[key]}
        self._row(start, end, text, facts, service)
        moment = collected_ns(self.rows)
        if moment is not None:
            key = self.rows.series(
                series_id(self.rows.source.sha256, f"{start}:{name}"),
                name,
                labels,
                unit=unit,
                service=service,
            )
            self.rows.samples(key, [moment], [value], [start], [end])


def _labels(text: str) -> dict[str, str]:
    return {match[1]: match[2] if match[2] is not None else match[3] for match in _PAIR.finditer(text)}


def _base(number: str, unit: str | None) -> tuple[float | None, str | None]:
    """Give a value in base units (bytes, seconds, shares of one, cores); NaN is no value."""
    if number.strip("+-") == "NaN":
        return None, unit
    value = float(number.replace(",", "."))
    if unit is None:
        return value, None
    if unit in _TIMES:
        return value * _TIMES[unit], "s"
    if unit in ("%", "percent"):
        return value / 100, "1"
    scale = _SCALES.get(unit.removesuffix("B"))
    if scale is not None or unit in ("B", "bytes"):
        return value * (scale or 1), "By"
    return (value / 1000, "{cpu}") if unit == "m" else (value, unit)


FORMATS: Final[tuple[Format, ...]] = (PromqlText(),)

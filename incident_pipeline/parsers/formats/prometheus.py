"""Prometheus HTTP API: answers to `query` and `query_range` as series and samples.

Values are strings (`NaN`, `+Inf` among them) and times are decimal seconds: both are read from their
text. A sample's byte range is its `[time, "value"]` pair. NaN is kept as a sample without a value.
Native histograms give count and sum. A query that failed is an event of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.alerts import SERVICE_LABELS
from incident_pipeline.parsers.formats.prometheus_pairs import Pairs, histogram_pairs, scan_pairs
from incident_pipeline.parsers.jsontext import documents
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_TYPES: Final = ("matrix", "vector", "scalar", "string")
_MATCHER: Final = re.compile(r"""\b(?:service|service_name|app|job)\s*=\s*(?:"([^"\\]+)"|'([^'\\]+)')""")


class _Query(msgspec.Struct, gc=False):
    expr: str | None = None
    query: str | None = None


class _Series(msgspec.Struct, gc=False):
    metric: dict[str, str] = {}
    values: msgspec.Raw = msgspec.Raw()
    value: msgspec.Raw = msgspec.Raw()
    histograms: msgspec.Raw = msgspec.Raw()
    histogram: msgspec.Raw = msgspec.Raw()


class _Data(msgspec.Struct, gc=False, rename="camel"):
    result_type: str = ""
    result: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    status: str | None = None
    data: _Data | None = None
    error: str | None = None
    error_type: str | None = None
    query: str | None = None
    expr: str | None = None
    query_: _Query | None = msgspec.field(default=None, name="_query")


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_RESULT: Final = msgspec.json.Decoder(list[_Series])
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class PrometheusQuery(Format):
    """The parser of Prometheus query answers."""

    id = "prometheus_query_range"
    aliases = (
        "prometheus",
        "prometheus_query",
        "prometheus_api",
        "prometheus_json",
        "promql",
        "mimir",
        "thanos",
    )
    title = "Prometheus query and query_range"
    spec = "https://prometheus.io/docs/prometheus/latest/querying/api/"

    def score(self, sample: Sample) -> float:
        """Recognise `data.resultType`, or an answer that tells of a failed query."""
        if sample.records:
            hits = [_is_answer(item) for item in sample.records]
            return 0.99 * sum(hits) / len(hits) * sample.json_share
        found = re.search(rb'"resultType"\s*:\s*"(?:matrix|vector|scalar|string)"', sample.head)
        return 0.95 if found and sample.has_member("data") else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every answer."""
        for start, end in documents(data):
            _read_answer(data[start:end], start, rows)


def _is_answer(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    inner = value.get("data")
    if isinstance(inner, dict) and inner.get("resultType") in _TYPES:
        return True
    return value.get("status") == "error" and "errorType" in value


def _read_answer(text: bytes, base: int, rows: Rows) -> None:
    try:
        answer = _ANSWER.decode(text)
    except _BROKEN as error:
        rows.reject(base, base + len(text), f"no Prometheus answer: {str(error)[:120]}")
        return
    expression = answer.query or answer.expr
    if expression is None and answer.query_ is not None:
        expression = answer.query_.expr or answer.query_.query
    if answer.data is None or answer.data.result_type not in _TYPES:
        if answer.error is None:
            rows.reject(base, base + len(text), "a JSON document without a Prometheus result")
            return
        _failed(text, base, answer, rows)
        return
    reader = _Reader(text, base, rows, expression)
    raw = bytes(answer.data.result)
    if answer.data.result_type in ("scalar", "string"):
        reader.single(raw)
    else:
        reader.series_of(raw)


def _failed(text: bytes, base: int, answer: _Answer, rows: Rows) -> None:
    rows.assume(f"the query failed: {answer.error_type}")
    attributes = {"error.type": answer.error_type or "", "status": answer.status or ""}
    rows.event(
        Event(
            base,
            base + len(text),
            Kind.TOOL_OUTPUT,
            answer.error,
            attributes,
            severity=Severity.ERROR,
            pointer="",
        )
    )


class _Reader:
    """Reads the result of one answer; `at` moves on from series to series."""

    def __init__(self, text: bytes, base: int, rows: Rows, expression: str | None) -> None:
        self.text = text
        self.base = base
        self.rows = rows
        self.expression = expression
        self.at = 0

    def single(self, raw: bytes) -> None:
        """Read a scalar or string: one pair."""
        start = self._place(raw)
        self._samples(scan_pairs(b"[" + raw + b"]", self.base + start - 1), {}, "/data/result")

    def series_of(self, raw: bytes) -> None:
        """Read a matrix or vector."""
        try:
            result = _RESULT.decode(raw)
        except _BROKEN as error:
            start = self._place(raw)
            reason = f"no list of series: {str(error)[:120]}"
            self.rows.reject(self.base + start, self.base + start + len(raw), reason)
            return
        self.at = self._place(raw)
        for index, series in enumerate(result):
            self._one(series, f"/data/result/{index}")

    def _one(self, series: _Series, pointer: str) -> None:
        plain, single = bytes(series.values), bytes(series.value)
        histograms, histogram = bytes(series.histograms), bytes(series.histogram)
        if plain:
            start = self._place(plain)
            self._samples(scan_pairs(plain, self.base + start), series.metric, pointer)
            self.at = start + len(plain)
        if single:
            start = self._place(single)
            self._samples(scan_pairs(b"[" + single + b"]", self.base + start - 1), series.metric, pointer)
            self.at = start + len(single)
        if histograms or histogram:
            raw = histograms or b"[" + histogram + b"]"
            start = self._place(histograms or histogram) - (not histograms)
            for suffix, pairs in histogram_pairs(raw, self.base + start):
                self._samples(pairs, series.metric, f"{pointer}/histogram{'s' if histograms else ''}", suffix)
            self.at = start + len(raw) - (not histograms)

    def _samples(self, pairs: Pairs, labels: dict[str, str], pointer: str, suffix: str = "") -> None:
        for start, end, reason in pairs.broken:
            self.rows.reject(start, end, reason)
        # Several answers may share a file: the place of the answer keeps their series apart.
        place = f"{self.base}:{pointer}{suffix}" if self.base or suffix else pointer
        key = self.rows.series(
            series_id(self.rows.source.sha256, place),
            self._name(labels) + suffix,
            labels,
            service=_service(labels, self.expression),
            pointer=pointer,
        )
        self.rows.samples(key, pairs.times, pairs.values, pairs.starts, pairs.ends)

    def _name(self, labels: dict[str, str]) -> str:
        return labels.get("__name__") or self.expression or self.rows.source.stem

    def _place(self, raw: bytes) -> int:
        found = self.text.find(raw, self.at)
        return found if found >= 0 else self.text.find(raw)


def _service(labels: dict[str, str], expression: str | None) -> str | None:
    for label in SERVICE_LABELS:
        if labels.get(label):
            return labels[label]
    match = _MATCHER.search(expression) if expression else None
    return (match[1] or match[2]) if match else None


FORMATS: Final[tuple[Format, ...]] = (PrometheusQuery(),)

"""InfluxDB line protocol: `measurement,tag=value field=1,other=2i,text="..." time`.

(https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/.) Each number is a sample of the
series `measurement.field`; a line with text or truth values is an event as well, for these have no other
place. The unit of times is not in the file: nanoseconds are the rule, other units are told by the size of
the number and noted. A text may hold line ends, so a record may span lines.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.sample_columns import SampleColumns
from incident_pipeline.parsers.json_fields import HOST, LEVEL, MESSAGE, SERVICE
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.table import series_id
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_NAME: Final = rb"(?:[^, \\\x00-\x1f\x7f]|\\[, ]|\\)++"
_KEY: Final = rb"(?:[^,= \\\x00-\x1f\x7f]|\\[,= ]|\\)++"
_TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_VALUE: Final = rb"(?:" + _TEXT + rb'|[^,"= \x00-\x1f\x7f]++)'
_RECORD: Final = re.compile(
    rb" *+((?![#,])" + _NAME + rb"((?:," + _KEY + rb"=" + _KEY + rb")*+)) ++(" + _KEY + rb"=" + _VALUE
    + rb"(?:," + _KEY + rb"=" + _VALUE + rb")*+)(?: ++(-?[0-9]++))?+ *+\r?(?=\n|\Z)",
    re.DOTALL,
)  # fmt: skip
"""Groups: measurement with tags, the tags, the fields, the time."""
_TAG: Final = re.compile(rb",(" + _KEY + rb")=(" + _KEY + rb")", re.DOTALL)
_FIELD: Final = re.compile(rb"(" + _KEY + rb")=(" + _VALUE + rb"),?", re.DOTALL)
_FLOAT: Final = re.compile(rb"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+")
_INTEGER: Final = re.compile(rb"(-?)0*+([0-9]{0,19})i|0*+([0-9]{0,20})u")
_TRUTH: Final = {
    **dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), "true"),
    **dict.fromkeys((b"f", b"F", b"false", b"False", b"FALSE"), "false"),
}
_ESCAPED: Final = re.compile(r"\\([,= ])")
_IN_TEXT: Final = re.compile(r"\\(.)", re.DOTALL)
_TEXT_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_LOWEST_NS: Final = 10**17
"""Numbers from here on are nanoseconds (1973); smaller ones are times in another unit."""
_MAX_INT: Final = 2**63
_MAX_UINT: Final = 2**64
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_COMMENT: Final = b"#"
_BOM: Final = b"\xef\xbb\xbf"


class BadLineError(ValueError):
    """A record breaks the syntax; the text says how."""


class _Field(NamedTuple):
    key: bytes
    number: float | None
    text: str | None


class InfluxLine(Format):
    """The parser of InfluxDB line protocol."""

    id = "influx_line"
    aliases = ("influx", "influxdb", "line_protocol", "influx_line_protocol", "telegraf_influx")
    title = "InfluxDB line protocol"
    spec = "https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "records"
    binary: ClassVar[bool] = True  # its own rules say which bytes are none of it: NUL, and what is no UTF-8

    def score(self, sample: Sample) -> float:
        """Recognise records whose values are typed; tags or a long time make it sure."""
        seen = [line for line in sample.lines if not line.startswith(_COMMENT)]
        if not seen or sample.records or sample.is_binary:
            return 0.0
        sure = fits = 0
        for line in seen:
            match = _RECORD.fullmatch(line)
            if match is None or b"=" in match[1].partition(b",")[0]:
                continue
            try:
                _fields(match[3])
            except BadLineError:
                continue
            fits += 1
            sure += bool(match[2]) or (match[4] is not None and len(match[4]) >= 10)  # noqa: PLR2004 - seconds
        share = fits / len(seen)
        return (0.92 if 2 * sure >= fits else 0.4) * share

    def begins_record(self, line: bytes) -> bool:
        """Tell whether a record stands on this line, be it one that control characters broke."""
        return _RECORD.fullmatch(line) is not None or _CONTROLS.search(line) is not None

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every record."""
        known: dict[tuple[bytes, bytes], str] = rows.state.setdefault(self.id, {})
        columns = SampleColumns(rows)
        at = len(_BOM) if data.startswith(_BOM) else 0
        size = len(data)
        while at < size:
            end = data.find(b"\n", at)
            end = size if end < 0 else end
            line = data[at:end].strip()
            if not line or line.startswith(_COMMENT):
                at = end + 1
                continue
            match = _RECORD.match(data, at, end)
            if match is None and data.count(b'"', at, end) % 2:
                match = _RECORD.match(data, at)  # a text with line ends: up to the quote that closes it
            if match is None:
                rows.reject(at, end, "no record of the line protocol: measurement, tags, fields, time")
            else:
                end = match.end()
                try:
                    _read(match, at, end, known, columns)
                except (BadLineError, UnicodeDecodeError) as error:
                    reason = str(error) if isinstance(error, BadLineError) else "no UTF-8"
                    rows.reject(at, end, f"no record of the line protocol: {reason}")
            at = end + 1
        columns.flush()


def _read(
    match: re.Match[bytes],
    start: int,
    end: int,
    known: dict[tuple[bytes, bytes], str],
    columns: SampleColumns,
) -> None:
    """Take a record.

    Raises:
        BadLineError: a value, a tag or the time is wrong.
        UnicodeDecodeError: it is no UTF-8.
    """
    head, _, body, time = match.groups()
    fields = _fields(body)
    keys = [_key(head, field.key, known, columns.rows) for field in fields if field.text is None]
    stamp = _stamp(time)
    if time is not None and time.lstrip(b"-0") and _is_not_nanos(time):
        columns.rows.assume(
            "the unit of times is not in the file: it was told by their size, as they can't be nanoseconds"
        )
    numbers = [field.number for field in fields if field.text is None]
    if len(numbers) < len(fields):
        columns.rows.event(_event(head, fields, stamp, start, end))
    for key, number in zip(keys, numbers, strict=True):
        columns.add(key, stamp.time_ns, number, start, end)


def _fields(body: bytes) -> list[_Field]:
    """Read the values of a record.

    Raises:
        BadLineError: one has no type, or is out of its range.
    """
    found: list[_Field] = []
    for key, value in _FIELD.findall(body):
        if value.startswith(b'"'):
            text = value[1:-1].decode()
            found.append(_Field(key, None, _IN_TEXT.sub(_plain, text) if "\\" in text else text))
        elif _FLOAT.fullmatch(value) is not None:
            number = float(value)
            if number in (float("inf"), float("-inf")):
                raise BadLineError("a number out of range")
            found.append(_Field(key, number, None))
        elif value in _TRUTH:
            found.append(_Field(key, None, _TRUTH[value]))
        else:
            found.append(_Field(key, _integer(value), None))
    return found


def _plain(match: re.Match[str]) -> str:
    return _TEXT_ESCAPES.get(match[1], match[0])


def _integer(value: bytes) -> float:
    match = _INTEGER.fullmatch(value)
    if match is None or not value[-2:-1].isdigit():
        raise BadLineError(f"{value[:40].decode('utf-8', 'replace')!r} is no value")
    is_signed = match[2] is not None
    number = int(match[2] or match[3] or 0) * (-1 if match[1] else 1)
    if not (-_MAX_INT <= number < _MAX_INT if is_signed else number < _MAX_UINT):
        raise BadLineError("an integer out of range")
    return float(number)


@lru_cache(maxsize=65_536)
def _stamp(time: bytes | None) -> Stamp:
    """Read a time: its size tells the unit; times before 1973 are no times of an incident.

    Raises:
        BadLineError: it is no 64-bit number.
    """
    if time is None:
        return UNKNOWN
    digits = time.lstrip(b"-0") or b"0"
    if len(digits) > 19 or not -_MAX_INT <= int(time) < _MAX_INT:  # noqa: PLR2004 - digits of an int64
        raise BadLineError("a time out of range")
    return parse_epoch(time.decode())


def _is_not_nanos(time: bytes) -> bool:
    return int(time) < _LOWEST_NS


def _key(head: bytes, field: bytes, known: dict[tuple[bytes, bytes], str], rows: Rows) -> str:
    """Give the series of a field, and take it when it is new."""
    key = known.get((head, field))
    if key is None:
        name, tags = _head(head)
        own = _unescaped(field)
        key = known[head, field] = rows.series(
            series_id(rows.source.sha256, f"{name!r}{own!r}{sorted(tags.items())}"),
            f"{name}.{own}",
            tags,
            service=_first(tags, SERVICE),
        )
    return key


@lru_cache(maxsize=4_096)
def _head(head: bytes) -> tuple[str, dict[str, str]]:
    """Read measurement and tags.

    Raises:
        BadLineError: a tag comes twice.
        UnicodeDecodeError: it is no UTF-8.
    """
    match = re.match(_NAME, head)
    end = match.end() if match is not None else len(head)
    pairs = _TAG.findall(head, end)
    tags = {_unescaped(key): _unescaped(value) for key, value in pairs}
    if len(tags) != len(pairs):
        raise BadLineError("a tag twice")
    return _unescaped(head[:end]), tags


def _unescaped(text: bytes) -> str:
    return _ESCAPED.sub(r"\1", text.decode())


def _first(values: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((values[name] for name in names if values.get(name)), None)


def _event(head: bytes, fields: list[_Field], stamp: Stamp, start: int, end: int) -> Event:
    """Give the event of a record that holds text or truth values."""
    name, tags = _head(head)
    texts = {
        _unescaped(field.key): repr(field.number) if field.text is None else field.text for field in fields
    }
    whole = {**tags, **texts, "measurement": name}
    level = _first(whole, ("severity", *LEVEL))
    composed = " ".join([f"{name}:", *(f"{key}={value}" for key, value in texts.items())])
    return Event(
        start=start,
        end=end,
        kind=Kind.LOG,
        message=_first(texts, MESSAGE) or composed,
        attributes=whole,
        stamp=stamp,
        service=_first(whole, ("appname", *SERVICE)),
        host=_first(whole, HOST),
        severity=severity_of(level),
        severity_raw=level,
    )


FORMATS: Final[tuple[Format, ...]] = (InfluxLine(),)

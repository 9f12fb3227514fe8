"""StatsD and DogStatsD datagrams as lines: metrics, events (`_e{}`), service checks (`_sc`).

(https://github.com/statsd/statsd/blob/master/docs/metric_types.md,
https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/.) A dump holds no times unless a client
sends them (`|T`, seconds; `d:` of events). Values stay as sent: a counter that was sampled keeps its rate
as the label `sample_rate`; a gauge that was changed by an amount has the label `delta`; what a set counts
is no measurement, so it is the label `member` of a row without a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.sample_columns import SampleColumns
from incident_pipeline.parsers.json_fields import HOST, SERVICE
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.table import series_id
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_METRIC: Final = re.compile(r"([^:|@\s][^:|@\n]*+):([^|@\s][^|\n]*+)\|(c|g|ms|h|s|d|m)((?:\|[^|\n]*+)*+)")
_EVENT: Final = re.compile(r"_e\{([0-9]{1,7}),([0-9]{1,7})\}:(.*)", re.DOTALL)
_CHECK: Final = re.compile(r"_sc\|([^|\n]++)\|([0-3])((?:\|[^\n]*+)?+)")
_NUMBER: Final = re.compile(r"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+")
_RATE: Final = re.compile(r"@(0?\.[0-9]++|[01](?:\.[0-9]*+)?+|[0-9](?:\.[0-9]++)?e-[0-9]++)")
_TYPES: Final = {"c": "counter", "g": "gauge", "ms": "timer", "h": "histogram", "s": "set",
                 "d": "distribution", "m": "meter"}  # fmt: skip
_STATES: Final = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_STATE_SEVERITY: Final = (Severity.INFO, Severity.WARN, Severity.CRITICAL, None)
_ALERT_SEVERITY: Final = {
    "error": Severity.ERROR, "warning": Severity.WARN, "info": Severity.INFO, "success": Severity.INFO,
}  # fmt: skip
_FIELDS: Final = {
    "h": "host", "k": "aggregation_key", "p": "priority", "s": "source_type_name", "t": "alert_type",
    "c": "container", "e": "external_data", "card": "cardinality",
}  # fmt: skip


class _Extras(NamedTuple):
    """What stands behind a datagram's own fields."""

    tags: dict[str, str]
    fields: dict[str, str]
    rate: str | None
    stamp: Stamp
    message: str | None


class StatsD(Format):
    """The parser of StatsD and DogStatsD datagrams."""

    id = "statsd"
    aliases = ("dogstatsd", "statsd_dump", "statsd_lines")
    title = "StatsD and DogStatsD"
    spec = "https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/"
    kinds = (Kind.ALERT, Kind.OBJECT_STATE)
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise datagrams: no other format has a type behind a value like this."""
        if sample.records or not sample.lines:
            return 0.0
        hits = 0
        for line in sample.lines:
            text = line.decode("utf-8", "replace")
            match = _METRIC.fullmatch(text)
            hits += bool(match and _NUMBER.match(match[2])) or bool(_EVENT.match(text) or _CHECK.match(text))
        return 0.93 * hits / len(sample.lines)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line."""
        known: dict[str, str] = rows.state.setdefault(self.id, {})
        columns = SampleColumns(rows)
        for start, end in lines(data):
            text = _decode(data[start:end], rows)
            reason = _read(text, start, end, known, columns)
            if reason is not None:
                rows.reject(start, end, reason)
        columns.flush()


def _decode(piece: bytes, rows: Rows) -> str:
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        rows.assume("lines that are no UTF-8 were read as Latin-1")
        return piece.decode("latin-1")


def _read(text: str, start: int, end: int, known: dict[str, str], columns: SampleColumns) -> str | None:
    """Read a datagram; give what is wrong with one that is none."""
    if text.startswith("_e{"):
        event = _event(text, start, end)
        if event is None:
            return "a StatsD event whose lengths don't fit"
        columns.rows.event(event)
        return None
    if text.startswith("_sc|"):
        check = _CHECK.fullmatch(text)
        if check is None:
            return "no StatsD service check: name and status from 0 to 3"
        columns.rows.event(_check(check, start, end))
        return None
    match = _METRIC.fullmatch(text)
    if match is None:
        return "no StatsD datagram: name, value, type"
    name, packed, kind, rest = match.groups()
    return _metric(name, packed, kind, rest, (start, end), known, columns)


def _metric(
    name: str,
    packed: str,
    kind: str,
    rest: str,
    place: tuple[int, int],
    known: dict[str, str],
    columns: SampleColumns,
) -> str | None:
    """Take the values of a metric; several may be packed into one datagram."""
    values = packed.split(":")
    if kind != "s" and not all(_NUMBER.fullmatch(value) for value in values):
        return f"a value of a {_TYPES[kind]} that is no number"
    extras = _extras(rest)
    if extras is None:
        return "a sample rate that is none"
    for value in values:
        is_delta = kind == "g" and value[0] in "+-"
        member = value if kind == "s" else None
        text = f"{name}|{kind}|{is_delta:d}|{rest}" if member is None else f"{name}|s|{rest}|{member}"
        key = known.get(text)
        if key is None:
            key = known[text] = _series(name, kind, extras, member, columns.rows, is_delta=is_delta)
        columns.add(key, extras.stamp.time_ns, None if kind == "s" else float(value), *place)
    return None


def _series(name: str, kind: str, extras: _Extras, member: str | None, rows: Rows, *, is_delta: bool) -> str:
    labels = {**extras.tags, **extras.fields, "type": _TYPES[kind]}
    if extras.rate is not None:
        labels["sample_rate"] = extras.rate
    if is_delta:
        labels["delta"] = "true"
    if member is not None:
        labels["member"] = member
    return rows.series(
        series_id(rows.source.sha256, f"{name!r}{sorted(labels.items())}"),
        name,
        labels,
        unit="ms" if kind == "ms" else None,
        service=_first(labels, SERVICE),
    )


def _extras(rest: str) -> _Extras | None:
    """Read rate, tags, time and the fields of a letter and a colon; None for a rate that is none."""
    tags: dict[str, str] = {}
    fields: dict[str, str] = {}
    rate: str | None = None
    message: str | None = None
    stamp = UNKNOWN
    parts = rest.split("|")[1:]
    for index, part in enumerate(parts):
        if part.startswith("@"):
            if _RATE.fullmatch(part) is None:
                return None
            rate = part[1:]
        elif part.startswith("#"):
            _tags_into(tags, part[1:])
        elif part.startswith("T") and part[1:].isdigit():
            stamp = parse_epoch(part[1:], "s")
        elif part.startswith("d:"):
            stamp = parse_epoch(part[2:], "s")
        elif part.startswith("m:"):
            message = "|".join([part[2:], *parts[index + 1 :]])  # the message is last, and may hold bars
            break
        elif part:
            letter, colon, value = part.partition(":")
            fields[_FIELDS.get(letter, letter) if colon else "extra"] = value if colon else part
    return _Extras(tags, fields, rate, stamp, message)


def _tags_into(tags: dict[str, str], text: str) -> None:
    """Read `name:value` and bare tags; of values of one name the list is kept."""
    for tag in text.split(","):
        if not tag:
            continue
        name, colon, value = tag.partition(":")
        value = value if colon else "true"
        tags[name] = f"{tags[name]},{value}" if name in tags else value


def _event(text: str, start: int, end: int) -> Event | None:
    match = _EVENT.fullmatch(text)
    if match is None:
        return None
    title_size, body_size, rest = int(match[1]), int(match[2]), match[3].encode()
    title, bar, body = (
        rest[:title_size],
        rest[title_size : title_size + 1],
        rest[title_size + 1 : title_size + 1 + body_size],
    )
    tail = rest[title_size + 1 + body_size :]
    if bar != b"|" or len(title) != title_size or len(body) != body_size or tail[:1] not in (b"", b"|"):
        return None
    extras = _extras(tail.decode("utf-8", "replace"))
    if extras is None:
        return None
    shown = title.decode("utf-8", "replace")
    told = body.decode("utf-8", "replace").replace("\\n", "\n")
    level = extras.fields.get("alert_type")
    return Event(
        start=start,
        end=end,
        kind=Kind.ALERT,
        message=shown,
        attributes={**extras.tags, **extras.fields, "title": shown, "text": told},
        stamp=extras.stamp,
        service=_first(extras.tags, SERVICE),
        host=extras.fields.get("host") or _first(extras.tags, HOST),
        severity=_ALERT_SEVERITY.get(level or "info"),
        severity_raw=level,
    )


def _check(match: re.Match[str], start: int, end: int) -> Event:
    name, status, rest = match.groups()
    extras = _extras(rest)
    tags, fields, stamp, message = (
        (extras.tags, extras.fields, extras.stamp, extras.message)
        if extras is not None
        else ({}, {"extra": rest}, UNKNOWN, None)
    )
    state = _STATES[int(status)]
    return Event(
        start=start,
        end=end,
        kind=Kind.OBJECT_STATE,
        message=message or name,
        attributes={**tags, **fields, "check": name, "status": state},
        stamp=stamp,
        service=_first(tags, SERVICE),
        host=fields.get("host") or _first(tags, HOST),
        severity=_STATE_SEVERITY[int(status)],
        severity_raw=status,
    )


def _first(values: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((values[name] for name in names if values.get(name)), None)


FORMATS: Final[tuple[Format, ...]] = (StatsD(),)

"""The systemd journal as JSON: `journalctl -o json`, and json-pretty or json-sse read as their objects.

The spec is systemd's journal export documentation: all values are strings, except null for fields that were
too long, arrays of numbers for text that is no UTF-8, and arrays of values for fields that occur twice.
`_SOURCE_REALTIME_TIMESTAMP`, the time the sender gave, holds before the time of receipt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.envelope import wrapped
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import flatten, records, text_of
from incident_pipeline.parsers.syslog_priority import LEVELS
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_epoch

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Event, Rows
    from incident_pipeline.parsers.timestamps import Stamp

_ROLES: Final = frozenset(
    ["MESSAGE", "PRIORITY", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "_HOSTNAME"]
)
_SERVICE: Final = ("CONTAINER_NAME", "SYSLOG_IDENTIFIER", "_COMM")
_BYTE: Final = 256


class JournaldJson(Format):
    """The parser of the journal's JSON."""

    id = "journald_json"
    stands_alone = True
    aliases = ("journald", "journal", "journalctl_json", "systemd_journal")
    title = "systemd journal as JSON"
    spec = "https://systemd.io/JOURNAL_EXPORT_FORMATS/"
    kinds = (Kind.LOG,)
    splitting: ClassVar[Splitting] = "json"

    def score(self, sample: Sample) -> float:
        """Recognise the journal's own fields."""
        own = ("__REALTIME_TIMESTAMP", "__CURSOR", "__MONOTONIC_TIMESTAMP", "_BOOT_ID", "_TRANSPORT")
        return 0.97 * sample.share((*own, "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER", "MESSAGE"), need=3)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every entry into a log event."""
        for record in records(data):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
                continue
            rows.event(_event(record, record.value, rows))


def _event(record: Record, entry: dict[str, Any], rows: Rows) -> Event:
    message = field_text(entry.get("MESSAGE"))
    level = field_text(entry.get("PRIORITY")) or None
    attributes = flatten(
        {key: _text_or_list(value) for key, value in entry.items() if key not in _ROLES and value is not None}
    )
    stamp, received = _stamp(entry, "_SOURCE_REALTIME_TIMESTAMP"), _stamp(entry, "__REALTIME_TIMESTAMP")
    if stamp.time_ns is None:
        stamp = received
    elif received.raw:
        attributes["time.received"] = received.raw
    if entry.get("MESSAGE", "") is None:
        attributes["message.too_long"] = "true"
    unit = attributes.get("_SYSTEMD_UNIT", "").removesuffix(".service")
    return wrapped(
        rows, record.start, record.end, message, stamp, attributes,
        service=next((attributes[name] for name in _SERVICE if attributes.get(name)), None) or unit or None,
        host=field_text(entry.get("_HOSTNAME")) or None,
        severity=LEVELS[int(level)] if level and level.isdigit() and int(level) < len(LEVELS) else None,
        severity_raw=level, pointer=record.pointer,
    )  # fmt: skip


def field_text(value: Any) -> str:
    """Give a field as text: bytes that are no UTF-8 byte by byte, of repeated fields the first."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return text_of(value)
    if value and all(type(item) is int and 0 <= item < _BYTE for item in value):
        raw = bytes(value)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    return field_text(value[0]) if value and not isinstance(value[0], list) else text_of(value)


def _text_or_list(value: Any) -> Any:
    """Keep repeated fields as a list; an array of bytes becomes text."""
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return field_text(value)
    return value


def _stamp(entry: dict[str, Any], key: str) -> Stamp:
    text = field_text(entry.get(key))
    return parse_epoch(text, "us") if text else UNKNOWN


FORMATS: Final[tuple[Format, ...]] = (JournaldJson(),)

"""Slack exports: CHANNEL/DATE.json holds the messages of a day, beside lists of channels and users.

`ts` is an id and a time: seconds and microseconds as text, exact and unique per channel. Edits, thread
replies and reactions are kept as attributes; replies lie in the day they were posted. The lists of an
export (channels, users, integration logs) become object states, so that nothing is dropped.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.jsontext import Record, flatten, records, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_TS: Final = re.compile(r"\d{9,11}\.\d{1,6}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_METADATA: Final = (
    ("id", "name", "created", "creator"), ("id", "name", "profile"), ("id", "created", "members"),
    ("user_id", "date", "change_type"), ("id", "team_id", "profile"),
)  # fmt: skip
"""Sets of keys by which the other lists of an export are known."""


class SlackExport(Format):
    """The parser of Slack exports."""

    id = "slack_export"
    aliases = ("slack", "slack_json")
    title = "Slack export"
    spec = "https://slack.com/help/articles/220556107"
    kinds = (Kind.CHAT,)

    def score(self, sample: Sample) -> float:
        """Recognise messages by `type` and the form of `ts`, and the export's other lists by their keys."""
        if not sample.records:
            return 0.0
        messages = sum(_is_message(item) for item in sample.records)
        others = sum(_is_metadata(item) for item in sample.records)
        return max(0.98 * messages, 0.8 * others) / len(sample.records)

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every message into a chat event, everything else into the state of an object."""
        channel = _channel(rows)
        for record in records(data):
            if not isinstance(record.value, dict):
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")
            elif "ts" in record.value:
                rows.event(_message(record, channel))
            else:
                rows.event(_state(record))


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    ts = value.get("ts")
    return (
        isinstance(ts, str)
        and _TS.fullmatch(ts) is not None
        and ("text" in value or value.get("type") == "message")
    )


def _is_metadata(value: Any) -> bool:
    return isinstance(value, dict) and any(all(key in value for key in keys) for keys in _METADATA)


def _channel(rows: Rows) -> str:
    """Give the channel: the folder of a day's file, else the file's own name."""
    path = PurePosixPath(rows.source.uri.replace("\\", "/"))
    if _DAY.fullmatch(rows.source.stem) and path.parent.name:
        return path.parent.name
    rows.assume(f"channel {rows.source.stem!r} assumed from the file name")
    return rows.source.stem


def _message(record: Record, channel: str) -> Event:
    value: dict[str, Any] = dict(record.value)
    text = value.pop("text", None)
    raw = text_of(value.pop("ts"))
    user = value.get("user") or value.get("username") or value.get("bot_id")
    if not isinstance(text, str) or not text:
        text = _fallback(value)
    attributes = flatten(value)
    attributes.setdefault("channel", channel)
    attributes["ts"] = raw
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.CHAT,
        message=text,
        attributes=attributes,
        stamp=parse_epoch(raw, "s"),
        actor=user if isinstance(user, str) else None,
        pointer=record.pointer,
    )


def _fallback(value: dict[str, Any]) -> str:
    """Give the text of the first attachment or file: bots often leave the message itself empty."""
    for key, names in (
        ("attachments", ("fallback", "text", "pretext", "title")),
        ("files", ("title", "name")),
    ):
        items = value.get(key)
        for item in items if isinstance(items, list) else ():
            found = (
                [item[name] for name in names if isinstance(item.get(name), str)]
                if isinstance(item, dict)
                else []
            )
            if found and found[0]:
                return str(found[0])
    return ""


def _state(record: Record) -> Event:
    flat = flatten(record.value)
    created = flat.get("created") or flat.get("date")
    stamp: Stamp = parse_epoch(created) if created else UNKNOWN
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.OBJECT_STATE,
        message=flat.get("name") or flat.get("change_type") or flat.get("id") or "",
        attributes=flat,
        stamp=stamp,
        pointer=record.pointer,
    )


FORMATS: Final[tuple[Format, ...]] = (SlackExport(),)

"""Change events: deploys, configuration, rollbacks, feature flags and commits, as JSON lines or lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.json_fields import SERVICE, TIME
from incident_pipeline.parsers.jsontext import Record, flatten, records
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, parse_time

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

_KINDS: Final = frozenset(
    (
        "deploy", "deployment", "release", "rollback", "rollout", "config", "configuration", "flag",
        "feature_flag", "scale", "scaling", "migration", "restart", "infra", "infrastructure", "change",
        "maintenance", "commit",
    )
)  # fmt: skip
_KIND: Final = ("kind", "change_kind", "change_type", "type", "event_type", "action")
_ACTOR: Final = ("actor", "author", "user", "by", "deployed_by", "triggered_by", "author.name", "actor.login")
_SUMMARY: Final = ("summary", "message", "description", "title", "msg")
_COMMIT: Final = ("commit", "commit_sha", "sha", "revision", "commit.sha")
_SHAPES: Final = (
    ("flag", ("service", "change", "actor")),
    ("commit", ("sha", "author")),
    ("deploy", ("service", "commit_sha")),
    ("deploy", ("service", "version")),
)  # fmt: skip
"""Kind of a change that does not name it -> keys that all records of that shape have."""


class ChangeEvents(Format):
    """The parser of change events."""

    id = "change_events"
    aliases = ("changes", "change", "deploys", "deployments", "feature_flags", "commits")
    title = "Change events: deploys, configuration, flags, commits"
    spec = "own shape: a time beside a kind of change"
    kinds = (Kind.CHANGE,)
    generality = 2

    def score(self, sample: Sample) -> float:
        """Recognise a time beside a kind of change, or the shapes of deploys, flags and commits."""
        if not sample.records:
            return 0.0
        known = sum(_kind_of(item) is not None for item in sample.records) / len(sample.records)
        if known:
            return 0.9 * known * sample.json_share
        return 0.65 * sample.share(TIME) if sample.type == "change" else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every object into a change event."""
        for record in records(data):
            if isinstance(record.value, dict):
                rows.event(_event(record, rows))
            else:
                rows.reject(record.start, record.end, record.problem or "JSON, but no object")


def _kind_of(value: Any) -> str | None:
    """Give the kind of change a record tells of; None when it looks like something else."""
    if not isinstance(value, dict) or not any(key in value for key in TIME):
        return None
    for key in _KIND:
        if isinstance(value.get(key), str) and value[key].lower() in _KINDS and "level" not in value:
            return str(value[key])
    return next(
        (kind for kind, keys in _SHAPES if all(key in value for key in keys) and "msg" not in value), None
    )


def _event(record: Record, rows: Rows) -> Event:
    flat = flatten(record.value)
    kind = _kind_of(record.value)
    named = next((key for key in _KIND if kind is not None and flat.get(key) == kind), None)
    if named is not None:
        del flat[named]
    time = next(
        (key for key in TIME if key in flat and parse_time(flat[key], rows.zone).time_ns is not None), None
    )
    stamp = parse_time(flat.pop(time), rows.zone) if time is not None else UNKNOWN
    actor = _take(flat, _ACTOR)
    service = _take(flat, SERVICE)
    summary = _take(flat, _SUMMARY)
    commit = _take(flat, _COMMIT)
    if summary is None:
        summary = _compose(kind, service, flat)
    if kind is not None:
        flat["change.kind"] = kind
    if commit is not None:
        flat["change.commit"] = commit
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.CHANGE,
        message=summary,
        attributes=flat,
        stamp=stamp,
        service=service,
        actor=actor,
        pointer=record.pointer,
    )


def _take(flat: dict[str, str], names: tuple[str, ...]) -> str | None:
    key = next((name for name in names if name in flat), None)
    return flat.pop(key) if key is not None else None


def _compose(kind: str | None, service: str | None, flat: dict[str, str]) -> str:
    """Say what changed from the fields, as in `flag checkout: new_pricing off->on`."""
    parts = [flat[key] for key in ("flag", "version", "change", "status") if flat.get(key)]
    head = " ".join(part for part in (kind or "change", service) if part)
    return f"{head}: {' '.join(parts)}" if parts else head


FORMATS: Final[tuple[Format, ...]] = (ChangeEvents(),)

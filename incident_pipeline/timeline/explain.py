"""Explain one entry: what it is, where it was read, what was merged into it, and why it stands where it does.

Everything comes from the stored results and the sealed bytes; nothing is computed anew, so that what is
explained is what was published. The words for people are `explain_text`'s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from incident_pipeline.errors import ConfigError, UnreadableInputError
from incident_pipeline.model.coverage import ClockEstimate, Clocks
from incident_pipeline.model.explanation import (
    Explanation,
    KeyReason,
    Merge,
    Neighbour,
    Reading,
    Stamp,
)
from incident_pipeline.model.timeline import ArtifactRef, OrderBasis, Timeline
from incident_pipeline.timeline.dedupe import SAME_RECORD
from incident_pipeline.timeline.native_ids import NATIVE_IDS
from incident_pipeline.timeline.records import full_message, is_resolution, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.evidence import EvidenceReader
    from incident_pipeline.results import ResultsFolder
    from incident_pipeline.timeline.stored import Row, StoredOrder

MAX_NEIGHBOURS: Final = 8
_MAX_FOUND: Final = 9
_SHOWN: Final = 160
_POSITION: Final = re.compile(r"#?(\d{1,12})")
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")
_CLOCK: Final = re.compile(r"(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?UTC|Z)?")
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?")
_SECOND: Final = 1_000_000_000
_WORDS: Final[dict[OrderBasis, str]] = {
    "clock": "Its time decides: no stamp of another source that is at least as fine overlaps.",
    "causal": "It has the time of its parent span, and the parent link puts it behind that.",
    "source_order": "It has the time of the entry before it, and stands behind that in the same artifact.",
    "undetermined": "The stamps leave open which of it and its neighbours came first.",
}
_NO_TIME: Final = "It has no time: it stands at the end, in the order of its source."


def find_entry(order: StoredOrder, timeline: Timeline, entry: str) -> Row:
    """Find a row by its position, its event id or the beginning of that, or its time in UTC.

    Of several rows with that time the only key entry among them is meant.

    Args:
        order: the full order.
        timeline: its key entries.
        entry: `17`, `20afd05`, `08:27:43`, `08:27:43.174`, `2026-11-23T08:27:43Z`.

    Raises:
        ConfigError: it names nothing, or several rows.
    """
    text = entry.strip()
    if match := _POSITION.fullmatch(text):
        found = order.at(int(match[1]))
    elif window := _window(text):
        low, high, clock = window
        found = order.between(low, high, clock=clock, limit=_MAX_FOUND)
        key = {one.hash for one in timeline.entries}
        if len(found) > 1:
            # Where too many rows share the time, only the key entries are worth asking for.
            keyed = [row for row in order.rows(sorted(key)) if _inside(row, low, high, clock=clock)]
            found = keyed or found
    elif _PREFIX.fullmatch(text.lower()):
        found = order.named(text.lower(), _MAX_FOUND)
    else:
        raise ConfigError(
            f"{entry!r} is no position, event id or time.",
            advice="Give a position (17), an event id or its first digits, or a time (08:27:43.174).",
        )
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"No entry of the timeline is {entry!r}."
        raise ConfigError(message, advice="`timeline show PATH` lists the key entries.")
    places = "; ".join(f"{row['position']} at {stamp(row) or 'no time'}" for row in found[:_MAX_FOUND])
    raise ConfigError(f"{entry!r} names several entries: {places}.", advice="Give the position of one.")


def explain_entry(
    folder: ResultsFolder, order: StoredOrder, row: Row, reader: EvidenceReader | None
) -> Explanation:
    """Explain a row of the full order.

    Args:
        folder: the results it stands in.
        order: their full order.
        row: the row, as `find_entry` gives it.
        reader: over the sealed bytes; None when no vault is at hand.

    Raises:
        EvidenceError: the sealed bytes were altered.
    """
    timeline = Timeline.model_validate_json(folder.timeline.read_bytes())
    entries = {entry.hash: entry for entry in timeline.entries}
    entry = entries.get(row["event_id"])
    beside = order.beside(row["position"])
    before = next((one for one in beside if one["position"] < row["position"]), None)
    after = next((one for one in beside if one["position"] > row["position"]), None)
    count, overlapping = order.overlapping(row, MAX_NEIGHBOURS)
    into = next(order.rows([row["merged_into"]]), None) if row["merged_into"] else None
    members = order.members(row["event_id"])
    rules = {one.rule: one for one in timeline.selection}
    rule = rules.get(entry.rule or "") if entry else None
    return Explanation(
        incident_id=timeline.incident_id,
        position=row["position"],
        total=timeline.total,
        event_id=row["event_id"],
        kind=row["kind"],
        message=full_message(row, entry),
        source=row["source"],
        service=row["service"],
        host=row["host"],
        actor=row["actor"],
        severity=row["severity"],
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        parent_span_id=row["parent_span_id"],
        artifact=_place(row),
        reading=_read(row, reader),
        stamp=_stamp(row, folder),
        order_basis=row["order_basis"],
        order_reason=_NO_TIME if row["time_ns"] is None else _WORDS[cast("OrderBasis", row["order_basis"])],
        depth=row["depth"],
        before=None if before is None else _neighbour(before),
        after=None if after is None else _neighbour(after),
        undetermined=tuple(_neighbour(one) for one in overlapping),
        undetermined_total=count,
        merged_into=None if into is None else _merge(into, row["rule"]),
        members=tuple(_merge(one, one["rule"]) for one in members),
        key=KeyReason(
            rule=entry.rule,
            why=entry.why_key,
            marker=entry.marker,
            found=rule.found if rule else None,
            shown=rule.shown if rule else None,
        )
        if entry
        else None,
        moments=tuple(one.name for one in timeline.moments if row["event_id"] in one.events),
        claims=tuple(
            one for one in timeline.claims if one.event == row["event_id"] or row["event_id"] in one.evidence
        ),
    )


def merge_reason(rule: str) -> str:
    """Say a merge rule in plain words."""
    if rule == SAME_RECORD:
        return "two artifacts hold the same message of the same emitter, severity and time"
    native = next((one for one in NATIVE_IDS if one.rule == rule), None)
    if native is None:
        return "the rule is not one of this version"
    names = [" or ".join(names) for names in native.attributes]
    return f"the source gave both the same id: equal {', '.join((*names, *native.columns))}"


@dataclass(frozen=True)
class _Named:
    """The names a clock may have that stamped a row (`clocks.join_units`), the most special first."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> _Named:
        uri, emitter = row["artifact_uri"], row["host"] or row["service"]
        apart = (f"{uri} {emitter}",) if emitter else ()
        return cls((*apart, uri, *((row["host"],) if row["host"] else ())))

    def among(self, estimates: Sequence[ClockEstimate]) -> ClockEstimate | None:
        held = {estimate.clock: estimate for estimate in estimates}
        return next((held[name] for name in self.names if name in held), None)


def _stamp(row: Row, folder: ResultsFolder) -> Stamp:
    clock = None
    if folder.clocks.is_file():
        estimates = Clocks.model_validate_json(folder.clocks.read_bytes()).estimates
        clock = _Named.of(row).among(estimates)
    return Stamp(
        time=stamp(row),
        time_ns=row["time_ns"],
        raw=row["time_raw"],
        precision=row["time_precision"],
        basis=row["time_basis"],
        is_end=is_resolution(row),
        end_ns=row["end_time_ns"],
        low_ns=row["interval_low_ns"],
        high_ns=row["interval_high_ns"],
        clock=clock,
        offset_ns=clock.offset_ns if clock is not None and clock.applied else 0,
    )


def _read(row: Row, reader: EvidenceReader | None) -> Reading:
    if reader is None:
        return Reading(outcome="could_not_check", note="There is no vault at hand to read it from.")
    sha, start, end, pointer = (
        row["artifact_sha256"], row["byte_start"], row["byte_end"], row["json_pointer"],
    )  # fmt: skip
    try:
        if start is None or end is None:
            if pointer is None:
                reader.decoded(sha)
                return Reading(outcome="matches", note="The record has no byte range of its own.")
            cited = reader.cite_pointer(sha, pointer)
        else:
            cited = reader.cite(sha, start, end, json_pointer=pointer, needle=row["message"])
    except UnreadableInputError as error:
        return Reading(outcome="could_not_check", note=error.message)
    return Reading(
        outcome="matches",
        line=cited.line,
        byte_start=cited.byte_start,
        byte_end=cited.byte_end,
        excerpt=cited.excerpt,
    )


def _merge(row: Row, rule: str) -> Merge:
    return Merge(event=_neighbour(row), rule=rule, reason=merge_reason(rule))


def _neighbour(row: Row) -> Neighbour:
    message = full_message(row, None)
    return Neighbour(
        position=row["position"],
        event_id=row["event_id"],
        time=stamp(row),
        kind=row["kind"],
        service=row["service"],
        message=message if len(message) <= _SHOWN else message[: _SHOWN - 1].rstrip() + "…",
        artifact=_place(row),
    )


def _place(row: Row) -> ArtifactRef:
    return ArtifactRef(
        uri=row["artifact_uri"],
        sha256=row["artifact_sha256"],
        line=row["line"],
        byte_start=row["byte_start"],
        byte_end=row["byte_end"],
        json_pointer=row["json_pointer"],
    )


def _window(text: str) -> tuple[int, int, bool] | None:
    """Give the nanoseconds [low, high) that a time stands for, and whether it is a time of day alone."""
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
        digits = match[4] or ""
        low = ((hours * 60 + minutes) * 60 + seconds) * _SECOND + int(digits.ljust(9, "0"))
        unit = 60 * _SECOND if match[3] is None else _SECOND // 10 ** len(digits)
        return low, low + unit, True
    if match := _MOMENT.fullmatch(text):
        zone = "+00:00" if match[4] in (None, "Z") else match[4]
        try:
            whole = int(datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").timestamp())
        except ValueError:
            return None
        digits = match[3] or ""
        low = whole * _SECOND + int(digits.ljust(9, "0"))
        return low, low + _SECOND // 10 ** len(digits), False
    return None


def _inside(row: Row, low: int, high: int, *, clock: bool) -> bool:
    time = row["time_ns"]
    if time is None:
        return False
    return bool(low <= (time % (86_400 * _SECOND) if clock else time) < high)

"""The timeline for other tools: Timesketch JSONL, CSV, Markdown, JSON; key entries, or the full order.

Rows come from the stored order in batches and go out one by one, so that memory does not grow with their
number. Counts are reconciled before a file appears: what went out plus what was left out is what the
timeline holds (SOLVE-IT DFT-1299, DFT-1308 to DFT-1310), and the reader is told both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, get_args

from incident_pipeline.errors import ConfigError, MalformedInputError
from incident_pipeline.model.timeline import Timeline
from incident_pipeline.serialise import compact_json, write_with
from incident_pipeline.timeline.narrative import MAX_LINE, day_of, narrative, time_of
from incident_pipeline.timeline.plain_text import markdown
from incident_pipeline.timeline.records import COLUMNS, records
from incident_pipeline.timeline.spreadsheet import csv_line
from incident_pipeline.timeline.stored import StoredOrder
from incident_pipeline.timeline.timesketch import timesketch_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from incident_pipeline.results import ResultsFolder
    from incident_pipeline.timeline.records import Record
    from incident_pipeline.timeline.wall_clock import WallClock

ExportForm = Literal["timesketch", "csv", "markdown", "json"]
FORMS: Final[tuple[ExportForm, ...]] = get_args(ExportForm)

NOT_KEY: Final = "no key entries"
UNTIMED: Final = "without a time"


@dataclass
class Exported:
    """What went into a file and what did not: `total` events are `written` plus all of `left_out`."""

    total: int
    merged: int
    """Of the total, events that stand with another one."""
    written: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count rows that do not go out."""
        if count:
            self.left_out[reason] = self.left_out.get(reason, 0) + count


def export_timeline(
    folder: ResultsFolder,
    out: Path,
    form: ExportForm,
    *,
    clock: WallClock | None = None,
    full: bool = False,
) -> Exported:
    """Write the timeline of an incident for another tool and say what it holds.

    Args:
        folder: results of one incident.
        out: file to write; it appears whole or not at all.
        form: how to write it.
        clock: zone of a reader, for CSV and Markdown; UTC stays beside it.
        full: every event instead of the key entries.

    Raises:
        ConfigError: this form has no place for another zone.
        MissingArtifactError: the folder has no timeline.
        MalformedInputError: the counts of what was read and written do not agree.
    """
    if clock is not None and form in ("timesketch", "json"):
        message = f"--zone: {form} holds times in UTC only."
        raise ConfigError(message, advice="Leave --zone out; the tool that reads the file shows other zones.")
    with StoredOrder(folder) as order:
        timeline = Timeline.model_validate_json(folder.timeline.read_bytes())
        total, merged, _ = order.counts()
        if total != timeline.total:
            message = f"{folder.timeline.name} counts {timeline.total:,} events, the full order {total:,}."
            raise MalformedInputError(message, advice="Make the timeline again.")
        done = Exported(total, merged)
        ids = None if full else [entry.hash for entry in timeline.entries]
        rows = records(order.rows(ids), timeline.entries)
        if not full:
            done.leave_out(NOT_KEY, total - len(timeline.entries))
        write_with(out, lambda aside: _write(aside, _Writer(timeline, clock, full=full), form, rows, done))
    return done


def _write(path: Path, writer: _Writer, form: ExportForm, rows: Iterable[Record], done: Exported) -> None:
    with path.open("wb") as file:
        _WRITERS[form](writer, file, rows, done)
    if done.written + sum(done.left_out.values()) != done.total:
        message = f"{done.written:,} of {done.total:,} events were written, {done.left_out} left out."
        raise MalformedInputError(message, advice="Make the timeline again from the same events.")


@dataclass(frozen=True)
class _Writer:
    timeline: Timeline
    clock: WallClock | None
    full: bool

    def timesketch(self, file: BinaryIO, rows: Iterable[Record], done: Exported) -> None:
        for record in rows:
            line = timesketch_line(record)
            if line is None:
                done.leave_out(UNTIMED)
                continue
            file.write(line)
            done.written += 1

    def csv(self, file: BinaryIO, rows: Iterable[Record], done: Exported) -> None:
        local = () if self.clock is None else (f"time_in_{self.clock.name}",)
        file.write(csv_line((*local, *COLUMNS)).encode())
        for record in rows:
            time = record.values["time"]
            shown = () if self.clock is None else (self.clock.full(time) if time else None,)
            file.write(csv_line((*shown, *record.values.values())).encode())
            done.written += 1

    def json(self, file: BinaryIO, rows: Iterable[Record], done: Exported) -> None:
        head = {
            "incident_id": self.timeline.incident_id,
            "merkle_root": self.timeline.merkle_root,
            "total": done.total,
            "merged": done.merged,
        }
        # Written by hand around the rows, which need not fit into memory.
        file.write(compact_json(head)[:-1] + b',"rows":[')
        for record in rows:
            file.write((b",\n" if done.written else b"\n") + compact_json(record.values))
            done.written += 1
        file.write(b'\n],"left_out":' + compact_json(done.left_out) + b"}\n")

    def markdown(self, file: BinaryIO, rows: Iterable[Record], done: Exported) -> None:
        if not self.full:
            file.write(narrative(self.timeline, self.clock).encode())
            done.written = sum(1 for _ in rows)
            return
        file.write(narrative(self.timeline.model_copy(update={"entries": ()}), self.clock).encode())
        file.write(f"\n# All {done.total:,} events\n".encode())
        day = None
        for record in rows:
            if (found := day_of(record.values["time"], self.clock)) != day:
                day = found
                file.write(f"\n## {day}\n\n".encode())
            file.write((self._line(record) + "\n").encode())
            done.written += 1

    def _line(self, record: Record) -> str:
        values = record.values
        said = values["message"]
        said = said if len(said) <= MAX_LINE else said[: MAX_LINE - 1] + "…"
        where = f"{markdown(values['service'])}: " if values["service"] else ""
        time = time_of(values["time"], self.clock, undetermined=values["order_basis"] == "undetermined")
        place = f"{values['artifact_uri']}:{values['line']}" if values["line"] else values["artifact_uri"]
        notes = [values["key_why"]] if values["key_why"] else []
        if values["merged_into"]:
            notes.append(f"stands with {values['merged_into'][:12]}, {values['merge_rule']}")
        tail = f" *({'; '.join(map(markdown, notes))})*" if notes else ""
        return (
            f"- {time}**{markdown(values['kind'])}** {where}{markdown(said)} "
            f"[{markdown(place)}] `{values['event_id'][:12]}`{tail}"
        )


_WRITERS: Final[dict[ExportForm, Callable[[_Writer, BinaryIO, Iterable[Record], Exported], None]]] = {
    "timesketch": _Writer.timesketch,
    "csv": _Writer.csv,
    "markdown": _Writer.markdown,
    "json": _Writer.json,
}

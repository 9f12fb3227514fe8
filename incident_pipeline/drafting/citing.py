"""From an event to the citation of its record.

Events carry the place of their record: a byte range, a JSON pointer, or both. The pointer's value is
preferred, because several records may share one line; a long record is cited by the part that carries
its message (`evidence.reader`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.evidence.locate import locate

if TYPE_CHECKING:
    import pyarrow as pa

    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.model.citation import Citation
    from incident_pipeline.model.timeline import ArtifactRef


def cite_place(
    reader: EvidenceReader,
    sha256: str,
    start: int | None,
    end: int | None,
    pointer: str | None,
    needle: str | None = None,
) -> Citation | None:
    """Cite a record by byte range, JSON pointer or both; None when neither leads to bytes."""
    if pointer is not None:
        data = reader.decoded(sha256)
        for origin in (start, 0) if start else (0,):
            try:
                at, stop = locate(data, pointer, origin or 0)
            except MalformedInputError:
                continue
            if start is None or end is None or start <= at < stop <= end:
                return _non_empty(reader.cite(sha256, at, stop, json_pointer=pointer, needle=needle))
    if start is None or end is None:
        return None
    return _non_empty(reader.cite(sha256, start, end, json_pointer=pointer, needle=needle))


def _non_empty(citation: Citation) -> Citation | None:
    return citation if citation.excerpt.strip() else None


class EventCiter:
    """Cites events of one incident by their ids."""

    def __init__(self, events: pa.Table, reader: EvidenceReader) -> None:
        """Serve the events of this table from this evidence."""
        self._events = events
        self._reader = reader
        self._known: dict[str, Citation | None] = {}

    def row(self, event_id: str) -> int | None:
        """Give the row of an event in the table, or None."""
        index = int(pc.index(self._events.column("event_id"), event_id).as_py())
        return index if index >= 0 else None

    def event(self, event_id: str | None) -> Citation | None:
        """Cite the record of an event; None for an unknown id or a record without bytes."""
        if event_id is None:
            return None
        if event_id not in self._known:
            row = self.row(event_id)
            self._known[event_id] = None if row is None else self._cite_row(row)
        return self._known[event_id]

    def events(self, *event_ids: str | None) -> tuple[Citation, ...]:
        """Cite several events, each once, in the order given."""
        found = [citation for citation in map(self.event, event_ids) if citation is not None]
        return tuple(dict.fromkeys(found))

    def place(self, artifact: ArtifactRef, needle: str | None = None) -> Citation | None:
        """Cite the place that a timeline entry names."""
        return cite_place(
            self._reader,
            artifact.sha256,
            artifact.byte_start,
            artifact.byte_end,
            artifact.json_pointer,
            needle,
        )

    def _cite_row(self, row: int) -> Citation | None:
        record = self._events.slice(row, 1).to_pylist()[0]
        return cite_place(
            self._reader,
            record["artifact_sha256"],
            record["byte_start"],
            record["byte_end"],
            record["json_pointer"],
            record["message"],
        )

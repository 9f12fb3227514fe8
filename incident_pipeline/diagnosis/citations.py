"""Turn the places of findings into citations: the bytes of records and of samples.

Citations need the sealed bytes; without a reader there are none. A place whose bytes can't be found is
left out rather than guessed: the finding still stands in the tables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from incident_pipeline.diagnosis.finding import EventPlace, Finding, SamplePlace
from incident_pipeline.errors import MalformedInputError

if TYPE_CHECKING:
    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.model.citation import Citation
    from incident_pipeline.signals.tables import IncidentTables

_PAIR: Final = re.compile(rb"\[\s*\"?([0-9][0-9.eE+]*)\"?\s*,\s*\"?[^\],]*\"?\s*\]")
_SECOND: Final = 1_000_000_000
_CLOSE_NS: Final = 2_000
"""Sample times are floats of seconds in many exports: equal within this."""


class Citer:
    """Cites places of one incident's tables."""

    def __init__(self, tables: IncidentTables, reader: EvidenceReader | None) -> None:
        """Cite through this reader, or not at all."""
        self._tables = tables
        self._reader = reader

    def cite(self, finding: Finding) -> tuple[Citation, ...]:
        """Give the citations of a finding, in the order of its places, each once."""
        if self._reader is None:
            return ()
        found: list[Citation] = []
        for place in finding.places:
            citation = (
                self._event(self._reader, place)
                if isinstance(place, EventPlace)
                else self._sample(self._reader, place)
            )
            if citation is not None and citation.excerpt and citation not in found:
                found.append(citation)
        return tuple(found)

    def _event(self, reader: EvidenceReader, place: EventPlace) -> Citation | None:
        row = self._tables.events.slice(place.row, 1).to_pylist()[0]
        start, end, pointer = row["byte_start"], row["byte_end"], row["json_pointer"]
        sha256 = row["artifact_sha256"]
        try:
            if start is None or end is None:
                return None if pointer is None else reader.cite_pointer(sha256, pointer)
            # A span's record begins with its ids, name and times; a log's message may lie deep inside.
            needle = None if row["kind"] == "span" else row["message"]
            return reader.cite(sha256, start, end, json_pointer=pointer, needle=needle)
        except MalformedInputError:
            return None

    def _sample(self, reader: EvidenceReader, place: SamplePlace) -> Citation | None:
        ids = pa.array(place.series_ids, pa.string())
        samples = self._tables.samples.filter(
            pc.and_(
                pc.is_in(self._tables.samples.column("series_id").cast(pa.string()), ids),
                pc.equal(self._tables.samples.column("time_ns"), place.time_ns),
            )
        ).to_pylist()
        if not samples:
            return None
        sample = min(samples, key=lambda row: str(row["series_id"]))
        series = self._tables.series.filter(
            pc.equal(self._tables.series.column("series_id").cast(pa.string()), sample["series_id"])
        ).to_pylist()[0]
        sha256, pointer = series["artifact_sha256"], series["json_pointer"]
        try:
            if sample["byte_start"] is not None:
                return reader.cite(sha256, sample["byte_start"], sample["byte_end"])
            return None if pointer is None else _cite_pair(reader, sha256, pointer, place.time_ns)
        except MalformedInputError:
            return None


def _cite_pair(reader: EvidenceReader, sha256: str, pointer: str, time_ns: int) -> Citation | None:
    """Cite the `[time, value]` pair of a Prometheus answer that lies at this time."""
    values = reader.cite_pointer(sha256, f"{pointer}/values")
    data = reader.decoded(sha256)
    end = data.find(b"]]", values.byte_start)
    for match in _PAIR.finditer(data, values.byte_start + 1, len(data) if end < 0 else end + 1):
        whole, _, part = match[1].decode().partition(".")
        digits = (part + "000000000")[:9]
        if whole.isdigit() and digits.isdigit():
            found = int(whole) * _SECOND + int(digits)
            if abs(found - time_ns) <= _CLOSE_NS:
                return reader.cite(sha256, match.start(), match.end())
    return None

"""Which bytes of an incident's artifacts may not be shown: what citing asks before it shows any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from incident_pipeline.evidence import apply_spans, read_span_maps, spans_within
from incident_pipeline.model.redaction import Redaction
from incident_pipeline.redaction.tokens import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from incident_pipeline.model.redaction import RedactedSpan
    from incident_pipeline.results import ResultsFolder


@dataclass(frozen=True)
class _Regions:
    spans: tuple[RedactedSpan, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


class RedactionMap:
    """The redacted stretches of all artifacts of an incident, by digest."""

    def __init__(self, maps: Mapping[str, Iterable[RedactedSpan]]) -> None:
        """Take the spans per artifact."""
        self._regions: dict[str, _Regions] = {}
        for sha256, spans in maps.items():
            ordered = tuple(sorted(spans, key=lambda span: span.offset))
            self._regions[sha256] = _Regions(
                ordered,
                tuple(span.offset for span in ordered),
                tuple(span.offset + span.length for span in ordered),
            )

    @classmethod
    def read(cls, folder: ResultsFolder) -> RedactionMap | None:
        """Read the span maps of a results folder; None where nothing was redacted yet.

        Raises:
            SealError: a span map is not the one that `redaction.json` names.
        """
        if not folder.redaction.is_file():
            return None
        card = Redaction.model_validate_json(folder.redaction.read_bytes())
        return cls({item.sha256: spans for item, spans in read_span_maps(folder, card)})

    def overlaps(self, sha256: str, start: int, end: int) -> bool:
        """Say whether any redacted byte lies in a range of the decoded stream."""
        regions = self._regions.get(sha256)
        return regions is not None and bool(spans_within(regions.starts, regions.ends, start, end))

    def clean(self, sha256: str, start: int, end: int) -> list[tuple[int, int]]:
        """Give the stretches of a range that hold no redacted byte, in order."""
        regions = self._regions.get(sha256)
        if regions is None:
            return [(start, end)] if end > start else []
        found = []
        at = start
        for index in spans_within(regions.starts, regions.ends, start, end):
            if regions.starts[index] > at:
                found.append((at, regions.starts[index]))
            at = max(at, regions.ends[index])
        if at < end:
            found.append((at, end))
        return found

    def redacted_text(self, sha256: str, data: bytes, start: int, end: int) -> str:
        """Give a range of the decoded stream `data` with tokens in it; a stretch that sticks out is whole."""
        regions = self._regions.get(sha256)
        if regions is None:
            return data[start:end].decode(errors="replace")
        spans = [regions.spans[index] for index in spans_within(regions.starts, regions.ends, start, end)]
        if spans:
            start = min(start, spans[0].offset)
            end = max(end, spans[-1].offset + spans[-1].length)
        moved = [span.model_copy(update={"offset": span.offset - start}) for span in spans]
        return apply_spans(data[start:end], moved).decode(errors="replace")

    def plain_part(self, text: str) -> str:
        """Give the longest part of a redacted text between its tokens: what the raw text holds as well."""
        return max(TOKEN.split(text), key=len)

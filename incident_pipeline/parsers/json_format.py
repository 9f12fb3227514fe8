"""What the formats of JSON APIs share: recognising documents, reading them by places, values of any type.

A field of a hostile or a merely surprising document has any type: the helpers here take whatever stands
there and give text, a time or nothing, and never raise.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.json_places import Place, checked_roots, roots
from incident_pipeline.parsers.jsontext import Number, flatten, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.timestamps import UNKNOWN, Stamp, parse_epoch, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.jsontext import Record
    from incident_pipeline.parsers.rows import Rows
    from incident_pipeline.parsers.timestamps import Unit, Zone

_DECIMAL_ID: Final = re.compile(r"\d{1,20}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]{1,32}", re.ASCII)
_ZERO: Final = re.compile(r"0+(?:\.0*)?", re.ASCII)
_TIME_LIMIT: Final = 2**63
_MAX_KEPT: Final = 4_096
"""What an answer without records says of itself is kept up to this many bytes."""


class JsonFormat(Format):
    """A format of JSON documents: an answer of an API, or many of them on lines or in a list."""

    splitting: ClassVar[Splitting] = "json"
    certainty: ClassVar[float] = 0.95

    @abstractmethod
    def recognise(self, value: Any) -> float:
        """Say how much a decoded document looks like this format, between 0 and 1."""

    @abstractmethod
    def read(self, place: Place, rows: Rows) -> bool:
        """Read a document; False when it is none of this format, which sends it to quarantine."""

    def score(self, sample: Sample) -> float:
        """Score by the documents of the sample, or by what is whole of one that is longer."""
        found = [self.recognise(value) for value in sample.values]
        # What was completed is one document, whatever its lines look like.
        share = sample.json_share if sample.values is sample.records else 1.0
        return self.certainty * share * sum(found) / len(found) if found else 0.0

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every document."""
        for place in roots(data):
            if not self.read(place, rows):
                problem = place.record().problem or f"a JSON value that is not of {self.id}"
                rows.reject(place.start, place.end, problem)


class PageFormat(JsonFormat):
    """A format whose documents are read by places, so that one which is cut off gives what is whole in it."""

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every document; a broken one goes to quarantine beside what could be read of it."""
        for place, is_whole in checked_roots(data):
            before = rows.handed_over
            taken = self.read(place, rows)
            if taken and is_whole:
                if rows.handed_over == before:
                    rows.event(_empty_answer(place, self.id))
                continue
            problem = place.record().problem or f"a JSON value that is not of {self.id}"
            if taken:
                problem = f"{problem}; what is whole in it was read"
            rows.reject(place.start, place.end, problem)


def _empty_answer(place: Place, name: str) -> Event:
    """Give the row of an answer that holds no records: what was asked for was not there."""
    raw = place.raw
    value = place.record().value if len(raw) <= _MAX_KEPT else None
    return Event(
        start=place.start,
        end=place.end,
        kind=Kind.TOOL_OUTPUT,
        message=f"answer without records ({name})",
        attributes=flatten(value) if isinstance(value, dict) else {},
        pointer=place.pointer or None,
    )


def objects(records: Iterator[Record], rows: Rows, what: str) -> Iterator[Record]:
    """Give the records that are objects; the others go to quarantine."""
    for record in records:
        if isinstance(record.value, dict):
            yield record
        else:
            rows.reject(record.start, record.end, record.problem or f"{what} that is no object")


def text(value: Any) -> str | None:
    """Give a value as text; None for null and the empty string."""
    return None if value is None or value == "" else text_of(value)


def first_text(value: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Give the first of these members that holds anything, as text."""
    return next((found for name in names if (found := text(value.get(name))) is not None), None)


def dict_of(value: Any) -> dict[str, Any]:
    """Give an object as it is, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """Give a list as it is, an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def epoch_of(value: Any, unit: Unit | None = None) -> Stamp:
    """Read a number or its text as time since 1970; text may also be a calendar time."""
    if value is None or isinstance(value, (bool, dict, list)):
        return UNKNOWN
    return parse_epoch(text_of(value), unit)


def time_of(value: Any, zone: Zone | None = None) -> Stamp:
    """Read a calendar time or an epoch number."""
    if value is None or value == "" or isinstance(value, (bool, dict, list)):
        return UNKNOWN
    return parse_time(text_of(value), zone)


def end_after(start_ns: int | None, duration: Any, unit: Unit) -> int | None:
    """Give when something ended that began at `start_ns` and took `duration`; None when that is not known."""
    if start_ns is None or isinstance(duration, (bool, dict, list)) or duration is None:
        return None
    digits = text_of(duration)
    length = 0 if _ZERO.fullmatch(digits) else parse_epoch(digits, unit).time_ns
    return None if length is None or start_ns + length >= _TIME_LIMIT else start_ns + length


def number_of(value: Any) -> float | None:
    """Give a measurement: a JSON number or its text; None for NaN, null and what is no number."""
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if number != number else number  # noqa: PLR0124 - NaN: kept as a row without a value


def is_number(value: Any) -> bool:
    """Tell whether a decoded JSON value is a number."""
    return isinstance(value, (int, float, Number)) and not isinstance(value, bool)


def hex_id(value: Any, digits: int = 16) -> str | None:
    """Give an id that is written in hex: lower case, leading zeros as they belong; None for zeros.

    Jaeger and Zipkin leave out leading zeros; ids of more than 16 digits are traces of 128 bits.
    """
    found = text(value)
    if found is None or not found.strip("0"):
        return None
    if not _HEX.fullmatch(found):
        return found.lower()
    return found.lower().rjust(digits if len(found) <= digits else 32, "0")


def decimal_id(value: Any) -> str | None:
    """Give a 64-bit id that is written in decimal as 16 hex digits; ids in hex stay."""
    found = text(value)
    if found is None or not found.strip("0"):
        return None
    if _DECIMAL_ID.fullmatch(found) and int(found) < 2**64:
        return f"{int(found):016x}"
    return hex_id(found)

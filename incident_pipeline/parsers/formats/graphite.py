"""Graphite plaintext: `path value time`, with tags behind the path (`;name=value`) since Graphite 1.1.

(https://graphite.readthedocs.io/en/stable/feeding-carbon.html, .../tags.html.) Times are whole seconds, or
with a fraction as some relays write them; -1 means the time of arrival, which is not in the file.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.sample_columns import SampleColumns
from incident_pipeline.parsers.json_fields import SERVICE
from incident_pipeline.parsers.jsontext import lines
from incident_pipeline.parsers.table import series_id
from incident_pipeline.parsers.timestamps import parse_epoch

if TYPE_CHECKING:
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.rows import Rows

_LINE: Final = re.compile(
    rb"([^\s;{}\"\\]++)((?:;[^\s;=]++=[^\s;]*+)*+)[ \t]++"
    rb"([+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+|[+-]?+[iI][nN][fF]|[nN][aA][nN])"
    rb"[ \t]++(-1(?:\.0*+)?+|[0-9]++(?:\.[0-9]*+)?+|[nN])"
)
_SECONDS: Final = re.compile(rb"[0-9]{9,10}(?:\.[0-9]*)?|-1(?:\.0*)?|[nN]")
_TAG: Final = re.compile(rb";([^=;]++)=([^;]*+)")


class Graphite(Format):
    """The parser of Graphite plaintext."""

    id = "graphite"
    aliases = ("graphite_plaintext", "graphite_line", "carbon")
    title = "Graphite plaintext"
    spec = "https://graphite.readthedocs.io/en/stable/feeding-carbon.html#the-plaintext-protocol"
    splitting: ClassVar[Splitting] = "lines"

    def score(self, sample: Sample) -> float:
        """Recognise lines of path, value and seconds; a path with dots or tags makes it sure."""
        if sample.records or not sample.lines:
            return 0.0
        sure = fits = 0
        for line in sample.lines:
            match = _LINE.fullmatch(line)
            if match is None or not _SECONDS.fullmatch(match[4]) or match[1][:1].isdigit():
                continue
            fits += 1
            sure += b"." in match[1] or bool(match[2])
        share = fits / len(sample.lines)
        return (0.91 if 2 * sure > fits else 0.5) * share

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every line."""
        known: dict[bytes, str] = rows.state.setdefault(self.id, {})
        columns = SampleColumns(rows)
        for start, end in lines(data):
            match = _LINE.fullmatch(data, start, end)
            if match is None:
                rows.reject(start, end, "no line of Graphite: path, value, time")
                continue
            path, tags, value, time = match.groups()
            key = known.get(path + tags)
            if key is None:
                key = known[path + tags] = _series(path, tags, rows)
            time_ns = _time(time)
            if time_ns is None:
                rows.assume("times that stand for the time of arrival are not known")
            number = float(value)
            columns.add(key, time_ns, number if number == number else None, start, end)  # noqa: PLR0124 - NaN
        columns.flush()


@lru_cache(maxsize=65_536)
def _time(text: bytes) -> int | None:
    """Read seconds; -1 and N are the time of arrival, which is unknown."""
    return parse_epoch(text.decode(), "s").time_ns if text[:1].isdigit() else None


def _series(path: bytes, tags: bytes, rows: Rows) -> str:
    name = _text(path, rows)
    labels = {_text(key, rows): _text(value, rows) for key, value in _TAG.findall(tags)}
    return rows.series(
        series_id(rows.source.sha256, f"{name!r}{sorted(labels.items())}"),
        name,
        labels,
        service=next((labels[key] for key in SERVICE if labels.get(key)), None),
    )


def _text(piece: bytes, rows: Rows) -> str:
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        rows.assume("names that are no UTF-8 were read as Latin-1")
        return piece.decode("latin-1")


FORMATS: Final[tuple[Format, ...]] = (Graphite(),)

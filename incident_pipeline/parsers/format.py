"""What a format is: its names, what it is recognised by, what it is read into.

One file of `parsers.formats` per family; a module lists its formats in `FORMATS` and is found by
`parsers.registry`. The documented list of formats (docs/formats.md) is made from these declarations, so
a new format is one file and one test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from incident_pipeline.model.event import Kind
    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.rows import Rows

Splitting = Literal["whole", "lines", "records", "json"]


class Format(ABC):
    """One format: how it is called, how it is recognised, how it is read.

    `splitting` says how a long stream may be cut into parts that are parsed one after the other:
    `whole` not at all (one document), `lines` at any line end, `records` before any line for which
    `begins_record` is true, `json` at line ends where the first line is a JSON value and not at all
    where a document spans the lines (`jsontext.documents` sees it the same way). A part is handed to
    `parse` like a whole stream; what must outlive a part (the year of a syslog, the last `# Time` of a
    slow log) is kept in `rows.state`, under the format's id. The rows must not depend on where the
    stream was cut; only a stretch of more than 8 MiB in which no record begins may be cut inside.
    """

    id: ClassVar[str]
    """The format's id, as it stands in reports."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names; a name that several formats share narrows detection to them."""
    title: ClassVar[str]
    """What people call it, for the list of formats."""
    spec: ClassVar[str]
    """The document the parser follows: a URL, an RFC, a manual's chapter."""
    kinds: ClassVar[tuple[Kind, ...]] = ()
    """The kinds of events it gives; empty for formats of measurements only."""
    generality: ClassVar[int] = 0
    """0 for a format of its own, more for catch-alls: equal scores go to the lower one."""
    splitting: ClassVar[Splitting] = "whole"
    binary: ClassVar[bool] = False
    """Whether it is no text: NUL bytes may stand in it, and lines mean nothing."""
    stands_alone: ClassVar[bool] = False
    """Whether one line of it can be told and read without what stands before it in the stream (a header,
    a list's beginning): only then its lines are looked for in streams of other formats."""
    joins_indented: ClassVar[bool] = False
    """Whether an indented line that nobody takes goes on with its record, read in such a stream."""

    @abstractmethod
    def score(self, sample: Sample) -> float:
        """Say how much the sample looks like this format, between 0 and 1.

        Scale: 0.9 and more for a structure that nothing else has, about 0.6 for the shape of a family,
        below 0.4 for last resorts.
        """

    def takes(self, line: Sample) -> float:
        """Say how sure it is that one line, seen alone in a stream of another format, is of this format."""
        return self.score(line)

    @abstractmethod
    def parse(self, data: bytes, rows: Rows) -> None:
        """Hand over every record of the decoded stream as rows, and what is broken to quarantine.

        Places are relative to `data`; `rows` adds where the part lies in the stream.
        """

    def is_closed(self, data: bytes, at: int) -> bool:  # noqa: ARG002 - what formats in pieces look at
        """Tell whether no record that began before this place goes on behind it (asked before every cut).

        For formats that write a record in pieces, with whole records of others between them. `data` is
        what was not parsed yet, and begins where the last cut was.
        """
        return True

    def begins_record(self, line: bytes) -> bool:
        """Tell whether a record begins with this line (asked where `splitting` is `records`)."""
        return bool(line.strip())

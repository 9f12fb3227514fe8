"""Cut a decoded stream into parts that are parsed one after the other, so that memory stays bounded.

What a format says of itself (`Format.splitting`) decides where a cut may fall: at any line end, only
before a line that begins a record, or nowhere. Where cuts fall shows in no row: the same stream gives
the same rows in parts of any size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.parsers.encodings import AsText
from incident_pipeline.parsers.jsontext import is_json
from incident_pipeline.parsers.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from incident_pipeline.parsers.format import Format, Splitting

PART_BYTES: Final = 4 * 1024**2
"""How much of a stream is parsed at a time: enough for columnar work, little enough to stay in cache."""
RECORD_LIMIT: Final = 8 * 1024**2
"""A stretch without the beginning of a record is cut behind the first line that passes this size."""
LINE_LIMIT: Final = 64 * 1024**2
"""A line longer than this is no record of any system: it is cut, and what is left of it is quarantined."""
_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"


class Stream:
    """The decoded stream of an artifact as text, read forwards; its head can be looked at first."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        """Read these chunks, each of them once."""
        self._text = AsText(chunks)
        self._chunks = iter(self._text)
        self._held: list[bytes] = []
        self._size = 0
        self._ended = False
        self.taken = 0
        """Bytes of text taken so far."""
        self.newlines = 0
        """Line ends taken so far."""
        self.last = b""
        """The byte taken last."""

    @property
    def size(self) -> int:
        """How long the decoded stream is, once all of it was taken."""
        return self._text.size

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the encoding."""
        return self._text.notes

    def peek(self, size: int) -> bytes:
        """Give at least the next `size` bytes, fewer only at the end of the stream."""
        while self._size < size and not self._ended:
            self._pull()
        if len(self._held) != 1:
            self._held = [b"".join(self._held)]
        return self._held[0]

    def first_line(self) -> bytes:
        """Give the first line that is not blank (or of it what passes no limit), without taking it."""
        size = 65_536
        while True:
            data = self.peek(size)
            text = data.removeprefix(_BOM).lstrip(_SPACE)
            end = text.find(b"\n")
            if end >= 0 or len(data) < size or size > LINE_LIMIT:
                return text if end < 0 else text[:end]
            size *= 2

    def rest(self) -> Part:
        """Take all that is left, however much that is."""
        while not self._ended:
            self._pull()
        return self._take(self._size)

    def take(self, size: int) -> Part:
        """Take the next `size` bytes of text, which were peeked at."""
        return self._take(size)

    def parts(
        self,
        size: int,
        begins_record: Callable[[bytes], bool],
        is_closed: Callable[[bytes, int], bool] | None = None,
    ) -> Iterator[Part]:
        """Take the stream in parts of about `size` bytes that end before a line that begins a record.

        `is_closed` says of a place in the bytes at hand that no record in pieces goes on behind it.
        """
        wanted = size
        while True:
            data = self.peek(wanted)
            if self._ended and len(data) <= wanted:
                if data:
                    yield self._take(len(data))
                return
            cut = _last_beginning(data, min(wanted, len(data)), begins_record, is_closed) or _forced_cut(data)
            if cut:
                yield self._take(cut)
                wanted = size
            else:
                wanted = min(2 * wanted, max(size, LINE_LIMIT + 1))

    def skip(self) -> None:
        """Take all that is left, and keep nothing of it."""
        while self._held or not self._ended:
            if not self._held:
                self._pull()
            if self._held:
                self._take(self._size)

    def _pull(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._ended = True
        elif chunk:
            self._held.append(chunk)
            self._size += len(chunk)

    def _take(self, size: int) -> Part:
        data = self.peek(size)
        places = self._text.places(self.taken, self.taken + size)
        part = Part(data if size == len(data) else data[:size], self.taken, self.newlines + 1, places)
        self._held = [data[size:]] if size < len(data) else []
        self._size -= size
        self.taken += size
        self.newlines += part.data.count(b"\n")
        self.last = part.data[-1:] or self.last
        return part


def how_to_cut(stream: Stream, parser: Format) -> Callable[[bytes], bool] | None:
    """Say before which lines a stream of this format may be cut; None when it must be read as a whole."""
    splitting: Splitting = parser.splitting
    if splitting == "lines":
        return _any_line
    if splitting == "records":
        return parser.begins_record
    if splitting == "json" and _json_line(stream.first_line()):
        return _json_line
    return None


def _any_line(_: bytes) -> bool:
    return True


def _json_line(line: bytes) -> bool:
    """Tell whether a part that begins with this line is seen as JSON lines, whatever follows."""
    text = line.strip(_SPACE)
    return text[:1] not in (b"{", b"[", b"") or is_json(text)


def _last_beginning(
    data: bytes,
    within: int,
    begins_record: Callable[[bytes], bool],
    is_closed: Callable[[bytes, int], bool] | None,
) -> int:
    """Give where the last whole line that begins a record starts; 0 when none does but the first."""
    end = data.rfind(b"\n", 0, within)
    while end > 0:
        start = data.rfind(b"\n", 0, end) + 1
        line = data[start:end]
        # A byte order mark inside a stream is text; at the head of a part it would be passed over.
        fits = start and not line.startswith(_BOM) and begins_record(line)
        if fits and (is_closed is None or is_closed(data, start)):
            return start
        end = start - 1
    return 0


def _forced_cut(data: bytes) -> int:
    """Give where to cut a stretch without a boundary: behind a line past the limit, or inside a huge one."""
    if len(data) > RECORD_LIMIT:
        end = data.find(b"\n", RECORD_LIMIT)
        if end >= 0:
            return end + 1
    return LINE_LIMIT if len(data) > LINE_LIMIT else 0

"""Read sealed evidence by digest and cite it: the only door through which later stages see bytes.

The vault checks each digest while reading; this module decodes, and turns byte ranges and JSON
pointers into citations whose excerpt equals the bytes. Messages name the artifact's URI.
"""

from __future__ import annotations

import io
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, runtime_checkable

import numpy as np

from incident_pipeline.errors import HashMismatchError, MalformedInputError, MissingArtifactError
from incident_pipeline.evidence.decode import decode, decoding
from incident_pipeline.evidence.locate import locate
from incident_pipeline.model.citation import Citation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from incident_pipeline.evidence.decode import DecodedStream
    from incident_pipeline.model.artifact import SealedArtifact

MAX_EXCERPT: Final = 400
"""Bytes: longer records are cited by the part that carries the message."""

_NEWLINE: Final = 10
_RECORD: Final = 4_096
"""Bytes around a citation in which its record is looked for."""


class ReadsSealedBytes(Protocol):
    """What a vault offers to readers."""

    def read(self, sha256: str) -> bytes:
        """Give the bytes with this digest, checked while reading."""


@runtime_checkable
class OpensSealedBytes(Protocol):
    """What a vault offers to readers that hold no artifact whole."""

    def open(self, sha256: str) -> BinaryIO:
        """Open the bytes with this digest."""


class KnowsRedactions(Protocol):
    """Which bytes may not be shown (`redaction.RedactionMap`)."""

    def clean(self, sha256: str, start: int, end: int) -> list[tuple[int, int]]:
        """Give the stretches of a range that hold no redacted byte, in order."""

    def overlaps(self, sha256: str, start: int, end: int) -> bool:
        """Say whether any redacted byte lies in a range."""

    def plain_part(self, text: str) -> str:
        """Give the longest part of a redacted text between its tokens."""

    def redacted_text(self, sha256: str, data: bytes, start: int, end: int) -> str:
        """Give a range of the decoded stream `data` with tokens in it."""


class EvidenceReader:
    """The artifacts of one incident, decoded and citable."""

    def __init__(
        self,
        vault: ReadsSealedBytes,
        artifacts: Iterable[SealedArtifact],
        redactions: KnowsRedactions | None = None,
    ) -> None:
        """Serve these artifacts from this vault; citations keep off the redacted bytes, if told of any."""
        self._redactions = redactions
        self._vault = vault
        self._artifacts = {artifact.sha256: artifact for artifact in artifacts}
        self._decoded: dict[str, bytes] = {}
        self._encodings: dict[str, str] = {}
        self._newlines: dict[str, NDArray[np.int64]] = {}

    def artifact(self, sha256: str) -> SealedArtifact:
        """Give what is known of an artifact.

        Raises:
            MissingArtifactError: it is not of this incident.
        """
        if sha256 not in self._artifacts:
            message = f"No sealed artifact of this incident has the digest {sha256[:80]}."
            raise MissingArtifactError(message, advice="Parse the sealed evidence again.")
        return self._artifacts[sha256]

    def decoded(self, sha256: str) -> bytes:
        """Give the decoded stream of an artifact (kept in memory for the reader's life).

        Raises:
            HashMismatchError: the sealed bytes were altered.
            MissingArtifactError: it is not of this incident, or not in the vault.
            MalformedInputError: its compressed stream is broken.
            UnsafeArchiveError: it expands past the limits.
        """
        if sha256 not in self._decoded:
            uri = self.artifact(sha256).uri
            try:
                data = self._vault.read(sha256)
            except (HashMismatchError, MissingArtifactError) as error:
                message = f"{uri}: {error.message}"
                raise type(error)(message, advice=error.advice) from error
            self._decoded[sha256], self._encodings[sha256] = decode(data, uri=uri)
        return self._decoded[sha256]

    @contextmanager
    def opened(self, sha256: str) -> Iterator[DecodedStream]:
        """Read the decoded stream of an artifact once, in chunks, without holding it.

        The digest is checked while reading, at the latest when the last chunk was read: whoever takes
        chunks must not publish anything made from them before the block has ended well. Errors as
        `decoded`; HashMismatchError may come with any chunk.
        """
        artifact = self.artifact(sha256)
        with ExitStack() as reads:
            try:
                file = reads.enter_context(self._file(sha256))
            except (HashMismatchError, MissingArtifactError) as error:
                message = f"{artifact.uri}: {error.message}"
                raise type(error)(message, advice=error.advice) from error
            yield reads.enter_context(decoding(file, sha256, uri=artifact.uri, size=artifact.size))

    def _file(self, sha256: str) -> BinaryIO:
        if isinstance(self._vault, OpensSealedBytes):
            return self._vault.open(sha256)
        return io.BytesIO(self._vault.read(sha256))

    def encoding(self, sha256: str) -> str:
        """Give how an artifact is compressed as received: `identity`, `gzip`, ... (errors as `decoded`)."""
        self.decoded(sha256)
        return self._encodings[sha256]

    def line(self, sha256: str, offset: int) -> int:
        """Give the line, from 1, in which a byte of the decoded stream stands."""
        if sha256 not in self._newlines:
            stream = np.frombuffer(self.decoded(sha256), dtype=np.uint8)
            self._newlines[sha256] = np.flatnonzero(stream == _NEWLINE)
        return int(np.searchsorted(self._newlines[sha256], offset)) + 1

    def cite(
        self, sha256: str, start: int, end: int, *, json_pointer: str | None = None, needle: str | None = None
    ) -> Citation:
        """Cite a byte range. A range over `MAX_EXCERPT` bytes is narrowed to `needle`, else to its head.

        The range is shrunk to whole UTF-8 characters; where bytes in it are no UTF-8, to the longest
        stretch that is. Redacted bytes are no part of a citation: it is shrunk to the stretch beside them
        that holds the needle, else to the longest; where all is redacted, it is empty.

        Raises:
            MalformedInputError: there is no such range.
            HashMismatchError: the sealed bytes were altered (and whatever else `decoded` raises).
        """
        data = self.decoded(sha256)
        if not 0 <= start <= end <= len(data):
            message = f"{self.artifact(sha256).uri}: has no bytes {start} to {end}; it holds {len(data)}."
            raise MalformedInputError(message, advice="Parse the sealed evidence again.")
        if needle and self._redactions is not None:
            needle = self._redactions.plain_part(needle)
        if needle and end - start > MAX_EXCERPT:
            start, end = _narrow(data, start, end, needle)
        end = min(end, start + MAX_EXCERPT)
        if self._redactions is not None:
            start, end = self._beside_redactions(sha256, start, end, needle)
        start, end = readable_range(data, start, end)
        return Citation(
            uri=self.artifact(sha256).uri,
            sha256=sha256,
            line=self.line(sha256, start),
            byte_start=start,
            byte_end=end,
            json_pointer=json_pointer,
            excerpt=data[start:end].decode(),
        )

    def redacted_record(self, citation: Citation) -> str:
        """Give the line around a citation as it reads redacted; empty where nothing near it is redacted."""
        if self._redactions is None:
            return ""
        data = self.decoded(citation.sha256)
        start, end = citation.byte_start, citation.byte_end
        low, high = max(0, start - _RECORD), min(len(data), end + _RECORD)
        start, stop = data.rfind(b"\n", low, start) + 1, data.find(b"\n", end, high)
        start, end = start or low, high if stop < 0 else stop
        if not self._redactions.overlaps(citation.sha256, start, end):
            return ""
        return self._redactions.redacted_text(citation.sha256, data, start, end)

    def _beside_redactions(self, sha256: str, start: int, end: int, needle: str | None) -> tuple[int, int]:
        if self._redactions is None:
            return start, end
        clean = self._redactions.clean(sha256, start, end)
        sought = (needle or "").encode(errors="replace")
        data = self.decoded(sha256)
        # Of equals the first: the order of `clean` is that of the bytes.
        return max(
            clean,
            key=lambda part: (bool(sought) and data.find(sought, *part) >= 0, part[1] - part[0]),
            default=(start, start),
        )

    def cite_pointer(self, sha256: str, json_pointer: str, *, start: int = 0) -> Citation:
        """Cite the value a JSON pointer names in the JSON document that begins at byte `start`."""
        begin, end = locate(self.decoded(sha256), json_pointer, start)
        return self.cite(sha256, begin, end, json_pointer=json_pointer)


def _narrow(data: bytes, start: int, end: int, needle: str) -> tuple[int, int]:
    for form in (
        needle.encode(errors="replace"),
        needle.replace("\\", "\\\\").replace('"', '\\"').encode(errors="replace"),
        needle[:40].encode(errors="replace"),
    ):
        at = data.find(form, start, end) if form else -1
        if at >= 0:
            return at, min(end, at + max(len(form), 40))
    return start, end


def readable_range(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Give the longest stretch of valid UTF-8 within a range, the first of equals."""
    best = (start, start)
    at = start
    while at < end and end - at > best[1] - best[0]:
        try:
            data[at:end].decode()
        except UnicodeDecodeError as error:
            bad, resume = at + error.start, at + error.end
        else:
            bad = resume = end
        if bad - at > best[1] - best[0]:
            best = (at, bad)
        at = resume
    return best

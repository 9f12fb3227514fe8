"""Read sealed evidence by digest and cite it: the only door through which later stages see bytes.

The vault checks each digest while reading; this module decodes, and turns byte ranges and JSON
pointers into citations whose excerpt equals the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from incident_pipeline.evidence.decode import decode
from incident_pipeline.evidence.locate import locate
from incident_pipeline.model.citation import Citation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.model.artifact import SealedArtifact

MAX_EXCERPT: Final = 400
"""Bytes: longer records are cited by the part that carries the message."""

_CONTINUATION: Final = 0x80
"""The top bits of a UTF-8 byte that continues a character."""


class ReadsSealedBytes(Protocol):
    """What a vault offers to readers."""

    def read(self, sha256: str) -> bytes:
        """Give the bytes with this digest, checked while reading."""


class EvidenceReader:
    """The artifacts of one incident, decoded and citable."""

    def __init__(self, vault: ReadsSealedBytes, artifacts: Iterable[SealedArtifact]) -> None:
        """Serve these artifacts from this vault."""
        self._vault = vault
        self._artifacts = {artifact.sha256: artifact for artifact in artifacts}
        self._decoded: dict[str, bytes] = {}

    def artifact(self, sha256: str) -> SealedArtifact:
        """Give what is known of an artifact."""
        return self._artifacts[sha256]

    def decoded(self, sha256: str) -> bytes:
        """Give the decoded stream of an artifact (kept in memory for the reader's life)."""
        if sha256 not in self._decoded:
            uri = self._artifacts[sha256].uri
            self._decoded[sha256] = decode(self._vault.read(sha256), uri=uri)[0]
        return self._decoded[sha256]

    def cite(
        self, sha256: str, start: int, end: int, *, json_pointer: str | None = None, needle: str | None = None
    ) -> Citation:
        """Cite a byte range. A range over `MAX_EXCERPT` bytes is narrowed to `needle`, else to its head.

        The range is shrunk at either side to whole UTF-8 characters, and bytes that are no UTF-8 end it.
        """
        data = self.decoded(sha256)
        if needle and end - start > MAX_EXCERPT:
            start, end = _narrow(data, start, end, needle)
        start, end = _whole_characters(data, start, min(end, start + MAX_EXCERPT))
        return Citation(
            uri=self._artifacts[sha256].uri,
            sha256=sha256,
            line=data.count(b"\n", 0, start) + 1,
            byte_start=start,
            byte_end=end,
            json_pointer=json_pointer,
            excerpt=data[start:end].decode(),
        )

    def cite_pointer(self, sha256: str, json_pointer: str) -> Citation:
        """Cite the value a JSON pointer names in a JSON document."""
        start, end = locate(self.decoded(sha256), json_pointer)
        return self.cite(sha256, start, end, json_pointer=json_pointer)


def _narrow(data: bytes, start: int, end: int, needle: str) -> tuple[int, int]:
    for form in (
        needle.encode(),
        needle.replace("\\", "\\\\").replace('"', '\\"').encode(),
        needle[:40].encode(),
    ):
        at = data.find(form, start, end) if form else -1
        if at >= 0:
            return at, min(end, at + max(len(form), 40))
    return start, end


def _whole_characters(data: bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and data[start] & 0xC0 == _CONTINUATION:
        start += 1
    try:
        data[start:end].decode()
    except UnicodeDecodeError as error:
        end = start + error.start
    return start, end

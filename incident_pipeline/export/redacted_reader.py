"""Read redacted views at the offsets of the sealed originals: what stands beside the tokens, where it stood.

A view and its span map give the original's decoded stream but for the replaced stretches. Those are filled
with zero bytes, so that offsets and lines count as in the original (no rule replaces a line end) and a
citation that touched one would not compare equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_pipeline.errors import SealError, WithheldEvidenceError
from incident_pipeline.evidence import EvidenceReader
from incident_pipeline.ingest import open_regular

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from incident_pipeline.model.artifact import SealedArtifact
    from incident_pipeline.model.redaction import RedactedArtifact, RedactedSpan
    from incident_pipeline.results import ResultsFolder


class RedactedReader(EvidenceReader):
    """The redacted views of one incident, read like the evidence that they were made from."""

    def __init__(
        self,
        folder: ResultsFolder,
        artifacts: Sequence[SealedArtifact],
        views: Mapping[str, tuple[RedactedArtifact, tuple[RedactedSpan, ...]]],
    ) -> None:
        """Serve the views of a results folder, by the digest of their originals."""
        super().__init__(_NoBytes(), artifacts)
        self._folder = folder
        self._views = views

    def decoded(self, sha256: str) -> bytes:
        """Give the stream of an artifact with zero bytes for what was replaced.

        Raises:
            WithheldEvidenceError: the artifact has no view.
            SealError: view and span map do not fit.
        """
        if sha256 not in self._decoded:
            uri = self.artifact(sha256).uri
            view = self._views.get(sha256)
            if view is None or view[0].state != "redacted":
                message = f"{uri}: no redacted view of it is shown (sha256 {sha256})."
                raise WithheldEvidenceError(message)
            name = f"redacted/{sha256}.bin"
            with open_regular(self._folder.root / name, name=name) as file:
                self._decoded[sha256] = unredacted(file.read(), view[1], name=name)
        return self._decoded[sha256]


class _NoBytes:
    """The vault of a redacted export: it has no objects."""

    def read(self, sha256: str) -> bytes:
        message = f"The object {sha256} is withheld."
        raise WithheldEvidenceError(message)


def unredacted(view: bytes, spans: Sequence[RedactedSpan], *, name: str) -> bytes:
    """Give the original's stream, with zero bytes for what a view replaced.

    Raises:
        SealError: a token is not where the span map has it.
    """
    parts: list[bytes] = []
    at, raw = 0, 0
    for span in spans:
        kept = span.offset - raw
        token = span.token.encode()
        if kept < 0 or span.length <= 0 or view[at + kept : at + kept + len(token)] != token:
            message = f"{name} does not fit its span map at byte {span.offset} of the original."
            raise SealError(message)
        parts += [view[at : at + kept], bytes(span.length)]
        at, raw = at + kept + len(token), span.offset + span.length
    return b"".join((*parts, view[at:]))

"""What is known of an artifact before it is parsed, and what may be assumed where it is silent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from incident_pipeline.model.artifact import SealedArtifact
    from incident_pipeline.parsers.timestamps import DateOrder


@dataclass(frozen=True)
class Source:
    """One artifact: its digest (of the bytes as received), where it came from and what was said of it.

    `encoding` is how it was compressed as received; `format` is a hint (parser id, alias or family);
    `timezone` holds for times that name none; `collected_at` is when the artifact was collected, or the
    end of the window that was asked for (RFC 3339): times without a year lie before it.
    """

    sha256: str
    uri: str
    type: str = "unknown"
    source: str = ""
    role: str = "incident"
    encoding: str = "identity"
    format: str | None = None
    timezone: str | None = None
    collected_at: str | None = None

    @classmethod
    def of(cls, artifact: SealedArtifact, encoding: str) -> Source:
        """Take over what the seal says of an artifact."""
        return cls(
            sha256=artifact.sha256,
            uri=artifact.uri,
            type=artifact.type,
            source=artifact.source,
            role=artifact.role,
            encoding=encoding,
            format=artifact.format,
            timezone=artifact.timezone,
            collected_at=artifact.collected_at or (artifact.window or (None, None))[1],
        )

    @property
    def name(self) -> str:
        """The file name without folders and without the suffix of a compressor."""
        name = PurePosixPath(self.uri.replace("\\", "/")).name
        return name.removesuffix(".gz")

    @property
    def stem(self) -> str:
        """The file name up to its first dot."""
        return self.name.partition(".")[0] or self.name


@dataclass(frozen=True)
class Assume:
    """What to assume where a file does not say: zone, year, and the start of a recording.

    `tz` is an IANA name or an offset such as `+02:00`; `anchor` an RFC 3339 time that relative times
    count from; `date_order` says which of 03/04/2026 is the day. Whatever is used is marked in the event's
    time basis and named in the parse report.
    """

    tz: str | None = None
    year: int | None = None
    anchor: str | None = None
    date_order: DateOrder | None = None

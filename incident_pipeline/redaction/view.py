"""The redacted view of one artifact: the decoded stream with tokens in the place of what was found.

The view is derived, never the original: offsets of its span map count in the decoded stream of the
sealed artifact, so that a citation of the view and one of the evidence can be turned into each other.
Anybody who holds the original can check a view against its span map without the key.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.errors import MissingArtifactError, SealError
from incident_pipeline.evidence import apply_spans
from incident_pipeline.model.redaction import RedactedSpan
from incident_pipeline.redaction.scan import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.redaction.spans import Rules
    from incident_pipeline.redaction.tokens import TokenKey

_SNIFFED: Final = 65_536


@dataclass(frozen=True)
class Redacted:
    """A text with tokens in it, and the map back to the raw one."""

    data: bytes
    spans: tuple[RedactedSpan, ...]

    def raw_offset(self, offset: int) -> int:
        """Give the raw offset of a byte of the redacted text; inside a token, where its stretch begins."""
        shift = 0
        for span in self.spans:
            begin = span.offset + shift
            if offset < begin:
                break
            if offset < begin + len(span.token):
                return span.offset
            shift += len(span.token) - span.length
        return offset - shift

    @property
    def counts(self) -> dict[str, int]:
        """Replaced stretches per kind, sorted by kind."""
        kinds = [span.kind for span in self.spans]
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def redact(
    data: bytes,
    key: TokenKey,
    *,
    incident: str = "",
    rules: Rules | None = None,
) -> Redacted:
    """Redact a decoded text.

    Args:
        data: the text; bytes that are no UTF-8 do no harm and stay.
        key: makes the tokens.
        incident: folded id; tokens of different incidents don't tell that values are equal.
        rules: what counts as personal data; the default rules when None.
    """
    spans = tuple(
        RedactedSpan(
            offset=one.start,
            length=one.end - one.start,
            kind=one.kind,
            token=key.token(incident, one.kind, data[one.start : one.end]),
        )
        for one in find(data, rules)
    )
    return Redacted(apply_spans(data, spans), spans)


def reveal(
    token: str, data: bytes, spans: Sequence[RedactedSpan], key: TokenKey, *, incident: str = ""
) -> bytes:
    """Give the value behind a token, out of the sealed original, once the key confirms it.

    Raises:
        MissingArtifactError: the token is not of this text.
        SealError: the text under it is not what the token was made of, or the key is another one.
    """
    for span in spans:
        if span.token != token:
            continue
        value = data[span.offset : span.offset + span.length]
        if not hmac.compare_digest(key.token(incident, span.kind, value), token):
            message = f"{token} was not made of the bytes at {span.offset}, or under another key."
            raise SealError(message)
        return value
    message = f"{token} does not stand in this text."
    raise MissingArtifactError(message, advice="Look the token up in the span map of its artifact.")


def is_text(data: bytes) -> bool:
    """Say whether rules can read this: no NUL bytes at its head (images, sound, UTF-16 have them)."""
    return b"\0" not in data[:_SNIFFED]

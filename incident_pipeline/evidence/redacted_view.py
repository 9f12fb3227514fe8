"""Verify a redacted view against the sealed originals: only the marked stretches differ. No key is needed.

For each artifact: the original's decoded stream with the span map's tokens put in is the view, byte for
byte. So nothing was added, reworded or left out beside what the map names. Ledger citations must not touch
a marked stretch. What must be redacted is said by `redaction`, not here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from incident_pipeline.errors import IncidentPipelineError, SealError
from incident_pipeline.model.citation import Ledger
from incident_pipeline.model.redaction import Redaction, SpanMap
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.evidence.verification import Findings
    from incident_pipeline.model.artifact import SealedEvidence
    from incident_pipeline.model.redaction import RedactedArtifact, RedactedSpan
    from incident_pipeline.results import ResultsFolder

CARD: Final = "redaction.json"


def check_redaction(
    folder: ResultsFolder, evidence: SealedEvidence, reader: EvidenceReader | None, findings: Findings
) -> None:
    """Verify the redacted view of an incident. Results without one have none to verify.

    Args:
        folder: the results.
        evidence: what the verified seal says was sealed.
        reader: over the vault; None when there is none, then views could not be compared.
        findings: takes what is found.
    """
    if not folder.redaction.exists():
        return
    try:
        card = Redaction.model_validate_json(folder.redaction.read_bytes())
        maps = {item.sha256: (item, spans) for item, spans in read_span_maps(folder, card)}
    except ValidationError as error:
        first = error.errors()[0]
        findings.add("redaction", CARD, "failed", f"{CARD} is no such card ({first['msg']}).")
        return
    except IncidentPipelineError as error:
        findings.error("redaction", CARD, error)
        return
    sealed = {artifact.sha256 for artifact in evidence.artifacts}
    if {item.sha256 for item in card.artifacts} != sealed:
        findings.add("redaction", CARD, "failed", f"{CARD} speaks of other artifacts than were sealed.")
    for item in card.artifacts:
        if item.sha256 in sealed and item.sha256 in maps:
            _check_view(folder, item, maps[item.sha256][1], reader, findings)
    _check_citations(folder, {sha256: spans for sha256, (_, spans) in maps.items()}, findings)


def _check_view(
    folder: ResultsFolder,
    item: RedactedArtifact,
    spans: tuple[RedactedSpan, ...],
    reader: EvidenceReader | None,
    findings: Findings,
) -> None:
    name = f"redacted/{item.sha256}.bin"
    try:
        if reader is None:
            message = f"{name}: can't be compared with {item.uri}, there is no vault."
            findings.add("redaction", name, "could_not_check", message)
            return
        data = reader.decoded(item.sha256)
        view = apply_spans(data, spans)
        if item.state == "redacted":
            path = folder.root / name
            held = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            if held != view or sha256_hex(view) != item.redacted_sha256:
                message = f"{name} is not {item.uri} with the tokens of its span map."
                raise SealError(message)
    except IncidentPipelineError as error:
        findings.error("redaction", name, error)
    else:
        findings.holds("redaction", name, f"{item.uri}, {len(spans)} stretches replaced")


def _check_citations(
    folder: ResultsFolder, maps: dict[str, tuple[RedactedSpan, ...]], findings: Findings
) -> None:
    if not folder.ledger.is_file():
        return
    try:
        ledger = Ledger.model_validate_json(folder.ledger.read_bytes())
    except ValidationError:
        return  # named by the ledger's own check
    starts = {sha256: [span.offset for span in spans] for sha256, spans in maps.items()}
    ends = {sha256: [span.offset + span.length for span in spans] for sha256, spans in maps.items()}
    for sentence in ledger.sentences:
        for number, citation in enumerate(sentence.citations, start=1):
            sha256 = citation.sha256
            if sha256 in maps and spans_within(
                starts[sha256], ends[sha256], citation.byte_start, citation.byte_end
            ):
                name = f"{sentence.id}, citation {number}"
                message = f"{name} shows bytes of {citation.uri} that are redacted."
                findings.add("redaction", name, "failed", message)


def apply_spans(data: bytes, spans: Sequence[RedactedSpan]) -> bytes:
    """Put the tokens of a span map into the raw text.

    Raises:
        SealError: the map does not fit the text.
    """
    parts: list[bytes] = []
    at = 0
    for span in spans:
        if not at <= span.offset < span.offset + span.length <= len(data):
            end = span.offset + span.length
            message = f"A span map names bytes {span.offset} to {end}, out of order or place."
            raise SealError(message)
        parts += [data[at : span.offset], span.token.encode()]
        at = span.offset + span.length
    return b"".join((*parts, data[at:]))


def read_span_maps(
    folder: ResultsFolder, card: Redaction
) -> Iterator[tuple[RedactedArtifact, tuple[RedactedSpan, ...]]]:
    """Give each artifact of the card that has a span map, with its spans.

    Raises:
        SealError: a span map is not the one that the card names.
    """
    for item in card.artifacts:
        if item.span_map_sha256 is None:
            continue
        path = folder.redacted / f"{item.sha256}.spans.json"
        data = path.read_bytes() if path.is_file() else b""
        if sha256_hex(data) != item.span_map_sha256:
            message = f"{path.name} is not the span map that {CARD} names for {item.uri}."
            raise SealError(message, advice="Materialize embeddings for this incident again.")
        yield item, SpanMap.model_validate_json(data).spans


def spans_within(starts: Sequence[int], ends: Sequence[int], start: int, end: int) -> range:
    """Give which of sorted, disjoint stretches overlap `[start, end)`."""
    return range(bisect_right(ends, start), bisect_left(starts, end))

"""Verify the ledger: every sentence stands where it says, and every citation is bytes of the evidence.

Nothing is taken from the results but the claims themselves: excerpts are compared with the sealed
bytes, line numbers are counted again, and derived values with the files they name. A citation's JSON
pointer is a hint for readers beside its byte range, which is what is verified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from incident_pipeline.errors import IncidentPipelineError, MalformedInputError, SealError
from incident_pipeline.ingest import hash_file, open_regular
from incident_pipeline.model.citation import Citation, Derived, Ledger, Sentence
from incident_pipeline.serialise import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.evidence.reader import EvidenceReader
    from incident_pipeline.evidence.verification import Findings
    from incident_pipeline.model.artifact import SealedEvidence
    from incident_pipeline.results import ResultsFolder

_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_SHOWN: Final = 60
"""Characters of an excerpt that a message shows."""


def check_ledger(
    folder: ResultsFolder, evidence: SealedEvidence, reader: EvidenceReader | None, findings: Findings
) -> None:
    """Verify all sentences of an incident. Results without ledger and postmortem have none to verify.

    Args:
        folder: the results.
        evidence: what the verified seal says was sealed.
        reader: over the vault; None when there is none, then citations could not be checked.
        findings: takes what is found.
    """
    name = folder.ledger.name
    if not folder.ledger.exists():
        if folder.postmortem.exists():
            findings.add("sentence", name, "could_not_check", f"{name} is not there, the postmortem is.")
        return
    documents = _Documents(folder.root)
    try:
        ledger = Ledger.model_validate(documents.json(name))
        if ledger.incident_id not in (evidence.incident_id, evidence.incident_key):
            message = f"{name} is of the incident {ledger.incident_id!r}."
            raise SealError(message)
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(str(part) for part in first["loc"])
        findings.add("sentence", name, "failed", f"{name} is no ledger ({place}: {first['msg']}).")
        return
    except MalformedInputError as error:
        findings.add("sentence", name, "failed", error.message)
        return
    except IncidentPipelineError as error:
        findings.error("sentence", name, error)
        return
    names = {artifact.sha256: (artifact.uri, *artifact.also_known_as) for artifact in evidence.artifacts}
    for sentence in ledger.sentences:
        _check_sentence(sentence, documents, findings)
        for number, citation in enumerate(sentence.citations, start=1):
            _check_citation(f"{sentence.id}, citation {number}", citation, names, reader, findings)
        for derived in sentence.derived_from:
            _check_derived(sentence.id, derived, documents, findings)
    _check_no_stray_statements(ledger, folder, documents, findings)


def _check_sentence(sentence: Sentence, documents: _Documents, findings: Findings) -> None:
    """Compare a row's text with the text at the place it names."""
    file, _, pointer = sentence.where.partition("#")
    try:
        if not sentence.citations and sentence.status != "human":
            message = f"{sentence.id} cites nothing."
            raise SealError(message)
        if documents.value(file, pointer) != sentence.text:
            message = (
                f"{sentence.id}: the text at {sentence.where} is not the one that was entered in the ledger."
            )
            raise SealError(message)
    except MalformedInputError as error:
        findings.add("sentence", sentence.id, "failed", f"{sentence.id}: {error.message}")
    except IncidentPipelineError as error:
        findings.error("sentence", sentence.id, error)
    else:
        findings.holds("sentence", sentence.id, sentence.where)


def _check_citation(
    name: str,
    citation: Citation,
    names: dict[str, tuple[str, ...]],
    reader: EvidenceReader | None,
    findings: Findings,
) -> None:
    where = f"{citation.uri} bytes {citation.byte_start} to {citation.byte_end}"
    try:
        if citation.uri not in names.get(citation.sha256, ()):
            message = f"{name}: {citation.uri} with sha256 {citation.sha256[:80]} was not sealed."
            raise SealError(message)
        if reader is None:
            message = f"{name}: {where} can't be compared, there is no vault."
            findings.add("citation", name, "could_not_check", message)
            return
        _compare_excerpt(name, where, citation, reader)
    except IncidentPipelineError as error:
        findings.error("citation", name, error)
    else:
        findings.holds("citation", name, where)


def _compare_excerpt(name: str, where: str, citation: Citation, reader: EvidenceReader) -> None:
    data = reader.decoded(citation.sha256)
    start, end = citation.byte_start, citation.byte_end
    if not 0 <= start < end <= len(data):
        message = f"{name}: {where}: there are no such bytes."
        raise SealError(message)
    if data[start:end] != citation.excerpt.encode(errors="surrogatepass"):
        found = data[start:end].decode(errors="replace")
        message = f"{name}: {where} hold {found[:_SHOWN]!r}, not {citation.excerpt[:_SHOWN]!r}."
        raise SealError(message)
    if citation.line is not None and citation.line != reader.line(citation.sha256, start):
        message = f"{name}: {where} begin in line {reader.line(citation.sha256, start)}, not {citation.line}."
        raise SealError(message)


def _check_derived(sentence_id: str, derived: Derived, documents: _Documents, findings: Findings) -> None:
    """Compare a result file with the digest a sentence names, and see that the place in it exists."""
    name = f"{sentence_id}, {derived.file}{derived.json_pointer}"
    try:
        found = documents.sha256(derived.file)
        if found != derived.sha256:
            message = f"{name}: the file has sha256 {found}, not {derived.sha256[:80]}."
            raise SealError(message)
        if derived.json_pointer:
            documents.value(derived.file, derived.json_pointer)
    except MalformedInputError as error:
        findings.add("derived", name, "failed", f"{name}: {error.message}")
    except IncidentPipelineError as error:
        findings.error("derived", name, error)
    else:
        findings.holds("derived", name)


def _check_no_stray_statements(
    ledger: Ledger, folder: ResultsFolder, documents: _Documents, findings: Findings
) -> None:
    """See that the postmortem holds no statement without a row: the other way round."""
    if not folder.postmortem.exists():
        return
    file = folder.postmortem.name
    entered = {(sentence.id, sentence.where) for sentence in ledger.sentences}
    ids = {sentence.id for sentence in ledger.sentences}
    try:
        document = documents.json(file)
        for pointer, identifier, is_statement in _statements(document, ""):
            missing = (
                (identifier, f"{file}#{pointer}/text") not in entered
                if is_statement
                else identifier not in ids
            )
            if missing:
                message = f"{file}#{pointer} holds a statement {identifier!r} that the ledger does not have."
                findings.add("sentence", identifier, "failed", message)
        _check_summary(document, file, findings)
    except MalformedInputError as error:
        findings.add("sentence", file, "failed", error.message)
    except IncidentPipelineError as error:
        findings.error("sentence", file, error)


def _check_summary(document: object, file: str, findings: Findings) -> None:
    """The summary is its statements in one string; another text there would have no row."""
    if isinstance(document, dict) and isinstance(document.get("summary_statements"), list):
        texts = [it.get("text") for it in document["summary_statements"] if isinstance(it, dict)]
        if document.get("summary") != " ".join(str(text) for text in texts):
            message = f"{file}#/summary does not consist of the summary's statements."
            findings.add("sentence", f"{file}#/summary", "failed", message)


def _statements(value: object, pointer: str) -> Iterator[tuple[str, str, bool]]:
    """Find statements ({id, text}) and objects that name their row (sentence_id), with their place."""
    pending = [(value, pointer)]
    while pending:
        value, pointer = pending.pop()
        if isinstance(value, dict):
            if value.keys() == {"id", "text"}:
                yield pointer, str(value["id"]), True
            if "sentence_id" in value:
                yield pointer, str(value["sentence_id"]), False
            pending.extend((member, f"{pointer}/{_escape(key)}") for key, member in value.items())
        elif isinstance(value, list):
            pending.extend((member, f"{pointer}/{index}") for index, member in enumerate(value))


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


@dataclass
class _Documents:
    """The files of a results folder, each read and hashed once; none outside it."""

    root: Path
    _values: dict[str, object] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def json(self, file: str) -> object:
        if file not in self._values:
            with open_regular(self._path(file), name=file) as opened:
                self._values[file] = parse_json(opened.read(), name=file)
        return self._values[file]

    def sha256(self, file: str) -> str:
        if file not in self._digests:
            self._digests[file] = hash_file(self._path(file), name=file)[0]
        return self._digests[file]

    def value(self, file: str, pointer: str) -> object:
        """Give the value that an RFC 6901 pointer names in a JSON file."""
        value = self.json(file)
        for token in pointer.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
                value = value[int(key)]
            else:
                message = f"{file} has nothing at {pointer[:200]!r}."
                raise MalformedInputError(message)
        return value

    def _path(self, file: str) -> Path:
        parts = PurePosixPath(file).parts
        if not parts or PurePosixPath(file).is_absolute() or ".." in parts or "\0" in file:
            message = f"{file[:200]!r} is no file of the results."
            raise MalformedInputError(message)
        return self.root / file

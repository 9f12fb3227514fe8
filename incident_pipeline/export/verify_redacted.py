"""Verify a redacted export: all that it shows, and that what it withholds is named by a signed digest.

Nothing is called verified that was not compared. Signatures, seals, log, custody entries, derivation
statements and every file that is there are checked as ever. A sealed object is `withheld`: its digest is the
one that was sealed, its bytes are elsewhere. A view is compared with the original only where nothing in it
was replaced; else its signed derivation, its span map and the tokens in it are checked, which is said.
Citations are compared with the views, at the offsets of the originals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from incident_pipeline.errors import IncidentPipelineError, LogError, SealError
from incident_pipeline.evidence import LocalVault
from incident_pipeline.evidence.checkpoint import read_checkpoint, verify_checkpoint
from incident_pipeline.evidence.log_records import read_proof
from incident_pipeline.evidence.log_view import read_log
from incident_pipeline.evidence.manifest import read_manifest
from incident_pipeline.evidence.merkle import included
from incident_pipeline.evidence.redacted_view import read_span_maps
from incident_pipeline.evidence.vault import object_digest
from incident_pipeline.evidence.verification import Findings, VerificationReport
from incident_pipeline.evidence.verify_ledger import check_ledger
from incident_pipeline.evidence.verify_log import LogVerifier
from incident_pipeline.evidence.verify_stored import check_custody
from incident_pipeline.evidence.verify_time import check_time_and_key, check_time_order
from incident_pipeline.export import layout
from incident_pipeline.export.redacted_reader import RedactedReader, unredacted
from incident_pipeline.export.verify_derivations import SealFacts, check_derivations
from incident_pipeline.ingest import open_regular
from incident_pipeline.model.artifact import SealedArtifact, SealedEvidence
from incident_pipeline.model.redaction import Redaction
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.evidence import TrustRoot
    from incident_pipeline.evidence.custody import CustodyLog
    from incident_pipeline.evidence.manifest import Manifest
    from incident_pipeline.evidence.pins import Pin
    from incident_pipeline.model.redaction import RedactedArtifact, RedactedSpan

    Views = dict[str, tuple[RedactedArtifact, tuple[RedactedSpan, ...]]]

_SEAL: Final = "manifest.sigstore.json"
_UNKNOWN: Final = "withheld"
"""What stands for facts that an export does not tell of an artifact."""


@dataclass(frozen=True)
class _Told:
    """The newest seal of an incident as far as it is told: what results rest on."""

    seal: SealFacts
    evidence: SealedEvidence
    sequence: int
    leaf: str | None = None
    """The leaf hash of a seal that is withheld."""


@dataclass
class RedactedExport:
    """One redacted export: the payload's folder, the bag's signed statement, and who is trusted."""

    data: Path
    statement: layout.Bag
    trust: TrustRoot
    pins: tuple[Pin, ...] = ()
    _withheld: dict[str, layout.Withheld] = field(init=False)
    _untold: dict[tuple[str, int], layout.WithheldSeal] = field(init=False)

    def __post_init__(self) -> None:
        """Take the statement's lists apart."""
        view = self.statement.predicate.redacted
        prefix = f"{layout.DATA}/"
        self._withheld = {it.name.removeprefix(prefix): it for it in view.withheld} if view else {}
        self._untold = {(it.incident, it.sequence): it for it in view.seals} if view else {}

    def verify(self) -> VerificationReport:
        """Verify all that is shown."""
        trust, vault = self.trust, LocalVault(self.data)
        logs = LogVerifier(trust.keys, trust.known, self.pins, partial=True)
        incidents = sorted({seal.incident for seal in self.statement.predicate.seals})
        findings = Findings("")
        for key in incidents:
            part = Findings(key)
            self._check_incident(key, vault, logs, part)
            findings.items += part.items
        for path in sorted((self.data / "results").glob("*")):
            if path.name not in incidents:
                findings.add("bag", path.name, "failed", f"{path.name}: the statement names no seal of it.")
        logs.check_vault(vault, findings)
        return VerificationReport(tuple(incidents), tuple(findings.items), trust.keyids, str(trust.source))

    def _check_incident(self, key: str, vault: LocalVault, logs: LogVerifier, findings: Findings) -> None:
        custody = check_custody(vault, key, self.trust.keys, findings)
        for place, item in sorted(self._withheld.items()):
            if place.startswith(f"records/custody/{key}/"):
                findings.add("custody", place, "withheld", f"{place}: {item.reason}.")
        newest: _Told | None = None
        previous: str | None = None
        for seal in self.statement.predicate.seals:
            if seal.incident != key:
                continue
            newest = self._check_seal(seal, previous, vault, logs, findings)
            previous = seal.payload.sha256
            if newest is not None:
                self._check_objects(newest, custody, findings)
        if newest is not None:
            self._check_results(newest, vault, findings)

    def _check_seal(
        self,
        seal: layout.Seal,
        previous: str | None,
        vault: LocalVault,
        logs: LogVerifier,
        findings: Findings,
    ) -> _Told | None:
        name = f"{seal.incident}/{seal.sequence:06d}"
        untold = self._untold.get((seal.incident, seal.sequence))
        if untold is not None:
            message = (
                f"{name}: the seal holds text that is redacted, so it is not shown. Its digests are the "
                f"exporter's word (payload sha256 {seal.payload.sha256})."
            )
            findings.add("seal", name, "withheld", message)
            return _told(untold, seal.payload.sha256)
        try:
            manifest = read_manifest(
                vault.read_seal(seal.incident, seal.sequence), self.trust.known, name=name
            )
            position = manifest.statement.predicate.seal
            if (manifest.statement.predicate.incident.key, position.sequence) != (
                seal.incident,
                seal.sequence,
            ):
                message = f"{name} is another seal."
                raise SealError(message)
            if (position.previous.sha256 if position.previous else None) != previous:
                message = f"{name} does not name the seal before it."
                raise SealError(message)
        except IncidentPipelineError as error:
            findings.error("seal", name, error)
            return None
        if not check_time_and_key(manifest, self.trust, findings, name=name):
            return None
        findings.holds("seal", name, f"signed with key {manifest.signed.keyid}")
        findings.holds("chain", name, "names the seal before it")
        check_time_order(manifest, vault, self.trust, findings)
        self._check_copy(seal, manifest, vault, logs, findings)
        return _Told(SealFacts.of(manifest), manifest.evidence, seal.sequence)

    def _check_copy(
        self, seal: layout.Seal, manifest: Manifest, vault: LocalVault, logs: LogVerifier, findings: Findings
    ) -> None:
        """Check what the results of the newest seal hold of it: its copy, and its place in the log."""
        folder = ResultsFolder(self.data / "results" / seal.incident)
        if vault.seal_sequences(seal.incident)[-1] != seal.sequence or not folder.root.is_dir():
            return
        held = folder.manifest.read_bytes() if folder.manifest.is_file() else b""
        if held != vault.read_seal(seal.incident, seal.sequence):
            findings.add("seal", _SEAL, "failed", f"{_SEAL} is not the newest seal of {seal.incident}.")
        place = folder.seal_log.read_bytes() if folder.seal_log.is_file() else None
        logs.check_seal(manifest, place, folder.seal_log.name, vault, findings)

    def _check_objects(self, told: _Told, custody: CustodyLog, findings: Findings) -> None:
        """See that every sealed object is withheld by its digest, or was ended under authority."""
        names = {artifact.stored_sha256: artifact.uri for artifact in told.evidence.artifacts}
        for subject in told.seal.subjects:
            name = names.get(subject.digest.sha256, "incident.json")
            held = self._withheld.get(subject.name)
            entry = custody.ended(subject.digest.sha256)
            if held is not None and held.digest == subject.digest:
                message = (
                    f"{name}: sealed with sha256 {subject.digest.sha256}; its bytes are not in this export."
                )
                findings.add("artifact", name, "withheld", message)
            elif entry is not None:
                findings.add("custody", name, "remark", entry.told)
            else:
                message = f"{name}: sealed with sha256 {subject.digest.sha256}, neither here nor withheld."
                findings.add("artifact", name, "failed", message)

    def _check_results(self, told: _Told, vault: LocalVault, findings: Findings) -> None:
        key = told.seal.incident
        folder = ResultsFolder(self.data / "results" / key)
        if told.leaf is not None:
            self._check_leaf(told, folder, vault, findings)
        prefix = f"results/{key}/"
        withheld = {
            place.removeprefix(prefix): item.digest.sha256
            for place, item in self._withheld.items()
            if place.startswith(prefix)
        }
        check_derivations(folder.root, told.seal, self.trust, findings, withheld)
        views = _check_views(folder, told.evidence, findings)
        reader = RedactedReader(folder, told.evidence.artifacts, views)
        check_ledger(folder, told.evidence, reader, findings)

    def _check_leaf(self, told: _Told, folder: ResultsFolder, vault: LocalVault, findings: Findings) -> None:
        """Check that a seal that is not shown is in the log, by the leaf hash that the export states."""
        name, known = folder.seal_log.name, self.trust.known
        try:
            with open_regular(folder.seal_log, name=name) as file:
                proof = read_proof(file.read(), name=name)
            signed = read_checkpoint(proof.checkpoint.encode(), name=f"The checkpoint in {name}")
            verify_checkpoint(signed, known, name=f"The checkpoint in {name}")
            leaf, checkpoint = bytes.fromhex(told.leaf or ""), signed.checkpoint
            path = [bytes.fromhex(node) for node in proof.inclusion_proof]
            if (proof.incident, proof.sequence, proof.leaf_hash) != (
                told.seal.incident, told.sequence, told.leaf,
            ) or not included(leaf, proof.leaf_index, checkpoint.size, path, checkpoint.root):  # fmt: skip
                message = f"{name} does not prove that the withheld seal is in the log."
                raise LogError(message)
            log = read_log(vault, self.trust.keys, known=known, partial=True)
            index = log.index_of((told.seal.incident, told.sequence)) if log else None
            if log is not None and (index is None or log.entries[index].leaf != told.leaf):
                message = f"The log has another entry for {told.seal.incident}/{told.sequence:06d}."
                raise LogError(message)
        except IncidentPipelineError as error:
            findings.error("log", name, error)
        else:
            findings.holds("log", name, f"the withheld seal is entry {proof.leaf_index}")


def _told(seal: layout.WithheldSeal, payload_sha256: str) -> _Told:
    artifacts = tuple(
        SealedArtifact(
            sha256=it.plaintext.sha256,
            size=it.size,
            stored_sha256=object_digest(it.subject),
            uri=it.uri,
            type=_UNKNOWN,
            source=_UNKNOWN,
            also_known_as=it.also_known_as,
        )
        for it in seal.artifacts
    )
    evidence = SealedEvidence(
        incident_id=seal.incident_id,
        incident_key=seal.incident,
        title=None,
        start_time=None,
        detected_by=None,
        severity=None,
        services=(),
        artifacts=artifacts,
        problems=(),
        evidence_root="",
    )
    return _Told(SealFacts(seal.incident, payload_sha256, seal.subject), evidence, seal.sequence, seal.leaf)


def _check_views(folder: ResultsFolder, evidence: SealedEvidence, findings: Findings) -> Views:
    """Check the card and each view as far as that goes without the originals; give those that fit."""
    name = folder.redaction.name
    try:
        with open_regular(folder.redaction, name=name) as file:
            card = Redaction.model_validate_json(file.read())
        maps = {item.sha256: spans for item, spans in read_span_maps(folder, card)}
        if [item.sha256 for item in card.artifacts] != [item.sha256 for item in evidence.artifacts]:
            message = f"{name} speaks of other artifacts than were sealed."
            raise SealError(message)
    except ValidationError as error:
        message = f"{name} is no card of a redacted view ({error.errors()[0]['msg']})."
        findings.add("redaction", name, "failed", message)
        return {}
    except IncidentPipelineError as error:
        findings.error("redaction", name, error)
        return {}
    views: Views = {}
    for item in card.artifacts:
        spans = maps.get(item.sha256, ())
        try:
            _check_view(folder, item, spans, findings)
        except IncidentPipelineError as error:
            findings.error("redaction", f"redacted/{item.sha256}.bin", error)
        else:
            views[item.sha256] = item, spans
    return views


def _check_view(
    folder: ResultsFolder, item: RedactedArtifact, spans: tuple[RedactedSpan, ...], findings: Findings
) -> None:
    name = f"redacted/{item.sha256}.bin"
    if item.state != "redacted":
        findings.add("redaction", name, "withheld", f"{item.uri}: no view of it is shown ({item.state}).")
        return
    with open_regular(folder.root / name, name=name) as file:
        view = file.read()
    if sha256_hex(view) != item.redacted_sha256:
        message = f"{name} is not the view of {item.uri} that {folder.redaction.name} names."
        raise SealError(message)
    stream = unredacted(view, spans, name=name)
    if spans:
        message = (
            f"{item.uri}: {len(spans)} stretches are tokens where the span map has them; the rest can't be "
            "compared with the original, which is withheld. The derivation statement signs for it."
        )
        findings.add("redaction", name, "withheld", message)
    elif sha256_hex(stream) == item.sha256:
        findings.holds("redaction", name, f"{item.uri}: nothing was replaced, these are the sealed bytes")
    elif sha256_hex(stream) == item.decoded_sha256:
        message = (
            f"{item.uri}: nothing was replaced; it was sealed compressed, so its digest is of other bytes."
        )
        findings.add("redaction", name, "withheld", message)
    else:
        message = f"{name}: nothing was replaced in it, and yet it is not {item.uri}."
        raise SealError(message)

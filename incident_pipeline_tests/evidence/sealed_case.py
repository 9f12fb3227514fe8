"""A tiny sealed incident with a ledger, as a caller would make it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from incident_pipeline.evidence import (
    EvidenceReader,
    LocalSigner,
    LocalVault,
    Sealed,
    load_or_create_local_signer,
    seal,
)
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.ingest import open_bundle
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import sha256_hex, write_bytes, write_json

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LOG = b"10:00:00 stock failed\n10:00:01 caf\xc3\xa9 closed\n"
CHAT = b'[{"user": "U1", "text": "carts fail"}]'


@dataclass
class Case:
    """One incident's folders, and the steps a caller would take."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def vault(self) -> LocalVault:
        return LocalVault(self.out / ".store" / "vault")

    @property
    def signer(self) -> LocalSigner:
        return load_or_create_local_signer(self.config, environ={})

    @property
    def results(self) -> ResultsFolder:
        return ResultsFolder(self.out / "inc-1")

    def bundle(
        self, files: dict[str, bytes] | None = None, incident_id: str = "INC-1", **more: object
    ) -> Path:
        """Write a bundle folder, the same one again and again."""
        files = {"logs/app.log": LOG, "chat.json": CHAT} if files is None else files
        folder = self.root / "bundle"
        entries = []
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            entries.append({"type": "logs", "source": "test", "uri": name, "hash": f"sha256:{digest}"})
        record = {"incident_id": incident_id, "severity": "sev2", "artifacts": entries, **more}
        (folder / "incident.json").write_text(json.dumps(record))
        return folder

    def seal(self, path: Path | None = None, signer: LocalSigner | None = None) -> Sealed:
        """Seal a bundle and write the files a results folder begins with."""
        bundle = open_bundle(path or self.bundle(), self.root / "scratch")
        sealed = seal(bundle, self.vault, (signer or self.signer).signer, now=NOW)
        write_bytes(self.results.manifest, sealed.manifest)
        write_bytes(self.results.seal_log, sealed.log_proof)
        write_json(self.results.evidence, sealed.evidence)
        return sealed

    def reader(self, sealed: Sealed) -> EvidenceReader:
        """Read the sealed artifacts."""
        return EvidenceReader(self.vault, sealed.evidence.artifacts)

    def write_ledger(self, sealed: Sealed) -> None:
        """Write a postmortem of one sentence, its ledger row, and the file it was counted from."""
        reader = self.reader(sealed)
        log = next(it for it in sealed.evidence.artifacts if it.uri == "logs/app.log")
        chat = next(it for it in sealed.evidence.artifacts if it.uri == "chat.json")
        write_json(self.results.timeline, {"entries": [{"position": 0}]})
        text = "The stock service failed."
        row = {
            "id": "S1", "where": "postmortem.json#/summary_statements/0/text", "text": text,
            "claim_type": "observed", "status": "verified",
            "citations": [
                reader.cite(log.sha256, LOG.index(b"caf"), len(LOG) - 1).model_dump(),
                reader.cite_pointer(chat.sha256, "/0/text").model_dump(),
            ],
            "derived_from": [{
                "file": "timeline.json", "json_pointer": "/entries/0/position",
                "sha256": sha256_hex(self.results.timeline.read_bytes()),
            }],
        }  # fmt: skip
        statement = {"id": "S1", "text": text}
        write_json(self.results.postmortem, {"summary": text, "summary_statements": [statement]})
        write_json(self.results.ledger, {"schema_version": 1, "incident_id": "INC-1", "sentences": [row]})

    def verify(self, **options: Path) -> tuple[int, list[str]]:
        """Give the exit code and what does not hold."""
        report = verify_results(self.out, config_dir=self.config, **options)
        return report.exit_code, [item.message for item in report.failures]

"""A tiny sealed incident whose artifacts are encrypted, and a custodian over its vault."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from incident_pipeline.evidence import (
    DataKeys,
    EncryptedVault,
    EvidenceReader,
    Keyring,
    Sealed,
    load_trust_root,
    open_keyring,
    seal,
)
from incident_pipeline.evidence.retention import Custodian
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.ingest import open_bundle
from incident_pipeline.serialise import write_bytes, write_json
from incident_pipeline_tests.evidence.sealed_case import NOW, Case

__all__ = ["NOW", "EncryptedCase"]


@dataclass
class EncryptedCase(Case):
    """As `Case`, sealed through an encrypting vault with a local key."""

    incident: str = "inc-1"

    @property
    def keyring(self) -> Keyring:
        return open_keyring("local", self.config, create=True)

    @property
    def keys(self) -> DataKeys:
        return DataKeys(self.vault.root / "keys")

    @property
    def encrypted(self) -> EncryptedVault:
        return EncryptedVault(self.vault, self.keyring, keys=self.keys, incident=self.incident)

    def seal_encrypted(self, path: Path | None = None, now: datetime = NOW) -> Sealed:
        bundle = open_bundle(path or self.bundle(), self.root / "scratch")
        sealed = seal(bundle, self.encrypted, self.signer.signer, now=now)
        write_bytes(self.results.manifest, sealed.manifest)
        write_bytes(self.results.seal_log, sealed.log_proof)
        write_json(self.results.evidence, sealed.evidence)
        return sealed

    def reader(self, sealed: Sealed) -> EvidenceReader:
        return EvidenceReader(self.encrypted, sealed.evidence.artifacts)

    def custodian(self, now: datetime | None = None) -> Custodian:
        return Custodian(
            vault=self.vault,
            keys=self.keys,
            signer=self.signer.signer,
            trusted=load_trust_root(folder=self.config).keys,
            now=now or datetime(2026, 2, 1, tzinfo=UTC),
        )

    def outcome(self, **options: Keyring) -> tuple[int, list[str], list[str]]:
        """Give exit code, what fails or could not be checked, and remarks on custody."""
        report = verify_results(self.out, config_dir=self.config, **options)
        remarks = [f"{it.name}: {it.message}" for it in report.remarks if it.kind in ("custody", "access")]
        return report.exit_code, [it.message for it in report.failures], remarks

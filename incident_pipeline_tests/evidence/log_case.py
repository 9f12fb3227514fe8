"""A vault with several seals in its log, and the hands of an attacker who may write to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_pipeline.evidence.log_view import Log, read_log
from incident_pipeline.evidence.signing import Key
from incident_pipeline.evidence.verify import VerificationReport, verify_results
from incident_pipeline.serialise import canonical_json
from incident_pipeline_tests.evidence.sealed_case import Case


def log_remarks(report: VerificationReport) -> list[str]:
    return [it.name for it in report.remarks if it.kind in ("log", "pin")]


@dataclass
class LogCase(Case):
    """A case whose vault is sealed into again and again."""

    @property
    def keys(self) -> tuple[Key, ...]:
        return (self.signer.signer.public_key,)

    @property
    def records(self) -> Path:
        return self.vault.root / "records" / "log"

    def seals(self, count: int, *, first: int = 0) -> list[str]:
        """Seal `count` further versions of the incident; give the checkpoint after each."""
        notes = []
        for number in range(first, first + count):
            sealed = self.seal(self.bundle({"a.log": b"%d\n" % number}))
            notes.append(json.loads(sealed.log_proof)["checkpoint"])
        return notes

    def log(self) -> Log:
        log = read_log(self.vault, self.keys)
        assert log is not None
        return log

    def pin(self, note: str) -> Path:
        path = self.root / "kept.checkpoint"
        path.write_text(note)
        return path

    def anchored(self, note: str) -> tuple[int, list[str]]:
        """Verify the results against a checkpoint that was kept; give the code and what does not hold."""
        return self.verify(checkpoint=self.pin(note))

    def remarks(self) -> list[str]:
        return log_remarks(verify_results(self.out, config_dir=self.config))

    def results_of(self, target: str) -> None:
        """Keep a copy of the results folder as it is now under `root/target`."""
        shutil.copytree(self.results.root, self.root / target)

    def replay(self, source: str) -> None:
        """Put an earlier copy of the results in the place of the present ones."""
        shutil.rmtree(self.results.root)
        shutil.copytree(self.root / source, self.results.root)

    def overwrite(self, name: str, data: bytes) -> None:
        """Write into the vault as only somebody who may write its folder can."""
        path = self.records / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.chmod(0o600)
        path.write_bytes(data)

    def edit_entry(self, index: int, change: Callable[[Any], object]) -> None:
        name = f"entries/{index:08d}.json"
        entry = json.loads((self.records / name).read_bytes())
        change(entry)
        self.overwrite(name, canonical_json(entry))

    def truncate(self, size: int) -> None:
        """Roll the whole vault back to its first seals, as restoring an old copy does."""
        for number in range(size, 99):
            (self.records / f"entries/{number:08d}.json").unlink(missing_ok=True)
            (self.records / f"checkpoints/{number + 1:08d}").unlink(missing_ok=True)
            (self.records / f"proofs/inc-1/{number + 1:06d}.json").unlink(missing_ok=True)
            (self.vault.root / f"seals/inc-1/{number + 1:06d}.sigstore.json").unlink(missing_ok=True)

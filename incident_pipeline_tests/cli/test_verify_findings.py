"""What `verify` tells a person: the file at fault once, and how far the fault reaches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from incident_pipeline.cli import main
from incident_pipeline.cli.findings import finding_lines
from incident_pipeline.evidence.verification import Checked
from incident_pipeline.serialise import sha256_hex
from incident_pipeline_tests.evidence.sealed_case import LOG, Case


def test_one_reason_is_one_line_with_counts_and_some_names() -> None:
    fault = "a.log: altered"
    items = [Checked("inc-1", "artifact", "a.log", "failed", fault)]
    items += [Checked("inc-1", "citation", f"S{n}, citation 1", "failed", fault) for n in range(1, 41)]
    items.append(Checked("inc-1", "redaction", "redacted/a.bin", "failed", fault))
    items.append(Checked("inc-2", "artifact", "a.log", "failed", fault))
    items.append(Checked("inc-1", "log", "[red]", "could_not_check", "b"))
    first, count, second, third = finding_lines(items)
    assert first.endswith(" a.log: altered")
    assert "the same of 40 citations, 1 redacted views: S1, citation 1; S2, citation 1" in count
    assert count.count("citation 1") == 5
    assert second == first
    assert third.endswith(r" \[red]: b")


def test_a_flipped_byte_is_told_once_and_listed_in_full_for_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(tmp_path)
    case.write_ledger(case.seal())
    ledger = json.loads(case.results.ledger.read_bytes())
    row = ledger["sentences"][0]
    cited = next(it for it in row["citations"] if it["uri"] == "logs/app.log")
    row["citations"] += [cited] * 60
    case.results.ledger.write_text(json.dumps(ledger))
    path = case.vault.object_path(sha256_hex(LOG))
    path.chmod(0o600)
    path.write_bytes(LOG.replace(b"stock", b"stack"))
    monkeypatch.setenv("INCIDENT_PIPELINE_CONFIG_DIR", str(case.config))

    def verify(*options: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["verify", str(case.out), *options])
        assert ended.value.code == 1
        return capsys.readouterr().out

    said = verify()
    assert said.count("was altered") == 1
    assert "the same of 61 citations" in said
    assert len(said.splitlines()) < 12
    failures = json.loads(verify("--json"))["failures"]
    assert sum("was altered" in it["message"] for it in failures) == 62

"""`keys`: what an operator sees and does, and that `verify` answers to it."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incident_pipeline.cli.app import main
from incident_pipeline.errors import ConfigError
from incident_pipeline.evidence import load_or_create_local_signer, load_trust_root
from incident_pipeline.settings import Settings
from incident_pipeline.stages import StageReport, seal_evidence
from incident_pipeline.workspace import Workspace


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command; give the exit code and everything it printed."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    printed = capsys.readouterr()
    return int(str(ended.value.code or 0)), printed.out + printed.err


@pytest.fixture
def config() -> Path:
    return Path(os.environ["INCIDENT_PIPELINE_CONFIG_DIR"])


def seal_again(out: Path, bundle: Path) -> StageReport:
    """Run the stage, as assets and commands do."""
    workspace = Workspace.from_settings(Settings.load(), out=out)
    return seal_evidence(workspace, workspace.register(bundle), now=datetime.now(UTC))


@pytest.fixture
def sealed(small_bundle: Path, tmp_path: Path) -> Path:
    """Results of the small incident, up to its seal."""
    seal_again(tmp_path / "out", small_bundle)
    return tmp_path / "out"


def verify(capsys: pytest.CaptureFixture[str], out: Path, *more: str) -> tuple[int, str]:
    return run(capsys, "verify", str(out / ".store" / "vault"), *more)


def test_the_warning_about_the_key_comes_once(tmp_path: Path, small_bundle: Path, config: Path) -> None:
    first, second = (seal_again(tmp_path / "out", small_bundle) for _ in range(2))
    assert f"(development); made a signing key in {config / 'keys'}, back up {config / 'trust'}" in first.line
    assert "it is a development key: not encrypted, INCIDENT_PIPELINE_KEY_PASSPHRASE was not" in first.line
    assert second.line.endswith("(development)")


def test_without_openssl_a_seal_has_no_time_stamp_and_says_so(
    tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    report = seal_again(tmp_path / "out", small_bundle)
    assert report.facts["time"] == "no time stamp"
    assert report.line.endswith("; no time stamp: openssl is not installed")
    code, printed = verify(capsys, tmp_path / "out")
    assert code == 0
    assert "has no trusted time: when it was sealed is its signer's word" in printed
    assert "time stamps" not in printed


def test_verify_prints_what_is_trusted(
    sealed: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyid = load_or_create_local_signer(config).keyid
    code, printed = verify(capsys, sealed)
    assert code == 0
    assert f"key {keyid} (no dates)" in printed
    code, printed = run(capsys, "keys", "show")
    assert code == 0
    assert f"key {keyid} (no dates)" in printed
    assert "seal.pem is a development key: it is not encrypted" in printed


def test_a_key_is_rotated_and_its_seals_stay_valid(
    sealed: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = load_or_create_local_signer(config).keyid
    code, printed = run(capsys, "keys", "rotate", "--json")
    assert code == 0
    said = json.loads(printed)
    assert (said["retired"], said["new"]) == (old, load_or_create_local_signer(config).keyid)
    assert said["trust_list"]["version"] == 2
    code, printed = verify(capsys, sealed)
    assert (code, "seal, retired, until" in printed) == (0, True)
    file = tmp_path / "trust.json"
    assert run(capsys, "keys", "export", "--out", str(file))[0] == 0
    assert file.read_bytes() == (config / "trust.json").read_bytes()
    code, printed = verify(capsys, sealed, "--trust-root", str(file))
    assert code == 0
    assert f"trust list, version 2, {said['trust_list']['sha256']}" in printed


def test_a_key_is_revoked_and_verify_refuses_its_seals(
    sealed: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyid = load_or_create_local_signer(config).keyid
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    code, printed = run(
        capsys, "keys", "revoke", keyid[:10], "--reason", "laptop stolen", "--compromised-since", since
    )
    assert code == 0
    assert f"revoked {keyid}" in printed
    assert "seal, revoked, compromised since" in printed
    code, printed = verify(capsys, sealed)
    assert code == 1
    assert f"signed with key {keyid}, which was revoked (laptop stolen)" in printed


def test_sealing_with_a_revoked_key_is_refused_until_there_is_a_new_one(
    sealed: Path, small_bundle: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyid = load_or_create_local_signer(config).keyid
    run(capsys, "keys", "revoke", keyid, "--reason", "stolen")
    with pytest.raises(ConfigError, match=r"may not seal any more \(seal, revoked, stolen\)") as caught:
        seal_again(sealed, small_bundle)
    assert "keys rotate" in caught.value.advice
    assert run(capsys, "keys", "rotate")[0] == 0
    assert "new seal 2" in seal_again(sealed, small_bundle).line
    assert load_trust_root(folder=config).entries[keyid].replaced_by is not None


def test_the_root_key_is_rotated(sealed: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = run(capsys, "keys", "rotate", "--root", "--json")
    assert code == 0
    assert json.loads(printed)["trust_list"]["version"] == 2
    assert verify(capsys, sealed)[0] == 0


def test_without_a_list_the_public_halves_are_exported(
    sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trust.pem"
    assert run(capsys, "keys", "export", "--out", str(file))[0] == 0
    assert b"PRIVATE" not in file.read_bytes()
    code, printed = verify(capsys, sealed, "--trust-root", str(file))
    assert code == 0, printed
    assert ("no trusted time" in printed) == (shutil.which("openssl") is None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("revoke", "ffff", "--reason", "x"), "is the beginning of 0 key ids"),
        (("revoke", "", "--reason", "x"), "key ids"),
        (("rotate", "--replaces", "ffff"), "is the beginning of 0 key ids"),
        (("revoke", "KEY", "--reason", "x", "--compromised-since", "yesterday"), "is no time"),
        (("revoke", "KEY", "--reason", "x", "--compromised-since", "2026-01-31T12:00:00"), "has no zone"),
    ],
)
def test_wrong_usage_is_told(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    keyid = load_or_create_local_signer(config).keyid
    code, printed = run(capsys, "keys", *(keyid if it == "KEY" else it for it in arguments))
    assert (code, says in printed) == (2, True), printed
    assert not (config / "trust.json").exists()


def test_before_the_first_seal_there_is_nothing_to_show_or_rotate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(capsys, "keys", "show")[0] == 3
    code, printed = run(capsys, "keys", "rotate")
    assert (code, "The first seal makes one." in printed) == (2, True)


def test_a_kms_key_takes_the_place_of_a_named_one_only(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_create_local_signer(config)
    monkeypatch.setenv("INCIDENT_PIPELINE_SIGNER", "awskms:key")
    code, printed = run(capsys, "keys", "rotate")
    assert (code, "--replaces" in printed) == (2, True)

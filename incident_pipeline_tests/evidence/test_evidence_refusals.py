"""Refusals that no attack of the other files needs: each test here breaks when one of them is taken away.

Found by `benchmarks/mutate_verifier.py`. Evidence is altered as somebody with write access would, and what
`verify` says about it is looked at; a few rules of single functions are met directly.
"""

from __future__ import annotations

import errno
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import pytest

from incident_pipeline.errors import MalformedInputError, ServiceError
from incident_pipeline.evidence import LocalVault, seal
from incident_pipeline.evidence.access_log import ACCESS_LOG, Access, AccessLog
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.reader import readable_range
from incident_pipeline.evidence.timestamps import TrustedTime, check_token
from incident_pipeline.evidence.tsa_local import open_local_authority
from incident_pipeline.evidence.verify import verify_results, verify_seal
from incident_pipeline.ingest import open_bundle, open_regular
from incident_pipeline.serialise import write_json
from incident_pipeline_tests.evidence.log_case import LogCase
from incident_pipeline_tests.evidence.sealed_case import LOG, Case
from incident_pipeline_tests.evidence.time_authority import needs_openssl


def of_vault(case: Case) -> tuple[int, list[str]]:
    """Verify the vault itself, with all seals in it."""
    report = verify_results(case.vault.root, config_dir=case.config)
    return report.exit_code, [item.message for item in report.failures]


def test_a_seal_alone_is_refused_with_the_place_of_another(tmp_path: Path) -> None:
    case = LogCase(tmp_path)
    first = case.seal()
    case.seals(1)
    assert verify_seal(case.results.root, config_dir=case.config).exit_code == 0
    case.results.seal_log.write_bytes(first.log_proof)
    report = verify_seal(case.results.root, config_dir=case.config)
    assert report.exit_code == 1
    assert [it.message for it in report.failures] == [
        "seal.log.json is of another seal than inc-1/000002 beside it."
    ]


def test_a_vault_alone_shows_altered_objects(sealed_case: Case) -> None:
    assert of_vault(sealed_case) == (0, [])
    log = next(it for it in sealed_case.seal().evidence.artifacts if it.uri == "logs/app.log")
    path = sealed_case.vault.object_path(log.sha256)
    path.chmod(0o600)
    path.write_bytes(LOG.replace(b"failed", b"healed"))
    code, messages = of_vault(sealed_case)
    assert code == 1
    assert messages[0].startswith("logs/app.log: The vault's object")


def test_an_altered_access_log_is_named_beside_results_and_in_the_vault(sealed_case: Case) -> None:
    path = sealed_case.vault.root / ACCESS_LOG
    AccessLog(path).append(
        [Access("inc-1", "verify", "0" * 64, "test"), Access("inc-1", "read", "0" * 64, "test")]
    )
    assert sealed_case.verify() == (0, [])
    assert of_vault(sealed_case) == (0, [])
    path.write_bytes(path.read_bytes().replace(b'"read"', b'"seen"'))
    for code, messages in (sealed_case.verify(), of_vault(sealed_case)):
        assert code == 1
        assert messages == ["Line 2 of the access log was altered."]


@needs_openssl
def test_times_that_go_back_show_in_the_vault_alone(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = open_local_authority(case.config)
    for text in (b"one\n", b"two\n"):
        bundle = open_bundle(case.bundle({"a.log": text}), case.root / "scratch")
        seal(bundle, case.vault, case.signer.signer, now=datetime.now(UTC), authority=authority)
    first = read_signed(case.vault.read_seal("inc-1", 1)).timestamps[0]

    def moved(token: bytes, *rest: object, **more: object) -> TrustedTime:
        true = check_token(token, *rest, **more)  # type: ignore[arg-type] # passed through
        shift = timedelta(hours=1) if token == first else timedelta()
        return TrustedTime(true.earliest + shift, true.latest + shift, true.authority)

    assert of_vault(case) == (0, [])
    monkeypatch.setattr("incident_pipeline.evidence.verify_time.check_token", moved)
    code, messages = of_vault(case)
    assert code == 1
    assert any("inc-1/000002, time stamp goes back in time" in it for it in messages)


def test_a_redaction_card_that_is_none_is_refused_with_the_results(sealed_case: Case) -> None:
    sealed_case.results.redaction.write_text(json.dumps({"schema_version": 1}))
    code, messages = sealed_case.verify()
    assert code == 1
    assert messages[0].startswith("redaction.json is no such card")


def test_results_that_are_links_or_can_not_be_read_could_not_be_checked(
    sealed_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = sealed_case.results.evidence
    whole = evidence.read_bytes()
    (sealed_case.root / "elsewhere").write_bytes(whole)
    evidence.unlink()
    evidence.symlink_to(sealed_case.root / "elsewhere")
    code, messages = sealed_case.verify()
    assert code == 3
    assert len(messages) == 1
    assert messages[0].startswith("evidence.json: ")
    evidence.unlink()
    evidence.write_bytes(whole)

    def failing(path: Path, *, name: str) -> BinaryIO:
        file = open_regular(path, name=name)
        if name == "evidence.json":
            file.close()
            file = mock.MagicMock()
            file.__enter__.return_value.read.side_effect = OSError(errno.EIO, "Input/output error")
        return file

    monkeypatch.setattr("incident_pipeline.evidence.verify.open_regular", failing)
    assert sealed_case.verify() == (3, ["evidence.json: Input/output error."])


def test_a_vault_that_fails_while_it_is_read_is_no_bad_evidence(
    sealed_case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_vault: LocalVault, sha256: str) -> int:
        raise ServiceError(f"The vault's object {sha256} can't be read (Input/output error).")

    monkeypatch.setattr(LocalVault, "check", failing)
    code, messages = sealed_case.verify()
    assert code == 3
    assert len([it for it in messages if "Input/output error" in it]) == 3


def test_a_ledger_that_is_no_json_is_refused(sealed_case: Case) -> None:
    sealed_case.results.ledger.write_bytes(b"{")
    code, messages = sealed_case.verify()
    assert code == 1
    assert len(messages) == 1
    assert messages[0].startswith("ledger.json: ")


def test_a_postmortem_that_can_not_be_read_is_named_without_any_sentence(sealed_case: Case) -> None:
    """With an empty ledger there is no row whose text could be missed."""
    write_json(sealed_case.results.ledger, {"schema_version": 1, "incident_id": "INC-1", "sentences": []})
    postmortem = sealed_case.results.postmortem
    postmortem.write_bytes(b"{")
    code, messages = sealed_case.verify()
    assert (code, len(messages)) == (1, 1)
    assert messages[0].startswith("postmortem.json: ")
    postmortem.unlink()
    postmortem.symlink_to(sealed_case.results.timeline)
    code, messages = sealed_case.verify()
    assert (code, len(messages)) == (3, 1)
    assert messages[0].startswith("postmortem.json: ")


@pytest.mark.parametrize("name", ["", ".", "timeline.json\0", "/", "a/../timeline.json"])
def test_what_is_no_file_of_the_results_is_refused_as_a_source(sealed_case: Case, name: str) -> None:
    ledger = json.loads(sealed_case.results.ledger.read_bytes())
    ledger["sentences"][0]["derived_from"][0]["file"] = name
    write_json(sealed_case.results.ledger, ledger)
    code, messages = sealed_case.verify()
    assert code == 1
    assert any(f"{name!r} is no file of the results" in it for it in messages), messages


def test_a_reader_gives_no_range_that_there_is_not(sealed_case: Case) -> None:
    sealed = sealed_case.seal()
    log = next(it for it in sealed.evidence.artifacts if it.uri == "logs/app.log")
    assert sealed_case.reader(sealed).encoding(log.sha256) == "identity"
    for start, end in ((-1, 4), (4, 3), (0, len(LOG) + 1)):
        with pytest.raises(MalformedInputError, match=f"has no bytes {start} to {end}"):
            sealed_case.reader(sealed).cite(log.sha256, start, end)


def test_an_excerpt_is_whole_characters_only() -> None:
    assert readable_range(b"caf\xc3\xa9", 0, 4) == (0, 3)
    assert readable_range(b"\xffabc\xfe", 0, 5) == (1, 4)

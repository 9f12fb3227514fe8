"""Refusals around keys, time, encryption and the seal's statement that no attack of the other files needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from incident_pipeline.errors import ConfigError, SealError, ServiceError, SignatureError
from incident_pipeline.evidence import LocalVault, load_trust_root, open_keyring
from incident_pipeline.evidence.access_log import ACCESS_LOG, Access, AccessLog
from incident_pipeline.evidence.custody import AccessHead
from incident_pipeline.evidence.manifest import (
    SignedPayload,
    file_bytes,
    read_manifest,
    read_signed,
    sign_payload,
)
from incident_pipeline.evidence.retention import hold
from incident_pipeline.evidence.signing import public_pem
from incident_pipeline.evidence.timestamps import UrlAuthority
from incident_pipeline.evidence.trust import TrustRoot, require_active
from incident_pipeline.evidence.trust_changes import Revocation, replace_key, revoke_key, rotate_local_key
from incident_pipeline.evidence.trust_list import KeyEntry, sign_version
from incident_pipeline.evidence.tsa_local import open_local_authority
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.serialise import compact_json, write_bytes
from incident_pipeline_tests.evidence import test_evidence_trust as trust
from incident_pipeline_tests.evidence.encrypted_case import EncryptedCase
from incident_pipeline_tests.evidence.sealed_case import LOG, Case
from incident_pipeline_tests.evidence.test_evidence_timestamps import sealed_with
from incident_pipeline_tests.evidence.time_authority import needs_openssl, served

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def altered(case: Case, change: Callable[[Any], object]) -> bytes:
    """Have the trusted key sign the seal's statement with a change, stamped where time is trusted."""
    statement = json.loads(read_signed(case.results.manifest.read_bytes()).payload)
    change(statement)
    root = load_trust_root(folder=case.config)
    authority = open_local_authority(case.config) if root.authorities else None
    return sign_payload(compact_json(statement), case.signer.signer, authority)


def encrypt_without_key(it: Any) -> None:
    it["predicate"]["artifacts"][0]["encoding"] = ["aes-256-gcm-chunked-v1"]


def move_record(it: Any) -> None:
    """Name the record's subject after other bytes, wherever it is named."""
    record = it["predicate"]["incident"]["record"]
    index = it["subject"].index(record)
    record["digest"]["sha256"] = "ab" * 32
    assert it["subject"][index] != record


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda it: it["predicate"]["artifacts"][0]["plaintext"].update(sha256="0" * 64),
            "under another digest",
        ),
        (encrypt_without_key, "names a key exactly when it is encrypted"),
        (lambda it: it["predicate"]["artifacts"][0].update(keyRef="x"), "names a key exactly when"),
        (move_record, "the incident's record is not named after its digest"),
    ],
)
def test_a_statement_that_contradicts_itself_is_refused_whoever_signed_it(
    case: Case, change: Callable[[Any], object], reason: str
) -> None:
    case.seal()
    with pytest.raises(SealError, match=reason):
        read_manifest(altered(case, change), [case.signer.signer.public_key])


def test_without_a_token_the_report_says_that_there_is_no_trusted_time(sealed_case: Case) -> None:
    report = verify_results(sealed_case.out, config_dir=sealed_case.config)
    assert [it.message for it in report.remarks if it.kind == "time"] == [
        "manifest.sigstore.json has no trusted time: when it was sealed is its signer's word."
    ]


@needs_openssl
def test_a_seal_that_states_no_time_can_not_be_stamped(case: Case) -> None:
    sealed_with(case, open_local_authority(case.config))
    for text in ("yesterday", "2026-01-31T12:00:00"):
        write_bytes(
            case.results.manifest,
            altered(case, lambda it, text=text: it["predicate"]["seal"].update(sealedAt=text)),
        )
        code, messages = case.verify()
        assert code == 1
        assert f"can't be compared: the seal gives no time ({text!r})" in messages[0]


@needs_openssl
def test_an_earlier_seals_token_must_hold_as_well(case: Case) -> None:
    """Tokens are outside what the chain and the log cover: only this check looks at them."""
    authority = open_local_authority(case.config)
    sealed_with(case, authority)
    sealed_with(
        case, authority, files={"logs/app.log": LOG + b"more\n", "chat.json": b'[{"text": "carts fail"}]'}
    )
    path = case.vault.root / "seals" / "inc-1" / "000001.sigstore.json"
    signed = read_signed(path.read_bytes())
    token = bytearray(signed.timestamps[0])
    token[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(
        file_bytes(SignedPayload(signed.payload, signed.signature, signed.keyid, (bytes(token),)))
    )
    code, messages = case.verify()
    assert code == 1
    assert any(it.startswith("inc-1/000001, time stamp 1 does not hold") for it in messages), messages


@needs_openssl
def test_a_token_over_other_bytes_is_refused_without_any_authority(case: Case, tmp_path: Path) -> None:
    authority = open_local_authority(case.config)
    assert authority is not None
    sealed_with(case, authority)
    signed = read_signed(case.results.manifest.read_bytes())
    other = authority.stamp(b"something else")
    write_bytes(
        case.results.manifest,
        file_bytes(SignedPayload(signed.payload, signed.signature, signed.keyid, (other,))),
    )
    report = verify_results(case.out, trust_root=case.signer.trust_path, config_dir=tmp_path / "none")
    assert report.exit_code == 1
    assert "time stamp 1 is over other bytes than the seal's signature" in report.failures[0].message


def test_an_authority_that_refuses_is_told_as_such() -> None:
    rejection = bytes.fromhex("30053003020102")  # TimeStampResp of PKIStatus 2 alone
    with (
        served(lambda _: rejection) as url,
        pytest.raises(ServiceError, match=r"refused to stamp the seal \(status 2\)"),
    ):
        UrlAuthority(url, ()).stamp(b"x")
    with (
        served(lambda _: rejection[:-1] + b"\x09") as url,
        pytest.raises(ServiceError, match="is no time stamp"),
    ):
        UrlAuthority(url, ()).stamp(b"x")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "retired"}, "retired"),
        ({"valid_from": NOW + DAY}, "from 2026-02-01"),
        ({"valid_until": NOW - DAY}, "until 2026-01-30"),
        ({"role": "root"}, "root"),
    ],
)
def test_a_key_that_may_not_seal_is_refused_before_it_does(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    key = trust.A.public_key
    entry = (
        trust.entry(trust.A, **{"role": "seal", **changes}) if "role" not in changes else trust.entry(trust.A)
    )

    def root(it: KeyEntry) -> TrustRoot:
        return TrustRoot(keys=(key,), source=tmp_path, known=(key,), entries={key.keyid: it})

    require_active(
        root(trust.entry(trust.A, "seal", valid_from=NOW - DAY, valid_until=NOW + DAY)), key.keyid, NOW
    )
    with pytest.raises(ConfigError, match=says):
        require_active(root(entry), key.keyid, NOW)


@pytest.mark.parametrize("changes", [{"version": 2}, {"previous": "0" * 64}])
def test_a_list_that_begins_later_is_refused(changes: dict[str, Any]) -> None:
    version = trust.version([trust.entry(trust.A)], **changes)
    with pytest.raises(SignatureError, match="is not the first version"):
        trust.listed(sign_version(version, [trust.A]))


def test_a_list_whose_entry_is_another_key_than_its_id_is_refused() -> None:
    """Seal keys as well, in every version: root keys are met when signatures are counted."""
    swapped = trust.entry(trust.SEAL, "seal").model_copy(
        update={"public_key": public_pem(trust.B.public_key).decode()}
    )
    version = trust.version([trust.entry(trust.A), swapped])
    with pytest.raises(SignatureError, match="is another key than its id says"):
        trust.listed(sign_version(version, [trust.A]))


def test_changes_to_keys_that_are_not_there_are_refused(case: Case, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no key to replace yet"):
        rotate_local_key(tmp_path / "empty", NOW, environ={})
    _ = case.signer
    for unknown in (
        lambda: replace_key(case.config, NOW, old="0" * 64, new=trust.B.public_key, environ={}),
        lambda: rotate_local_key(case.config, NOW, replaces="0" * 64, environ={}),
        lambda: revoke_key(case.config, "0" * 64, Revocation("x"), NOW, environ={}),
    ):
        with pytest.raises(ConfigError, match="is not trusted here"):
            unknown()


def test_a_change_that_a_verifier_would_refuse_is_not_written(case: Case) -> None:
    keyid = case.signer.keyid
    revoke_key(case.config, keyid, Revocation("stolen", NOW), NOW, environ={})
    before = (case.config / "trust.json").read_bytes()
    with pytest.raises(ConfigError, match=r"not allowed: .*softens the revocation"):
        revoke_key(case.config, keyid, Revocation("found again", NOW + DAY), NOW, environ={})
    assert (case.config / "trust.json").read_bytes() == before


def test_a_revocation_for_all_time_can_not_be_given_a_date(case: Case) -> None:
    keyid = case.signer.keyid
    revoke_key(case.config, keyid, Revocation("stolen"), NOW, environ={})
    with pytest.raises(ConfigError, match="softens the revocation"):
        revoke_key(case.config, keyid, Revocation("stolen", NOW), NOW, environ={})
    revoke_key(case.config, keyid, Revocation("stolen, and sold"), NOW, environ={})


def test_a_root_key_that_can_not_be_read_is_the_configurations_fault(case: Case) -> None:
    keyid = case.signer.keyid
    revoke_key(case.config, keyid, Revocation("stolen", NOW), NOW, environ={})
    root = case.config / "keys" / "root.pem"
    root.unlink()
    root.mkdir()
    root.chmod(0o600)
    with pytest.raises(ConfigError, match="the root key can't be read"):
        revoke_key(case.config, keyid, Revocation("stolen", NOW), NOW, environ={})


def test_ciphertext_is_checked_without_the_key(tmp_path: Path) -> None:
    case = EncryptedCase(tmp_path)
    sealed = case.seal_encrypted()
    digest = sealed.evidence.artifacts[0].stored_sha256
    nobody = open_keyring("none", tmp_path / "nobody")
    report = verify_results(case.out, config_dir=case.config, keyring=nobody)
    assert report.exit_code == 3
    assert report.counts["artifact"] == {"ok": 3}
    path = case.vault.object_path(digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    code, messages, _ = case.outcome(keyring=nobody)
    assert code == 1
    assert any(digest in it and "was altered" in it for it in messages), messages


def test_ciphertext_of_another_vault_could_not_be_checked(tmp_path: Path) -> None:
    case = EncryptedCase(tmp_path)
    case.seal_encrypted()
    other = LocalVault(tmp_path / "other")
    report = verify_results(case.out, config_dir=case.config, vault=other)
    assert report.exit_code == 3
    assert sum("does not hold its ciphertext" in it.message for it in report.failures) == 3


def test_an_access_log_written_anew_shows_against_custody(tmp_path: Path) -> None:
    """As long as the one that a custody entry anchors, and whole in itself."""
    case = EncryptedCase(tmp_path)
    case.seal_encrypted()
    path = case.vault.root / ACCESS_LOG
    AccessLog(path).append([Access("inc-1", "read", "0" * 64, "test")])
    state = AccessLog(path).state()
    head = AccessHead(entries=state.entries, head=state.head)
    custodian = replace(case.custodian(), access_head=lambda: head)
    assert hold(custodian, "inc-1", reason="inquiry", authority="counsel", matter="a")
    assert case.outcome(keyring=case.keyring)[0] == 0
    path.unlink()
    AccessLog(path).append([Access("inc-1", "seen", "1" * 64, "test")])
    code, messages, _ = case.outcome(keyring=case.keyring)
    assert code == 1
    assert messages == [f"{ACCESS_LOG} no longer holds 1 entries that a custody entry anchors."]

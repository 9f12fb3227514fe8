"""Attacks on keys and time, end to end: what an attacker does, and what `verify` then says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from incident_pipeline.evidence import load_or_create_local_signer, load_trust_root, seal
from incident_pipeline.evidence.manifest import SignedPayload, file_bytes, read_signed
from incident_pipeline.evidence.timestamps import TimeAuthority
from incident_pipeline.evidence.trust_changes import Revocation, revoke_key, rotate_local_key
from incident_pipeline.evidence.tsa_local import open_local_authority
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.ingest import open_bundle
from incident_pipeline.serialise import write_bytes, write_json
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, Case
from incident_pipeline_tests.evidence.time_authority import Independent, needs_openssl

pytestmark = needs_openssl
MINUTE = timedelta(minutes=1)
OTHER = {"logs/app.log": LOG + b"10:00:02 nothing happened\n", "chat.json": CHAT}


class Office:
    """An installation that seals with an independent authority, as the stage does."""

    def __init__(self, root: Path) -> None:
        self.case = Case(root)
        self.tsa = Independent(root / "tsa")
        self.first = self.case.signer
        self.tsa.trust_in(self.case.config)

    def seal(self, authority: TimeAuthority | None, files: dict[str, bytes] | None = None) -> None:
        bundle = open_bundle(self.case.bundle(files), self.case.root / "scratch")
        trusted = load_trust_root(folder=self.case.config).keys
        sealed = seal(
            bundle, self.case.vault, self.case.signer.signer, now=datetime.now(UTC),
            trusted=trusted, authority=authority,
        )  # fmt: skip
        write_bytes(self.case.results.manifest, sealed.manifest)
        write_bytes(self.case.results.seal_log, sealed.log_proof)
        write_json(self.case.results.evidence, sealed.evidence)
        self.case.write_ledger(sealed)

    def revoke(self, since: timedelta | None, **more: bool) -> None:
        now = datetime.now(UTC)
        at = None if since is None else now + since
        revoke_key(
            self.case.config, self.first.keyid, Revocation("laptop stolen", at, **more), now, environ={}
        )

    def replace_key_and_seal_on(self) -> None:
        rotate_local_key(self.case.config, datetime.now(UTC), environ={})
        self.seal(self.tsa, OTHER)

    def verify_first_seal(self) -> tuple[int, str]:
        """Verify the vault, which holds the seal by the old key and the one by the new key."""
        report = verify_results(self.case.vault.root, config_dir=self.case.config)
        seals = [item.message for item in report.items if item.kind == "seal"]
        assert any(self.first.keyid in message for message in seals), seals
        return report.exit_code, "; ".join(item.message for item in report.failures)

    def verdict(self, **options: Path) -> tuple[int, str]:
        code, messages = self.case.verify(**options)
        return code, messages[0] if messages else ""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield Office(tmp_path)  # noqa: PT022 -- the folder outlives the test's use of it


def test_attack_key_swap_everything_resealed_with_the_attackers_key(office: Office, tmp_path: Path) -> None:
    office.seal(office.tsa)
    attacker = load_or_create_local_signer(tmp_path / "attacker", {})
    shutil.rmtree(office.case.out)
    office.case.seal(office.case.bundle(OTHER), signer=attacker)
    # The attacker leaves keys and lists of his own wherever a careless verifier might look.
    for place in (office.case.results.root, office.case.vault.root, office.case.out):
        shutil.copytree(tmp_path / "attacker" / "trust", place / "trust")
        (place / "trust.json").write_bytes(b"{}")
    code, said = office.verdict()
    assert (code, said) == (
        1, f"manifest.sigstore.json is signed with key {attacker.keyid}, which is not trusted."
    )  # fmt: skip


def test_attack_key_swap_under_a_trusted_keys_id(office: Office, tmp_path: Path) -> None:
    office.seal(office.tsa)
    signed = read_signed(office.case.results.manifest.read_bytes())
    attacker = load_or_create_local_signer(tmp_path / "attacker", {}).signer
    payload = signed.payload.replace(b"sev2", b"sev5")
    forged = SignedPayload(payload, b"", signed.keyid, signed.timestamps)
    forged = SignedPayload(
        payload, bytes.fromhex(attacker.sign(forged.pae).signature), signed.keyid, signed.timestamps
    )
    write_bytes(office.case.results.manifest, file_bytes(forged))
    code, said = office.verdict()
    assert code == 1
    assert said.endswith("that does not hold: it was altered.")


def test_attack_rotated_key_a_seal_made_after_the_key_was_retired(office: Office) -> None:
    """Somebody kept the old private key and seals with it on."""
    office.seal(office.tsa)
    rotate_local_key(office.case.config, datetime.now(UTC) - 60 * MINUTE, environ={})
    code, said = office.verdict()
    assert code == 1
    assert said.startswith(
        f"manifest.sigstore.json is signed with key {office.first.keyid} after it was valid ("
    )


def test_what_a_rotated_key_signed_in_its_time_stays_valid_and_stands(office: Office) -> None:
    office.seal(open_local_authority(office.case.config))
    rotate_local_key(office.case.config, datetime.now(UTC) + MINUTE, environ={})
    assert office.verdict() == (0, "")
    before = office.case.results.manifest.read_bytes()
    office.seal(open_local_authority(office.case.config))
    assert office.case.results.manifest.read_bytes() == before
    office.seal(open_local_authority(office.case.config), OTHER)
    assert read_signed(office.case.results.manifest.read_bytes()).keyid != office.first.keyid
    assert office.verdict() == (0, "")
    assert verify_results(office.case.vault.root, config_dir=office.case.config).exit_code == 0


def test_a_rotated_keys_seal_without_trusted_time_can_not_be_checked(office: Office) -> None:
    office.seal(None)
    assert office.verdict() == (0, "")
    rotate_local_key(office.case.config, datetime.now(UTC) + MINUTE, environ={})
    code, said = office.verdict()
    assert code == 3
    assert said.endswith("and has no trusted time: nobody can tell whether that was before.")


def test_attack_revoked_key_a_seal_made_after_the_compromise(office: Office) -> None:
    office.seal(office.tsa)
    office.revoke(-60 * MINUTE)
    code, said = office.verdict()
    assert code == 1
    assert f"signed with key {office.first.keyid}, which was revoked (laptop stolen) and compromised" in said


def test_what_a_revoked_key_signed_before_the_compromise_stays_valid(office: Office) -> None:
    office.seal(office.tsa)
    office.revoke(MINUTE)
    # The log's newest checkpoint is by the revoked key, until the next seal adds one by the new key.
    assert office.verdict()[1].startswith("No checkpoint")
    office.replace_key_and_seal_on()
    assert office.verify_first_seal() == (0, "")


def test_attack_revoked_key_a_seal_without_trusted_time(office: Office) -> None:
    office.seal(None)
    office.revoke(MINUTE)
    code, said = office.verdict()
    assert code == 1
    assert "it has no trusted time that puts it before" in said


def test_attack_revoked_key_the_thief_dates_back_with_the_stolen_clock(office: Office) -> None:
    """Whoever took the machine has its time authority too, so its word dates nothing."""
    office.seal(open_local_authority(office.case.config))
    office.revoke(MINUTE)
    code, said = office.verdict()
    assert code == 1
    assert "its time is self-asserted, and whoever had the key could have set it before" in said


def test_self_asserted_time_counts_where_the_list_says_that_the_machine_was_safe(office: Office) -> None:
    office.seal(open_local_authority(office.case.config))
    office.revoke(MINUTE, self_asserted_time=True)
    office.replace_key_and_seal_on()
    assert office.verify_first_seal() == (0, "")


def test_attack_revoked_key_for_all_time(office: Office) -> None:
    office.seal(office.tsa)
    office.revoke(None)
    code, said = office.verdict()
    assert code == 1
    assert said.endswith(
        f"signed with key {office.first.keyid}, which was revoked (laptop stolen) for all time."
    )


def test_attack_revoked_key_the_revocation_is_cut_off_the_list(office: Office) -> None:
    """An older list is a good list: only its version and digest, which are printed, give it away."""
    office.seal(office.tsa)
    office.revoke(None)
    whole = load_trust_root(folder=office.case.config).trust_list
    assert whole is not None
    path = office.case.root / "auditor.json"
    shutil.copy(office.case.config / "trust.json", path)
    file = json.loads(path.read_bytes())
    file["versions"].pop()
    write_json(path, file)
    report = verify_results(office.case.out, trust_root=path)
    shorter = load_trust_root(path)
    assert [item.outcome for item in report.items if item.kind == "seal"] == ["ok"]
    assert shorter.trust_list is not None
    assert shorter.fingerprints[0] != load_trust_root(folder=office.case.config).fingerprints[0]
    assert shorter.trust_list.current.version == whole.current.version - 1
    assert office.verdict()[0] == 1


def test_attack_clock_rollback_the_token_is_stripped_and_the_seal_dated_back(office: Office) -> None:
    """With the key of a retired signer, a seal is dated into its time: no trusted time, no verdict."""
    office.seal(office.tsa)
    rotate_local_key(office.case.config, datetime.now(UTC) - 60 * MINUTE, environ={})
    signed = read_signed(office.case.results.manifest.read_bytes())
    write_bytes(
        office.case.results.manifest,
        file_bytes(SignedPayload(signed.payload, signed.signature, signed.keyid)),
    )
    code, said = office.verdict()
    assert code == 3
    assert "has no trusted time" in said


def test_attack_token_swap_an_authority_that_nobody_trusts(office: Office, tmp_path: Path) -> None:
    office.seal(office.tsa)
    signed = read_signed(office.case.results.manifest.read_bytes())
    own = Independent(tmp_path / "own", "Example TSA Root").stamp(signed.signature)
    forged = SignedPayload(signed.payload, signed.signature, signed.keyid, (own,))
    write_bytes(office.case.results.manifest, file_bytes(forged))
    code, said = office.verdict()
    assert code == 1
    assert said.startswith(
        "manifest.sigstore.json, time stamp 1 does not hold (Error while verifying certificates"
    )


def test_no_flipped_byte_of_a_stamped_seal_leaves_it_verified(office: Office) -> None:
    """Exhaustive over the seal's file, tokens included, without the vault's copy to compare it with."""
    office.seal(office.tsa)
    keys = load_trust_root(folder=office.case.config)
    data = office.case.results.manifest.read_bytes()
    path = office.case.vault.root / "seals" / "inc-1" / "000001.sigstore.json"
    path.chmod(0o600)
    assert keys.authorities
    start = data.index(b"signedTimestamp")
    for offset in range(start, start + 1300, 3):
        changed = bytearray(data)
        changed[offset] ^= 1 << (offset % 8)
        path.write_bytes(bytes(changed))
        assert verify_results(office.case.vault.root, config_dir=office.case.config).exit_code != 0, offset

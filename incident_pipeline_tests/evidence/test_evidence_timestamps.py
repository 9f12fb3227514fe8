"""RFC 3161 tokens: over the signature, by an authority that is trusted from outside, in order."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.errors import ConfigError, ServiceError, TimestampError
from incident_pipeline.evidence import open_sealer, seal
from incident_pipeline.evidence.manifest import SignedPayload, file_bytes, read_signed
from incident_pipeline.evidence.signing import PASSPHRASE_VARIABLE
from incident_pipeline.evidence.timestamps import (
    SKEW,
    Authority,
    TrustedTime,
    check_token,
    open_url_authority,
    read_authorities,
    refuse_backwards,
    refuse_clock_set_back,
    time_request,
)
from incident_pipeline.evidence.tsa_local import open_local_authority
from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.ingest import open_bundle
from incident_pipeline.serialise import write_bytes, write_json
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG, Case
from incident_pipeline_tests.evidence.time_authority import Independent, needs_openssl, served

pytestmark = needs_openssl
DATA = b"a signature's sixty-four bytes"
OTHER = {"logs/app.log": LOG + b"10:00:02 more\n", "chat.json": CHAT}


def local(folder: Path) -> tuple[bytes, tuple[Authority, ...]]:
    """Stamp DATA with the local authority of a folder; give the token and what is trusted then."""
    authority = open_local_authority(folder)
    assert authority is not None
    token = authority.stamp(DATA)
    return token, read_authorities(next((folder / "trust" / "tsa").glob("*.pem")).read_bytes())


def sealed_with(
    case: Case, authority: object, now: datetime | None = None, files: dict[str, bytes] | None = None
) -> None:
    """Seal as the stage does, stamped by an authority."""
    bundle = open_bundle(case.bundle(files), case.root / "scratch")
    sealed = seal(
        bundle, case.vault, case.signer.signer, now=now or datetime.now(UTC),
        authority=authority,  # type: ignore[arg-type] # whatever a test brings
    )  # fmt: skip
    write_bytes(case.results.manifest, sealed.manifest)
    write_bytes(case.results.seal_log, sealed.log_proof)
    write_json(case.results.evidence, sealed.evidence)
    case.write_ledger(sealed)


def time_items(case: Case, **options: Path) -> list[tuple[str, str]]:
    report = verify_results(case.out, config_dir=case.config, **options)
    return [(item.outcome, item.message) for item in report.items if item.kind == "time"]


def test_the_local_authority_stamps_and_openssl_agrees(tmp_path: Path) -> None:
    token, authorities = local(tmp_path)
    stamped = check_token(token, DATA, authorities, name="Token")
    assert authorities[0].assurance == "self-asserted"
    assert abs(datetime.now(UTC) - stamped.earliest) < timedelta(minutes=1)
    assert stamped.latest - stamped.earliest == timedelta(seconds=2)
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "token").write_bytes(token)
    command = [
        "openssl", "ts", "-verify", "-in", tmp_path / "token",
        "-CAfile", next((tmp_path / "trust" / "tsa").glob("*.pem")), "-data",
    ]  # fmt: skip
    assert subprocess.run([*command, tmp_path / "data"], capture_output=True, check=False).returncode == 0
    (tmp_path / "data").write_bytes(DATA + b"!")
    assert subprocess.run([*command, tmp_path / "data"], capture_output=True, check=False).returncode != 0


def test_the_local_authority_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    local(tmp_path)
    key = (tmp_path / "tsa" / "key.pem").read_bytes()
    local(tmp_path)
    assert (tmp_path / "tsa" / "key.pem").read_bytes() == key
    assert (tmp_path / "tsa" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "tsa").stat().st_mode & 0o777 == 0o700
    assert sorted(it.name for it in (tmp_path / "tsa").iterdir()) == ["certificate.pem", "key.pem"]
    assert len(list((tmp_path / "trust" / "tsa").iterdir())) == 1


def test_the_authoritys_certificate_is_for_time_stamping_only_and_says_so_critically(tmp_path: Path) -> None:
    local(tmp_path)
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-text", "-in", tmp_path / "tsa" / "certificate.pem"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "X509v3 Extended Key Usage: critical\n                Time Stamping\n" in text


def test_a_passphrase_encrypts_the_authoritys_key_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    token, authorities = local(tmp_path)
    assert check_token(token, DATA, authorities, name="Token")
    assert b"ENCRYPTED" in (tmp_path / "tsa" / "key.pem").read_bytes()
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "battery staple")
    authority = open_local_authority(tmp_path)
    assert authority is not None
    with pytest.raises(ServiceError, match="openssl gave no time stamp"):
        authority.stamp(DATA)
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    with pytest.raises(ConfigError, match="is encrypted"):
        open_local_authority(tmp_path)


def test_a_token_over_other_bytes_or_by_somebody_else_is_refused_and_named(tmp_path: Path) -> None:
    token, authorities = local(tmp_path / "a")
    stranger = local(tmp_path / "b")[1]
    for data, trusted in ((DATA + b"!", authorities), (DATA, stranger), (DATA, ())):
        with pytest.raises(TimestampError, match="Token 7 does not hold"):
            check_token(token, data, trusted, name="Token 7")
    assert check_token(token, DATA, (*stranger, *authorities), name="Token").authority == authorities[0]


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, tuple[Authority, ...]]:
    return local(tmp_path_factory.mktemp("stamped"))


def test_no_byte_of_a_token_can_change_unnoticed(stamped: tuple[bytes, tuple[Authority, ...]]) -> None:
    token, authorities = stamped
    assert check_token(token, DATA, authorities, name="Token")
    for offset in range(len(token)):
        changed = bytearray(token)
        changed[offset] ^= 1 << (offset % 8)
        with pytest.raises(TimestampError):
            check_token(bytes(changed), DATA, authorities, name="Token")


@given(data=st.data())
def test_cut_extended_and_random_tokens_are_refused(
    stamped: tuple[bytes, tuple[Authority, ...]], data: st.DataObject
) -> None:
    token, authorities = stamped
    cut = data.draw(st.integers(0, len(token) - 1))
    tail = data.draw(st.binary(min_size=1, max_size=20))
    for changed in (token[:cut], token + tail, tail + token, tail, token[cut:] + token[:cut] + b"\0"):
        with pytest.raises(TimestampError):
            check_token(changed, DATA, authorities, name="Token")


def test_an_authority_behind_a_url_stamps_a_seal(case: Case, tmp_path: Path) -> None:
    tsa = Independent(tmp_path / "tsa")
    case.signer  # noqa: B018 -- makes the key and the configuration folder
    tsa.trust_in(case.config)
    with tsa.serve() as authority:
        sealed_with(case, authority)
    assert case.verify() == (0, [])
    [(outcome, message)] = time_items(case)
    assert outcome == "ok"
    assert "by CN=Example TSA Root (independent)" in message
    assert "s from the sealer's clock" in message


def test_openssl_verifies_the_token_of_a_seal_over_its_signature(case: Case, tmp_path: Path) -> None:
    sealed_with(case, open_local_authority(case.config))
    file = json.loads(case.results.manifest.read_bytes())
    [stamp] = file["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    (tmp_path / "token").write_bytes(base64.b64decode(stamp["signedTimestamp"]))
    (tmp_path / "sig").write_bytes(base64.b64decode(file["dsseEnvelope"]["signatures"][0]["sig"]))
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", tmp_path / "sig", "-in", tmp_path / "token",
         "-CAfile", next((case.config / "trust" / "tsa").glob("*.pem"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "Verification: OK\n")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (503, "answered 503"),
        (b"<html>login</html>", "is no time stamp"),
        (b"\x30\x03\x02\x01\x00" * 20_000, "more than 65536 bytes"),
    ],
)
def test_an_authority_that_gives_no_token_is_a_service_error(answer: object, says: str) -> None:
    with served(lambda _: answer) as url, pytest.raises(ServiceError, match=says) as caught:
        open_url_authority(url, ()).stamp(DATA)
    assert caught.value.exit_code == 3


def test_an_authority_that_is_not_there_and_one_that_replays_are_refused(tmp_path: Path) -> None:
    tsa = Independent(tmp_path / "tsa")
    with pytest.raises(ServiceError, match="gave no time stamp"):
        open_url_authority("http://127.0.0.1:1/", (tsa.authority,)).stamp(DATA)
    old = tsa.openssl.answer(time_request(DATA).as_bytes())
    with served(lambda _: old) as url, pytest.raises(ConfigError, match="Nonce"):
        open_url_authority(url, (tsa.authority,)).stamp(DATA)
    with tsa.serve() as authority, pytest.raises(ConfigError, match="does not hold") as caught:
        open_url_authority(authority.url, ()).stamp(DATA)
    assert "trust/tsa/" in caught.value.advice


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://tsa.example/", "https://", "tsa.example"])
def test_a_tsa_url_must_be_http(url: str) -> None:
    with pytest.raises(ConfigError, match="no http"):
        open_url_authority(url, ())


def test_settings_choose_the_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)

    def opened(tsa: str, url: str = "") -> tuple[object, tuple[str, ...]]:
        sealer = open_sealer(signer="", tsa=tsa, tsa_url=url, folder=tmp_path, now=now)
        return sealer.authority, sealer.notices

    assert opened("local")[0] is not None
    assert opened("url", "https://tsa.example/")[0] is not None
    assert opened("none") == (None, ("no time stamp: tsa is none",))
    for tsa, url in (("remote", ""), ("url", ""), ("", "")):
        with pytest.raises(ConfigError, match="tsa"):
            opened(tsa, url)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert opened("local") == (None, ("no time stamp: openssl is not installed",))


def test_without_a_token_verify_says_so_and_claims_no_time(sealed_case: Case) -> None:
    assert sealed_case.verify() == (0, [])
    report = verify_results(sealed_case.out, config_dir=sealed_case.config)
    assert "time" not in report.counts
    assert time_items(sealed_case) == [
        ("remark", "manifest.sigstore.json has no trusted time: when it was sealed is its signer's word.")
    ]


def test_a_trust_root_without_authorities_leaves_the_token_unchecked_and_says_so(case: Case) -> None:
    sealed_with(case, open_local_authority(case.config))
    [(outcome, message), *_] = time_items(case, trust_root=case.signer.trust_path)
    assert outcome == "remark"
    assert "the trust root names no time authority" in message
    signed = read_signed(case.results.manifest.read_bytes())
    write_bytes(case.results.manifest, file_bytes(with_tokens(signed, b"0\x00")))
    code, messages = case.verify(trust_root=case.signer.trust_path)
    assert code == 1
    assert "manifest.sigstore.json, time stamp 1 is no time stamp (RFC 3161)." in messages


def with_tokens(signed: SignedPayload, *tokens: bytes) -> SignedPayload:
    return SignedPayload(signed.payload, signed.signature, signed.keyid, tokens)


def test_a_token_of_another_seal_is_refused(case: Case) -> None:
    authority = open_local_authority(case.config)
    sealed_with(case, authority)
    other = read_signed(case.results.manifest.read_bytes()).timestamps[0]
    sealed_with(case, authority, files=OTHER)
    signed = read_signed(case.results.manifest.read_bytes())
    write_bytes(case.results.manifest, file_bytes(with_tokens(signed, other)))
    code, messages = case.verify()
    assert code == 1
    assert "manifest.sigstore.json, time stamp 1 does not hold (Mismatch between messages)." in messages


def test_a_token_that_was_taken_away_is_noticed_beside_the_vault(case: Case) -> None:
    sealed_with(case, open_local_authority(case.config))
    signed = read_signed(case.results.manifest.read_bytes())
    write_bytes(case.results.manifest, file_bytes(with_tokens(signed)))
    code, messages = case.verify()
    assert (code, messages[0]) == (1, "Seal inc-1/000001 in the vault is another one.")


def test_a_seal_dated_after_its_token_is_refused(case: Case) -> None:
    """The sealer's clock ran ahead: what is stamped existed before it says it was sealed."""
    sealed_with(case, open_local_authority(case.config), now=datetime.now(UTC) + timedelta(hours=1))
    code, messages = case.verify()
    assert code == 1
    assert "manifest.sigstore.json, time stamp 1 is older than the seal: " in messages[0]


def test_attack_clock_rollback_a_seal_dated_back_is_remarked_with_the_skew(case: Case) -> None:
    sealed_with(case, open_local_authority(case.config), now=datetime.now(UTC) - timedelta(days=2))
    assert case.verify()[0] == 0
    [(_, ok), (outcome, remark)] = sorted(time_items(case))
    assert outcome == "remark"
    assert "later than the seal says of itself" in remark
    assert "the seal was dated back" in remark
    assert re.search(r"\+1728\d\d s from the sealer's clock|\+17279\d s from the sealer's clock", ok)


def test_attack_clock_rollback_nothing_is_sealed_behind_the_seal_before(tmp_path: Path) -> None:
    """Tokens made three seconds apart stand for a clock that was set back."""
    case, authority = Case(tmp_path), open_local_authority(tmp_path / "config")
    assert authority is not None
    early = authority.stamp(DATA)
    time.sleep(3.1)
    sealed_with(case, authority)
    late = read_signed(case.results.manifest.read_bytes()).timestamps[0]
    with pytest.raises(ServiceError, match="nothing was sealed") as caught:
        refuse_clock_set_back(early, late, name="seal inc-1/000001")
    assert caught.value.advice == "Set the clock right and run again."
    refuse_clock_set_back(late, early, name="seal inc-1/000001")

    class SetBack:
        """An authority whose clock stands behind: it answers with tokens of before."""

        def stamp(self, data: bytes) -> bytes:
            assert data
            return early

    before = case.vault.seal_sequences("inc-1")
    with pytest.raises(ServiceError, match="nothing was sealed"):
        sealed_with(case, SetBack(), files=OTHER)
    assert case.vault.seal_sequences("inc-1") == before


def test_times_that_go_back_along_the_seals_are_refused(tmp_path: Path) -> None:
    first = Independent(tmp_path / "a").authority
    second = Independent(tmp_path / "b", "Other TSA Root").authority
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def at(offset: timedelta, authority: Authority) -> TrustedTime:
        return TrustedTime(noon + offset, noon + offset + timedelta(seconds=2), authority)

    for offset, authority in ((timedelta(), first), (timedelta(seconds=-2), first), (-SKEW, second)):
        refuse_backwards(at(offset, authority), at(timedelta(), first), name="Token", earlier="i/000001")
    for offset, authority in ((timedelta(seconds=-3), first), (-SKEW - timedelta(seconds=3), second)):
        with pytest.raises(
            TimestampError, match=r"Token goes back in time: it is .* before that of i/000001"
        ):
            refuse_backwards(at(offset, authority), at(timedelta(), first), name="Token", earlier="i/000001")


def test_verify_names_the_token_that_goes_back(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = open_local_authority(case.config)
    sealed_with(case, authority)
    sealed_with(case, authority, files=OTHER)
    later = read_signed(case.vault.read_seal("inc-1", 1)).timestamps[0]

    def moved(token: bytes, *rest: object, **more: object) -> TrustedTime:
        true = check_token(token, *rest, **more)  # type: ignore[arg-type] # passed through
        shift = timedelta(hours=1) if token == later else timedelta()
        return TrustedTime(true.earliest + shift, true.latest + shift, true.authority)

    assert case.verify()[0] == 0
    monkeypatch.setattr("incident_pipeline.evidence.verify_time.check_token", moved)
    code, messages = case.verify()
    assert code == 1
    assert "inc-1/000002, time stamp goes back in time: it is 0:59:5" in messages[0]


def test_evidence_collected_after_it_was_stamped_is_remarked(case: Case) -> None:
    bundle = case.bundle(ingested_by="recorder", ingest_time="2126-01-01T00:00:00Z")
    sealed = seal(
        open_bundle(bundle, case.root / "scratch"), case.vault, case.signer.signer, now=datetime.now(UTC),
        authority=open_local_authority(case.config),
    )  # fmt: skip
    write_bytes(case.results.manifest, sealed.manifest)
    write_bytes(case.results.seal_log, sealed.log_proof)
    write_json(case.results.evidence, sealed.evidence)
    assert any("recorder states that the evidence was collected later" in it for _, it in time_items(case))

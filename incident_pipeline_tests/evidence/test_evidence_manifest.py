"""The seal's file: signed bytes, a canonical frame, and nothing believed before it is verified."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from incident_pipeline.errors import EvidenceError, SealError, SignatureError
from incident_pipeline.evidence import evidence_root, load_or_create_local_signer, read_manifest
from incident_pipeline.evidence.manifest import PAYLOAD_TYPE, read_signed
from incident_pipeline.evidence.signing import Key, Signer, public_pem
from incident_pipeline.serialise import canonical_json, compact_json
from incident_pipeline_tests.evidence.sealed_case import Case


def frame(payload: bytes, signer: Signer, payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
    """Sign any payload as a seal's file, as an insider with the key could."""
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(signer)
    keyid = signer.public_key.keyid
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": keyid}},
        "dsseEnvelope": envelope.to_dict(),
    }


def test_a_seal_reads_back_what_was_sealed(case: Case) -> None:
    sealed = case.seal()
    manifest = read_manifest(sealed.manifest, [case.signer.signer.public_key])
    assert manifest.evidence == sealed.evidence
    predicate = manifest.statement.predicate
    assert predicate.seal.sequence == 1
    assert predicate.seal.previous is None
    assert predicate.worm == "advisory"
    assert predicate.evidence_root == evidence_root(reversed(sealed.evidence.artifacts))
    assert [it.uri for it in sealed.evidence.artifacts if it.uri == "incident.json"] == []
    assert predicate.incident.record is not None
    assert len(manifest.statement.subject) == 3


def test_the_file_is_a_sigstore_bundle_around_an_in_toto_statement(case: Case) -> None:
    file = json.loads(case.seal().manifest)
    assert file["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert file["dsseEnvelope"]["payloadType"] == "application/vnd.in-toto+json"
    statement = json.loads(base64.b64decode(file["dsseEnvelope"]["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://incident-pipeline.dev/evidence-seal/v1"
    assert {"name", "digest"} == set(statement["subject"][0])
    assert statement["predicate"]["artifacts"][0]["source"]["uri"] in ("logs/app.log", "chat.json")
    assert statement["predicate"]["seal"]["sealedAt"] == "2026-01-31T12:00:00+00:00"


def test_openssl_and_sha256sum_verify_it_without_us(case: Case, tmp_path: Path) -> None:
    manifest = json.loads(case.seal().manifest)
    envelope = manifest["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    (tmp_path / "pae").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    command = [
        "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", case.signer.trust_path, "-rawin",
        "-in", tmp_path / "pae", "-sigfile", tmp_path / "sig",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert "Signature Verified Successfully" in done.stdout
    (tmp_path / "pae").write_bytes((tmp_path / "pae").read_bytes() + b" ")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    subjects = json.loads(payload)["subject"]
    lines = "".join(f"{it['digest']['sha256']}  {it['name']}\n" for it in subjects)
    done = subprocess.run(
        ["sha256sum", "-c", "--quiet"], input=lines, cwd=case.vault.root, text=True, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("make", [CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa])
def test_signers_of_other_kinds_have_the_same_shape(case: Case, make: Callable[[], Signer]) -> None:
    signer = make()
    payload = read_signed(case.seal().manifest).payload
    data = canonical_json(frame(payload, signer))
    assert read_manifest(data, [signer.public_key]).signed.payload == payload
    assert public_pem(signer.public_key).startswith(b"-----BEGIN PUBLIC KEY-----")


def test_no_byte_of_the_file_can_change_unnoticed(case: Case) -> None:
    data = case.seal().manifest
    keys = [case.signer.signer.public_key]
    for offset in range(len(data)):
        changed = bytearray(data)
        changed[offset] ^= 1 << (offset % 8)
        with pytest.raises(EvidenceError):
            read_manifest(bytes(changed), keys)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Key]]:
    """One seal and the key to verify it with, for tests that change it many times."""
    case = Case(tmp_path_factory.mktemp("once"))
    return case.seal().manifest, [case.signer.signer.public_key]


@given(data=st.data())
@settings(deadline=None)  # a busy machine is no finding
def test_cut_extended_and_swapped_files_are_refused(
    once: tuple[bytes, list[Key]], data: st.DataObject
) -> None:
    whole, keys = once
    cut = data.draw(st.integers(1, len(whole) - 1))
    tail = data.draw(st.binary(min_size=1, max_size=20))
    for changed in (whole[:cut], whole + tail, tail + whole, whole[cut:] + whole[:cut], b""):
        with pytest.raises(EvidenceError):
            read_manifest(changed, keys)


def base64_with_stray_bits(text: str) -> str:
    """Change the unused bits of the last character: it decodes to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stem = text.rstrip("=")
    assert len(stem) < len(text)
    return stem[:-1] + alphabet[alphabet.index(stem[-1]) | 1] + text[len(stem) :]


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["verificationMaterial"]["publicKey"].update(hint="0" * 64),
        lambda it: it["verificationMaterial"].update(tlogEntries=[]),
        lambda it: it.update(mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"),
        lambda it: it["dsseEnvelope"].update(payloadType="text/plain"),
        lambda it: it["dsseEnvelope"].update(signatures=[]),
        lambda it: it["dsseEnvelope"].update(signatures=it["dsseEnvelope"]["signatures"] * 2),
        lambda it: it["dsseEnvelope"]["signatures"][0].update(extra="x"),
        lambda it: it["dsseEnvelope"]["signatures"][0].update(
            sig=base64_with_stray_bits(it["dsseEnvelope"]["signatures"][0]["sig"])
        ),
        lambda it: it["dsseEnvelope"].update(payload=it["dsseEnvelope"]["payload"] + "\n"),
        lambda it: it["dsseEnvelope"].pop("payload"),
        lambda it: it["dsseEnvelope"].update(payload=3),
    ],
)
def test_a_changed_frame_is_refused(case: Case, change: Callable[[dict[str, Any]], object]) -> None:
    file = json.loads(case.seal().manifest)
    change(file)
    with pytest.raises(SealError):
        read_manifest(canonical_json(file), [case.signer.signer.public_key])


def test_another_frame_around_the_same_signed_bytes_is_refused(case: Case) -> None:
    data = case.seal().manifest
    keys = [case.signer.signer.public_key]
    twice = data.replace(b'"mediaType":', b'"mediaType": "x",\n "mediaType":', 1)
    for changed in (compact_json(json.loads(data)), data.rstrip(b"\n"), b"\xef\xbb\xbf" + data, twice):
        with pytest.raises(SealError):
            read_manifest(changed, keys)


def test_an_untrusted_key_is_named_and_so_are_the_trusted_ones(case: Case, tmp_path: Path) -> None:
    stranger = load_or_create_local_signer(tmp_path / "stranger", {})
    data = canonical_json(frame(read_signed(case.seal().manifest).payload, stranger.signer))
    with pytest.raises(SignatureError) as caught:
        read_manifest(data, [case.signer.signer.public_key])
    assert stranger.keyid in caught.value.message
    assert case.signer.keyid in caught.value.advice


def test_a_signature_of_another_payload_is_refused(case: Case) -> None:
    first, second = case.seal(), case.seal(case.bundle({"a": b"other"}))
    file, other = json.loads(first.manifest), json.loads(second.manifest)
    file["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"]
    with pytest.raises(SignatureError, match="was altered"):
        read_manifest(canonical_json(file), [case.signer.signer.public_key])


def test_nothing_is_parsed_before_the_signature_holds(case: Case, tmp_path: Path) -> None:
    stranger = load_or_create_local_signer(tmp_path / "stranger", {})
    data = canonical_json(frame(b"\xff this is no JSON", stranger.signer))
    with pytest.raises(SignatureError):
        read_manifest(data, [case.signer.signer.public_key])


def swap_case_twin(it: dict[str, Any]) -> None:
    twin = json.loads(json.dumps(it["subject"][0]))
    twin["name"] = twin["name"].upper()
    it["subject"].append(twin)


def second_form(it: dict[str, Any]) -> None:
    it["subject"][0]["name"], it["subject"][1]["name"] = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda it: it.update(_type="https://in-toto.io/Statement/v0.1"), "_type"),
        (lambda it: it.update(predicateType="https://slsa.dev/provenance/v1"), "predicateType"),
        (lambda it: it.update(subject=[]), "subject"),
        (lambda it: it.update(critical=1), "critical"),
        (lambda it: it["predicate"]["seal"].update(critical=1), "critical"),
        (lambda it: it["subject"].append(it["subject"][0]), "two subjects have the same name"),
        (swap_case_twin, "differ in case or form"),
        (second_form, "differ in case or form"),
        (lambda it: it["subject"].pop(), "subjects are not the artifacts"),
        (lambda it: it["subject"][0].update(name="logs/app.log"), "not named after its digest"),
        (lambda it: it["predicate"]["artifacts"].pop(), "subjects are not the artifacts"),
        (lambda it: it["predicate"]["artifacts"].reverse(), "not in order"),
        (lambda it: it["predicate"].update(evidenceRoot="0" * 64), "evidence root"),
        (lambda it: it["predicate"]["artifacts"][0]["source"].update(role="reference"), "evidence root"),
        (lambda it: it["predicate"]["artifacts"][0]["plaintext"].update(sha256="A" * 64), "plaintext"),
        (lambda it: it["predicate"]["incident"].update(key="inc-2"), "incident key"),
        (lambda it: it["predicate"]["seal"].update(sequence=2), "previous one"),
        (lambda it: it["predicate"]["seal"].update(sequence=0), "sequence"),
    ],
)
def test_a_signed_statement_that_contradicts_itself_is_refused(
    case: Case, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    statement = json.loads(read_signed(case.seal().manifest).payload)
    change(statement)
    signer = case.signer.signer
    with pytest.raises(SealError) as caught:
        read_manifest(canonical_json(frame(compact_json(statement), signer)), [signer.public_key])
    assert reason in caught.value.message


def test_duplicate_keys_in_the_signed_statement_are_refused(case: Case) -> None:
    payload = read_signed(case.seal().manifest).payload
    signer = case.signer.signer
    twice = payload.replace(b'"predicateType":', b'"predicateType":"x","predicateType":', 1)
    with pytest.raises(SealError, match="stands twice"):
        read_manifest(canonical_json(frame(twice, signer)), [signer.public_key])


def test_another_payload_type_is_refused_even_when_it_is_signed(case: Case) -> None:
    signer = case.signer.signer
    data = canonical_json(frame(read_signed(case.seal().manifest).payload, signer, "application/json"))
    with pytest.raises(SealError):
        read_manifest(data, [signer.public_key])


def test_equal_keys_are_needed_not_equal_names(case: Case, tmp_path: Path) -> None:
    """A key that calls itself by a trusted key's id does not become trusted."""
    mine, stranger = case.signer.signer, load_or_create_local_signer(tmp_path / "stranger", {}).signer
    payload = read_signed(case.seal().manifest).payload
    file = frame(payload, stranger)
    file["verificationMaterial"]["publicKey"]["hint"] = mine.public_key.keyid
    file["dsseEnvelope"]["signatures"][0]["keyid"] = mine.public_key.keyid
    keys: list[Key] = [mine.public_key]
    with pytest.raises(SignatureError, match="does not hold"):
        read_manifest(canonical_json(file), keys)

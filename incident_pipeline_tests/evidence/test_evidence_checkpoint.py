"""Checkpoints: the published formats to the byte, and one spelling of each."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from incident_pipeline.errors import ConfigError, LogError, SignatureError
from incident_pipeline.evidence.checkpoint import (
    Checkpoint,
    note_key_id,
    open_checkpoint,
    read_checkpoint,
    sign_checkpoint,
    verifier_key,
    verify_checkpoint,
)
from incident_pipeline.evidence.signing import as_key, public_pem

ORIGIN = "incident-pipeline.dev/log/test"
CHECKPOINT = Checkpoint(ORIGIN, 3, bytes(range(32)))


def ed25519(seed: int = 1) -> CryptoSigner:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return CryptoSigner(private, as_key(private.public_key()))


SIGNER = ed25519()
NOTE = sign_checkpoint(CHECKPOINT, SIGNER)
KEYS = (SIGNER.public_key,)


@pytest.mark.parametrize("key", [
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
])  # fmt: skip
def test_key_ids_are_those_of_published_verifier_keys(key: str) -> None:
    name, key_id, encoded = key.split("+", 2)
    public = as_key(Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:]))
    assert note_key_id(name, public) == bytes.fromhex(key_id)
    assert verifier_key(name, public) == key


def test_the_checkpoint_printed_in_the_specification_is_read() -> None:
    note = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    ).encode()
    signed = read_checkpoint(note)
    assert (signed.checkpoint.origin, signed.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert signed.signatures[0].key_id.hex() == "033de0ae"
    assert len(signed.signatures[0].signature) == 64
    assert signed.note == note


def test_what_is_signed_comes_back() -> None:
    assert open_checkpoint(NOTE, KEYS) == CHECKPOINT
    assert NOTE.decode().splitlines()[:4] == [
        ORIGIN, "3", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "",
    ]  # fmt: skip


def test_openssl_agrees(tmp_path: Path) -> None:
    signed = read_checkpoint(NOTE)
    for name, data in (
        ("text", signed.text), ("sig", signed.signatures[0].signature), ("key.pem", public_pem(KEYS[0])),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile sig"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)


def test_a_p256_key_as_key_services_have_it_signs_too(tmp_path: Path) -> None:
    private = generate_private_key(SECP256R1())
    signer = CryptoSigner(private, as_key(private.public_key()))
    note = sign_checkpoint(CHECKPOINT, signer)
    assert open_checkpoint(note, [signer.public_key]) == CHECKPOINT
    signature = read_checkpoint(note).signatures[0]
    # Type 0x02: the id is the beginning of the key's own digest, which is the key's id with us.
    assert signature.key_id.hex() == signer.public_key.keyid[:8]
    for name, data in (
        ("text", CHECKPOINT.text), ("sig", signature.signature), ("k.pem", public_pem(signer.public_key)),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    command = "openssl dgst -sha256 -verify k.pem -signature sig text"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(SignatureError, match="no trusted key"):
        open_checkpoint(note, KEYS)


def test_a_key_without_a_note_type_is_refused() -> None:
    private = generate_rsa(65537, 2048)
    signer = CryptoSigner(private, as_key(private.public_key()))
    with pytest.raises(ConfigError, match="type rsa can't sign"):
        sign_checkpoint(CHECKPOINT, signer)
    assert verifier_key(ORIGIN, signer.public_key) is None
    with pytest.raises(SignatureError, match="no trusted key"):
        open_checkpoint(NOTE, [signer.public_key])


def test_signatures_of_strangers_are_passed_over_and_known_ones_must_hold() -> None:
    other = ed25519(2)
    line = sign_checkpoint(CHECKPOINT, other).split(b"\n\n")[1]
    witness = sign_checkpoint(Checkpoint("witness.example", 3, CHECKPOINT.root), SIGNER).split(b"\n\n")[1]
    both = NOTE + line + witness
    assert open_checkpoint(both, KEYS) == CHECKPOINT
    assert open_checkpoint(both, [other.public_key]) == CHECKPOINT
    assert len(read_checkpoint(both).signatures) == 3
    # A signature that says it is by a known key counts, even beside one that holds.
    wrong = sign_checkpoint(Checkpoint(ORIGIN, 4, CHECKPOINT.root), other).split(b"\n\n")[1]
    assert open_checkpoint(NOTE + wrong, KEYS) == CHECKPOINT
    with pytest.raises(SignatureError, match="does not hold"):
        open_checkpoint(NOTE + wrong, [*KEYS, other.public_key])


def test_another_log_s_signature_by_the_same_key_does_not_count() -> None:
    foreign = sign_checkpoint(Checkpoint("another.example/log", 3, CHECKPOINT.root), SIGNER)
    text = CHECKPOINT.text + b"\n" + foreign.split(b"\n\n")[1]
    with pytest.raises(SignatureError, match="no trusted key"):
        open_checkpoint(text, KEYS)


def test_extension_lines_are_signed_and_not_understood() -> None:
    text = CHECKPOINT.text + b"extension one\n"
    signature = bytes.fromhex(SIGNER.sign(text).signature)
    key_id = note_key_id(ORIGIN, KEYS[0]) or b""
    line = f"\u2014 {ORIGIN} {base64.b64encode(key_id + signature).decode()}\n".encode()
    signed = read_checkpoint(text + b"\n" + line)
    verify_checkpoint(signed, KEYS)
    assert signed.checkpoint == CHECKPOINT
    with pytest.raises(SignatureError):
        open_checkpoint(CHECKPOINT.text + b"\n" + line, KEYS)


BODY, _, LINES = NOTE.decode().partition("\n\n")
ROOT = base64.b64encode(CHECKPOINT.root).decode()


@pytest.mark.parametrize("note", [
    "",
    "\n",
    BODY,
    f"{BODY}\n",
    f"{BODY}\n\n",
    f"{BODY}\n{LINES}",
    f"{BODY}\n\n{LINES.rstrip()}",
    f"{BODY}\n\n{LINES}\n",
    f"{BODY}\n\n\n{LINES}",
    f"\n{BODY}\n\n{LINES}",
    f"{ORIGIN}\n3\n\n{LINES}",
    f"{ORIGIN}\n03\n{ROOT}\n\n{LINES}",
    f"{ORIGIN}\n+3\n{ROOT}\n\n{LINES}",
    f"{ORIGIN}\n-3\n{ROOT}\n\n{LINES}",
    f"{ORIGIN}\n\u0663\n{ROOT}\n\n{LINES}",
    f"{ORIGIN}\n3 \n{ROOT}\n\n{LINES}",
    f"{ORIGIN}\n{'9' * 40}\n{ROOT}\n\n{LINES}",
    f"{ORIGIN}\n3\n{ROOT[:-2]}9=\n\n{LINES}",
    f"{ORIGIN}\n3\n{ROOT.rstrip('=')}\n\n{LINES}",
    f"{ORIGIN}\n3\nAAAA\n\n{LINES}",
    f"{ORIGIN}\n3\n{ROOT}\n\nno signature line\n",
    f"{ORIGIN}\n3\n{ROOT}\n\n- {ORIGIN} AAAAAAAA\n",
    f"{ORIGIN}\n3\n{ROOT}\n\n\u2014 {ORIGIN} AAAA\n",
    f"{ORIGIN}\n3\n{ROOT}\n\n\u2014 {ORIGIN}  {'A' * 12}\n",
    f"{ORIGIN}\n3\n{ROOT}\n\n\u2014 a+b {'A' * 12}\n",
    f"{ORIGIN}\n3\n{ROOT}\n\n\u2014 {ORIGIN} {'A' * 11}B\n"[:-2] + "\r\n",
    f"{ORIGIN}\r\n3\r\n{ROOT}\r\n\n{LINES}",
    f"{ORIGIN}\t\n3\n{ROOT}\n\n{LINES}",
    f"{BODY}\n\n" + LINES * 33,
    f"{ORIGIN}\n3\n{ROOT}\n{'x' * 200_000}\n\n{LINES}",
])  # fmt: skip
def test_anything_but_the_one_spelling_is_refused(note: str) -> None:
    with pytest.raises(LogError, match="can't be read as a checkpoint"):
        read_checkpoint(note.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(LogError, match="byte 0 is no UTF-8"):
        read_checkpoint(b"\xff" + NOTE)


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 7))
def test_no_flipped_bit_of_a_checkpoint_goes_unnoticed(at: int, bit: int) -> None:
    flipped = bytearray(NOTE)
    flipped[at] ^= 1 << bit
    with pytest.raises((LogError, SignatureError)):
        open_checkpoint(bytes(flipped), KEYS)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(LogError):
        read_checkpoint(data)


@given(
    st.text(min_size=1, max_size=30).filter(
        lambda text: not any(c.isspace() or c == "+" or ord(c) < 32 for c in text)
    ),
    st.integers(0, 10**18),
    st.binary(min_size=32, max_size=32),
)
def test_each_checkpoint_survives_its_note(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    note = sign_checkpoint(checkpoint, SIGNER)
    assert open_checkpoint(note, KEYS) == checkpoint
    assert read_checkpoint(note).note == note

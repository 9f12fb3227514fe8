"""The local key: made once, private to its user, trusted from outside the evidence."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from incident_pipeline.errors import ConfigError, TrustRootMissingError
from incident_pipeline.evidence import config_dir, load_or_create_local_signer, load_trust_root
from incident_pipeline.evidence.signing import PASSPHRASE_VARIABLE, public_pem


def test_the_key_is_made_on_first_use_and_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    first = load_or_create_local_signer(folder, {})
    second = load_or_create_local_signer(folder, {})
    assert (first.created, second.created) == (True, False)
    assert first.keyid == second.keyid == first.signer.public_key.keyid
    assert load_trust_root(folder=folder).keyids == (first.keyid,)
    assert first.trust_path == folder / "trust" / f"{first.keyid}.pem"
    assert sorted(it.name for it in first.key_path.parent.iterdir()) == ["seal.pem"]


def test_the_private_key_is_for_its_user_alone(tmp_path: Path) -> None:
    signer = load_or_create_local_signer(tmp_path, {})
    assert stat.S_IMODE(signer.key_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(signer.key_path.parent.stat().st_mode) == 0o700
    assert signer.key_path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    signer.key_path.chmod(0o640)
    with pytest.raises(ConfigError, match="open to others") as caught:
        load_or_create_local_signer(tmp_path, {})
    assert "chmod 600" in caught.value.advice


def test_the_key_id_is_the_digest_of_the_public_key(tmp_path: Path) -> None:
    signer = load_or_create_local_signer(tmp_path, {})
    pem = signer.trust_path.read_bytes()
    assert pem == public_pem(signer.signer.public_key)
    try:
        der = subprocess.run(
            ["openssl", "pkey", "-pubin", "-in", signer.trust_path, "-outform", "DER"],
            capture_output=True, check=True,
        ).stdout  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert hashlib.sha256(der).hexdigest() == signer.keyid


def test_a_passphrase_encrypts_the_key(tmp_path: Path) -> None:
    secret = {PASSPHRASE_VARIABLE: "correct horse"}
    signer = load_or_create_local_signer(tmp_path, secret)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in signer.key_path.read_bytes()
    assert load_or_create_local_signer(tmp_path, secret).keyid == signer.keyid
    with pytest.raises(ConfigError, match="is encrypted") as caught:
        load_or_create_local_signer(tmp_path, {})
    assert PASSPHRASE_VARIABLE in caught.value.advice
    with pytest.raises(ConfigError, match="can't be read"):
        load_or_create_local_signer(tmp_path, {PASSPHRASE_VARIABLE: "battery staple"})


def test_a_key_that_is_none_is_refused_and_kept(tmp_path: Path) -> None:
    signer = load_or_create_local_signer(tmp_path, {})
    other = ec.generate_private_key(ec.SECP256R1())
    for content in (b"nonsense", other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())):
        signer.key_path.write_bytes(content)
        with pytest.raises(ConfigError, match="key"):
            load_or_create_local_signer(tmp_path, {})
        assert signer.key_path.read_bytes() == content


def test_of_two_that_make_the_key_at_once_one_wins(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from incident_pipeline.evidence import load_or_create_local_signer as load;"
        "sys.stdin.read(1); print(load(Path(sys.argv[1]), {}).keyid)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    ids = {process.communicate("go")[0].strip() for process in started}
    assert len(ids) == 1
    assert load_trust_root(folder=tmp_path).keyids == tuple(ids)


def test_the_configuration_folder_is_the_users(tmp_path: Path) -> None:
    named = {"INCIDENT_PIPELINE_CONFIG_DIR": str(tmp_path), "XDG_CONFIG_HOME": "/xdg"}
    assert config_dir(named) == tmp_path
    assert config_dir({"XDG_CONFIG_HOME": "/xdg"}) == Path("/xdg/incident-pipeline")
    assert config_dir({}) == Path.home() / ".config" / "incident-pipeline"


def test_a_trust_root_is_a_file_or_a_folder_of_keys(tmp_path: Path) -> None:
    first = load_or_create_local_signer(tmp_path / "a", {})
    second = load_or_create_local_signer(tmp_path / "b", {})
    kms = ec.generate_private_key(ec.SECP256R1()).public_key()
    pems = [first.trust_path.read_bytes(), second.trust_path.read_bytes()]
    pems.append(kms.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "all.pem").write_bytes(b"\n".join(pems))
    both = load_trust_root(tmp_path / "all.pem")
    assert {first.keyid, second.keyid} < set(both.keyids)
    assert [key.keytype for key in both.keys].count("ecdsa") == 1
    assert load_trust_root(first.trust_path.parent).keyids == (first.keyid,)


@pytest.mark.parametrize(
    "content", [None, b"", b"nonsense", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_no_key_to_trust_is_an_error_of_its_own(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "root.pem").write_bytes(content)
    with pytest.raises(TrustRootMissingError, match="public key") as caught:
        load_trust_root(tmp_path / "root.pem")
    assert caught.value.exit_code == 3
    with pytest.raises(TrustRootMissingError):
        load_trust_root(folder=tmp_path / "no-configuration")

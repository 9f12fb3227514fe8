"""The passphrase of local keys: from the variable, or from a keyring, real and in each way that it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from incident_pipeline.errors import ConfigError
from incident_pipeline.evidence import load_or_create_local_signer, open_sealer
from incident_pipeline.evidence.passphrases import (
    KEYRING_SERVICE,
    KEYRING_USER,
    PASSPHRASE_VARIABLE,
    SOURCE_VARIABLE,
    passphrase_of,
)
from incident_pipeline.evidence.trust_changes import rotate_local_key
from incident_pipeline_tests.evidence.sealed_case import Case

ASKED = {SOURCE_VARIABLE: "keyring"}


@pytest.fixture
def file_keyring(tmp_path: Path) -> Iterator[Any]:
    """A real keyring in a file (keyrings.alt), which needs no desktop."""
    keyring = pytest.importorskip("keyring", reason="the extra `keyring` is not installed")
    alt = pytest.importorskip("keyrings.alt.file", reason="keyrings.alt is not installed")
    before = keyring.get_keyring()
    backend = alt.PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring.cfg")
    keyring.set_keyring(backend)
    yield keyring
    keyring.set_keyring(before)


def fake_keyring(monkeypatch: pytest.MonkeyPatch, answer: str | Exception | None) -> None:
    """A FAKE in the place of the package, for what a real keyring does only on a desktop."""

    class KeyringError(Exception):
        pass

    class KeyringLocked(KeyringError):  # noqa: N818 -- the package's name
        pass

    def get_password(service: str, user: str) -> str | None:
        assert service == KEYRING_SERVICE
        if isinstance(answer, Exception):
            kinds = {
                "locked": KeyringLocked("Failed to unlock the collection!"),
                "none": KeyringError("none"),
            }
            raise kinds[str(answer)]
        return answer

    errors = SimpleNamespace(KeyringError=KeyringError, KeyringLocked=KeyringLocked)
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=get_password, errors=errors))
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_without_variables_there_is_none_and_the_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert passphrase_of({}) is None
    assert passphrase_of({PASSPHRASE_VARIABLE: ""}) is None
    assert passphrase_of({PASSPHRASE_VARIABLE: "correct horse", **ASKED}) == b"correct horse"


def test_a_source_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="is 'vault:x'") as caught:
        passphrase_of({SOURCE_VARIABLE: "vault:x"})
    assert "keyring:USER" in caught.value.advice


def test_a_keyring_that_is_not_installed_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="`keyring` is not installed") as caught:
        passphrase_of(ASKED)
    assert "incident-pipeline[keyring]" in caught.value.advice


@pytest.mark.parametrize(
    ("answer", "says", "advice"),
    [
        (Exception("locked"), "is locked (service incident-pipeline, user signing-key)", "Unlock it"),
        (Exception("none"), "can't be asked", "keyring diagnose"),
        (None, "has no passphrase under", "keyring set incident-pipeline signing-key"),
        ("", "has no passphrase under", "keyring set incident-pipeline signing-key"),
    ],
)
def test_a_keyring_that_gives_nothing_makes_no_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str | Exception | None, says: str, advice: str
) -> None:
    fake_keyring(monkeypatch, answer)
    with pytest.raises(ConfigError) as caught:
        load_or_create_local_signer(tmp_path, ASKED)
    assert says in caught.value.message
    assert advice in caught.value.advice
    assert caught.value.exit_code == 2
    assert not (tmp_path / "keys").exists()  # no key that would lie open


def test_a_real_keyring_protects_signing_root_and_time_keys(
    file_keyring: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOURCE_VARIABLE, "keyring")
    config = tmp_path / "config"
    with pytest.raises(ConfigError, match="has no passphrase under service incident-pipeline"):
        load_or_create_local_signer(config)
    file_keyring.set_password(KEYRING_SERVICE, KEYRING_USER, "correct horse")
    now = datetime.now(UTC)
    sealer = open_sealer(signer="", tsa="local", tsa_url="", folder=config, now=now)
    assert sealer.opened.kind == "local"
    assert sealer.authority is not None
    assert sealer.authority.stamp(b"data")  # openssl got the passphrase, too
    rotate_local_key(config, now)
    for name in ("keys/seal.pem", "keys/root.pem", "tsa/key.pem"):
        assert b"ENCRYPTED" in (config / name).read_bytes()
    assert "correct horse" not in repr(sealer)
    # The same passphrase by the variable opens them as well, another one does not.
    signer = load_or_create_local_signer(config, {PASSPHRASE_VARIABLE: "correct horse"})
    assert signer.encrypted
    file_keyring.set_password(KEYRING_SERVICE, "other", "battery staple")
    with pytest.raises(ConfigError, match="can't be read"):
        load_or_create_local_signer(config, {SOURCE_VARIABLE: "keyring:other"})
    monkeypatch.delenv(SOURCE_VARIABLE)
    with pytest.raises(ConfigError, match="is encrypted") as caught:
        load_or_create_local_signer(config)
    assert f"{SOURCE_VARIABLE}=keyring" in caught.value.advice


def test_an_incident_is_sealed_and_verified_with_a_key_from_the_keyring(
    file_keyring: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KeyringCase(Case):
        @property
        def signer(self) -> Any:
            return load_or_create_local_signer(self.config, ASKED)

    file_keyring.set_password(KEYRING_SERVICE, KEYRING_USER, "correct horse")
    case = KeyringCase(tmp_path)
    case.write_ledger(case.seal())
    assert case.verify() == (0, [])  # which needs no private key, and asks no keyring


def test_the_keyring_is_loaded_only_when_asked_for(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from incident_pipeline.evidence import open_signer;"
        f"open_signer('', Path({str(tmp_path)!r})); print('keyring' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""The time stamping authority of this machine, for when no other is configured: openssl answers.

It makes seals comparable in time and lets a rotated key's seals be dated, offline and with standard
tools. It proves nothing against whoever holds the machine, and its name says so: `self-asserted`.

    CONFIG/tsa/key.pem, certificate.pem     P-256 key (mode 0600) and its certificate, for time stamping only
    CONFIG/trust/tsa/<fingerprint>.pem      the root that issued it, trusted from then on

The root's private key is thrown away as soon as the one certificate is issued.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from incident_pipeline.errors import ConfigError, ServiceError
from incident_pipeline.evidence.passphrases import GIVE_IT, PASSPHRASE_VARIABLE, passphrase_of
from incident_pipeline.evidence.timestamps import LOCAL_NAME, Authority, time_request
from incident_pipeline.serialise import write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

_YEARS: Final = timedelta(days=3650)
_TIMEOUT_S: Final = 30
# No `certs`: with a second certificate in it, openssl's answer is not in DER order and strict readers
# refuse it. The policy is in the arc for examples of ISO/IEC; the authority follows no published one.
_CONFIGURATION: Final = """\
[tsa]
default_tsa = local
[local]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 2.999.3161.1
digests = sha256, sha384, sha512
accuracy = secs:1
clock_precision_digits = 0
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class LocalAuthority:
    """Stamps with the key in a folder; `openssl` does it."""

    folder: Path
    openssl: str
    environ: Mapping[str, str] = field(repr=False)

    def stamp(self, data: bytes) -> bytes:
        """Give a DER TimeStampResp over the SHA-256 of the bytes, by this machine's clock.

        Raises:
            ServiceError: openssl failed.
        """
        return self.answer(time_request(data).as_bytes())

    def answer(self, query: bytes) -> bytes:
        """Answer a DER TimeStampReq.

        Raises:
            ServiceError: openssl failed.
        """
        with tempfile.TemporaryDirectory(prefix="incident-tsa-") as name:
            scratch = Path(name)
            (scratch / "tsa.cnf").write_text(_CONFIGURATION)
            # A serial of its own for each answer: openssl does not lock its file.
            (scratch / "serial").write_text(f"{secrets.randbits(63) | 1:016X}\n")
            (scratch / "query").write_bytes(query)
            command = [
                self.openssl, "ts", "-reply", "-config", "tsa.cnf", "-section", "local",
                "-queryfile", "query", "-signer", str(self.folder / "certificate.pem"),
                "-inkey", str(self.folder / "key.pem"),
                "-passin", f"env:{PASSPHRASE_VARIABLE}", "-out", "reply",
            ]  # fmt: skip
            environ = {PASSPHRASE_VARIABLE: "", **self.environ}
            try:
                done = subprocess.run(  # noqa: S603 -- a fixed program with our own files
                    command, cwd=scratch, env=environ, capture_output=True, timeout=_TIMEOUT_S, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise ServiceError(f"openssl gave no time stamp ({error}).") from error
            reply = scratch / "reply"
            if done.returncode or not reply.is_file():
                said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
                raise ServiceError(f"openssl gave no time stamp ({' '.join(said) or done.returncode}).")
            return reply.read_bytes()


def open_local_authority(folder: Path, environ: Mapping[str, str] | None = None) -> LocalAuthority | None:
    """Open this machine's authority, making it on first use; None when openssl is not installed.

    Args:
        folder: configuration folder.
        environ: where the passphrase and openssl are looked up; the process environment when None.

    Raises:
        ConfigError: its key can't be made or used.
    """
    env = dict(os.environ if environ is None else environ)
    openssl = shutil.which("openssl", path=env.get("PATH"))
    if openssl is None:
        return None
    place = folder / "tsa"
    try:
        if not (place / "key.pem").exists():
            create_authority(place, folder / "trust" / "tsa", passphrase=passphrase_of(env))
        encrypted = b"ENCRYPTED" in (place / "key.pem").read_bytes()
    except OSError as error:
        message = f"{place}: the time authority can't be made or read ({error.strerror or error})."
        raise ConfigError(message, advice="Mend the folder, or set tsa to none.") from error
    if encrypted:
        passphrase = passphrase_of(env)
        if passphrase is None:
            message = f"{place / 'key.pem'}: the time authority's key is encrypted."
            raise ConfigError(message, advice=f"{GIVE_IT} Or set tsa to none.")
        # openssl takes it from the variable, wherever it was found.
        env[PASSPHRASE_VARIABLE] = passphrase.decode()
    return LocalAuthority(place, openssl, env)


def create_authority(
    place: Path, trust: Path, *, name: str = LOCAL_NAME, passphrase: bytes | None = None
) -> None:
    """Make root, key and certificate; of two processes that do so at once the first one's stay.

    Args:
        place: the authority's folder, which must not exist.
        trust: where the root certificate goes.
        name: the root's common name.
        passphrase: encrypts the key.
    """
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = _named(name)
    root = _certificate(root_name, root_key.public_key(), root_name, root_key, is_root=True)
    leaf = _certificate(_named(f"{name}, signer"), key.public_key(), root_name, root_key, is_root=False)
    trusted = trust / f"{Authority(root).fingerprint}.pem"
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=".tsa-"))  # mode 0700
    try:
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        write_bytes(aside / "certificate.pem", leaf.public_bytes(Encoding.PEM))
        write_bytes(aside / "key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        (aside / "key.pem").chmod(0o600)
        write_bytes(trusted, root.public_bytes(Encoding.PEM))
        try:
            aside.rename(place)  # fails when another process's folder is there
        except OSError:
            trusted.unlink()
            if not (place / "key.pem").exists():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _certificate(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_root: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _YEARS)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not is_root:  # RFC 3161, 2.3: for time stamping and nothing else
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purpose, critical=True)
    return builder.sign(issuer_key, SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

"""A signer whose key is in AWS KMS and never leaves it.

`awskms:<key id or ARN>` signs with an ECC_NIST_P256 key, by digest, through securesystemslib's AWSSigner;
credentials, region and endpoint are boto3's business. The public half is fetched once and put into
`trust/`, so verification never calls KMS. Which key a reference stood for is remembered: an alias that
points elsewhere one day is refused, not silently trusted.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from securesystemslib.exceptions import UnverifiedSignatureError

from incident_pipeline.errors import ConfigError, ServiceError
from incident_pipeline.evidence.signing import (
    Key,
    Signature,
    as_key,
    public_pem,
)
from incident_pipeline.serialise import write_bytes, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from securesystemslib.signer import AWSSigner  # type: ignore[attr-defined] # re-export without __all__

KMS_SCHEME: Final = "awskms:"
_ALGORITHM: Final = "ECDSA_SHA_256"
_REMEMBERED: Final = "kms.json"
# The library logs each failed call before raising it; without a handler that would go to standard error.
logging.getLogger("securesystemslib.signer._aws_signer").addHandler(logging.NullHandler())
_CONNECT_S, _READ_S, _ATTEMPTS = 5, 20, 3
_ADVICE: Final = {
    "DisabledException": "Enable the key in KMS, or set signer to another key.",
    "KMSInvalidStateException": "The key is pending deletion or import: set signer to another key.",
    "NotFoundException": "Check the key id, the account and the region of the setting signer.",
    "AccessDeniedException": "Grant kms:GetPublicKey and kms:Sign on the key to this role.",
    "InvalidKeyUsageException": "The key must be made for SIGN_VERIFY with key spec ECC_NIST_P256.",
}


class KmsSigner:
    """Signs with a key in AWS KMS; each signature is checked here before it is used."""

    def __init__(self, aws: AWSSigner, key: Key) -> None:
        """Wrap a signer whose public key is known."""
        self._aws = aws
        self._key = key

    @property
    def public_key(self) -> Key:
        """Give the public key."""
        return self._key

    def sign(self, payload: bytes) -> Signature:
        """Have the SHA-256 of bytes signed.

        Raises:
            ServiceError: KMS refuses, does not answer, or its signature does not hold under the key.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 -- loads for 0.3 s

        try:
            signature = self._aws.sign(payload)
        except (BotoCoreError, ClientError) as error:
            raise _refused("sign with", self._aws.aws_key_id, error) from error
        try:
            self._key.verify_signature(signature, payload)
        except UnverifiedSignatureError as error:
            message = f"KMS key {self._aws.aws_key_id} gave a signature that does not hold."
            advice = "Check the endpoint: a service that hashes a digest again is no KMS."
            raise ServiceError(message, advice=advice) from error
        return signature


def fetch_kms_signer(setting: str) -> KmsSigner:
    """Ask KMS for a key's public half and give its signer; nothing is trusted by that.

    Raises:
        ConfigError: there are no credentials or no region, or the key is of another kind.
        ServiceError: KMS refuses or does not answer.
    """
    import boto3  # noqa: PLC0415 -- loads for 0.3 s
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
    )
    from securesystemslib.signer import AWSSigner  # type: ignore[attr-defined] # noqa: PLC0415

    key_id = setting.removeprefix(KMS_SCHEME)
    limits = Config(
        connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": _ATTEMPTS}
    )
    try:
        # A session of its own: boto3's shared one keeps the credentials that it found first.
        client = boto3.session.Session().client("kms", config=limits)
        answer = client.get_public_key(KeyId=key_id)
    except (NoCredentialsError, NoRegionError) as error:
        advice = "Give credentials and region as boto3 takes them (AWS_PROFILE, AWS_REGION, a role)."
        raise ConfigError(f"KMS can't be asked for key {key_id}: {error}", advice=advice) from error
    except (BotoCoreError, ClientError) as error:
        raise _refused("give the public key of", key_id, error) from error
    public = load_der_public_key(answer["PublicKey"])
    if not (
        isinstance(public, EllipticCurvePublicKey)
        and isinstance(public.curve, SECP256R1)
        and _ALGORITHM in answer["SigningAlgorithms"]
    ):
        message = f"KMS key {key_id} is {answer.get('KeySpec')}: seals are signed with ECC_NIST_P256 keys."
        raise ConfigError(message, advice="Make a key of that spec for SIGN_VERIFY and name it in signer.")
    key = as_key(public)
    aws = AWSSigner(key_id, key)
    aws.client = client  # with our time limits, and the one that the public key came through
    return KmsSigner(aws, key)


def remember(setting: str, keyid: str, folder: Path) -> None:
    """Note which key a reference stands for from now on."""
    path = folder / _REMEMBERED
    write_json(path, _remembered(path) | {setting: keyid})


def open_kms_signer(setting: str, folder: Path) -> tuple[KmsSigner, Path | None]:
    """Give the signer of a KMS key; on first use trust the key, and say where its public half was put.

    Raises:
        ConfigError: the reference stood for another key before; or as `fetch_kms_signer`.
        ServiceError: KMS refuses or does not answer.
    """
    signer = fetch_kms_signer(setting)
    keyid = signer.public_key.keyid
    known = _remembered(folder / _REMEMBERED).get(setting)
    if known is not None and known != keyid:
        message = f"{setting} is another key now: {keyid}, not {known}."
        advice = "If that is meant, run `incident-pipeline keys rotate --replaces` with the old key's id."
        raise ConfigError(message, advice=advice)
    if known is not None:
        return signer, None
    trusted = folder / "trust" / f"{keyid}.pem"
    write_bytes(trusted, public_pem(signer.public_key))
    remember(setting, keyid, folder)
    return signer, trusted


def _remembered(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
        return {str(setting): str(keyid) for setting, keyid in found.items()}
    except (OSError, ValueError, AttributeError) as error:
        message = f"{path}: can't be read ({error})."
        advice = "Mend the file; it says which KMS keys were used before."
        raise ConfigError(message, advice=advice) from error


def _refused(what: str, key_id: str, error: Exception) -> ServiceError:
    response = getattr(error, "response", None)
    code = response["Error"]["Code"] if response else type(error).__name__
    said = response["Error"].get("Message", "") if response else error
    return ServiceError(f"KMS did not {what} key {key_id} ({code}): {said}", advice=_ADVICE.get(code))

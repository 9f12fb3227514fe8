"""Turn what boto3 raises into our errors: what can be mended by waiting, by configuring, or not at all.

A refusal for lack of rights or of a lock is the configuration's fault and not worth a retry; a service
that is down, slow or answers 5xx is. Two answers are neither: a key that is taken and a key that is not
there are what conditional writes and reads are asked for, so they have classes of their own.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)

from incident_pipeline.errors import ConfigError, IncidentPipelineError, MissingArtifactError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCTOR: Final = (
    "Run `incident-pipeline store doctor`: it says which promises of Object Lock this store keeps."
)
_CREDENTIALS: Final = (
    "Credentials, region and endpoint come from the usual AWS places: AWS_ACCESS_KEY_ID, AWS_PROFILE, "
    "AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3, or an instance role."
)
_MISCONFIGURED: Final = (
    ConfigNotFound,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)


class KeyTakenError(ServiceError):
    """A key that had to be free has a version already (HTTP 412)."""


class ContendedError(ServiceError):
    """Another request for the same key is under way (HTTP 409)."""


class NotLockedError(ConfigError):
    """A bucket or version has no lock."""

    default_advice = DOCTOR


class WrongDigestError(ServiceError):
    """The service got other bytes than those that were hashed."""


class CutOffError(ServiceError):
    """The service stopped in the middle of an object."""

    default_advice = "Try again; if it goes on, check the network and the service."


@contextlib.contextmanager
def speaking(what: str) -> Iterator[None]:
    """Translate errors of boto3; `what` says what was tried, as in "reading objects/ab/cd".

    Raises:
        MissingArtifactError: there is no such key or version.
        KeyTakenError: the key has a version already.
        ContendedError: somebody else writes the key right now.
        WrongDigestError: the bytes that arrived are not those that were announced.
        NotLockedError: the bucket has no Object Lock, or the version no retention.
        ConfigError: credentials, rights, region or bucket are wrong.
        ServiceError: anything else.
    """
    try:
        yield
    except ClientError as error:
        raise _translated(error, what) from error
    except _MISCONFIGURED as error:
        message = f"S3: {what} could not be tried ({_plain(error)})."
        raise ConfigError(message, advice=_CREDENTIALS) from error
    except BotoCoreError as error:
        message = f"S3 did not answer: {what} failed ({_plain(error)})."
        raise ServiceError(message) from error


def code_of(error: ClientError) -> str:
    """Give the error code of an S3 answer, such as `AccessDenied`; a bare HEAD has the status only."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def status_of(error: ClientError) -> int:
    """Give the HTTP status of an S3 answer, 0 when there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


_NO_BUCKET: Final = (
    "Create it with Object Lock enabled, which this command never does by itself, and check its name."
)
_KINDS: Final[dict[str, tuple[type[IncidentPipelineError], str | None]]] = {
    "NoSuchBucket": (ConfigError, _NO_BUCKET),
    **dict.fromkeys(
        ("NoSuchKey", "NoSuchVersion", "404"), (MissingArtifactError, "Restore the vault from its copy.")
    ),
    "PreconditionFailed": (KeyTakenError, None),
    **dict.fromkeys(("ConditionalRequestConflict", "OperationAborted"), (ContendedError, None)),
    **dict.fromkeys(
        ("BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"), (WrongDigestError, None)
    ),
    **dict.fromkeys(
        ("ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "NoSuchObjectLegalHold"),
        (NotLockedError, None),
    ),
    **dict.fromkeys(
        ("AccessDenied", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken",
         "SignatureDoesNotMatch", "UnauthorizedAccess", "403"),
        (ConfigError, f"Give the role this action, or use other credentials. {_CREDENTIALS}"),
    ),
    "RequestTimeTooSkewed": (ConfigError, "Set this machine's clock."),
}  # fmt: skip
"""Error codes of S3 that are not worth another try as they are, and what to do about them."""


def _translated(error: ClientError, what: str) -> IncidentPipelineError:
    code = code_of(error)
    kind, advice = _KINDS.get(code, (NotLockedError if _speaks_of_lock(error) else ServiceError, None))
    said = str(error.response.get("Error", {}).get("Message", ""))[:200]
    return kind(f"S3: {what} was refused ({code}: {said}).", advice=advice)


def _speaks_of_lock(error: ClientError) -> bool:
    """Tell the 400 that a bucket without Object Lock gives to a write with lock headers."""
    answer = error.response.get("Error", {})
    return code_of(error) == "InvalidRequest" and "lock" in str(answer.get("Message", "")).lower()


def _plain(error: BotoCoreError) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"

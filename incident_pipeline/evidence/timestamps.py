"""Trusted time: RFC 3161 tokens over a seal's signature, and who may give them.

A token says that the signature existed at `genTime`, by the clock of a time stamping authority (TSA).
The authority must be trusted from outside the evidence, like a signer. Two kinds are told apart:
`independent`, run by someone else, and `self-asserted`, made on the machine that seals (`tsa_local`):
whoever held that machine could have set its clock, so it dates seals for honest holders only.

Without this code: `openssl ts -verify -data SIGNATURE -in TOKEN.tsr -CAfile CA.pem`.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from incident_pipeline.errors import ConfigError, ServiceError, TimestampError
from incident_pipeline.serialise import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rfc3161_client import Accuracy, TimeStampRequest, TimeStampResponse

Assurance = Literal["independent", "self-asserted"]

SKEW: Final = timedelta(minutes=5)
"""How far the clocks of sealer and authority may stand apart."""
MAX_TOKEN_BYTES: Final = 64 * 1024
LOCAL_NAME: Final = "Local time authority (self-asserted)"
"""Common name of authorities that `tsa_local` makes: how they are known for what they are."""
_TIMEOUT_S: Final = 20
_PRECISION: Final = timedelta(seconds=1)
"""The reader drops fractions of a second, so a time may be up to a second later than it says."""
_DER_INTEGERS: Final = (3, 1)
"""Versions of SignedData and SignerInfo in a token (RFC 5652, 5.1 and 5.3, with an issuer and serial)."""
_ECDSA = re.compile(rb"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03[\x02-\x04]\x04")
"""AlgorithmIdentifier ecdsa-with-SHA2 followed by an OCTET STRING: only a SignerInfo has this sequence."""


@dataclass(frozen=True)
class Authority:
    """A time stamping authority by its root certificate."""

    certificate: x509.Certificate

    @property
    def name(self) -> str:
        """Give the certificate's subject."""
        return self.certificate.subject.rfc4514_string()

    @property
    def fingerprint(self) -> str:
        """Give the SHA-256 of the certificate (DER), lower-case hex."""
        return self.certificate.fingerprint(SHA256()).hex()

    @property
    def assurance(self) -> Assurance:
        """Say whether someone else vouches for the time."""
        names = self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return "self-asserted" if LOCAL_NAME in {name.value for name in names} else "independent"

    @property
    def pem(self) -> bytes:
        """Give the certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True)
class TrustedTime:
    """When an authority saw a signature: not later than `latest`, not earlier than `earliest` (UTC)."""

    earliest: datetime
    latest: datetime
    authority: Authority

    def __str__(self) -> str:
        """Give time, authority and assurance for people."""
        kind = "" if self.authority.assurance in self.authority.name else f" ({self.authority.assurance})"
        return f"{self.earliest:%Y-%m-%dT%H:%M:%SZ} by {self.authority.name}{kind}"


class TimeAuthority(Protocol):
    """Stamps bytes: an authority on this machine or behind a URL."""

    def stamp(self, data: bytes) -> bytes:
        """Give a DER TimeStampResp over the SHA-256 of the bytes."""


def read_authorities(pem: bytes) -> tuple[Authority, ...]:
    """Read every certificate in PEM text.

    Raises:
        ValueError: a block is no certificate.
    """
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        return ()
    return tuple(Authority(certificate) for certificate in x509.load_pem_x509_certificates(pem))


def time_request(data: bytes) -> TimeStampRequest:
    """Ask for a token over bytes: SHA-256, with a nonce, and the certificate in the answer."""
    return TimestampRequestBuilder(data=data, hash_algorithm=HashAlgorithm.SHA256).build()


def check_token(
    token: bytes, data: bytes, authorities: Iterable[Authority], *, name: str, nonce: int | None = None
) -> TrustedTime:
    """Check a token completely: it is over these bytes and by one of these authorities.

    Certificates must have been valid at the token's own time; the signing certificate must be for time
    stamping only, and say so critically (RFC 3161, 2.3).

    Args:
        token: DER TimeStampResp.
        data: what was stamped, such as a seal's signature.
        authorities: whose tokens count; at least one.
        name: what messages call the token.
        nonce: of the request, where it is known.

    Raises:
        TimestampError: it is no token, is over other bytes, was altered, or is by somebody else.
    """
    response = _decode(token, name)
    reason = "no authority is trusted"
    for authority in authorities:
        try:
            builder = VerifierBuilder(roots=[authority.certificate], nonce=nonce)
            builder.build().verify_message(response, data)
        except (VerificationError, ValueError) as error:
            reason = str(error).split(": ErrorStack")[0].rstrip(".")
            continue
        _refuse_second_form(response, token, name)
        return _time_of(response, authority)
    message = f"{name} does not hold ({reason})."
    raise TimestampError(message)


def claimed_time(token: bytes, data: bytes, *, name: str) -> datetime:
    """Give a token's time on its own word, after checking that it is over these bytes.

    Raises:
        TimestampError: it is no token, or is over other bytes.
    """
    info = _decode(token, name).tst_info
    if info.message_imprint.message.hex() != sha256_hex(data):
        message = f"{name} is over other bytes than the seal's signature."
        raise TimestampError(message)
    return info.gen_time.astimezone(UTC)


def refuse_backwards(time: TrustedTime, before: TrustedTime, *, name: str, earlier: str) -> None:
    """Refuse a time that lies before that of an earlier seal.

    One authority's clock must not go back at all; between two, they may differ by the skew.

    Raises:
        TimestampError: it goes back.
    """
    same = time.authority.fingerprint == before.authority.fingerprint
    if time.latest < before.earliest - (timedelta() if same else SKEW):
        back = before.earliest - time.latest
        message = f"{name} goes back in time: it is {back} before that of {earlier} ({before})."
        raise TimestampError(message)


def refuse_clock_set_back(token: bytes, earlier: bytes, *, name: str) -> None:
    """Refuse to seal with a time before that of the seal before: `refuse_backwards` would never hold again.

    Args:
        token: of the new seal.
        earlier: the token of the seal before, on its own word.
        name: of the seal before.

    Raises:
        ServiceError: the clock went back.
        TimestampError: one of them is no token.
    """
    new, old = _decode(token, "The new time stamp"), _decode(earlier, f"{name}, time stamp")
    same = new.signed_data.certificates == old.signed_data.certificates
    latest = new.tst_info.gen_time + _PRECISION + _accuracy(new)
    if latest < old.tst_info.gen_time - (timedelta() if same else SKEW):
        message = (
            f"The clock stands at {new.tst_info.gen_time:%Y-%m-%dT%H:%M:%SZ}, before the time stamp of "
            f"{name} ({old.tst_info.gen_time:%Y-%m-%dT%H:%M:%SZ}): nothing was sealed."
        )
        raise ServiceError(message, advice="Set the clock right and run again.")


@dataclass(frozen=True)
class UrlAuthority:
    """An authority that is asked over HTTP or HTTPS (RFC 3161, 3.4)."""

    url: str
    trusted: Sequence[Authority]

    def stamp(self, data: bytes) -> bytes:
        """Ask for a token and check it before anything is sealed with it.

        Raises:
            ServiceError: no answer, or one that is no token for this request.
            ConfigError: the token is by an authority that is not trusted here.
        """
        request = time_request(data)
        name = f"The answer of {self.url}"
        token = _post(self.url, request.as_bytes())
        try:
            response = _decode(token, name)
        except TimestampError as error:
            raise ServiceError(error.message) from error
        if PKIStatus(response.status) != PKIStatus.GRANTED:
            said = "; ".join(response.status_string) or f"status {response.status}"
            raise ServiceError(f"{self.url} refused to stamp the seal ({said}).")
        try:
            check_token(token, data, self.trusted, name=name, nonce=request.nonce)
        except TimestampError as error:
            advice = "Put the authority's root certificate (PEM) into trust/tsa/ of the configuration folder."
            raise ConfigError(error.message, advice=advice) from error
        return token


def open_url_authority(url: str, trusted: Iterable[Authority]) -> UrlAuthority:
    """Take the address of a TSA.

    Raises:
        ConfigError: there is none, or it is not http(s).
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        advice = "Set tsa_url to the address of a time stamping authority, or tsa to local or none."
        raise ConfigError(f"tsa_url: {url!r} is no http(s) address.", advice=advice)
    return UrlAuthority(url, tuple(trusted))


def _post(url: str, body: bytes) -> bytes:
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 -- the scheme was checked
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 -- as above
            token: bytes = answer.read(MAX_TOKEN_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise ServiceError(f"{url} answered {error.code} to a time stamp request.") from error
    except OSError as error:
        raise ServiceError(f"{url} gave no time stamp ({error}).") from error
    if len(token) > MAX_TOKEN_BYTES:
        raise ServiceError(f"{url} answered more than {MAX_TOKEN_BYTES} bytes: that is no time stamp.")
    return token


def _decode(token: bytes, name: str) -> TimeStampResponse:
    try:
        response = decode_timestamp_response(token)
        PKIStatus(response.status)
        _ = response.tst_info.gen_time if response.status == PKIStatus.GRANTED else None
    except ValueError as error:
        message = f"{name} is no time stamp (RFC 3161)."
        raise TimestampError(message) from error
    return response


def _refuse_second_form(response: TimeStampResponse, token: bytes, name: str) -> None:
    """Refuse tokens with other bytes that read the same: parts that no signature covers."""
    signer = next(iter(response.signed_data.signer_infos))
    versions = (response.signed_data.version, signer.version)
    certificates = [x509.load_der_x509_certificate(it) for it in response.signed_data.certificates]
    elliptic = any(isinstance(it.public_key(), EllipticCurvePublicKey) for it in certificates)
    # TimeStampResp has an outer SEQUENCE of the token's own length: nothing may follow it.
    canonical = response.as_bytes() == token and versions == _DER_INTEGERS
    if not canonical or (elliptic and len(certificates) == 1 and not _ECDSA.search(token)):
        message = f"{name} was changed outside its signed part."
        raise TimestampError(message)


def _time_of(response: TimeStampResponse, authority: Authority) -> TrustedTime:
    when = response.tst_info.gen_time.astimezone(UTC)
    return TrustedTime(when, when + _PRECISION + _accuracy(response), authority)


def _accuracy(response: TimeStampResponse) -> timedelta:
    accuracy: Accuracy | None = response.tst_info.accuracy  # optional in a token, whatever the stub says
    if accuracy is None:
        return timedelta()
    return timedelta(
        seconds=accuracy.seconds or 0,
        milliseconds=accuracy.millis or 0,
        microseconds=accuracy.micros or 0,
    )

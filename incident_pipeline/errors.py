"""The tree of errors. Every error names what is wrong and carries advice on what to do next.

    IncidentPipelineError
    ├── EvidenceError                the evidence is bad (exit 1)
    │   ├── HashMismatchError        bytes differ from the digest given or sealed
    │   ├── SignatureError           a seal's signature does not hold
    │   ├── TimestampError           a seal's time stamp does not hold, or contradicts the seal
    │   ├── EncryptionError          encrypted evidence, or its wrapped key, was altered or swapped
    │   ├── SealError                a seal's content contradicts itself or the vault
    │   └── LogError                 the transparency log contradicts itself, a seal or a pin
    ├── UnreadableInputError         cannot tell: something asked for could not be read (exit 3)
    │   ├── MissingArtifactError     a named artifact is not there or out of reach
    │   ├── UnsafeArchiveError       an archive escapes its folder or is a bomb
    │   ├── MalformedInputError      a file is not what it claims to be
    │   ├── DataKeyError             encrypted evidence whose key is not at hand
    │   ├── ErasedEvidenceError      evidence that was erased or disposed of under authority
    │   ├── WithheldEvidenceError    evidence that a redacted export holds back
    │   └── TrustRootMissingError    nothing outside the evidence says whom to trust
    ├── ServiceError                 an outside service failed: try again (exit 3)
    └── ConfigError                  the command or its configuration is wrong (exit 2)
        ├── LegalHoldError           a legal hold forbids what was asked for
        └── IncidentIdError          an incident id can't be used, or two fold alike

"Could not check" is never "verified": the families have different exit codes and never mix. Names end in
`Error`. What belongs here: the classes, and how their exit codes combine. What does not: the code that
raises them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_GRAVEST_FIRST: Final = (2, 1, 3)


class IncidentPipelineError(Exception):
    """Base of all our errors: a message that names the thing, and advice on what to do."""

    exit_code: ClassVar[int] = 3
    default_advice: ClassVar[str] = ""

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        """Take a one-sentence message and, where the class's own does not fit, the advice."""
        super().__init__(message)
        self.message = message
        self.advice = self.default_advice if advice is None else advice

    def diagnostics(self) -> str:
        """Give message and advice as the paragraph a person reads."""
        return f"{self.message}\n{self.advice}" if self.advice else self.message


class EvidenceError(IncidentPipelineError):
    """The evidence is bad: its integrity could be checked and does not hold."""

    exit_code = 1
    default_advice = "Treat the named file as altered: keep it apart and fetch it again from its source."


class HashMismatchError(EvidenceError):
    """Bytes differ from the digest that was given or sealed."""


class SignatureError(EvidenceError):
    """A seal's signature does not hold under any trusted key."""

    default_advice = "Do not rely on this seal. Ask its signer for the original, or seal the evidence anew."


class EncryptionError(EvidenceError):
    """Encrypted evidence, or the wrapped key to it, was altered or swapped."""


class TimestampError(EvidenceError):
    """A seal's time stamp does not hold, or contradicts what the seal says."""

    default_advice = "Do not rely on when this was sealed. Ask its signer for the original."


class SealError(EvidenceError):
    """A seal's content contradicts itself or the vault it describes."""


class LogError(EvidenceError):
    """The transparency log contradicts itself, a seal, or a checkpoint somebody kept."""

    default_advice = "Keep the vault as it is and compare it with a copy: its history was changed."


class UnreadableInputError(IncidentPipelineError):
    """Something asked for could not be read, so nothing can be said about it."""

    exit_code = 3
    default_advice = "Check that the path is right and readable, then run again."


class MissingArtifactError(UnreadableInputError):
    """An artifact named in incident.json is not there or out of reach."""

    default_advice = "Put the file where incident.json says it is, or remove its entry from `artifacts`."


class UnsafeArchiveError(UnreadableInputError):
    """An archive would write outside its folder or expand past the limits."""

    default_advice = "Do not unpack it by hand. Ask for the evidence as a plain folder."


class MalformedInputError(UnreadableInputError):
    """A file is not what it claims to be."""

    default_advice = "Export the file again; if it was cut off in transfer, copy it again."


class DataKeyError(UnreadableInputError):
    """Encrypted evidence can't be read because the key to it is not at hand."""

    default_advice = "Use the configuration folder, or the KMS key, of the installation that sealed it."


class ErasedEvidenceError(UnreadableInputError):
    """Evidence can't be read any more because it was erased, or disposed of, under authority."""

    default_advice = "The signed custody entry says who decided it and why; nothing brings it back."


class WithheldEvidenceError(UnreadableInputError):
    """Evidence can't be read because this export shows its redacted view only."""

    default_advice = "Ask whoever made the redacted export for the sealed original; its digest stands here."


class TrustRootMissingError(UnreadableInputError):
    """Nothing outside the evidence says whose signature counts."""

    default_advice = (
        "Give the signer's public key with --trust-root FILE. A key found beside the evidence proves nothing."
    )


class ServiceError(IncidentPipelineError):
    """An outside service failed or did not answer in time."""

    exit_code = 3
    default_advice = "Try again; if it goes on, check the service and its configuration."


class ConfigError(IncidentPipelineError):
    """The command line or the configuration is wrong."""

    exit_code = 2
    default_advice = "See `incident-pipeline --help`."


class LegalHoldError(ConfigError):
    """A legal hold forbids what was asked for."""

    default_advice = "Release the hold first: `incident-pipeline retention release`."


class IncidentIdError(ConfigError):
    """An incident id can't be used as a key, or two incidents fold to the same key."""

    default_advice = "Give each incident its own id of lower-case letters, digits and hyphens."


def worst_exit_code(codes: Iterable[int]) -> int:
    """Give the exit code that speaks for all: wrong usage first, then bad evidence, then unreadable input."""
    found = set(codes)
    return next((code for code in _GRAVEST_FIRST if code in found), 0)

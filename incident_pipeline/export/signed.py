"""What our own in-toto statements beside the seal have in common: derivations and bags.

The envelope is the seal's (`evidence.manifest`): DSSE in a Sigstore bundle, in one canonical form. Only
the predicate differs, and its type is part of what is signed, so that none can be taken for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel

from incident_pipeline import __version__
from incident_pipeline.errors import MalformedInputError, SealError
from incident_pipeline.evidence.manifest import read_signed, sign_payload, verify_signature
from incident_pipeline.evidence.verify_time import trusted_time
from incident_pipeline.ingest import fold_name
from incident_pipeline.model.base import Frozen
from incident_pipeline.serialise import compact_json, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from incident_pipeline.evidence import TrustRoot
    from incident_pipeline.evidence.signing import Signer
    from incident_pipeline.evidence.statement import Subject
    from incident_pipeline.evidence.timestamps import TimeAuthority


class Signed(Frozen, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True):
    """Part of a statement: camel-case names as in-toto has them, no unknown keys."""


class Code(Signed):
    """The code that made something: the package's version, and the version of the stage's own rules."""

    name: str = "incident-pipeline"
    version: str = __version__
    stage: str = Field(description="the stage's CODE_VERSION")


Statement = TypeVar("Statement", bound=Signed)


def sign(statement: Signed, signer: Signer, authority: TimeAuthority | None = None) -> bytes:
    """Give the bytes of the file that carries a statement, stamped where an authority is given."""
    return sign_payload(compact_json(statement.model_dump(mode="json", by_alias=True)), signer, authority)


def read(data: bytes, kind: type[Statement], trust: TrustRoot, *, name: str) -> Statement:
    """Read a signed statement: the signature first, then what it says.

    Whether its key was valid is judged at its trusted time, as with seals.

    Raises:
        SealError: it is no statement of this kind, or not in its canonical form.
        SignatureError: the signature does not hold under the trusted keys, or its key was not valid.
        TimestampError: its time stamp does not hold.
        UnreadableInputError: its key is retired, and nothing says when it signed.
    """
    signed = read_signed(data, name=name)
    verify_signature(signed, trust.known, name=name)
    # Without authorities a token dates nothing, as in `verify_time`.
    time = trusted_time(signed, trust.authorities, name=name) if trust.authorities else None
    trust.judge(signed.keyid, time, name=name)
    try:
        return kind.model_validate(parse_json(signed.payload, name=name))
    except MalformedInputError as error:
        message = f"{name} holds no statement ({error.message})."
        raise SealError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{name} holds no {kind.__name__.lower()} ({place}: {first['msg']})."
        raise SealError(message) from error


def refuse_twins(subjects: Iterable[Subject], name: str) -> None:
    """See that no two subjects can be taken for one.

    Raises:
        SealError: two have the same name, or names that differ in case or form only.
    """
    names = [fold_name(subject.name) for subject in subjects]
    if len(set(names)) < len(names):
        message = f"{name} names a file twice."
        raise SealError(message)

"""Verify when a seal was made, whether its key was valid then, and that seals do not go back in time.

Tokens are checked against the authorities of the trust root. Where the root names some, a token must
hold under one of them; where it names none, a token dates nothing, and the report says that there is
no trusted time. A seal never becomes better by a token that could not be checked.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from incident_pipeline.errors import IncidentPipelineError, TimestampError
from incident_pipeline.evidence.manifest import read_signed
from incident_pipeline.evidence.timestamps import (
    SKEW,
    TrustedTime,
    check_token,
    claimed_time,
    refuse_backwards,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from incident_pipeline.evidence.manifest import Manifest, SignedPayload
    from incident_pipeline.evidence.timestamps import Authority
    from incident_pipeline.evidence.trust import TrustRoot
    from incident_pipeline.evidence.vault import Vault
    from incident_pipeline.evidence.verification import Findings


def check_time_and_key(manifest: Manifest, root: TrustRoot, findings: Findings, *, name: str) -> bool:
    """Check a seal's tokens and judge its key by them; False when the seal is not to be believed.

    The seal itself is noted by the caller when this gives True.
    """
    signed, position = manifest.signed, manifest.statement.predicate.seal
    failed = False
    times: list[TrustedTime] = []
    for number, token in enumerate(signed.timestamps, start=1):
        place = f"{name}, time stamp {number}"
        try:
            if not root.authorities:
                claimed = claimed_time(token, signed.signature, name=place)
                says = f"{place} says {claimed:%Y-%m-%dT%H:%M:%SZ}"
                message = f"{says}; the trust root names no time authority to check that."
                findings.add("time", "time stamp not checked", "remark", message)
                continue
            time = check_token(token, signed.signature, root.authorities, name=place)
            skew = _check_against_seal(time, position.sealed_at, place, findings)
        except IncidentPipelineError as error:
            findings.error("time", place, error)
            failed = True
            continue
        times.append(time)
        findings.holds("time", place, f"{time}, {skew}")
    if not times and not failed:
        message = f"{name} has no trusted time: when it was sealed is its signer's word."
        findings.add("time", "no trusted time", "remark", message)
    _remark_on_collection(manifest, times, name, findings)
    try:
        root.judge(signed.keyid, _best(times), name=name)
    except IncidentPipelineError as error:
        findings.error("seal", name, error)
        return False
    return True


def check_time_order(manifest: Manifest, vault: Vault | None, root: TrustRoot, findings: Findings) -> None:
    """Check that trusted times do not go back along an incident's seals, up to this one.

    Earlier seals' tokens must hold as well; seals without one are passed over.
    """
    predicate = manifest.statement.predicate
    key, sequence = predicate.incident.key, predicate.seal.sequence
    if vault is None or not root.authorities:
        return
    before: tuple[TrustedTime, str] | None = None
    for number in range(1, sequence + 1):
        name = f"{key}/{number:06d}"
        try:
            signed = read_signed(vault.read_seal(key, number), name=f"Seal {name}")
            time = trusted_time(signed, root.authorities, name=name)
            if time and before:
                refuse_backwards(time, before[0], name=f"{name}, time stamp", earlier=before[1])
        except TimestampError as error:
            # The seal's own token was judged with the seal; here only its place among the others counts.
            if number < sequence or before is not None:
                findings.error("time", name, error)
            return
        except IncidentPipelineError:
            return  # The chain of seals is broken: that is noted where the chain is checked.
        if time:
            before = time, name


def trusted_time(signed: SignedPayload, authorities: Sequence[Authority], *, name: str) -> TrustedTime | None:
    """Give a seal's trusted time: an independent authority's before this machine's own.

    Raises:
        TimestampError: a token does not hold.
    """
    times = [
        check_token(token, signed.signature, authorities, name=f"{name}, time stamp {number}")
        for number, token in enumerate(signed.timestamps, start=1)
    ]
    return _best(times)


def _best(times: Sequence[TrustedTime]) -> TrustedTime | None:
    return min(times, key=lambda it: (it.authority.assurance == "self-asserted", it.earliest), default=None)


def _check_against_seal(time: TrustedTime, sealed_at: str, place: str, findings: Findings) -> str:
    """Compare a token's time with the sealer's clock; give the difference in words.

    What is stamped exists, so a token can't be older than the seal. A token that is much younger says
    that the sealer's clock was slow, or set back: nothing is wrong with the evidence, but it is remarked.

    Raises:
        TimestampError: the token is older than the seal says it is.
    """
    stated = _instant(sealed_at)
    if stated is None:
        message = f"{place} can't be compared: the seal gives no time ({sealed_at[:40]!r})."
        raise TimestampError(message)
    if time.latest < stated - SKEW:
        message = f"{place} is older than the seal: {time}, but sealed at {sealed_at}."
        raise TimestampError(message)
    skew = (time.earliest - stated).total_seconds()
    if time.earliest > stated + SKEW:
        message = (
            f"{place} is {skew:.0f} s later than the seal says of itself ({sealed_at}): the sealer's clock "
            "was slow or set back, or the seal was dated back."
        )
        findings.add("time", "clock skew", "remark", message)
    return f"{skew:+.0f} s from the sealer's clock"


def _remark_on_collection(
    manifest: Manifest, times: Sequence[TrustedTime], name: str, findings: Findings
) -> None:
    """Remark on a stated time of collection that lies after the proof that the evidence existed."""
    time = _best(times)
    for step in manifest.statement.predicate.custody:
        at = _instant(step.at) if step.action == "collect" and step.at else None
        if time is not None and at is not None and time.latest < at - SKEW:
            message = (
                f"{name} was stamped {time}; {step.actor} states that the evidence was collected later, "
                f"at {step.at}."
            )
            findings.add("time", "collection after sealing", "remark", message)


def _instant(text: str) -> datetime | None:
    """Read an RFC 3339 time; None when it is none or has no zone."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo is not None else None

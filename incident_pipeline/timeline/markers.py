"""Jeli's markers for key entries: detection, diagnosis, repair, key moment.

The Howie guide sorts the evidence of an incident into these four. What an entry is told by its kind and by
the moments that rest on it: what people wrote is diagnosis, unless it tells of trouble first (detection) or
of an act (repair).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.timeline.claim_words import ACTS

if TYPE_CHECKING:
    from incident_pipeline.model.timeline import Claim, Marker

TALK: Final = frozenset({Kind.CHAT.value, Kind.TRANSCRIPT.value, Kind.TICKET.value})


def marker_of(
    kind: str,
    rule: str,
    moments: frozenset[str],
    claims: tuple[Claim, ...],
    *,
    act_after_onset: bool,
    resolves: bool,
) -> Marker | None:
    """Give the marker of an entry, None where none fits.

    Args:
        kind: kind of the event.
        rule: selection rule that picked it.
        moments: names of the moments that rest on the event.
        claims: the claims in it.
        act_after_onset: whether it is an act recorded after the incident began.
        resolves: whether it is the end of an alert.
    """
    if "mitigated" in moments or act_after_onset:
        return "repair"
    if resolves:
        return "key_moment"
    if "detected" in moments or kind == Kind.ALERT or rule == "notice":
        return "detection"
    if kind in TALK:
        return "repair" if any(claim.action in _REPAIRS for claim in claims) else "diagnosis"
    return "key_moment" if moments or rule in _TURNS else None


_REPAIRS: Final = frozenset(ACTS)
_TURNS: Final = frozenset({"contact", "deviation", "change"})

"""People's statements as claims: reported, and corroborated or contradicted by what else is on record.

A time in the words is one of day, read in the zone it names, else in the zone of the message's source,
else in UTC: the latest such time that is not after the message. What the record says of a claim is asked
in `claim_checks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from incident_pipeline.errors import ConfigError
from incident_pipeline.model.timeline import Claim
from incident_pipeline.parsers.timestamps import parse_zone
from incident_pipeline.timeline.claim_checks import PRONOUNS, Finding, check_act, check_state, check_value
from incident_pipeline.timeline.claim_grammar import Said, read_statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from incident_pipeline.timeline.claim_record import Record

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True)
class Message:
    """What a person wrote: event id, UTC nanoseconds (None: unknown), text, zone of its source."""

    event: str
    time: int | None
    text: str
    zone: str | None = None


def read_claims(messages: Iterable[Message], record: Record) -> tuple[Claim, ...]:
    """Give every statement of fact in the messages with what the record says of it, in order."""
    return tuple(claim for message in messages for claim in _of_message(message, record))


def said_time(said: Said, message: Message) -> int | None:
    """Give the moment that a statement's words name, else None; UTC nanoseconds."""
    clock = said.clock
    if clock is None or message.time is None:
        return None
    zone = timezone(timedelta(seconds=clock.offset)) if clock.offset is not None else _zone(message.zone)
    moment = datetime.fromtimestamp(message.time // _SECOND, UTC).astimezone(zone)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    named = day + timedelta(seconds=clock.seconds)
    # A watch may be fast; ten minutes ahead is still today.
    if named > moment + timedelta(minutes=10):
        named -= timedelta(days=1)
    return int(named.timestamp()) * _SECOND


def _of_message(message: Message, record: Record) -> Iterator[Claim]:
    about: str | None = None
    for said in read_statements(message.text):
        named = record.component_in(said.text)
        # "api looks clean, p95 flat": what names nothing goes on about what was named.
        about = named or (about if said.subject.lower() in PRONOUNS else None)
        yield _claim(message, said, about, record)


def _zone(name: str | None) -> tzinfo:
    try:
        zone = parse_zone(name) if name else 0
    except ConfigError:
        return UTC
    return zone if isinstance(zone, ZoneInfo) else timezone(timedelta(seconds=zone))


def _claim(message: Message, said: Said, about: str | None, record: Record) -> Claim:
    named = said_time(said, message)
    moment = message.time if named is None else named
    if moment is None:
        found = Finding("reported", "The message has no time, so nothing can be compared with it.")
    elif said.kind == "act":
        found = check_act(said, about, named, moment, record)
    elif said.kind == "value":
        found = check_value(said, about, moment, record)
    else:
        found = check_state(said, about, moment, record)
    return Claim(
        event=message.event,
        text=said.text,
        about=about or found.about,
        action=said.action,
        said_time_ns=moment,
        state=found.state,
        evidence=found.evidence,
        reason=found.reason,
    )

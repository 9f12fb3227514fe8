"""Chat exports in JSON: Microsoft Teams (Graph), Discord (DiscordChatExporter), Mattermost, Zulip.

One row per message, replies included, with the time it was posted; edits, reactions and attachments stay
in attributes. Bodies in HTML give their text as message and are kept as they are beside it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_places import Place
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, event_of, first, has, member, record_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.rows import Rows

_BREAK: Final = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6]|/blockquote)\b[^<>]{0,200}>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[/!]?[a-zA-Z][^<>]{0,2000}>")


def text_of_html(html: str) -> str:
    """Give the text of a chat's HTML, with line ends where it breaks lines."""
    return unescape(_TAG.sub("", _BREAK.sub("\n", html))).replace("\xa0", " ").strip()


def _teams_text(flat: Mapping[str, str]) -> str:
    body = flat.get("body.content", "")
    text = text_of_html(body) if flat.get("body.contentType", "html").lower() == "html" else body
    about = first(flat, ("subject", "summary", "eventDetail.@odata.type", "messageType"))
    return text or about or ""


_TEAMS_REPLY: Final = Shape(
    name="message",
    kind=Kind.CHAT,
    time=("createdDateTime",),
    compose=_teams_text,
    actor=(
        "from.user.displayName", "from.application.displayName", "from.device.displayName", "from.user.id",
        "from.emailAddress.name",
    ),
    derive={"channel": ("channelIdentity.channelId", "chatId"), "thread_ts": ("replyToId",)},
)  # fmt: skip
_TEAMS: Final = replace(_TEAMS_REPLY, parts={"replies": _TEAMS_REPLY})
_TEAMS_PAGE: Final = Shape(name="page", parts={"value": _TEAMS})

_DISCORD: Final = Shape(
    name="message",
    kind=Kind.CHAT,
    time=("timestamp",),
    compose=lambda flat: first(flat, ("content", "type")) or "",
    actor=("author.nickname", "author.name", "author.id"),
    derive={"thread_ts": ("reference.messageId",)},
)

_POST_TIME: Final = ("create_at",)
_REPLY: Final = Shape(
    name="reply", kind=Kind.CHAT, time=_POST_TIME, message=("message", "type"), actor=("user", "user_id")
)
_POST: Final = Shape(
    name="post",
    kind=Kind.CHAT,
    time=_POST_TIME,
    message=("message", "type"),
    actor=("user", "user_id"),
    down={"channel": "channel", "team": "team", "create_at": "thread_ts"},
    parts={"replies": _REPLY},
)
_API_POST: Final = replace(
    _REPLY, name="post", derive={"thread_ts": ("root_id",), "channel": ("channel_id",)}
)
_BULK: Final = {
    "post": Shape(name="line", parts={"post": _POST}),
    "direct_post": Shape(name="line", parts={"direct_post": replace(_POST, name="direct_post")}),
}
_BULK_TYPES: Final = (
    "version", "scheme", "role", "team", "channel", "user", "direct_channel", "emoji", "bot", "info",
)  # fmt: skip
_BULK_STATE: Final = Shape(
    name="line",
    kind=Kind.OBJECT_STATE,
    compose=lambda flat: " ".join(
        flat[key]
        for key in ("type", f"{flat.get('type')}.name", f"{flat.get('type')}.username")
        if key in flat
    ),
)

_ZULIP_EXPORT: Final = Shape(
    name="message",
    kind=Kind.CHAT,
    time=("date_sent",),
    message=("content",),
    actor=("sender_full_name", "sender_email", "sender"),
    derive={"topic": ("subject",), "channel": ("recipient",)},
)
_ZULIP_API: Final = Shape(
    name="message",
    kind=Kind.CHAT,
    time=("timestamp",),
    compose=lambda flat: text_of_html(flat.get("content", "")),
    actor=("sender_full_name", "sender_email", "sender_id"),
    derive={"topic": ("subject",), "channel": ("display_recipient", "stream_id")},
)


class Teams(ShapeFormat):
    """The parser of Teams messages as Microsoft Graph gives them."""

    id = "teams"
    aliases = ("msteams", "teams_export", "teams_graph")
    title = "Microsoft Teams messages (Graph)"
    spec = "https://learn.microsoft.com/graph/api/resources/chatmessage"
    kinds = (Kind.CHAT,)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a message by its body and times."""
        if _is_teams(value):
            return _TEAMS
        items = value.get("value")
        return _TEAMS_PAGE if isinstance(items, list) and items and _is_teams(items[0]) else None


class Discord(ShapeFormat):
    """The parser of DiscordChatExporter's JSON."""

    id = "discord"
    aliases = ("discord_export", "discord_chat_exporter")
    title = "Discord (DiscordChatExporter JSON)"
    spec = "https://github.com/Tyrrrz/DiscordChatExporter"
    kinds = (Kind.CHAT,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know an export by its guild, channel and messages."""
        known = has(value, "guild", "channel") and isinstance(value.get("messages"), list)
        return Shape(name="export", parts={"messages": _DISCORD}) if known else None

    def read(self, place: Place, rows: Rows) -> bool:
        """Read an export; a message that stands in it twice is read once, as resumed exports repeat some."""
        record = place.record()
        value = record.value
        if not isinstance(value, dict) or self.shape_of(value) is None:
            return super().read(place, rows)
        known = {
            name: text
            for name, path in _DISCORD_CONTEXT.items()
            if isinstance(text := member(value, path), str) and text
        }
        messages = place.find("messages")
        seen: dict[str, Any] = {}
        for item in messages.items() if messages is not None else ():
            if not isinstance(item.value, dict):
                rows.reject(item.start, item.end, item.problem or "no message")
            elif isinstance(name := item.value.get("id"), str) and seen.get(name) == item.value:
                rows.reject(item.start, item.end, f"message {name[:40]} once more")
            else:
                if isinstance(name, str):
                    seen[name] = item.value
                found = record_at(Place.of(place.data, item), item.value)
                rows.event(event_of(found, _DISCORD, rows, known))
        return True


class Mattermost(ShapeFormat):
    """The parser of Mattermost's bulk export and of posts as its API lists them."""

    id = "mattermost"
    stands_alone = True
    aliases = ("mattermost_bulk", "mattermost_export")
    title = "Mattermost bulk export and API posts"
    spec = "https://docs.mattermost.com/onboard/bulk-loading-data.html"
    kinds = (Kind.CHAT, Kind.OBJECT_STATE)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know a line by its type beside a member of that name, an answer by its order of posts."""
        named = value.get("type")
        kind = named if isinstance(named, str) else ""
        if kind in _BULK and isinstance(value.get(kind), dict):
            return _BULK[kind]
        if kind in _BULK_TYPES and kind in value:
            return _BULK_STATE
        if isinstance(value.get("order"), list) and isinstance(value.get("posts"), dict):
            return Shape(name="page", parts={"posts.*": _API_POST})
        return _API_POST if has(value, "create_at", "channel_id", "user_id", "message") else None


class Zulip(ShapeFormat):
    """The parser of Zulip's exports and of messages as its API lists them."""

    id = "zulip"
    aliases = ("zulip_export",)
    title = "Zulip export and API messages"
    spec = "https://zulip.readthedocs.io/en/latest/production/export-and-import.html"
    kinds = (Kind.CHAT,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know an export by its tables, an answer by the senders of its messages."""
        if isinstance(value.get("zerver_message"), list):
            return Shape(name="export", parts={"zerver_message": _ZULIP_EXPORT})
        items = value.get("messages")
        if isinstance(items, list) and items and has(items[0], "sender_full_name", "timestamp", "content"):
            return Shape(name="page", parts={"messages": _ZULIP_API})
        return _ZULIP_API if has(value, "sender_full_name", "sender_id", "timestamp", "content") else None


_DISCORD_CONTEXT: Final = {"guild": "guild.name", "channel": "channel.name", "channel_id": "channel.id"}


def _is_teams(value: Any) -> bool:
    return has(value, "createdDateTime", "body.content") and ("messageType" in value or "from" in value)


FORMATS: Final[tuple[Format, ...]] = (Teams(), Discord(), Mattermost(), Zulip())

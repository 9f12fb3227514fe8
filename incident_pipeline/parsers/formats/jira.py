"""Jira: issues with their history and comments, and webhooks.

Times are ISO 8601 with an offset without colon (`+0000`); a webhook has epoch milliseconds. Every change of
the history, every comment and every entry of the work log is a row with its own time. Texts of API
version 3 are documents (ADF), whose words are taken out for the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, has, member
from incident_pipeline.parsers.jsontext import NotJsonError, decode_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.format import Format

_BLOCKS: Final = ("paragraph", "heading", "codeBlock", "listItem", "blockquote", "rule")
_MAX_DEPTH: Final = 50


def text_of_document(content: Any) -> str:
    """Give the words of an Atlassian document, a line per block."""
    return "".join(_words(content, 0)).strip()


def _words(node: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, list):
        for item in node:
            yield from _words(item, depth + 1)
    elif isinstance(node, dict):
        shown = node.get("text") or member(node, "attrs.text")
        if isinstance(shown, str):
            yield str(shown)
        yield from _words(node.get("content"), depth + 1)
        if node.get("type") in _BLOCKS:
            yield "\n"


def _body(flat: Mapping[str, str], name: str) -> str:
    if flat.get(f"{name}.type") != "doc":
        return flat.get(name, "")
    try:
        return text_of_document(decode_json(flat.get(f"{name}.content", "[]").encode("utf-8", "replace")))
    except NotJsonError:
        return ""


def _changes(text: str | None) -> str:
    """Say what the items of a change set: `status: Open -> Done, priority: P2 -> P1`."""
    try:
        items = decode_json((text or "[]").encode("utf-8", "replace"))
    except NotJsonError:
        items = []
    told = []
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("field"):
            before, after = item.get("fromString"), item.get("toString")
            told.append(f"{item['field']}: {before or ''} -> {after or ''}")
    return ", ".join(told)


def _issue_text(flat: Mapping[str, str]) -> str:
    parts = (flat.get("key"), flat.get("fields.summary"), flat.get("fields.status.name"))
    return ": ".join(part for part in parts if part) or "issue"


def _hook_text(flat: Mapping[str, str]) -> str:
    said = (
        _body(flat, "comment.body")
        or _changes(flat.get("changelog.items"))
        or flat.get("issue.fields.summary")
    )
    head = " ".join(flat[key] for key in ("webhookEvent", "issue.key") if flat.get(key)) or "webhook"
    return f"{head}: {said}" if said else head


_PERSON: Final = ("displayName", "name", "emailAddress", "accountId")


def _person(*roles: str) -> tuple[str, ...]:
    return tuple(f"{role}.{key}" for role in roles for key in _PERSON)


_COMMENT: Final = Shape(
    name="comment",
    kind=Kind.TICKET,
    time=("created",),
    compose=lambda flat: _body(flat, "body") or "comment",
    actor=_person("author"),
)
_HISTORY: Final = Shape(
    name="change",
    kind=Kind.TICKET,
    time=("created",),
    compose=lambda flat: _changes(flat.get("items")) or "change",
    actor=_person("author"),
)
_WORK: Final = Shape(
    name="work_log",
    kind=Kind.TICKET,
    time=("started", "created"),
    compose=lambda flat: _body(flat, "comment") or "work logged",
    actor=_person("author"),
)
_ISSUE: Final = Shape(
    name="issue",
    kind=Kind.TICKET,
    time=("fields.created",),
    end=("fields.resolutiondate",),
    compose=_issue_text,
    actor=_person("fields.reporter", "fields.creator"),
    severity=("fields.priority.name",),
    down={"key": "issue_key"},
    parts={
        "changelog.histories": _HISTORY,
        "fields.comment.comments": _COMMENT,
        "fields.worklog.worklogs": _WORK,
    },
)
_HOOK: Final = Shape(
    name="webhook",
    kind=Kind.TICKET,
    time=("timestamp",),
    compose=_hook_text,
    actor=_person("user", "comment.updateAuthor", "comment.author"),
    severity=("issue.fields.priority.name",),
    derive={"issue_key": ("issue.key",)},
)
_LISTS: Final = {
    "issues": (_ISSUE, ("key", "fields")),
    "comments": (_COMMENT, ("body", "created", "author")),
    "histories": (_HISTORY, ("items", "created")),
    "values": (_HISTORY, ("items", "created", "author")),
    "worklogs": (_WORK, ("started", "author")),
}


class Jira(ShapeFormat):
    """The parser of Jira's issues and webhooks."""

    id = "jira"
    aliases = ("jira_issue", "jira_webhook", "jira_service_management")
    title = "Jira issues with changelog, comments and work log, webhooks"
    spec = "https://developer.atlassian.com/cloud/jira/platform/rest/v3/"
    kinds = (Kind.TICKET,)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know webhooks by `webhookEvent`, issues by key and fields, pages by what they list."""
        if has(value, "webhookEvent", "timestamp"):
            return _HOOK
        if has(value, "key", "fields") and ("self" in value or has(value, "fields.summary")):
            return _ISSUE
        for name, (shape, keys) in _LISTS.items():
            items = value.get(name)
            if isinstance(items, list) and items and has(items[0], *keys):
                return Shape(name="page", parts={name: shape})
        return None


FORMATS: Final[tuple[Format, ...]] = (Jira(),)

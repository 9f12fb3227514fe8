"""Feature flags: LaunchDarkly's audit log and webhooks, and the flags that flagd is given.

An audit entry's `date` is epoch milliseconds. A flag of flagd is a state without a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format


def _audit_text(flat: Mapping[str, str]) -> str:
    title = flat.get("title")
    if not title:
        title = " ".join(flat[key] for key in ("titleVerb", "name") if flat.get(key)) or "change"
    more = first(flat, ("shortDescription", "comment", "description"))
    return f"{title}: {more}" if more and more not in title else title


def _flag_text(flat: Mapping[str, str]) -> str:
    variant = flat.get("defaultVariant")
    return f"{flat.get('key', 'flag')} {flat.get('state', '')}" + (f", default {variant}" if variant else "")


_AUDIT: Final = Shape(
    name="audit_entry",
    kind=Kind.CHANGE,
    time=("date",),
    compose=_audit_text,
    actor=("member.email", "member._id", "token.name", "app.name"),
    derive={"flag": ("name",), "change.kind": ("kind",)},
)
_FLAG: Final = Shape(name="flag", kind=Kind.OBJECT_STATE, compose=_flag_text, derive={"flag": ("key",)})


class LaunchDarkly(ShapeFormat):
    """The parser of LaunchDarkly's audit log."""

    id = "launchdarkly"
    aliases = ("launchdarkly_audit", "launch_darkly")
    title = "LaunchDarkly audit log and webhooks"
    spec = "https://launchdarkly.com/docs/api/audit-log"
    kinds = (Kind.CHANGE,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know an entry by its verb, accesses and date."""
        if _is_entry(value):
            return _AUDIT
        items = value.get("items")
        listed = isinstance(items, list) and bool(items) and all(map(_is_entry, items[:3]))
        return Shape(name="page", parts={"items": _AUDIT}) if listed else None


class Flagd(ShapeFormat):
    """The parser of flagd's flag definitions."""

    id = "flagd"
    aliases = ("flag_definitions",)
    title = "flagd flag definitions"
    spec = "https://flagd.dev/reference/flag-definitions/"
    kinds = (Kind.OBJECT_STATE,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know flags by their state and variants."""
        flags = value.get("flags")
        if not isinstance(flags, dict) or not flags:
            return None
        known = all(has(flag, "state", "variants") for flag in list(flags.values())[:3])
        return Shape(name="flags", parts={"flags.*": _FLAG}) if known else None


def _is_entry(value: Any) -> bool:
    return has(value, "date", "kind") and (
        "titleVerb" in value or ("accesses" in value and "member" in value)
    )


FORMATS: Final[tuple[Format, ...]] = (LaunchDarkly(), Flagd())

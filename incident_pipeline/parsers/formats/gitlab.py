"""GitLab: webhooks (push, tag, deployment, pipeline, job, merge request, release) and REST records.

`object_kind` names a webhook's type. Times come as ISO 8601 or as `2026-01-02 10:03:04 UTC`, and of
deployments as `2026-01-02 10:03:04 +0100`. A push has no time of its own; its commits have those of their
authors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, has

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incident_pipeline.parsers.format import Format

_ACTOR: Final = ("user.username", "user.name", "user_username", "user_name", "user.id")
_PROJECT: Final = ("project.name", "project_name", "repository.name")


def _text(*keys: str) -> Callable[[Mapping[str, str]], str]:
    return lambda flat: " ".join(flat[key] for key in ("object_kind", *keys) if flat.get(key)) or "event"


_COMMIT: Final = Shape(
    name="commit",
    kind=Kind.CHANGE,
    time=("timestamp",),
    message=("title", "message", "id"),
    actor=("author.name", "author.email"),
    fixed={"time.kind": "authored"},
    derive={"change.commit": ("id",)},
)


def _hook(time: tuple[str, ...], *text: str, end: tuple[str, ...] = (), **parts: Shape) -> Shape:
    return Shape(
        name="webhook",
        kind=Kind.CHANGE,
        time=time,
        end=end,
        compose=_text(*text),
        service=_PROJECT,
        actor=_ACTOR,
        derive={"change.commit": ("after", "commit.id", "sha", "object_attributes.sha", "short_sha")},
        down={"project.path_with_namespace": "project.path_with_namespace", "ref": "ref"},
        parts=parts,
    )


_BUILD: Final = Shape(
    name="build",
    kind=Kind.CHANGE,
    time=("started_at", "created_at"),
    end=("finished_at",),
    compose=lambda flat: (
        " ".join(flat[key] for key in ("stage", "name", "status") if flat.get(key)) or "build"
    ),
    actor=("user.username", "user.name"),
)
_PUSH: Final = _hook((), "ref", "message", commits=_COMMIT)
_ATTRIBUTES: Final = ("object_attributes.action", "object_attributes.status", "object_attributes.state")
_HOOKS: Final = {
    "push": _PUSH,
    "tag_push": _PUSH,
    "deployment": _hook(("status_changed_at",), "environment", "status", "ref", "short_sha"),
    "pipeline": _hook(
        ("object_attributes.created_at",),
        "object_attributes.ref",
        "object_attributes.status",
        end=("object_attributes.finished_at",),
        builds=_BUILD,
    ),
    "build": _hook(
        ("build_started_at", "build_created_at"),
        "build_stage",
        "build_name",
        "build_status",
        end=("build_finished_at",),
    ),
    "merge_request": _hook(
        ("object_attributes.updated_at", "object_attributes.created_at"),
        *_ATTRIBUTES,
        "object_attributes.title",
    ),
    "release": _hook(("released_at", "created_at"), "action", "tag", "name"),
    "feature_flag": _hook((), "object_attributes.name", "object_attributes.active"),
}
_REST: Final = (
    (
        Shape(
            name="deployment",
            kind=Kind.CHANGE,
            time=("created_at",),
            compose=lambda flat: (
                f"deployment {flat.get('environment.name', '')} {flat.get('status', '')}".strip()
            ),
            actor=("user.username", "user.name"),
            derive={"change.commit": ("sha",)},
        ),
        ("iid", "environment.name", "deployable"),
    ),
    (
        Shape(
            name="pipeline",
            kind=Kind.CHANGE,
            time=("created_at",),
            compose=lambda flat: f"pipeline {flat.get('ref', '')} {flat.get('status', '')}".strip(),
            actor=("user.username",),
            derive={"change.commit": ("sha",)},
        ),
        ("project_id", "sha", "ref", "status", "source"),
    ),
    (
        Shape(
            name="commit",
            kind=Kind.CHANGE,
            time=("committed_date", "created_at"),
            message=("title", "message"),
            actor=("author_name",),
            derive={"change.commit": ("id",)},
        ),
        ("short_id", "authored_date", "committed_date"),
    ),
)


class GitLab(ShapeFormat):
    """The parser of GitLab's webhooks and REST records."""

    id = "gitlab"
    aliases = ("gitlab_webhook", "gitlab_events")
    title = "GitLab webhooks and REST records of deployments, pipelines and commits"
    spec = "https://docs.gitlab.com/user/project/integrations/webhook_events/"
    kinds = (Kind.CHANGE,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know webhooks by their kind beside a project, REST records by their fields."""
        kind = value.get("object_kind")
        if isinstance(kind, str):
            return _HOOKS.get(kind) if _has_project(value) else None
        return next((shape for shape, keys in _REST if has(value, *keys)), None)


def _has_project(value: dict[str, Any]) -> bool:
    """Tell whether a webhook names its project."""
    return has(value, "project") or has(value, "project_id") or has(value, "repository")


FORMATS: Final[tuple[Format, ...]] = (GitLab(),)

"""GitHub: webhook bodies and the records of its REST API that tell of changes.

The type of a webhook stands only in an HTTP header, so bodies are told by their shape. A push happened at
`repository.pushed_at`; its commits are rows of their own with the times of their authors, which may be
much older. A push that deletes a branch or tag has no time of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incident_pipeline.parsers.format import Format

_SENDER: Final = ("sender.login", "pusher.name")
_REPOSITORY: Final = ("repository.name",)
_SHAS: Final = ("merge_commit_sha", "head_sha", "sha")
_KINDS: Final = {"deployment": "deploy", "deployment_status": "deploy"}
"""What other formats call the same change."""
_BRANCH: Final = ("refs/heads/", "refs/tags/")


def _words(flat: Mapping[str, str], *keys: str) -> str:
    return " ".join(flat[key] for key in keys if flat.get(key))


def _text(name: str, about: tuple[str, ...], *state: str) -> Callable[[Mapping[str, str]], str]:
    """Give a text such as `deployment_status production success: Deploy finished`."""

    def compose(flat: Mapping[str, str]) -> str:
        head = " ".join(part for part in (name.replace("_", " "), _words(flat, *state)) if part)
        told = first(flat, about)
        return f"{head}: {told}" if told else head

    return compose


def _push_text(flat: Mapping[str, str]) -> str:
    ref = flat.get("ref", "")
    name = next((ref.removeprefix(prefix) for prefix in _BRANCH if ref.startswith(prefix)), ref)
    what = next((word for word in ("deleted", "created", "forced") if flat.get(word) == "true"), "")
    head = " ".join(part for part in ("push", name, what) if part)
    line = (flat.get("head_commit.message") or "").partition("\n")[0]
    return f"{head}: {line}" if line else head


def _hook(
    name: str, time: tuple[str, ...], about: tuple[str, ...], *state: str, end: tuple[str, ...] = ()
) -> Shape:
    return Shape(
        name=name,
        kind=Kind.CHANGE,
        time=tuple(f"{name}.{key}" for key in time),
        end=tuple(f"{name}.{key}" for key in end),
        compose=_text(name, tuple(f"{name}.{key}" for key in about), *state),
        service=_REPOSITORY,
        actor=(*_SENDER, f"{name}.creator.login", f"{name}.actor.login", f"{name}.user.login"),
        derive={"change.commit": (*(f"{name}.{key}" for key in _SHAS), "deployment.sha")},
        fixed={"github.event": name, "change.kind": _KINDS.get(name, name)},
    )


_STATUS: Final = _hook(
    "deployment_status",
    ("created_at", "updated_at"),
    ("description", "log_url"),
    "deployment_status.environment",
    "deployment_status.state",
)
_DEPLOYMENT: Final = _hook(
    "deployment",
    ("created_at",),
    ("description", "sha"),
    "deployment.environment",
    "deployment.ref",
    "action",
)
_PULL: Final = _hook("pull_request", ("updated_at", "created_at"), ("title",), "action")
_RUN: Final = _hook(
    "workflow_run",
    ("run_started_at", "created_at", "updated_at"),
    ("display_title", "head_commit.message"),
    "workflow_run.name",
    "workflow_run.status",
    "workflow_run.conclusion",
)
_JOB: Final = _hook(
    "workflow_job",
    ("started_at", "created_at"),
    ("name",),
    "workflow_job.status",
    "workflow_job.conclusion",
    end=("completed_at",),
)
_CHECK: Final = _hook(
    "check_run",
    ("started_at",),
    ("name", "output.title"),
    "check_run.status",
    "check_run.conclusion",
    end=("completed_at",),
)
_SUITE: Final = _hook(
    "check_suite",
    ("updated_at", "created_at"),
    ("head_commit.message",),
    "check_suite.status",
    "check_suite.conclusion",
)
_RELEASE: Final = _hook(
    "release", ("published_at", "created_at"), ("name", "tag_name"), "release.tag_name", "action"
)
_COMMIT: Final = Shape(
    name="commit",
    kind=Kind.CHANGE,
    time=("timestamp",),
    message=("message", "id"),
    actor=("author.username", "author.name", "author.email"),
    fixed={"github.event": "commit", "change.kind": "commit", "time.kind": "authored"},
    derive={"change.commit": ("id",)},
)
_PUSH: Final = Shape(
    name="push",
    kind=Kind.CHANGE,
    time=("repository.pushed_at", "head_commit.timestamp"),
    compose=_push_text,
    service=_REPOSITORY,
    actor=("pusher.name", "sender.login"),
    fixed={"github.event": "push", "change.kind": "push"},
    derive={"change.commit": ("after",)},
    down={"repository.full_name": "repository.full_name", "ref": "ref"},
    parts={"commits": _COMMIT},
)
_DELETED: Final = replace(_PUSH, time=())
_HOOKS: Final = (_STATUS, _DEPLOYMENT, _JOB, _RUN, _CHECK, _SUITE, _PULL, _RELEASE)

_API: Final = (
    (
        Shape(
            name="deployment",
            kind=Kind.CHANGE,
            time=("created_at",),
            compose=_text("deployment", ("description", "sha"), "environment", "ref"),
            actor=("creator.login",),
            fixed={"github.event": "deployment", "change.kind": "deploy"},
            derive={"change.commit": ("sha",)},
        ),
        ("statuses_url", "environment", "sha", "task"),
    ),
    (
        Shape(
            name="deployment_status",
            kind=Kind.CHANGE,
            time=("created_at",),
            compose=_text("deployment_status", ("description",), "environment", "state"),
            actor=("creator.login",),
            fixed={"github.event": "deployment_status", "change.kind": "deploy"},
        ),
        ("deployment_url", "state"),
    ),
    (
        Shape(
            name="workflow_run",
            kind=Kind.CHANGE,
            time=("run_started_at", "created_at"),
            compose=_text("workflow_run", ("display_title",), "name", "status", "conclusion"),
            service=_REPOSITORY,
            actor=("triggering_actor.login", "actor.login"),
            fixed={"github.event": "workflow_run", "change.kind": "workflow_run"},
            derive={"change.commit": ("head_sha",)},
        ),
        ("workflow_id", "run_number", "head_sha"),
    ),
    (
        Shape(
            name="release",
            kind=Kind.CHANGE,
            time=("published_at", "created_at"),
            compose=_text("release", ("name",), "tag_name"),
            actor=("author.login",),
            fixed={"github.event": "release", "change.kind": "release"},
        ),
        ("tag_name", "target_commitish", "upload_url"),
    ),
    (
        Shape(
            name="pull_request",
            kind=Kind.CHANGE,
            time=("merged_at", "closed_at", "updated_at", "created_at"),
            compose=_text("pull_request", ("title",), "state"),
            service=("base.repo.name",),
            actor=("merged_by.login", "user.login"),
            fixed={"github.event": "pull_request", "change.kind": "pull_request"},
            derive={"change.commit": ("merge_commit_sha",)},
        ),
        ("merge_commit_sha", "head", "base", "title"),
    ),
    (
        Shape(
            name="commit",
            kind=Kind.CHANGE,
            time=("commit.committer.date", "commit.author.date"),
            message=("commit.message", "sha"),
            actor=("author.login", "commit.author.name"),
            fixed={"github.event": "commit", "change.kind": "commit"},
            derive={"change.commit": ("sha",)},
        ),
        ("sha", "commit.author", "commit.message"),
    ),
)
_LISTS: Final = {"workflow_runs": "workflow_run", "items": "commit"}


class GitHub(ShapeFormat):
    """The parser of GitHub's webhooks and REST records."""

    id = "github"
    aliases = ("github_webhook", "github_events", "github_deployments")
    title = "GitHub webhooks (deployments, pushes, pull requests, workflow runs, releases) and REST records"
    spec = "https://docs.github.com/en/webhooks/webhook-events-and-payloads"
    kinds = (Kind.CHANGE,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know webhooks by the repository and what it happened to, REST records by their fields."""
        if has(value, "repository.full_name"):
            return _hook_of(value)
        for name, of in _LISTS.items():
            items = value.get(name)
            if isinstance(items, list) and items and "total_count" in value:
                shape = _api_shape(items[0])
                return Shape(name="page", parts={name: shape}) if shape and shape.name == of else None
        return _api_shape(value)


def _hook_of(value: dict[str, Any]) -> Shape | None:
    if has(value, "ref", "before", "after") and "commits" in value:
        return _DELETED if value.get("deleted") is True else _PUSH
    for shape in _HOOKS:
        if isinstance(value.get(shape.name), dict):
            return _closed(shape, value)
    return _api_shape(value)


def _closed(shape: Shape, value: dict[str, Any]) -> Shape:
    """Give the times that an action stands for: when a pull request was merged, when a run ended."""
    action = value.get("action")
    if shape is _PULL and action == "closed":
        return replace(shape, time=("pull_request.merged_at", "pull_request.closed_at", *shape.time))
    if shape is _PULL and action == "opened":
        return replace(shape, time=("pull_request.created_at",))
    if shape is _RUN and action == "completed":
        return replace(shape, end=("workflow_run.updated_at",))
    return shape


def _api_shape(value: Any) -> Shape | None:
    return next((shape for shape, keys in _API if has(value, *keys)), None)


FORMATS: Final[tuple[Format, ...]] = (GitHub(),)

"""Runs of automation: AWX and Ansible Automation Platform jobs and their events, Rundeck, StackStorm.

A run has a start and an end; what it logged on the way (job events, changes of state, output entries) are
rows of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from incident_pipeline.parsers.format import Format


def _said(*keys: str) -> Callable[[Mapping[str, str]], str]:
    return lambda flat: " ".join(flat[key] for key in keys if flat.get(key)) or "run"


_AWX_EVENT: Final = Shape(
    name="job_event",
    kind=Kind.RUNBOOK_STEP,
    time=("created",),
    end=("event_data.end",),
    compose=_said("event_display", "play", "task", "host_name"),
    host=("host_name", "event_data.host"),
    derive={"status": ("event",)},
)
_AWX_JOB: Final = Shape(
    name="job",
    kind=Kind.RUNBOOK_STEP,
    time=("started", "created"),
    end=("finished",),
    compose=_said("name", "status"),
    actor=("summary_fields.created_by.username", "launched_by.name"),
)
_RUNDECK: Final = Shape(
    name="execution",
    kind=Kind.RUNBOOK_STEP,
    time=("date-started.date", "date-started.unixtime", "dateStarted"),
    end=("date-ended.date", "date-ended.unixtime", "dateEnded"),
    compose=lambda flat: ": ".join(
        text
        for text in (first(flat, ("job.name", "description")), first(flat, ("status", "executionState")))
        if text
    ) or "run",
    actor=("user",),
)  # fmt: skip
_RUNDECK_ENTRY: Final = Shape(
    name="output",
    kind=Kind.RUNBOOK_STEP,
    time=("absolute_time",),
    message=("log",),
    host=("node",),
    actor=("user",),
    severity=("level",),
)
_STACKSTORM: Final = Shape(
    name="execution",
    kind=Kind.RUNBOOK_STEP,
    time=("start_timestamp",),
    end=("end_timestamp",),
    compose=_said("action.ref", "status"),
    actor=("context.user",),
    down={"id": "execution_id", "action.ref": "action.ref"},
    parts={
        "log": Shape(
            name="state", kind=Kind.RUNBOOK_STEP, time=("timestamp",), compose=_said("status"), derive={}
        )
    },
)


class Awx(ShapeFormat):
    """The parser of AWX jobs and job events."""

    id = "awx"
    aliases = ("ansible_tower", "awx_jobs", "aap")
    title = "AWX and Ansible Automation Platform jobs and job events"
    spec = "https://ansible.readthedocs.io/projects/awx/en/latest/rest_api/"
    kinds = (Kind.RUNBOOK_STEP,)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know jobs by their template and times, events by their counter."""
        items = value.get("results")
        if isinstance(items, list) and items and "count" in value:
            shape = _awx(items[0])
            return Shape(name="page", parts={"results": shape}) if shape is not None else None
        return _awx(value)


class Rundeck(ShapeFormat):
    """The parser of Rundeck executions and their output."""

    id = "rundeck"
    aliases = ("rundeck_executions",)
    title = "Rundeck executions and output"
    spec = "https://docs.rundeck.com/docs/api/"
    kinds = (Kind.RUNBOOK_STEP,)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know executions by their dates, output by its absolute times."""
        for name, shape, keys in (
            ("executions", _RUNDECK, ("date-started", "status")),
            ("entries", _RUNDECK_ENTRY, ("absolute_time", "log")),
        ):
            items = value.get(name)
            if isinstance(items, list) and items and has(items[0], *keys):
                return Shape(name="page", parts={name: shape})
        return _RUNDECK if has(value, "date-started", "status", "project") else None


class StackStorm(ShapeFormat):
    """The parser of StackStorm executions."""

    id = "stackstorm"
    aliases = ("st2", "stackstorm_execution")
    title = "StackStorm executions"
    spec = "https://api.stackstorm.com/api/v1/executions/"
    kinds = (Kind.RUNBOOK_STEP,)
    certainty: ClassVar[float] = 0.96

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know an execution by its action and start."""
        return _STACKSTORM if has(value, "action", "start_timestamp", "status") else None


def _awx(value: Any) -> Shape | None:
    if has(value, "event", "counter", "created"):
        return _AWX_EVENT
    known = has(value, "id", "type", "status", "created") and "started" in value and "finished" in value
    return _AWX_JOB if known and ("elapsed" in value or "launch_type" in value) else None


FORMATS: Final[tuple[Format, ...]] = (Awx(), Rundeck(), StackStorm())

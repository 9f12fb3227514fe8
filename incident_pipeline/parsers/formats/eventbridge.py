"""AWS EventBridge: what services tell of deployments, tasks, instances, builds and alarms.

The envelope is the same for all (`detail-type`, `source`, `time`, `resources`, `detail`); the kind of row
follows the source. A `time` of 1970 is a placeholder of AWS's own examples: unknown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format

_ALERTS: Final = ("aws.cloudwatch", "aws.health", "aws.guardduty", "aws.devops-guru", "aws.trustedadvisor")
_STATE: Final = (
    "detail.state", "detail.state.value", "detail.build-status", "detail.lastStatus",
    "detail.deploymentStatus", "detail.eventName", "detail.StatusCode", "detail.status",
    "detail.eventTypeCode",
)  # fmt: skip
_ABOUT: Final = (
    "detail.application", "detail.serviceName", "detail.service", "detail.group", "detail.project-name",
    "detail.pipeline", "detail.AutoScalingGroupName", "detail.alarmName", "detail.functionName",
    "detail.instance-id", "detail.stack-id", "detail.SourceIdentifier",
)  # fmt: skip
_WHY: Final = (
    "detail.reason", "detail.stoppedReason", "detail.state.reason", "detail.StatusMessage", "detail.Message",
    "detail.Cause",
)  # fmt: skip


def _text(flat: Mapping[str, str]) -> str:
    about, state, why = first(flat, _ABOUT), first(flat, _STATE), first(flat, _WHY)
    head = " ".join(part for part in (flat.get("detail-type"), about, state) if part) or "event"
    return f"{head}: {why}" if why else head


_EVENT: Final = Shape(
    name="event",
    kind=Kind.CHANGE,
    time=("time",),
    compose=_text,
    service=(*_ABOUT[:7], "source"),
    host=("detail.instance-id", "detail.EC2InstanceId", "detail.containerInstanceArn"),
    actor=("detail.userIdentity.userName", "detail.userIdentity.arn", "detail.initiator"),
    derive={"status": _STATE},
)
_BY_KIND: Final = {kind: replace(_EVENT, kind=kind) for kind in (Kind.CHANGE, Kind.ALERT, Kind.AUDIT)}


class EventBridge(ShapeFormat):
    """The parser of EventBridge events."""

    id = "aws_eventbridge"
    aliases = ("eventbridge", "codedeploy", "ecs_events")
    title = "AWS EventBridge events (CodeDeploy, ECS, Auto Scaling, CodeBuild, alarms)"
    spec = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html"
    kinds = (Kind.CHANGE, Kind.ALERT, Kind.AUDIT)
    certainty: ClassVar[float] = 0.98

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know the envelope by its fields."""
        if not has(value, "detail-type", "source", "time") or "detail" not in value:
            return None
        if value["source"] in _ALERTS:
            return _BY_KIND[Kind.ALERT]
        called = str(value["detail-type"]).startswith(("AWS API Call", "AWS Console"))
        return _BY_KIND[Kind.AUDIT if called else Kind.CHANGE]


FORMATS: Final[tuple[Format, ...]] = (EventBridge(),)

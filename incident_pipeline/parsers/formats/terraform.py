"""Terraform: the machine-readable log (`-json`), plans as JSON, and what `apply` prints.

The log's records carry a type (`apply_start`, `apply_complete`, `diagnostic`, `change_summary`) beside their
time. A plan has no time per change but one of its own. What `apply` prints has no times at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, has
from incident_pipeline.parsers.line_format import LineFormat, compile_verbose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format


def _plan_text(flat: Mapping[str, str]) -> str:
    return " ".join(flat[key] for key in ("change.actions", "address") if flat.get(key)) or "change"


_LOG: Final = Shape(
    name="log",
    kind=Kind.CHANGE,
    time=("@timestamp",),
    message=("@message", "diagnostic.summary", "type"),
    service=("hook.resource.resource_type", "change.resource.resource_type"),
    severity=("diagnostic.severity", "@level"),
    derive={"resource": ("hook.resource.addr", "change.resource.addr", "diagnostic.address")},
)
_CHANGE: Final = Shape(name="resource_change", kind=Kind.CHANGE, compose=_plan_text, service=("type",))
_PLAN: Final = Shape(
    name="plan",
    kind=Kind.CHANGE,
    time=("timestamp",),
    compose=lambda flat: f"plan of terraform {flat.get('terraform_version', '')}".rstrip(),
    parts={"resource_changes": _CHANGE, "resource_drift": _CHANGE},
)


class TerraformLog(ShapeFormat):
    """The parser of `terraform plan|apply -json`."""

    id = "terraform_json"
    stands_alone = True
    aliases = ("terraform", "opentofu_json")
    title = "Terraform and OpenTofu machine-readable UI, plans as JSON"
    spec = "https://developer.hashicorp.com/terraform/internals/machine-readable-ui"
    kinds = (Kind.CHANGE,)
    certainty: ClassVar[float] = 0.97

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know log records by their module and type, plans by their format version."""
        if has(value, "@timestamp", "@message", "@level"):
            module = str(value.get("@module", ""))
            return _LOG if module.startswith(("terraform", "tofu")) or "hook" in value else None
        return _PLAN if has(value, "format_version", "terraform_version", "resource_changes") else None


class TerraformText(LineFormat):
    """The parser of what `terraform apply` prints about each resource."""

    id = "terraform_text"
    aliases = ("terraform_apply",)
    title = "Terraform apply, as printed"
    spec = "https://developer.hashicorp.com/terraform/cli/commands/apply"
    kinds = (Kind.CHANGE,)
    generality = 2
    patterns = compile_verbose(
        r"""(?P<message>(?P<resource>(?:module\.[\w\[\]".-]{1,200}\.)?(?:data\.)?[a-z]\w{1,100}\.[\w-]{1,100}(?:\[[^\]\s]{1,100}\])?):
        [ ](?:Creating|Modifying|Destroying|Reading|Refreshing[ ]state|Still[ ][a-z]+|Provisioning
        |(?:Creation|Modifications|Destruction|Read)[ ]complete)\b.*)""",
        r"(?P<message>(?:Apply|Destroy)[ ]complete!.*)",
        r"(?P<message>(?:[╷│][ ]?)*(?P<level>Error|Warning):[ ].*)",
        r"(?P<message>Plan:[ ]\d+[ ]to[ ]add,.*)",
    )
    certainty: ClassVar[float] = 0.8


FORMATS: Final[tuple[Format, ...]] = (TerraformLog(), TerraformText())

"""Argo CD: Applications as JSON, with every deployment of their history and the last operation.

`status.history[].deployedAt` and `status.operationState.startedAt`/`finishedAt` are when something was
rolled out; the state of the application itself was seen at `status.reconciledAt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.json_shapes import Shape, ShapeFormat, first, has

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format


def _application_text(flat: Mapping[str, str]) -> str:
    words = [flat[key] for key in ("status.sync.status", "status.health.status") if flat.get(key)]
    return f"{flat.get('metadata.name', 'application')}: {' '.join(words) or 'state unknown'}"


def _operation_text(flat: Mapping[str, str]) -> str:
    phase, said = flat.get("phase") or "operation", flat.get("message")
    return f"sync {phase}: {said}" if said else f"sync {phase}"


_HISTORY: Final = Shape(
    name="deployment",
    kind=Kind.CHANGE,
    time=("deployStartedAt", "deployedAt"),
    end=("deployedAt",),
    compose=lambda flat: f"deployed {first(flat, ('revision', 'revisions', 'id')) or ''}".rstrip(),
    actor=("initiatedBy.username",),
    derive={"change.commit": ("revision",)},
    fixed={"change.kind": "deploy"},
)
_OPERATION: Final = Shape(
    name="operation",
    kind=Kind.CHANGE,
    time=("startedAt",),
    end=("finishedAt",),
    compose=_operation_text,
    actor=("operation.initiatedBy.username",),
    derive={"change.commit": ("syncResult.revision",), "status": ("phase",)},
    fixed={"change.kind": "sync"},
)
_CONDITION: Final = Shape(
    name="condition",
    kind=Kind.OBJECT_STATE,
    time=("lastTransitionTime",),
    compose=lambda flat: ": ".join(flat[key] for key in ("type", "message") if flat.get(key)) or "condition",
)
_APPLICATION: Final = Shape(
    name="application",
    kind=Kind.OBJECT_STATE,
    time=("status.reconciledAt",),
    time_kind="observed",
    compose=_application_text,
    service=("metadata.name",),
    down={"metadata.name": "application", "metadata.namespace": "namespace"},
    parts={
        "status.history": _HISTORY, "status.operationState": _OPERATION, "status.conditions": _CONDITION,
    },
)  # fmt: skip
_LIST: Final = Shape(name="list", parts={"items": _APPLICATION})


class ArgoCd(ShapeFormat):
    """The parser of Argo CD's Applications."""

    id = "argocd"
    aliases = ("argo_cd", "argocd_app", "argocd_json")
    title = "Argo CD Applications with history and operations"
    spec = "https://argo-cd.readthedocs.io/en/stable/operator-manual/application.yaml"
    kinds = (Kind.CHANGE, Kind.OBJECT_STATE)
    certainty: ClassVar[float] = 0.98

    def shape_of(self, value: dict[str, Any]) -> Shape | None:
        """Know an Application by its API, or by its sync state where the API leaves that out."""
        if _is_application(value):
            return _APPLICATION
        items = value.get("items")
        return _LIST if isinstance(items, list) and items and all(map(_is_application, items[:3])) else None


def _is_application(value: Any) -> bool:
    if not has(value, "metadata.name"):
        return False
    if value.get("kind") == "Application":
        return str(value.get("apiVersion", "argoproj.io/")).startswith("argoproj.io/")
    return "kind" not in value and has(value, "spec.destination", "status.sync")


FORMATS: Final[tuple[Format, ...]] = (ArgoCd(),)

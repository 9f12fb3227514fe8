"""What Kubernetes calls things: workloads behind generated names, reasons and states with their weight.

A pod's name is its workload's with generated parts (apimachinery `rand.SafeEncodeString`: no vowels, no
0, 1 and 3); the workload is what an incident is about. Reasons are those of kubelet, scheduler and the
controllers; conditions are good or bad by their type.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"
_OF_DEPLOYMENT: Final = re.compile(rf"(.{{1,240}})-[{_SAFE}]{{6,10}}-[{_SAFE}]{{5}}")
_OF_SET: Final = re.compile(rf"(.{{1,240}})-(?:[{_SAFE}]{{5}}|\d{{1,5}})")
_REPLICAS: Final = re.compile(rf"(.{{1,240}})-[{_SAFE}]{{6,10}}")
_CRON_JOB: Final = re.compile(r"(.{1,240})-\d{8,10}")
WORKLOADS: Final = ("deployment", "statefulset", "daemonset", "cronjob", "service", "rollout")
_APP_LABELS: Final = ("app.kubernetes.io/name", "app", "k8s-app", "app.kubernetes.io/instance", "component")

_SEVERE: Final = frozenset([
    "crashloopbackoff", "oomkilled", "oomkilling", "systemoom", "error", "errimagepull", "imagepullbackoff",
    "errimageneverpull", "invalidimagename", "createcontainerconfigerror", "createcontainererror",
    "runcontainererror", "containercannotrun", "starterror", "evicted", "failed", "nodenotready",
    "notready", "nodelost", "lost", "deadlineexceeded", "backofflimitexceeded", "progressdeadlineexceeded",
    "failedscheduling", "failedmount", "failedattachvolume", "failedcreate", "failedcreatepodsandbox",
    "failedpoststarthook", "containerstatusunknown", "networknotready", "rebooted", "unexpectedjob",
    "replicafailure", "containergcfailed", "imagegcfailed", "freediskspacefailed",
    "unexpectedadmissionerror", "outofmemory", "outofcpu", "outofpods", "minimumreplicasunavailable",
])  # fmt: skip
_DOUBTFUL: Final = frozenset([
    "unhealthy", "backoff", "probeerror", "probewarning", "pending", "terminating", "preempted",
    "preempting", "unknown", "evicting", "taintmanagereviction", "released", "invaliddiskcapacity",
])  # fmt: skip
_GOOD: Final = frozenset([
    "ready", "running", "completed", "succeeded", "bound", "active", "available", "complete", "healthy",
    "true", "normal", "started", "created", "pulled", "scheduled",
])  # fmt: skip
_QUANTITY: Final = re.compile(
    r"(\d{1,20}(?:\.\d{1,12})?)(n|u|m|k|[KMGTPE]i?|[KMGTPE]?B|[KMGTPE]iB)?", re.ASCII
)
_SCALES: Final = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(1000)} | {
    letter + tail: Decimal(base) ** power
    for power, letter in enumerate("KMGTPE", 1)
    for tail, base in (("", 1000), ("B", 1000), ("i", 1024), ("iB", 1024))
}
_WORD: Final = re.compile(r"[A-Za-z]+")
_EXIT: Final = re.compile(r"(?:Init:)?(?:ExitCode|Signal):(\d{1,6})")
_BAD_CONDITIONS: Final = ("Pressure", "Unavailable", "Failure", "Failed", "Degraded", "Stalled", "Dangling",
                          "NonStructuralSchema", "Terminating", "DisruptionTarget")  # fmt: skip
_GRAVE_CONDITIONS: Final = ("Ready", "Available", "ReplicaFailure", "Failed", "NetworkUnavailable")


def workload_of(kind: str | None, name: str | None) -> str | None:
    """Give the workload that an object belongs to, from its kind and its generated name."""
    if not name:
        return None
    match (kind or "").lower():
        case "pod":
            forms: tuple[re.Pattern[str], ...] = (_OF_DEPLOYMENT, _OF_SET)
        case "replicaset":
            forms = (_REPLICAS,)
        case "job":
            forms = (_CRON_JOB,)
        case "node" | "namespace":
            return None
        case _:
            forms = ()
    return next((found[1] for form in forms if (found := form.fullmatch(name)) is not None), name)


def app_of(labels: Mapping[str, object]) -> str | None:
    """Give the application that labels name."""
    return next(
        (str(labels[key]) for key in _APP_LABELS if isinstance(labels.get(key), str) and labels[key]), None
    )


def reason_severity(reason: str | None) -> int | None:
    """Give the severity of a reason or a state's word; None for those that say nothing bad or good."""
    word = (reason or "").strip().lower()
    if word in _SEVERE:
        return Severity.ERROR
    if word in _DOUBTFUL:
        return Severity.WARN
    return Severity.INFO if word in _GOOD else None


def event_severity(kind: str | None, reason: str | None) -> int:
    """Give the severity of an event by its type (Normal, Warning), more where its reason is a bad one.

    The node controller reports a node that went away as Normal.
    """
    by_type = Severity.WARN if (kind or "").strip().lower() == "warning" else Severity.INFO
    return max(by_type, reason_severity(reason) or 0)


def state_severity(state: str) -> int | None:
    """Give the severity of the state that a table shows: `Running`, `Init:CrashLoopBackOff`, `0/1`."""
    if not state:
        return None
    exit_code = _EXIT.fullmatch(state)
    if exit_code is not None:
        return Severity.ERROR if int(exit_code[1]) else Severity.INFO
    found = [reason_severity(word) for word in _WORD.findall(state[:200])]
    return max((number for number in found if number is not None), default=None)


def condition_severity(kind: str, status: str, of: str | None = None) -> int:
    """Give the severity of a condition of this type and status (True, False, Unknown) on a kind of object."""
    bad_if_true = kind.endswith(_BAD_CONDITIONS)
    fine = status == ("False" if bad_if_true else "True")
    if fine:
        return Severity.INFO
    grave = kind in _GRAVE_CONDITIONS or (of == "Node" and not bad_if_true)
    return Severity.ERROR if grave else Severity.WARN


def exit_severity(exit_code: str | None, reason: str | None) -> int:
    """Give the severity of a container that ended."""
    by_reason = reason_severity(reason) or Severity.INFO
    return max(by_reason, Severity.ERROR) if exit_code not in (None, "0") else by_reason


def quantity(text: str) -> float | None:
    """Read a quantity in base units (`250m` CPUs, `1024Mi` bytes); None when the text is none.

    The suffixes of `k8s.io/apimachinery` resource.Quantity, and with a `B` as people write bytes.
    """
    match = _QUANTITY.fullmatch(text.strip())
    return float(Decimal(match[1]) * _SCALES.get(match[2] or "", Decimal(1))) if match is not None else None

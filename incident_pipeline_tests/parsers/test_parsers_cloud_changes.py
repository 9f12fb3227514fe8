"""Cloud audit and changes: CloudTrail, EventBridge, GitHub, GitLab, Argo CD, Terraform, feature flags.

Fixtures are ours, written from the specifications that the formats name.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from record_fuzz import check_sane, iso_ns, mutants

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

S = 10**9
T = 1767323045 * S  # 2026-01-02T03:04:05Z

RECORD = {
    "eventVersion": "1.08",
    "userIdentity": {"type": "IAMUser", "userName": "ann"},
    "eventTime": "2026-01-02T03:04:05Z",
    "eventSource": "rds.amazonaws.com",
    "eventName": "ModifyDBInstance",
    "awsRegion": "eu-west-1",
    "eventID": "e-1",
    "errorCode": "AccessDenied",
    "errorMessage": "no",
}
LOOKUP = {
    "Events": [
        {
            "EventId": "e-1",
            "EventName": "ModifyDBInstance",
            "EventTime": "2026-01-02T14:04:05+11:00",
            "Username": "ann",
            "Resources": [{"ResourceName": "db-1"}],
            "CloudTrailEvent": json.dumps(RECORD),
        }
    ]
}
ECS = {
    "version": "0",
    "id": "i",
    "detail-type": "ECS Deployment State Change",
    "source": "aws.ecs",
    "account": "1",
    "time": "2026-01-02T03:04:05Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:ecs:eu:1:service/c/cart"],
    "detail": {"eventName": "SERVICE_DEPLOYMENT_FAILED", "reason": "tasks failed to start"},
}
ALARM = {
    **ECS,
    "detail-type": "CloudWatch Alarm State Change",
    "source": "aws.cloudwatch",
    "detail": {"alarmName": "cpu", "state": {"value": "ALARM", "reason": "over 90"}},
}
REPO = {"id": 1, "name": "cart", "full_name": "shop/cart"}
PUSH = {
    "ref": "refs/heads/main",
    "before": "0" * 40,
    "after": "a" * 40,
    "created": False,
    "deleted": False,
    "forced": False,
    "commits": [
        {
            "id": "a" * 40,
            "message": "fix pool\n\nmore",
            "timestamp": "2026-01-01T10:00:00+01:00",
            "author": {"name": "Ann", "username": "ann"},
        }
    ],
    "head_commit": {"id": "a" * 40, "message": "fix pool\n\nmore", "timestamp": "2026-01-01T10:00:00+01:00"},
    "repository": {**REPO, "pushed_at": 1767323045},
    "pusher": {"name": "ann"},
    "sender": {"login": "ann"},
}
STATUS = {
    "action": "created",
    "deployment_status": {
        "state": "failure",
        "environment": "prod",
        "description": "",
        "created_at": "2026-01-02T03:04:05Z",
    },
    "deployment": {"sha": "b" * 40, "ref": "main", "created_at": "2026-01-02T03:00:00Z"},
    "repository": REPO,
    "sender": {"login": "bot"},
}
RUN = {
    "action": "completed",
    "workflow_run": {
        "name": "deploy",
        "status": "completed",
        "conclusion": "success",
        "head_sha": "c" * 40,
        "run_started_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:09:05Z",
    },
    "repository": REPO,
    "sender": {"login": "ann"},
}
MERGED = {
    "action": "closed",
    "pull_request": {
        "title": "Pool",
        "merged_at": "2026-01-02T03:04:05Z",
        "closed_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:09Z",
        "created_at": "2025-12-01T00:00:00Z",
        "merge_commit_sha": "d" * 40,
    },
    "repository": REPO,
    "sender": {"login": "ann"},
}
GITLAB = {
    "object_kind": "deployment",
    "status": "success",
    "status_changed_at": "2026-01-02 04:04:05 +0100",
    "environment": "prod",
    "project": {"name": "cart", "path_with_namespace": "shop/cart"},
    "short_sha": "abc",
    "user": {"username": "ann"},
}
PIPELINE = {
    "object_kind": "pipeline",
    "object_attributes": {
        "ref": "main",
        "status": "failed",
        "created_at": "2026-01-02 03:04:05 UTC",
        "finished_at": "2026-01-02 03:06:05 UTC",
    },
    "project": {"name": "cart"},
    "builds": [
        {
            "id": 1,
            "stage": "test",
            "name": "unit",
            "status": "failed",
            "created_at": "2026-01-02 03:04:05 UTC",
            "started_at": "2026-01-02 03:05:05 UTC",
            "finished_at": "2026-01-02 03:06:05 UTC",
        }
    ],
}
ARGO = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "cart", "namespace": "argocd"},
    "spec": {"destination": {"namespace": "shop"}},
    "status": {
        "sync": {"status": "OutOfSync"},
        "health": {"status": "Degraded"},
        "reconciledAt": "2026-01-02T03:30:00Z",
        "history": [
            {
                "id": 4,
                "revision": "r4",
                "deployStartedAt": "2026-01-02T03:04:05Z",
                "deployedAt": "2026-01-02T03:04:09Z",
                "initiatedBy": {"username": "ann"},
            }
        ],
        "operationState": {
            "phase": "Failed",
            "message": "hook failed",
            "startedAt": "2026-01-02T03:04:05Z",
            "finishedAt": "2026-01-02T03:05:05Z",
            "syncResult": {"revision": "r5"},
        },
    },
}
TERRAFORM = [
    {
        "@level": "info",
        "@message": "Terraform 1.9",
        "@module": "terraform.ui",
        "@timestamp": "2026-01-02T04:04:05.275359+01:00",
        "type": "version",
    },
    {
        "@level": "error",
        "@message": "Error: boom",
        "@module": "terraform.ui",
        "@timestamp": "2026-01-02T04:04:06.000001+01:00",
        "type": "diagnostic",
        "diagnostic": {"severity": "error", "summary": "boom", "address": "aws_db_instance.main"},
    },
]
LAUNCHDARKLY = {
    "items": [
        {
            "_id": "1",
            "date": 1767323045120,
            "kind": "flag",
            "name": "new-cart",
            "titleVerb": "turned on the flag",
            "title": "[Ann](mailto:a@example.com) turned on the flag new-cart in Production",
            "comment": "ramp",
            "member": {"email": "ann@example.com"},
            "accesses": [],
        }
    ],
    "totalCount": 1,
}
FLAGD = {
    "$schema": "https://flagd.dev/schema/v0/flags.json",
    "flags": {
        "new-cart": {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    },
}
ARGO_TEXT = b"""Name:               argocd/cart
Project:            default
Sync Status:        OutOfSync from main (abc1234)
Health Status:      Degraded

Operation:          Sync
Sync Revision:      abc1234
Phase:              Failed
Start:              2026-01-02 03:04:05 +0000 UTC
Finished:           2026-01-02 03:05:05 +0000 UTC
Message:            one or more objects failed

GROUP  KIND        NAMESPACE  NAME  STATUS     HEALTH    HOOK  MESSAGE
apps   Deployment  shop       cart  OutOfSync  Degraded        boom
       Service     shop       cart  Synced     Healthy
"""
ARGO_HISTORY = b"""ID  DATE                           REVISION
3   2026-01-02 03:04:05 +0000 UTC  main (abc1234)
4   2026-01-02 04:04:05 +0100 CET  main (def5678)
"""
FLUX = b"""flux Kustomization/apps  aaaa111..bbbb222 (reconciled 2026-01-02T03:04:05Z)
--- apps/cart.yaml
-  replicas: 3
+  replicas: 1
===== apps/Deployment shop/cart ======
<   replicas: 3
"""
APPLY = b"""aws_db_instance.main: Modifying... [id=db-1]
aws_db_instance.main: Modifications complete after 31s [id=db-1]

Apply complete! Resources: 0 added, 1 changed, 0 destroyed.
"""

BODIES: dict[str, Any] = {
    "cloudtrail": ({"Records": [RECORD, RECORD]}, LOOKUP, RECORD),
    "aws_eventbridge": (ECS, ALARM),
    "github": (PUSH, STATUS, RUN, MERGED),
    "gitlab": (GITLAB, PIPELINE),
    "argocd": (ARGO, {"items": [ARGO], "kind": "List"}),
    "launchdarkly": (LAUNCHDARKLY,),
    "flagd": (FLAGD,),
}
TEXTS = {
    "gitops_text": (ARGO_TEXT, ARGO_HISTORY, FLUX),
    "terraform_text": (APPLY,),
    "terraform_json": ("\n".join(map(json.dumps, TERRAFORM)).encode(),),
}
SAMPLES = (
    *(
        json.dumps(body, indent=n).encode()
        for bodies in BODIES.values()
        for body in bodies
        for n in (None, 1)
    ),
    *(text for texts in TEXTS.values() for text in texts),
)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("indent", [None, 2])
def test_detected_by_shape(look: Callable[..., Look], name: str, indent: int | None) -> None:
    for body in BODIES[name]:
        seen = look(json.dumps(body, indent=indent))
        assert (seen.parsed.report.format, seen.quarantine) == (name, []), body


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_detected(look: Callable[..., Look], name: str) -> None:
    for text in TEXTS[name]:
        seen = look(text)
        assert (seen.parsed.report.format, seen.quarantine) == (name, [])
        check_sane(seen)


def test_cloudtrail_record_and_the_record_inside_a_lookup(look: Callable[..., Look]) -> None:
    record, looked_up = look(json.dumps(RECORD)).event, look(json.dumps(LOOKUP)).event
    for event in (record, looked_up):
        assert event["time_ns"] == T == iso_ns("2026-01-02T14:04:05+11:00")
        assert event["message"] == "rds.amazonaws.com ModifyDBInstance by ann: AccessDenied: no"
        assert (event["service"], event["actor"], event["kind"]) == ("rds.amazonaws.com", "ann", "audit")
        assert (event["attributes"]["event_id"], event["attributes"]["region"]) == ("e-1", "eu-west-1")
    assert (looked_up["time_raw"], looked_up["json_pointer"]) == ("2026-01-02T03:04:05Z", "/Events/0")
    assert looked_up["attributes"]["lookup.EventTime"] == "2026-01-02T14:04:05+11:00"
    broken = look(
        json.dumps(
            {"EventId": "e", "EventName": "X", "EventTime": "2026-01-02T03:04:05Z", "CloudTrailEvent": "{"}
        )
    )
    assert broken.event["time_ns"] == T


def test_eventbridge_kinds(look: Callable[..., Look]) -> None:
    ecs, alarm = look(json.dumps(ECS)).event, look(json.dumps(ALARM)).event
    assert (ecs["kind"], ecs["time_ns"]) == ("change", T)
    assert ecs["message"] == "ECS Deployment State Change SERVICE_DEPLOYMENT_FAILED: tasks failed to start"
    assert (alarm["kind"], alarm["message"]) == ("alert", "CloudWatch Alarm State Change cpu ALARM: over 90")
    unknown = look(json.dumps({**ECS, "time": "1970-01-01T00:00:00Z"})).event
    assert (unknown["time_ns"], unknown["time_raw"]) == (None, "1970-01-01T00:00:00Z")


def test_github_push_is_not_as_old_as_its_commits(look: Callable[..., Look]) -> None:
    push, commit = look(json.dumps(PUSH)).events
    assert (push["time_ns"], push["message"], push["actor"]) == (T, "push main: fix pool", "ann")
    assert (commit["time_ns"], commit["attributes"]["time.kind"]) == (
        iso_ns("2026-01-01T10:00:00+01:00"),
        "authored",
    )
    assert (commit["json_pointer"], commit["attributes"]["repository.full_name"]) == (
        "/commits/0",
        "shop/cart",
    )
    gone = look(json.dumps({**PUSH, "deleted": True, "commits": [], "head_commit": None})).event
    assert (gone["time_ns"], gone["message"]) == (None, "push main deleted")


def test_github_shapes(look: Callable[..., Look]) -> None:
    status, run, merged = (look(json.dumps(body)).event for body in (STATUS, RUN, MERGED))
    assert (status["time_ns"], status["message"], status["service"]) == (
        T,
        "deployment status prod failure",
        "cart",
    )
    assert (status["attributes"]["change.kind"], status["attributes"]["change.commit"]) == (
        "deploy",
        "b" * 40,
    )
    assert (run["time_ns"], run["end_time_ns"], run["attributes"]["change.commit"]) == (
        T,
        T + 300 * S,
        "c" * 40,
    )
    assert (merged["time_ns"], merged["message"]) == (T, "pull request closed: Pool")


def test_gitlab(look: Callable[..., Look]) -> None:
    deployment = look(json.dumps(GITLAB)).event
    assert (deployment["time_ns"], deployment["message"], deployment["service"]) == (
        T,
        "deployment prod success abc",
        "cart",
    )
    pipeline, build = look(json.dumps(PIPELINE)).events
    assert (pipeline["time_ns"], pipeline["end_time_ns"]) == (T, T + 120 * S)
    assert (build["message"], build["time_ns"], build["json_pointer"]) == (
        "test unit failed",
        T + 60 * S,
        "/builds/0",
    )


def test_argo_cd(look: Callable[..., Look]) -> None:
    application, history, operation = look(json.dumps(ARGO, indent=1)).events
    assert (application["kind"], application["message"]) == ("object_state", "cart: OutOfSync Degraded")
    assert application["attributes"]["time.kind"] == "observed"
    assert (history["kind"], history["time_ns"], history["end_time_ns"], history["actor"]) == (
        "change",
        T,
        T + 4 * S,
        "ann",
    )
    assert (operation["message"], operation["end_time_ns"]) == ("sync Failed: hook failed", T + 60 * S)
    assert operation["attributes"]["application"] == "cart"


def test_argo_cd_as_printed(look: Callable[..., Look]) -> None:
    application, operation, _, deployment, service = look(ARGO_TEXT).events
    assert (application["message"], application["service"]) == (
        "argocd/cart OutOfSync from main (abc1234) Degraded",
        "cart",
    )
    assert (operation["kind"], operation["time_ns"], operation["end_time_ns"]) == ("change", T, T + 60 * S)
    assert (deployment["message"], deployment["attributes"]["group"]) == (
        "Deployment cart OutOfSync Degraded",
        "apps",
    )
    assert service["message"] == "Service cart Synced Healthy"
    _, first, second = look(ARGO_HISTORY).events
    assert [first["time_ns"], second["time_ns"]] == [T, iso_ns("2026-01-02T04:04:05+01:00")]
    assert second["attributes"]["change.commit"] == "main (def5678)"


def test_flux_changes_and_diffs(look: Callable[..., Look]) -> None:
    change, diff = look(FLUX).events
    assert (change["time_ns"], change["attributes"]["change.commit"], change["service"]) == (
        T,
        "bbbb222",
        "apps",
    )
    assert change["message"].endswith("+  replicas: 1")
    assert (diff["time_ns"], diff["attributes"]["name"], diff["kind"]) == (None, "shop/cart", "change")


def test_terraform(look: Callable[..., Look]) -> None:
    version, error = look(TEXTS["terraform_json"][0]).events
    assert version["time_ns"] == T + 275_359_000 == iso_ns("2026-01-02T04:04:05.275359+01:00")
    assert (error["severity"], error["attributes"]["resource"]) == (17, "aws_db_instance.main")
    rows = look(APPLY).events
    assert [row["attributes"].get("resource") for row in rows] == ["aws_db_instance.main"] * 2 + [None]
    assert {row["time_ns"] for row in rows} == {None}


def test_feature_flags(look: Callable[..., Look]) -> None:
    entry = look(json.dumps(LAUNCHDARKLY)).event
    assert (entry["time_ns"], entry["actor"], entry["attributes"]["flag"]) == (
        T + 120 * 10**6,
        "ann@example.com",
        "new-cart",
    )
    flag = look(json.dumps(FLAGD, indent=1)).event
    assert (flag["message"], flag["json_pointer"]) == ("new-cart ENABLED, default on", "/flags/new-cart")


@settings(max_examples=150, deadline=None)
@given(data=mutants(SAMPLES))
def test_damaged_input_never_fails(look: Callable[..., Look], data: bytes) -> None:
    check_sane(look(data))
    for name in (*BODIES, *TEXTS):
        check_sane(look(data, pin=name))

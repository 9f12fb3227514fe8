"""The policies of roles in AWS: valid, least, and kept apart. They are files, so they are read as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "s3"
ROLES = ("analyst", "auditor", "custodian", "ingest", "unsealer")
UNDOING = {
    "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:PutBucketVersioning",
    "s3:PutBucketObjectLockConfiguration", "s3:PutLifecycleConfiguration",
}  # fmt: skip


def statements(role: str) -> list[dict[str, Any]]:
    policy = json.loads((FOLDER / f"{role}.json").read_text())
    assert policy["Version"] == "2012-10-17"
    return list(policy["Statement"])


def allowed(role: str, place: str = "") -> set[str]:
    """Give the actions a role may do on resources whose ARN has `place` in it, explicit denials taken off."""
    found: dict[str, set[str]] = {"Allow": set(), "Deny": set()}
    for statement in statements(role):
        everywhere = [it for it in statement["Resource"] if it.endswith("EVIDENCE-BUCKET/*")]
        if everywhere or any(place in it for it in statement["Resource"]):
            found[statement["Effect"]] |= set(statement["Action"])
    return found["Allow"] - found["Deny"]


def test_there_is_a_policy_for_each_role_and_no_other_file() -> None:
    assert tuple(sorted(path.stem for path in FOLDER.glob("*.json"))) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_actions_are_named_one_by_one_and_nothing_can_be_undone(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] in ("Allow", "Deny")
        assert statement["Sid"].isalnum()
        assert not [action for action in statement["Action"] if "*" in action or ":" not in action]
        if statement["Effect"] == "Allow":
            assert not UNDOING & set(statement["Action"])
            assert "*" not in statement["Resource"]
    denied = {it for s in statements(role) if s["Effect"] == "Deny" for it in s["Action"]}
    assert denied >= UNDOING


def test_ingest_writes_once_and_holds_nothing() -> None:
    assert allowed("ingest", "objects/") == {
        "s3:PutObject", "s3:PutObjectRetention",
        "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention",
    }  # fmt: skip
    assert "kms:Decrypt" not in allowed("ingest", "DATA-KEY")


def test_custodian_and_auditor_and_analyst_never_see_raw_bytes() -> None:
    for role in ("custodian", "auditor", "analyst"):
        assert not {"s3:GetObject", "s3:GetObjectVersion"} & allowed(role, "objects/")
        assert "kms:Decrypt" not in allowed(role, "DATA-KEY")
    assert "s3:PutObjectLegalHold" in allowed("custodian", "objects/")
    assert allowed("custodian", "records/custody/") >= {"s3:PutObject"}
    assert "s3:GetObject" in allowed("auditor", "seals/")
    assert allowed("analyst", "exports/redacted/") == {"s3:GetObject"}


def test_only_the_unsealer_opens_data_keys_and_only_for_a_named_incident() -> None:
    assert [role for role in ROLES if "kms:Decrypt" in allowed(role, "DATA-KEY")] == ["unsealer"]
    (opening,) = (s for s in statements("unsealer") if "kms:Decrypt" in s["Action"])
    assert opening["Condition"]["Null"]["kms:EncryptionContext:incident"] == "false"
    assert not {"s3:PutObject", "s3:PutObjectRetention"} & allowed("unsealer", "objects/")

"""Checks of buckets: Object Lock and versioning can't be turned off, defaults and life cycles work.

The vault's own bucket is only looked at. What changes a bucket is tried on buckets made for this run.
"""

from __future__ import annotations

from typing import Any, Final

from incident_pipeline.evidence.doctor.bench import Bench, NotAsPromisedError, allows, refuses
from incident_pipeline.evidence.doctor.check import Check


def _create(bench: Bench) -> str:
    bench.buckets.setdefault("spare", f"{bench.location.bucket[:40].rstrip('.-')}-doctor-{bench.token}-spare")
    allows(lambda: bench.create_bucket(bench.buckets["spare"], locked=True))
    state = allows(lambda: bench.client.get_bucket_versioning(Bucket=bench.buckets["spare"])).get("Status")
    if state != "Enabled":
        message = f"created, but its versioning is {state or 'off'}"
        raise NotAsPromisedError(message)
    return "created, versioning on"


def _versioning(bench: Bench) -> str:
    state = allows(lambda: bench.client.get_bucket_versioning(Bucket=bench.location.bucket)).get("Status")
    if state != "Enabled":
        message = f"versioning is {state or 'off'}"
        raise NotAsPromisedError(message)
    return "enabled"


def _configuration(bench: Bench) -> str:
    answer = allows(lambda: bench.client.get_object_lock_configuration(Bucket=bench.location.bucket))
    state = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled")
    if state != "Enabled":
        message = f"Object Lock is {state or 'off'}"
        raise NotAsPromisedError(message)
    return "enabled"


def _suspend(bench: Bench) -> str:
    name = bench.bucket("suspend")
    reason = refuses(
        lambda: bench.client.put_bucket_versioning(
            Bucket=name, VersioningConfiguration={"Status": "Suspended"}
        )
    )
    state = allows(lambda: bench.client.get_bucket_versioning(Bucket=name)).get("Status")
    if state != "Enabled":
        raise NotAsPromisedError("refused in words, but versioning is off")
    return reason


def _plain(bench: Bench) -> str:
    name = bench.bucket("plain", locked=False)
    return refuses(lambda: bench.put("COMPLIANCE", Bucket=name))


def _set_default(bench: Bench) -> str:
    # GOVERNANCE, because a default counts in days and the bucket has to go again.
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    allows(
        lambda: bench.client.put_object_lock_configuration(
            Bucket=bench.bucket("default"),
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
        )
    )
    return "set"


def _default_shown(bench: Bench) -> str:
    item = bench.given(Bucket=bench.bucket("default"))
    head: dict[str, Any] = allows(lambda: bench.client.head_object(**item.names))
    if head.get("ObjectLockMode") != "GOVERNANCE" or head.get("ObjectLockRetainUntilDate") is None:
        raise NotAsPromisedError("a new object did not get the bucket's default")
    return "a new object has it"


def _default_keeps(bench: Bench) -> str:
    item = bench.given(Bucket=bench.bucket("default"))
    reason = refuses(lambda: bench.client.delete_object(**item.names))
    bench.stands(item)
    return reason


def _life_cycle(bench: Bench) -> str:
    rule = {
        "ID": "doctor",
        "Status": "Enabled",
        "Filter": {"Prefix": "none/"},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 365},
    }
    allows(
        lambda: bench.client.put_bucket_lifecycle_configuration(
            Bucket=bench.bucket("default"), LifecycleConfiguration={"Rules": [rule]}
        )
    )
    return "accepted"


def _delete_full(bench: Bench) -> str:
    item = bench.given("COMPLIANCE", Bucket=bench.bucket("full"))
    reason = refuses(lambda: bench.client.delete_bucket(Bucket=item.bucket))
    bench.stands(item)
    return reason


CHECKS: Final = (
    Check("bucket-create", "ok", "create a bucket with Object Lock; versioning is on", _create),
    Check("bucket-versioning", "ok", "versioning of the vault's bucket is on", _versioning),
    Check("bucket-lock", "ok", "lock configuration of the vault's bucket can be read", _configuration),
    Check("bucket-suspend", "deny", "suspend versioning of a lock bucket", _suspend),
    Check("bucket-plain", "deny", "store with a lock in a bucket without Object Lock", _plain),
    Check("default-set", "ok", "set a default retention", _set_default),
    Check("default-shown", "ok", "a new object shows the default retention", _default_shown),
    Check("default-delete", "deny", "delete a version under the default retention", _default_keeps),
    Check("life-cycle", "ok", "set a life cycle for versions that are not current", _life_cycle),
    Check("bucket-delete", "deny", "delete a bucket that holds a locked version", _delete_full),
)

"""Checks of COMPLIANCE mode: before its time nobody deletes, shortens, downgrades or lifts a lock.

Also for versions that came as a multipart upload or a copy: there stores were found to forget the lock.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.evidence.doctor.bench import (
    BODY,
    PART,
    Bench,
    Item,
    NotAskedError,
    NotAsPromisedError,
    allows,
    refuses,
    relocked,
    shorter,
)
from incident_pipeline.evidence.doctor.check import Check

if TYPE_CHECKING:
    from datetime import datetime

_SHA256: Final = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
_LOCKED: Final = "compliance"
_MULTIPART: Final = "multipart"
_COPY: Final = "copy"
_EXPIRING: Final = "expiring"


def _put(bench: Bench) -> str:
    item = allows(lambda: bench.put("COMPLIANCE", ChecksumAlgorithm="SHA256", ChecksumSHA256=_SHA256))
    if item.version_id == "null":
        raise NotAsPromisedError("stored without a version")
    bench.shared[_LOCKED] = item
    return f"version {item.version_id[:12]}"


def _head(bench: Bench) -> str:
    item = _shared(bench, _LOCKED)
    head = allows(lambda: bench.client.head_object(**item.names, ChecksumMode="ENABLED"))
    if head.get("ChecksumSHA256") != _SHA256:
        message = f"the SHA-256 is given as {head.get('ChecksumSHA256')}"
        raise NotAsPromisedError(message)
    return "SHA-256 agrees"


def _retention(bench: Bench) -> str:
    item = bench.given("COMPLIANCE")
    found = allows(lambda: bench.client.get_object_retention(**item.names)).get("Retention", {})
    if found.get("Mode") != "COMPLIANCE" or found.get("RetainUntilDate") != item.until:
        message = f"given as {found.get('Mode')} until {found.get('RetainUntilDate')}"
        raise NotAsPromisedError(message)
    return "mode and date agree"


def _delete(bench: Bench, *, bypass: bool) -> str:
    item = bench.given("COMPLIANCE")
    more = {"BypassGovernanceRetention": True} if bypass else {}
    reason = refuses(lambda: bench.client.delete_object(**item.names, **more))
    bench.stands(item)
    return reason


def _delete_many(bench: Bench, *, bypass: bool) -> str:
    item = bench.given("COMPLIANCE")
    errors = _bulk_delete(bench, item, bypass=bypass)
    bench.stands(item)
    if not errors:
        raise NotAsPromisedError("the answer names no error, though the version stands")
    return f"refused: {errors[0].get('Code', 'unknown')}"


def _readable(bench: Bench) -> str:
    item = bench.given("COMPLIANCE")
    for bypass in (False, True):
        more = {"BypassGovernanceRetention": True} if bypass else {}
        refuses(partial(bench.client.delete_object, **item.names, **more))
        _bulk_delete(bench, item, bypass=bypass)
    bench.stands(item)
    return "bytes and lock as before"


def _shorten(bench: Bench, *, bypass: bool) -> str:
    item = bench.given("COMPLIANCE", until=bench.soon(bench.seconds + 3))
    return _change(bench, item, {"Mode": "COMPLIANCE", "RetainUntilDate": shorter(item, 2)}, bypass=bypass)


def _downgrade(bench: Bench, *, bypass: bool) -> str:
    item = bench.given("COMPLIANCE")
    return _change(bench, item, {"Mode": "GOVERNANCE", "RetainUntilDate": item.until}, bypass=bypass)


def _clear(bench: Bench, *, bypass: bool) -> str:
    return _change(bench, bench.given("COMPLIANCE"), {}, bypass=bypass)


def _change(bench: Bench, item: Item, retention: dict[str, Any], *, bypass: bool) -> str:
    more = {"BypassGovernanceRetention": True} if bypass else {}
    reason = refuses(lambda: bench.client.put_object_retention(**item.names, Retention=retention, **more))
    bench.stands(item)
    return reason


def _extend(bench: Bench) -> str:
    item = bench.given("COMPLIANCE")
    later = bench.soon(bench.seconds + 2)
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": later}
    allows(lambda: bench.client.put_object_retention(**item.names, Retention=retention))
    bench.stands(bench.made(relocked(item, until=later)))
    return "extended"


def _past(bench: Bench) -> str:
    yesterday = bench.soon(0) - timedelta(days=1)
    return refuses(lambda: bench.put("COMPLIANCE", until=yesterday))


def _multipart(bench: Bench) -> str:
    names = {"Bucket": bench.location.bucket, "Key": bench.key(_MULTIPART)}
    # Counted from the end of the upload, which a slow link takes its time for.
    until = bench.soon(bench.seconds + 5)

    def upload() -> Item:
        start = bench.client.create_multipart_upload(
            **names, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
        )
        parts = [
            {
                "PartNumber": number,
                "ETag": bench.client.upload_part(
                    **names, UploadId=start["UploadId"], PartNumber=number, Body=body
                )["ETag"],
            }
            for number, body in ((1, PART), (2, BODY))
        ]
        end = bench.client.complete_multipart_upload(
            **names, UploadId=start["UploadId"], MultipartUpload={"Parts": parts}
        )
        version = str(end.get("VersionId", "null"))
        return bench.made(Item(names["Bucket"], names["Key"], version, PART + BODY, "COMPLIANCE", until))

    bench.shared[_MULTIPART] = allows(upload)
    return "stored"


def _copy(bench: Bench) -> str:
    item = _copied(bench, bench.given("COMPLIANCE"))
    bench.shared[_COPY] = item
    bench.stands(item)
    return "copied, locked"


def _copy_unlocked(bench: Bench) -> str:
    bench.stands(_copied(bench, bench.given()))
    return "copied, locked"


def _copy_longer(bench: Bench) -> str:
    bench.stands(_copied(bench, bench.given("COMPLIANCE"), bench.soon(bench.seconds + 3)))
    return "copied, locked for longer"


def _copied(bench: Bench, source: Item, until: datetime | None = None) -> Item:
    until = until or source.until or bench.soon()
    key = bench.key(_COPY)
    answer = allows(
        lambda: bench.client.copy_object(
            Bucket=source.bucket,
            Key=key,
            CopySource=source.names,
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=until,
        )
    )
    version = str(answer.get("VersionId", "null"))
    return bench.made(Item(source.bucket, key, version, BODY, "COMPLIANCE", until))


def _shows_lock(bench: Bench) -> str:
    bench.stands(_shared(bench, _MULTIPART))
    return "locked"


def _delete_shared(bench: Bench, *, name: str) -> str:
    item = _shared(bench, name)
    reason = refuses(lambda: bench.client.delete_object(**item.names))
    bench.stands(item)
    return reason


def _before_expiry(bench: Bench) -> str:
    item = bench.given("COMPLIANCE", until=bench.soon(3))
    bench.shared[_EXPIRING] = item
    return _delete_shared(bench, name=_EXPIRING)


def _after_expiry(bench: Bench) -> str:
    item = _shared(bench, _EXPIRING)
    if item.until is not None:
        bench.wait_until(item.until)
    allows(lambda: bench.client.delete_object(**item.names))
    return "deleted"


def _bulk_delete(bench: Bench, item: Item, *, bypass: bool) -> list[dict[str, str]]:
    more = {"BypassGovernanceRetention": True} if bypass else {}
    objects = [{"Key": item.key, "VersionId": item.version_id}]
    answer = allows(
        lambda: bench.client.delete_objects(Bucket=item.bucket, Delete={"Objects": objects}, **more)
    )
    return list(answer.get("Errors", []))


def _shared(bench: Bench, name: str) -> Item:
    if name not in bench.shared:
        message = f"there is no {name} object: an earlier check did not get that far"
        raise NotAskedError(message)
    return bench.shared[name]


CHECKS: Final = (
    Check("compliance-put", "ok", "store in COMPLIANCE mode with a SHA-256", _put),
    Check("compliance-head", "ok", "the stored SHA-256 can be read", _head),
    Check("compliance-get", "ok", "the retention can be read", _retention),
    Check("delete", "deny", "delete a version", partial(_delete, bypass=False)),
    Check("delete-bypass", "deny", "delete a version with bypass", partial(_delete, bypass=True)),
    Check("delete-many", "deny", "delete by a list", partial(_delete_many, bypass=False)),
    Check("delete-many-bypass", "deny", "delete by a list with bypass", partial(_delete_many, bypass=True)),
    Check("readable", "ok", "after all that the version is as before", _readable),
    Check("shorten", "deny", "shorten the retention", partial(_shorten, bypass=False)),
    Check("shorten-bypass", "deny", "shorten the retention with bypass", partial(_shorten, bypass=True)),
    Check("downgrade", "deny", "downgrade to GOVERNANCE", partial(_downgrade, bypass=False)),
    Check(
        "downgrade-bypass", "deny", "downgrade to GOVERNANCE with bypass", partial(_downgrade, bypass=True)
    ),
    Check("clear", "deny", "clear the retention", partial(_clear, bypass=False)),
    Check("clear-bypass", "deny", "clear the retention with bypass", partial(_clear, bypass=True)),
    Check("extend", "ok", "extend the retention", _extend),
    Check("past", "deny", "store with a retention that is over already", _past),
    Check("expiry-before", "deny", "delete a version shortly before its retention ends", _before_expiry),
    Check("multipart-put", "ok", "store in parts in COMPLIANCE mode", _multipart),
    Check("multipart-lock", "ok", "what was stored in parts is locked", _shows_lock),
    Check(
        "multipart-delete",
        "deny",
        "delete what was stored in parts",
        partial(_delete_shared, name=_MULTIPART),
    ),
    Check("copy-put", "ok", "copy a locked version, asking for the same lock", _copy),
    Check("copy-delete", "deny", "delete the copy", partial(_delete_shared, name=_COPY)),
    Check("expiry-after", "ok", "delete a version after its retention ended", _after_expiry),
)
REMARKS: Final = (
    Check("copy-unlocked", "ok", "a copy of an unlocked version gets the lock it asks for", _copy_unlocked),
    Check("copy-longer", "ok", "a copy of a locked version gets the longer lock it asks for", _copy_longer),
)
"""Worth knowing about a store, but not counted: a vault never copies, and looks at the lock of each version.

Stores were found that ignore the lock headers of CopyObject and give a copy the lock of its source, so
that `copy-put` holds there only because it asks for the same one.
"""

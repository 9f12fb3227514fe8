"""Checks of writing: overwriting makes versions, conditional writes are a mutex, checksums are compared."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from botocore.exceptions import ClientError

from incident_pipeline.evidence.doctor.bench import (
    Bench,
    NotAskedError,
    NotAsPromisedError,
    allows,
    refuses,
)
from incident_pipeline.evidence.doctor.check import Check
from incident_pipeline.evidence.s3_errors import code_of

_OTHER: Final = b"something else\n"
_WRITERS: Final = 8


def _overwrite(bench: Bench) -> str:
    item = bench.given("COMPLIANCE")
    answer = allows(lambda: bench.client.put_object(Bucket=item.bucket, Key=item.key, Body=_OTHER))
    if answer.get("VersionId") in (None, "null", item.version_id):
        raise NotAsPromisedError("the new bytes got no version of their own")
    bench.shared["overwritten"] = item
    return "a new version"


def _original(bench: Bench) -> str:
    if "overwritten" not in bench.shared:
        raise NotAskedError("nothing could be overwritten")
    bench.stands(bench.shared["overwritten"])
    return "bytes and lock as before"


def _taken(bench: Bench) -> str:
    item = bench.given("COMPLIANCE")
    reason = refuses(
        lambda: bench.client.put_object(Bucket=item.bucket, Key=item.key, Body=_OTHER, IfNoneMatch="*")
    )
    bench.stands(item)
    return reason


def _free(bench: Bench) -> str:
    allows(lambda: bench.put("COMPLIANCE", IfNoneMatch="*"))
    return "stored"


def _race(bench: Bench) -> str:
    key = bench.key("race")

    def write(number: int) -> str:
        try:
            bench.client.put_object(
                Bucket=bench.location.bucket, Key=key, Body=b"%d" % number, IfNoneMatch="*"
            )
        except ClientError as error:
            return code_of(error)
        return "won"

    with ThreadPoolExecutor(_WRITERS) as pool:
        answers = list(pool.map(write, range(_WRITERS)))
    if set(answers) == {"AccessDenied"}:
        raise NotAskedError("these credentials lack the right to write")
    if answers.count("won") != 1:
        message = f"{answers.count('won')} of {_WRITERS} writers were told that they were first"
        raise NotAsPromisedError(message)
    return f"1 of {_WRITERS} won"


def _marker(bench: Bench) -> str:
    item = bench.given("COMPLIANCE")
    answer = allows(lambda: bench.client.delete_object(Bucket=item.bucket, Key=item.key))
    bench.shared["marked"] = item
    if not answer.get("DeleteMarker"):
        raise NotAsPromisedError("no delete marker was made")
    return "a delete marker"


def _marked(bench: Bench) -> str:
    if "marked" not in bench.shared:
        raise NotAskedError("no delete marker could be made")
    bench.stands(bench.shared["marked"])
    return "bytes and lock as before"


def _wrong_sha256(bench: Bench) -> str:
    wrong = base64.b64encode(hashlib.sha256(_OTHER).digest()).decode()
    return refuses(lambda: bench.put(ChecksumAlgorithm="SHA256", ChecksumSHA256=wrong))


def _wrong_md5(bench: Bench) -> str:
    wrong = base64.b64encode(hashlib.md5(_OTHER, usedforsecurity=False).digest()).decode()
    return refuses(lambda: bench.put(ContentMD5=wrong))


CHECKS: Final = (
    Check("overwrite", "ok", "overwriting a locked key makes a new version", _overwrite),
    Check("overwrite-original", "ok", "the overwritten version is as before", _original),
    Check("if-none-match-taken", "deny", "store with If-None-Match under a key that is taken", _taken),
    Check("if-none-match-free", "ok", "store with If-None-Match under a free key", _free),
    Check("if-none-match-race", "ok", "of many writers with If-None-Match one wins", _race),
    Check("marker", "ok", "deleting a locked key makes a delete marker", _marker),
    Check("marker-original", "ok", "the version behind the marker is as before", _marked),
    Check("wrong-sha256", "deny", "store with a wrong SHA-256", _wrong_sha256),
    Check("wrong-md5", "deny", "store with a wrong MD5", _wrong_md5),
)

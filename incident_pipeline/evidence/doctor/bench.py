"""What the checks work with: objects and buckets of their own, and a strict reading of answers.

Everything lies below `doctor/` in the vault's prefix, or in buckets made for this run, under names that
occur once. Each check has its own object, so that a store which fails one does not spoil the next.
Retention is a few seconds by the service's clock; `clear_up` waits for it and removes what was made.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from incident_pipeline.evidence.s3_errors import code_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import BaseClient

    from incident_pipeline.evidence.s3_lock import LockMode, S3Location

Made = TypeVar("Made")
BODY: Final = b"evidence that must not change\n"
PART: Final = b"0" * (5 * 1024**2)
"""The least that S3 takes as a part that is not the last."""
_NO_RIGHT: Final = ("AccessDenied", "403")
_SERVER_ERROR: Final = 500
_NO_REFUSAL: Final = (
    "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "405", "MethodNotAllowed", "NotImplemented",
)  # fmt: skip


class NotAsPromisedError(Exception):
    """The store answered, and not as Object Lock promises."""


class NotAskedError(Exception):
    """What a check needs could not be made, or the role lacks the right: nothing can be said."""


@dataclass(frozen=True)
class Item:
    """One stored version and the lock it must have."""

    bucket: str
    key: str
    version_id: str
    body: bytes
    mode: LockMode | None = None
    until: datetime | None = None

    @property
    def names(self) -> dict[str, str]:
        """Give the arguments by which requests name this version."""
        return {"Bucket": self.bucket, "Key": self.key, "VersionId": self.version_id}


@dataclass
class Bench:
    """Objects and buckets for one probe. `seconds` is the retention of what it stores."""

    client: BaseClient
    location: S3Location
    seconds: int = 5
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    buckets: dict[str, str] = field(default_factory=dict)
    shared: dict[str, Item] = field(default_factory=dict)
    """Objects that two checks look at: one stores, the next reads."""
    held: list[Item] = field(default_factory=list)
    """Objects under legal hold, which has no end of its own."""
    _made: list[Item] = field(default_factory=list)
    _skew: timedelta = timedelta()
    _count: int = 0

    def set_clock(self) -> None:
        """Take the service's clock from its answer to a look at the vault's bucket."""
        answer = self.client.get_bucket_versioning(Bucket=self.location.bucket)
        header = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if header:
            self._skew = parsedate_to_datetime(header) - datetime.now(UTC)

    def soon(self, seconds: float | None = None) -> datetime:
        """Give a time that many seconds from now by the service's clock, in whole seconds."""
        later = (
            datetime.now(UTC) + self._skew + timedelta(seconds=self.seconds if seconds is None else seconds)
        )
        return later.replace(microsecond=0) + timedelta(seconds=1)

    def wait_until(self, moment: datetime) -> None:
        """Sleep until a time of the service's clock has surely passed."""
        time.sleep(max(0.0, (moment - self._skew - datetime.now(UTC)).total_seconds() + 1.5))

    def key(self, name: str) -> str:
        """Give a key that nobody used."""
        self._count += 1
        return self.location.key(f"doctor/{self.token}/{self._count:03d}-{name}")

    def bucket(self, purpose: str, *, locked: bool = True) -> str:
        """Make a bucket for a purpose, once."""
        if purpose not in self.buckets:
            name = f"{self.location.bucket[:40].rstrip('.-')}-doctor-{self.token}-{purpose}"
            self.needs(lambda: self.create_bucket(name, locked=locked), f"a bucket ({name})")
            self.buckets[purpose] = name
        return self.buckets[purpose]

    def create_bucket(self, name: str, *, locked: bool) -> None:
        """Create a bucket in the client's region."""
        region = self.client.meta.region_name
        where: dict[str, Any] = (
            {"CreateBucketConfiguration": {"LocationConstraint": region}}
            if region not in (None, "us-east-1", "aws-global")
            else {}
        )
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked, **where)

    def put(self, mode: LockMode | None = None, *, until: datetime | None = None, **more: object) -> Item:
        """Store an object by one request, with retention when a mode is given."""
        until = until or (self.soon() if mode else None)
        lock = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until} if mode else {}
        arguments: dict[str, Any] = {
            "Bucket": self.location.bucket, "Body": BODY, **lock, **more,
        }  # fmt: skip
        key = str(arguments.setdefault("Key", self.key("object")))
        answer = self.client.put_object(**arguments)
        item = Item(arguments["Bucket"], key, str(answer.get("VersionId", "null")), BODY, mode, until)
        return self.made(item)

    def made(self, item: Item) -> Item:
        """Note an item for `clear_up`."""
        self._made.append(item)
        return item

    def given(self, mode: LockMode | None = None, **more: Any) -> Item:
        """Store what a check needs before it asks anything."""
        return self.needs(lambda: self.put(mode, **more), "a locked object" if mode else "an object")

    def needs(self, make: Callable[[], Made], what: str) -> Made:
        """Make what a check needs; without it the check was not asked."""
        try:
            return make()
        except ClientError as error:
            message = f"{what} could not be made: {said(error)}"
            raise NotAskedError(message) from error

    def stands(self, item: Item) -> None:
        """Look whether a version has its bytes and at least the lock it was given."""
        try:
            answer = self.client.get_object(**item.names)
            body = answer["Body"].read()
            head = self.client.head_object(**item.names)
        except ClientError as error:
            message = f"refused in words, but the version can't be read any more: {said(error)}"
            raise NotAsPromisedError(message) from error
        if body != item.body:
            raise NotAsPromisedError("the version has other bytes now")
        if item.mode is None:
            return
        mode, until = head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")
        if mode != item.mode or until is None or (item.until and until < item.until):
            message = f"the lock is {mode or 'none'} until {until}, not {item.mode} until {item.until}"
            raise NotAsPromisedError(message)

    def clear_up(self) -> tuple[str, ...]:
        """Remove what was made, after its retention has passed; name what could not be removed."""
        ends = [item.until for item in self._made if item.until]
        if ends:
            self.wait_until(max(ends))
        for item in self.held:
            with contextlib.suppress(ClientError):
                self.client.put_object_legal_hold(**item.names, LegalHold={"Status": "OFF"})
        left: list[str] = []
        for bucket in (*self.buckets.values(), self.location.bucket):
            left += self._empty(bucket)
        for bucket in self.buckets.values():
            try:
                self.client.delete_bucket(Bucket=bucket)
            except ClientError as error:
                if code_of(error) != "NoSuchBucket":
                    left.append(f"bucket {bucket} ({code_of(error)})")
        return tuple(left)

    def _empty(self, bucket: str) -> list[str]:
        prefix = "" if bucket != self.location.bucket else self.location.key(f"doctor/{self.token}/")
        left: list[str] = []
        try:
            pages = self.client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
            listed = [
                it for page in pages for name in ("Versions", "DeleteMarkers") for it in page.get(name, [])
            ]
        except ClientError as error:
            return [] if code_of(error) == "NoSuchBucket" else [f"objects in {bucket} ({code_of(error)})"]
        for it in listed:
            try:
                self.client.delete_object(
                    Bucket=bucket, Key=it["Key"], VersionId=it["VersionId"], BypassGovernanceRetention=True
                )
            except ClientError as error:
                left.append(f"{bucket}/{it['Key']} ({code_of(error)})")
        return left


def refuses(ask: Callable[[], object]) -> str:
    """Ask for what must be refused; give the store's reason.

    Raises:
        NotAsPromisedError: it was allowed, or the answer is no refusal.
    """
    try:
        ask()
    except ClientError as error:
        if status_of(error) >= _SERVER_ERROR or code_of(error) in _NO_REFUSAL:
            message = f"no refusal, but {said(error)}"
            raise NotAsPromisedError(message) from error
        return f"refused: {code_of(error)}"
    raise NotAsPromisedError("ALLOWED")


def allows(ask: Callable[[], Made]) -> Made:
    """Ask for what must work.

    Raises:
        NotAsPromisedError: the store refused or failed.
        NotAskedError: the role lacks the right.
    """
    try:
        return ask()
    except ClientError as error:
        if code_of(error) in _NO_RIGHT:
            message = f"these credentials lack the right: {said(error)}"
            raise NotAskedError(message) from error
        message = f"did not work: {said(error)}"
        raise NotAsPromisedError(message) from error


def said(error: ClientError) -> str:
    """Give an answer of the store as text."""
    text = str(error.response.get("Error", {}).get("Message", ""))[:120].strip()
    return f"{code_of(error)} (HTTP {status_of(error)}{': ' + text if text else ''})"


def shorter(item: Item, seconds: int) -> datetime:
    """Give a time before an item's retention ends."""
    if item.until is None:
        raise NotAskedError("the object has no retention")
    return item.until - timedelta(seconds=seconds)


def relocked(item: Item, **changes: Any) -> Item:
    """Give an item as it must be after its lock was changed."""
    return replace(item, **changes)

"""What an object store is asked to promise: Object Lock modes, retention, legal hold, and a vault's URL.

Plain values after the S3 API reference (Object Lock). COMPLIANCE can't be shortened or lifted by anyone
before it ends; GOVERNANCE can, by whoever holds `s3:BypassGovernanceRetention` and says so in the
request. A legal hold has no end and needs its own permission. Nothing here talks to a service.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

from incident_pipeline.errors import ConfigError

LockMode = Literal["COMPLIANCE", "GOVERNANCE"]
SCHEME: Final = "s3://"
MAX_DAYS: Final = 36_500
"""A hundred years, which is also the longest that S3 takes."""

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Lock:
    """The lock on one stored version, as the service states it. Times are aware UTC."""

    mode: LockMode | None
    retain_until: datetime | None
    legal_hold: bool = False

    def covers(self, other: Lock) -> bool:
        """Say whether this lock keeps a version at least as strictly and as long as the other's retention."""
        if other.mode is None or other.retain_until is None:
            return True
        if self.mode is None or self.retain_until is None:
            return False
        return self.mode in ("COMPLIANCE", other.mode) and self.retain_until >= other.retain_until

    def joined(self, other: Lock) -> Lock:
        """Give the lock that covers both: a lock can be made stricter and longer, never the reverse."""
        strict = "COMPLIANCE" in (self.mode, other.mode)
        ends = [end for end in (self.retain_until, other.retain_until) if end is not None]
        mode: LockMode | None = "COMPLIANCE" if strict else other.mode or self.mode
        return Lock(mode, max(ends, default=None), self.legal_hold or other.legal_hold)


@dataclass(frozen=True)
class LockPolicy:
    """How long new objects are kept: for a number of days, or until a fixed time.

    Days run to the end of the last one (UTC), so that sealing again on the same day asks for the same
    date and changes nothing.
    """

    mode: LockMode = "COMPLIANCE"
    days: int = 30
    until: datetime | None = None
    legal_hold: bool = False

    def lock(self, now: datetime) -> Lock:
        """Give the lock that an object stored now gets."""
        if self.until is not None:
            # Services keep whole seconds; cut off, the lock would end before it should.
            whole = self.until.astimezone(UTC).replace(microsecond=0)
            until = whole if whole == self.until else whole + timedelta(seconds=1)
            return Lock(self.mode, until, self.legal_hold)
        last = (now + timedelta(days=self.days)).astimezone(UTC)
        end = last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return Lock(self.mode, end, self.legal_hold)

    @classmethod
    def parse(cls, mode: str, days: str) -> LockPolicy:
        """Read the settings `vault_mode` and `vault_retention_days`.

        Raises:
            ConfigError: one of them is nothing that S3 knows.
        """
        name = mode.strip().upper()
        if name not in ("COMPLIANCE", "GOVERNANCE"):
            message = f"vault_mode is {mode[:40]!r}; a vault in S3 needs COMPLIANCE or GOVERNANCE."
            raise ConfigError(message, advice="See `Evidence in S3` in docs/guide.md for the difference.")
        if not re.fullmatch(r"[0-9]{1,5}", days.strip()) or not 1 <= int(days) <= MAX_DAYS:
            message = f"vault_retention_days is {days[:40]!r}; it must be a number from 1 to {MAX_DAYS}."
            raise ConfigError(message, advice="Start small: COMPLIANCE can be extended, never shortened.")
        return cls(cast("LockMode", name), int(days))


@dataclass(frozen=True)
class S3Location:
    """Where in S3 a vault is. `prefix` has no slash at its ends; empty is the whole bucket."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> S3Location:
        """Read `s3://bucket/prefix`.

        Raises:
            ConfigError: it is no such URL, or the bucket's name is none that S3 allows.
        """
        bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
        if not url.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
            message = f"{url[:120]!r} names no vault in S3."
            raise ConfigError(message, advice="Write it as s3://bucket/prefix, bucket names in lower case.")
        prefix = prefix.strip("/")
        if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
            message = f"{url[:120]!r}: the prefix has an empty part or one of dots."
            raise ConfigError(message, advice="Write it as s3://bucket/prefix.")
        return cls(bucket, prefix)

    @property
    def url(self) -> str:
        """Give the URL again."""
        return f"{SCHEME}{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def key(self, name: str) -> str:
        """Give the key of a name inside the vault."""
        return f"{self.prefix}/{name}" if self.prefix else name

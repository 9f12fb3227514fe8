"""Object stores on loopback for tests: SeaweedFS, which keeps Object Lock, and moto, which does not.

Each is a process of its own on a free port, ready when a signed request was answered, and ended by its
process group. A store is started once per session; tests take a prefix of their own in its bucket,
because SeaweedFS gives every bucket volumes of its own and soon runs out of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "evidence"
INGEST_ACTIONS = [
    "Read", "Write", "List", "PutObjectRetention", "GetObjectRetention", "GetBucketObjectLockConfiguration",
]  # fmt: skip
"""What sealing needs, and no more: no bypass, no legal hold, no buckets."""


@dataclass(frozen=True)
class Store:
    """A running store with one bucket that was made with Object Lock."""

    endpoint: str

    def client(self, role: str = "ingest", **more: Any) -> Any:
        """Give a client of a role: `admin` may everything, `ingest` what sealing needs."""
        config = Config(
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": more.pop("attempts", 3)},
            connect_timeout=5,
            read_timeout=more.pop("read_timeout", 20),
        )
        return boto3.session.Session().client(
            "s3",
            endpoint_url=more.pop("endpoint", self.endpoint),
            aws_access_key_id=role,
            aws_secret_access_key=f"{role}-secret",
            region_name="us-east-1",
            config=config,
        )

    def environment(self, role: str = "ingest") -> dict[str, str]:
        """Give the AWS variables by which a command reaches this store."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": role,
            "AWS_SECRET_ACCESS_KEY": f"{role}-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def url(self) -> str:
        """Give a vault's URL that nobody used."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}"


def free_ports(count: int) -> list[int]:
    """Give ports that are free now, and so are the ports 10,000 above, where `weed` puts its gRPC."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            if port >= 55_000:
                continue
            other = held.enter_context(socket.socket())
            try:
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            found.append(port)
    return found


@contextlib.contextmanager
def process(command: list[str], log: Path, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server; end it and its children by their group."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **(environ or {})},
        )
        try:
            yield
        finally:
            # Its data goes with the test's folder, so it need not put anything in order.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(15)


def make_bucket(store: Store, log: Path, *, seconds: float = 60) -> None:
    """Make the bucket as soon as the store can: the one sign of readiness that can be relied on."""
    client = store.client("admin", attempts=1)
    end = time.monotonic() + seconds
    while True:
        try:
            client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
        except (BotoCoreError, ClientError):
            if time.monotonic() > end:
                pytest.fail(f"{store.endpoint} did not get ready:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        else:
            return


def program(name: str) -> str:
    """Give the path of a program beside this Python, or skip the test."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"`{name}` is not installed")
    return found


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[Store]:
    """Run SeaweedFS with the roles `admin` and `ingest`. Its filer is closed: it knows no locks."""
    weed = program("weed")
    s3, master, volume, filer = free_ports(4)
    identities = [
        {
            "name": name,
            "credentials": [{"accessKey": name, "secretKey": f"{name}-secret"}],
            "actions": actions,
        }
        for name, actions in (("admin", ["Admin"]), ("ingest", INGEST_ACTIONS))
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    command = [
        weed, "mini", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-disableHttp",
        f"-s3.config={folder / 's3.json'}", f"-s3.port={s3}", f"-master.port={master}",
        f"-volume.port={volume}", f"-filer.port={filer}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-webdav=false", "-admin.ui=false",
    ]  # fmt: skip
    log = folder / "weed.log"
    with process(command, log, {"HOME": str(folder)}):
        store = Store(f"http://127.0.0.1:{s3}")
        make_bucket(store, log)
        yield store


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Store]:
    """Run moto's server: an S3 in name, good for nothing but being refused."""
    (port,) = free_ports(1)
    log = folder / "moto.log"
    with process([program("moto_server"), "-H", "127.0.0.1", "-p", str(port)], log):
        store = Store(f"http://127.0.0.1:{port}")
        make_bucket(store, log)
        yield store

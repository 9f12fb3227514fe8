"""A KMS API on loopback: ministack under hypercorn, in a process group of its own."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

INSTALLED = all(importlib.util.find_spec(name) for name in ("ministack", "hypercorn"))
needs_kms = pytest.mark.skipif(not INSTALLED, reason="ministack and hypercorn are not installed")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def kms_server(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run the server; give the environment with which boto3 finds it."""
    import boto3  # noqa: PLC0415 -- only where it runs
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "kms.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hypercorn", "ministack.app:app", "-b", f"127.0.0.1:{port}"],
            cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    try:
        client = boto3.client(
            "kms", endpoint_url=url, region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",  # noqa: S106 -- the server takes any
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                client.list_keys()
                break
            except (BotoCoreError, ClientError):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        client.close()
        yield {**CREDENTIALS, "AWS_ENDPOINT_URL_KMS": url}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

"""An RFC 3161 authority on loopback, as somebody else would run one: openssl answers HTTP requests."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from incident_pipeline.evidence.timestamps import Authority, UrlAuthority, read_authorities
from incident_pipeline.evidence.tsa_local import LocalAuthority, create_authority

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Independent:
    """An authority with a root certificate of its own."""

    def __init__(self, root: Path, name: str = "Example TSA Root") -> None:
        create_authority(root / "tsa", root / "ca", name=name)
        self.certificate = next((root / "ca").glob("*.pem"))
        self.openssl = LocalAuthority(root / "tsa", shutil.which("openssl") or "openssl", dict(os.environ))

    @property
    def authority(self) -> Authority:
        return read_authorities(self.certificate.read_bytes())[0]

    def trust_in(self, config: Path) -> None:
        """Do what a user does to trust it."""
        (config / "trust" / "tsa").mkdir(parents=True, exist_ok=True)
        shutil.copy(self.certificate, config / "trust" / "tsa" / "example.pem")

    def stamp(self, data: bytes) -> bytes:
        return self.openssl.stamp(data)

    @contextmanager
    def serve(self) -> Iterator[UrlAuthority]:
        with served(self.openssl.answer) as url:
            yield UrlAuthority(url, (self.authority,))


@contextmanager
def served(answer: object) -> Iterator[str]:
    """Serve a function from request body to answer (bytes, or a status) on loopback; give the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = answer(body)  # type: ignore[operator] # any callable of a test
            self.send_response(200 if isinstance(reply, bytes) else reply)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            if isinstance(reply, bytes):
                self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsr"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

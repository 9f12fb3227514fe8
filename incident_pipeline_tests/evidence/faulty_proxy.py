"""A proxy before an object store that answers 503, loses replies, stalls, or cuts bodies short, on demand."""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import urlsplit

Fault = Literal["none", "503", "500", "lose-reply", "stall", "cut-body"]


@dataclass
class FaultyProxy:
    """Forwards to `target`; `choose(method, path)` says what goes wrong with a request."""

    target: str
    choose: Callable[[str, str], Fault] = lambda _method, _path: "none"
    seen: list[tuple[str, str, Fault, int]] = field(default_factory=list)
    """Method, path, fault, and the status the store itself gave (0: the request never got there)."""

    def __enter__(self) -> Self:
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
                pass

            def forward(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815 -- the base's names

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        fault = self.choose(request.command, request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if fault in ("503", "500"):
            self.seen.append((request.command, request.path, fault, 0))
            request.send_response(int(fault))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        host = urlsplit(self.target).netloc
        upstream = http.client.HTTPConnection(host, timeout=20)
        # The signature covers the Host that the client wrote, so it goes on as it is.
        upstream.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() not in ("connection", "expect"):
                upstream.putheader(name, value)
        upstream.endheaders()
        upstream.send(body)
        reply = upstream.getresponse()
        data = reply.read()
        upstream.close()
        self.seen.append((request.command, request.path, fault, reply.status))
        request.close_connection = True
        if fault == "lose-reply":
            return
        if fault == "stall":
            time.sleep(3)
            return
        request.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data[: len(data) // 2] if fault == "cut-body" else data)

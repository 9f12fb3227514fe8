from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Look

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _ns(text: str) -> int:
    """Read an ISO time with the standard library, independently of the product."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


_UA = '"-" "curl/8.0"'


def test_combined_lines_with_everything_in_front(look: Callable[..., Look]) -> None:
    lines = [
        f'10.0.0.1 - - [16/Nov/2019:09:46:42 +0200] "GET /a?b=1 HTTP/1.1" 200 12 {_UA}',
        f'a.example:443 2001:db8::1 - joe@X.COM [16/Nov/2019:09:46:43 +0200] "POST / HTTP/2.0" 503 0 {_UA}',
        f'"10.5.1.2, 175.16.1.1" 10.2.1.9 - - [16/Nov/2019:09:46:44 +0200] "" 400 0 {_UA}',
        '10.0.0.1 - - [16/Nov/2019:09:46:45 +0200] "GET /?q=alert("x") HTTP/1.0" 404 7',
    ]
    seen = look("\n".join(lines) + "\n", uri="access.log")
    assert seen.parsed.report.format == "access_log"
    first, second, third, fourth = seen.events
    assert first["time_ns"] == _ns("2019-11-16T09:46:42+02:00")
    assert first["message"] == "GET /a -> 200"
    assert first["attributes"] | {"client.address": "10.0.0.1"} == first["attributes"]
    assert first["attributes"]["url.original"] == "/a?b=1"
    assert first["attributes"]["time.kind"] == "end"
    assert (second["actor"], second["severity"], second["attributes"]["server.address"]) == (
        "joe@X.COM",
        17,
        "a.example:443",
    )
    assert second["attributes"]["client.address"] == "2001:db8::1"
    assert third["attributes"]["client.address"] == "10.5.1.2"
    assert third["attributes"]["network.peer.address"] == "10.2.1.9"
    assert third["severity"] == 13
    assert fourth["attributes"]["url.original"] == '/?q=alert("x")'


def test_traefik_starts_where_its_line_says_and_ingress_ends_there(look: Callable[..., Look]) -> None:
    head = '10.0.0.1 - - [16/Nov/2019:09:46:42 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8.0"'
    traefik, ingress, named = look(
        f'{head} 262 "web@docker" "http://172.19.0.3:80" 250ms\n'
        f"{head} 89 0.123 [default-web-80] [] 172.17.0.5:80, 172.17.0.6:80 5, 9 0.1, 0.02 502, 200 "
        "529a007902362a5f51385a5fa7049884\n"
        f'{head} rt=0.7 uct="-"\n'
    ).events
    assert traefik["end_time_ns"] - traefik["time_ns"] == 250_000_000
    assert "time.kind" not in traefik["attributes"]
    assert ingress["attributes"]["upstream.status"] == "502, 200"
    assert ingress["attributes"]["upstream.name"] == "default-web-80"
    assert ingress["attributes"]["duration_s"] == "0.123"
    assert named["attributes"]["duration_s"] == "0.7"
    assert named["attributes"]["uct"] == "-"


def test_ssl_request_log(look: Callable[..., Look]) -> None:
    row = look('[10/Aug/2018:09:45:56 +0200] 172.30.0.1 TLSv1.3 AES "GET /x HTTP/1.1" 1375\n').event
    assert (row["message"], row["severity"]) == ("GET /x", None)
    assert row["attributes"]["tls.protocol.version"] == "TLSv1.3"


def test_other_lines_go_to_quarantine(look: Callable[..., Look]) -> None:
    seen = look(f'10.0.0.1 - - [16/Nov/2019:09:46:42 +0200] "GET / HTTP/1.1" 200 1 {_UA}\nnonsense\n')
    assert [seen.bytes_of(row) for row in seen.quarantine] == [b"nonsense"]


def test_apache_errors(look: Callable[..., Look]) -> None:
    seen = look(
        "[Mon Dec 26 16:15:55.103522 2016] [core:error] [pid 11379:tid 7] [client 10.0.0.9:41000] "
        "AH00126: Invalid\n"
        "[Mon Dec 26 16:15:56 2016] [notice] Apache/2.2 configured\n",
        tz="-02:00",
    )
    first, second = seen.events
    assert seen.parsed.report.format == "apache_error"
    assert first["time_ns"] == _ns("2016-12-26T16:15:55.103522-02:00")
    assert (first["severity"], first["message"]) == (17, "AH00126: Invalid")
    assert first["attributes"]["client.address"] == "10.0.0.9"
    assert (second["severity"], second["severity_raw"], second["message"]) == (
        10,
        "notice",
        "Apache/2.2 configured",
    )


def test_nginx_errors(look: Callable[..., Look]) -> None:
    row = look(
        "2023/10/11 14:32:52 [error] 31#7: *9 upstream timed out (110: timed out), client: "
        "10.0.0.1, server: a.b, "
        'request: "GET /x HTTP/1.1", upstream: "http://10.1.1.1:80/x", host: "a.b"\n'
    ).event
    assert row["time_ns"] == _ns("2023-10-11T14:32:52+00:00")
    assert row["message"] == "upstream timed out (110: timed out)"
    assert row["attributes"]["upstream.url"] == "http://10.1.1.1:80/x"
    assert row["attributes"]["http.request.method"] == "GET"
    assert (row["severity"], row["service"]) == (17, "nginx")

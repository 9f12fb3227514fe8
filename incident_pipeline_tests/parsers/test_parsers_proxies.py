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


_HTTP = (
    "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 "
    '10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"\n'
)


def test_haproxy_http_line_of_the_manual(look: Callable[..., Look]) -> None:
    row = look(_HTTP, collected_at="2009-02-07T00:00:00Z").event
    assert row["time_ns"] == _ns("2009-02-06T12:14:14.655+00:00")
    assert row["end_time_ns"] - row["time_ns"] == 109_000_000
    assert (row["message"], row["severity"], row["service"], row["host"]) == (
        "GET /index.html -> 200",
        9,
        "haproxy",
        "localhost",
    )
    attributes = row["attributes"]
    assert attributes["client.address"] == "10.0.1.2"
    assert (attributes["haproxy.backend"], attributes["haproxy.server"]) == ("static", "srv1")
    assert attributes["duration_s"] == "0.109"


def test_haproxy_keeps_to_syslogs_time_where_the_two_contradict(look: Callable[..., Look]) -> None:
    seen = look(_HTTP, collected_at="2025-02-07T00:00:00Z")
    assert seen.event["time_ns"] == _ns("2025-02-06T12:14:14+00:00")
    assert seen.event["attributes"]["haproxy.accept_date"] == "06/Feb/2009:12:14:14.655"
    assert any("accept dates" in text for text in seen.parsed.report.assumptions)


def test_haproxy_tcp_and_errors(look: Callable[..., Look]) -> None:
    prefix = "Feb  6 12:12:56 localhost haproxy[14387]: "
    tcp, error, connect, down = look(
        f"{prefix}10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0\n"
        f"{prefix}127.0.0.1:34059 [06/Feb/2009:12:12:09.316] fnt/1: Connection error during SSL handshake\n"
        f"{prefix}Connect from 10.0.1.2:33312 to 10.0.3.31:8012 (www/HTTP)\n"
        f"{prefix}Server bck/srv1 is DOWN, reason: Layer4 timeout.\n"
    ).events
    assert (tcp["message"], tcp["attributes"]["duration_s"]) == ("fnt -> bck/srv1 --", "5.007")
    assert (error["message"], error["severity"]) == ("Connection error during SSL handshake", 13)
    assert connect["attributes"]["server.port"] == "8012"
    assert down["severity"] == 17


def test_application_load_balancer(look: Callable[..., Look]) -> None:
    row = look(
        "https 2018-07-02T22:23:00.186641Z app/my-lb/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 "
        '0.086 0.048 0.037 502 200 0 57 "GET https://www.example.com:443/a HTTP/1.1" "curl/7.46.0" ECDHE-RSA '
        "TLSv1.2 arn:aws:tg "
        '"Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:cert" 1 '
        "2018-07-02T22:22:48.364000Z "
        '"authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-"\n'
    ).event
    assert row["time_ns"] == _ns("2018-07-02T22:22:48.364+00:00")
    assert row["end_time_ns"] == _ns("2018-07-02T22:23:00.186641+00:00")
    assert (row["severity"], row["service"]) == (17, "app/my-lb/50dc6c495c0c9188")
    assert row["attributes"]["upstream.address"] == "10.0.0.1"
    assert row["attributes"]["duration_s"] == "0.171"


def test_classic_and_network_load_balancers(look: Callable[..., Look]) -> None:
    classic, network = look(
        "2015-05-13T23:39:43.945958Z my-lb 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 "
        "0.000057 200 200 0 29 "
        '"GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -\n'
        "tls 2.0 2018-12-20T02:59:40 net/my-nlb/c6e7 g3d4 72.21.218.154:51341 172.100.100.185:443 5 "
        "2 98 246 - "
        "arn:aws:acm - ECDHE tlsv12 - my-nlb.example.com - - - 2018-12-20T02:59:30\n"
    ).events
    assert classic["time_ns"] == _ns("2015-05-13T23:39:43.945958+00:00")
    assert classic["end_time_ns"] - classic["time_ns"] == 1_178_000
    assert network["time_ns"] == _ns("2018-12-20T02:59:30+00:00")
    assert network["end_time_ns"] == _ns("2018-12-20T02:59:40+00:00")


def test_envoy_default_and_istio(look: Callable[..., Look]) -> None:
    default, istio = look(
        '[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 '
        '"10.0.35.28" "nsq2http" '
        '"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"\n'
        '[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 503 UF via_upstream - "-" 0 135 4 - '
        '"-" "curl" '
        '"84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 '
        "10.44.1.27:80 10.44.1.23:37652 outbound_.8000 default\n"
    ).events
    assert default["time_ns"] == _ns("2016-04-15T20:17:00.310+00:00")
    assert default["end_time_ns"] - default["time_ns"] == 226_000_000
    assert default["attributes"]["server.address"] == "locations"
    assert (istio["severity"], istio["attributes"]["envoy.response_flags"]) == (17, "UF")
    assert istio["attributes"]["envoy.response_code_details"] == "via_upstream"
    assert istio["attributes"]["client.address"] == "10.44.1.23"


def test_envoys_own_log_and_tabbed_consoles(look: Callable[..., Look]) -> None:
    own = look("[2024-01-01 00:00:00.123][7][warning][main] [source/server/server.cc:1] deprecated\n").event
    assert (own["severity"], own["message"], own["attributes"]["logger"]) == (13, "deprecated", "main")
    zap = look(
        '2024-01-01T00:00:00.123456Z\terror\tctrl\tapi/run.go:12\tfailed\t{"pod": "a", "n": 1}\n'
        "main.run\n\t/app/main.go:3\n"
        "2024-01-01T00:00:01.123456Z\tinfo\tconnected to upstream\tid=3\n"
    )
    first, second = zap.events
    assert zap.parsed.report.format == "tab_console"
    assert (first["attributes"]["pod"], first["attributes"]["code.location"]) == ("a", "api/run.go:12")
    assert first["message"] == "failed\nmain.run\n\t/app/main.go:3"
    assert (second["message"], second["attributes"]["id"]) == ("connected to upstream", "3")


def test_w3c_extended_by_its_fields_line(look: Callable[..., Look]) -> None:
    seen = look(
        "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n"
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query cs-username c-ip cs(User-Agent) "
        "sc-status time-taken\n"
        "2024-01-02 03:04:05 10.0.0.1 GET /a b=1 CORP\\joe 10.9.9.9 curl/8+x 500 1234\n"
        "2024-01-02 03:04:05 too few\n"
    )
    row = seen.events[-1]
    assert row["time_ns"] == _ns("2024-01-02T03:04:05+00:00")
    assert (row["message"], row["severity"], row["actor"]) == ("GET /a -> 500", 17, "CORP\\joe")
    assert row["attributes"]["duration_s"] == "1.234"
    assert row["attributes"]["user_agent.original"] == "curl/8 x"
    assert len(seen.quarantine) == 1
    assert [event["kind"] for event in seen.events] == ["tool_output"] * 3 + ["log"]

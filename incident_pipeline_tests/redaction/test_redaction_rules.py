"""What the rules find and what they leave alone, one table per family."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest

from incident_pipeline.errors import ConfigError
from incident_pipeline.redaction import Rules, find

JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkEifQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
# Written in two parts, so that scanners of repositories do not take the examples for leaked keys.
AWS, GITHUB, SLACK = "AKIA" + "IOSFODNN7EXAMPLE", "ghp_" + "a1B2" * 9, "xoxb-" + "123456789012-abcdefABCDEF"
STRIPE, GOOGLE = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWx"


def found(text: str, rules: Rules | None = None) -> list[tuple[str, str]]:
    data = text.encode()
    return [(one.kind, data[one.start : one.end].decode()) for one in find(data, rules)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (f"using {AWS} now", "aws-access-key", AWS),
        (f"remote: {GITHUB}", "github-token", GITHUB),
        (f"slack {SLACK}", "slack-token", SLACK),
        (f"charge with {STRIPE}", "stripe-key", STRIPE),
        (f"maps?v=3 {GOOGLE}", "google-key", GOOGLE),
        (f"session {JWT} ok", "jwt", JWT),
        ("GET https://bob:s3cr3t@host.example/x", "password", "s3cr3t"),
        ("postgres://app:p%40ss@db:5432/app", "password", "p%40ss"),
        ("GET /x?pwd=a%26b%20c", "password", "a%26b%20c"),
        ("redis://:sesame123@cache:6379", "password", "sesame123"),
        ("auth: bearer abcdef0123456789", "authorization", "abcdef0123456789"),
        ("sent Basic dXNlcjpwYXNzd29yZA== to proxy", "authorization", "dXNlcjpwYXNzd29yZA=="),
        ("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
         "slack-webhook", "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"),
    ],
)  # fmt: skip
def test_secrets_are_known_by_their_form(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"password":"hunter2","x":1}', "hunter2"),
        ('{"password": "say \\"friend\\" 1"}', 'say \\"friend\\" 1'),
        ('{"msg":"{\\"api_key\\": \\"0123456789ab\\"}"}', "0123456789ab"),
        ("level=info password=hunter2 user=bob", "hunter2"),
        ("db.password: correcthorse\n", "correcthorse"),
        ("  - name: x\n    secret_key: correcthorse\n    a: b", "correcthorse"),
        ("GET /x?access_token=abc123def456&next=1", "abc123def456"),
        ("X-Api-Key: 9f86d081884c7d65", "9f86d081884c7d65"),
        ("Cookie: sid=abc; theme=dark", "sid=abc; theme=dark"),
        ("Set-Cookie: sid=abc; HttpOnly", "sid=abc; HttpOnly"),
        ("Authorization: Digest username=admin1,response=77aa", "Digest username=admin1"),
        ("Server=db;User Id=sa;Password=My,Pass;Encrypt=yes", "My,Pass"),
        ("psql --password hunter2 -h db", "hunter2"),
        ("ALTER ROLE app PASSWORD 'open sesame'", "open sesame"),
        ("my password is hunter2 please", "hunter2"),
        ("DefaultEndpointsProtocol=https;AccountKey=Zm9vYmFyYmF6cXV4==;", "Zm9vYmFyYmF6cXV4=="),
        ('{"key":"db.password","value":{"stringValue":"hunter2"}}', "hunter2"),
        ('{ "key": "x.token",\n  "value": {\n    "stringValue": "abcdef123456"}}', "abcdef123456"),
        ('{"name": "X-Api-Key", "value": "abcdef123456"}', "abcdef123456"),
        ("at Foo.bar(Foo.java:12) token=abcdef123456", "abcdef123456"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
         "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ('up{password="hunter2",job="a"} 1', "hunter2"),
        ('{"password":"cut off in the mid', "cut off in the mid"),
    ],
)  # fmt: skip
def test_secrets_are_known_by_the_name_before_them(text: str, value: str) -> None:
    assert [shown for _, shown in found(text)][:1] == [value]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("mail from bob.smith+x@mail.example.co.uk ok", "email", "bob.smith+x@mail.example.co.uk"),
        ("paid with 4111 1111 1111 1111.", "card", "4111 1111 1111 1111"),
        ('{"pan":5500005555555559}', "card", "5500005555555559"),
        ("amex 3782-822463-10005", "card", "3782-822463-10005"),
        ("to DE89 3704 0044 0532 0130 00 THE END", "iban", "DE89 3704 0044 0532 0130 00"),
        ("to GB29NWBK60161331926819", "iban", "GB29NWBK60161331926819"),
        ("ssn=078-05-1120", "ssn", "078-05-1120"),
        ("social security number 078 05 1120", "ssn", "078 05 1120"),
        ('"phone": "+1 (415) 555-0100"', "phone", "+1 (415) 555-0100"),
        ("ring +44 20 7946 0958 first", "phone", "+44 20 7946 0958"),
        ("peer 203.0.113.7:443 reset", "ip", "203.0.113.7"),
        ("client_ip=10.0.0.3", "ip", "10.0.0.3"),
        ('{"key":"client.address","value":{"stringValue":"192.168.1.9"}}', "ip", "192.168.1.9"),
        ("from 2001:db8::8a2e:370:7334 port 22", "ip", "2001:db8::8a2e:370:7334"),
    ],
)
def test_personal_data_is_known_by_form_checksum_and_context(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        '{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","startTimeUnixNano":"1767225600123456789"}',
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 merged",
        "id 123e4567-e89b-12d3-a456-426614174000 at 2026-01-16T10:27:03.123Z",
        "version 1.2.3.4 of api:2.4.0, Chrome/120.0.0.0 Safari/537.36",
        "image sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "epoch 1767225600 1767225600123 1767225600123456 0.4111111111111111",
        "unexpected token: EOF; invalid token: expected '}'; token_count=123456789",
        "password is required; password: incorrect for user; password_reset=started",
        "next_page_token=abcdef0123456789",
        'password=*** api_key=<redacted> secret=${SECRET} token=null {"password":""}',
        "basic authentication failed; bearer token missing",
        "from 10.1.2.3 to 192.168.0.1 via 127.0.0.1 and 0.0.0.0:80, remote_host=127.0.0.1",
        "std::vector<a::b> fe80::1 ::1 at 10:27:03",
        "logo@2x.png backup@daily.service git@github.com:team/repo.git @Override foo@bar",
        "order 4111111111111112 of 1234567890123456",
        "DE00370400440532013000 is none",
        "ssn=000-12-3456 and then 987-65-4320",
        "[email:7f3a9c2b41d0] [ip:0123456789ab] of a text that was redacted before",
        "/api/v1/users/profile/settings/notifications/preferences",
        '"session_id":"6b03f3cc.62e"',
        "aGVsbG8gd29ybGQgdGhpcyBpcyBhIHRlc3Q=",
        "100%25 %zz %20 %",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert found(text) == []


def test_secrets_in_disguise_are_found() -> None:
    assert found(f"q={quote('password=hunter2 x', safe='')}") == [("password", "hunter2")]
    assert found("%22password%22%3A%22hunter2%22") == [("password", "hunter2")]
    assert found("user alice\\u0040example.com") == [("email", "alice\\u0040example.com")]
    text = base64.b64encode(b'{"user":"u","password":"hunter2"}').decode()
    assert found(f"payload {text} end") == [("password", text)]
    twice = base64.b64encode(quote("api_key=abcdef123456 and", safe="").encode()).decode()
    assert found(f"payload {twice} end") == [("api-key", twice)]


def test_a_private_key_over_lines_leaves_line_ends_and_what_a_log_wrote_before() -> None:
    key = "-----BEGIN EC PRIVATE KEY-----\n" + "MHcCAQEEIIGlRH4Cp\n" * 3 + "-----END EC PRIVATE KEY-----"
    logged = "\n".join(f"10:00:0{n} app | {line}" for n, line in enumerate(key.split("\n")))
    data = logged.encode()
    kept = list(data)
    for one in find(data):
        assert one.kind == "private-key"
        assert b"\n" not in data[one.start : one.end]
        kept[one.start : one.end] = b"#" * (one.end - one.start)
    left = bytes(kept).decode().replace("#", "")
    assert left == "\n".join(f"10:00:0{n} app | " for n in range(5))
    assert found(json_line(key))[0][0] == "private-key"
    assert "MHcC" not in "".join(part for part in json_line(key).split(found(json_line(key))[0][1]))


def json_line(key: str) -> str:
    escaped = key.replace("\n", "\\n")
    return f'{{"pem":"{escaped}","x":1}}'


def test_a_private_key_without_an_end_is_found_as_far_as_it_goes() -> None:
    lines = [
        "-----BEGIN PRIVATE KEY-----",
        *["MIGHAgEAMBMGByqGSM49AgEG"] * 4,
        "next record",
        "a",
        "b",
        "c",
        "d",
    ]
    shown = [value for _, value in found("\n".join(lines))]
    assert shown == lines[:5]


def test_addresses_are_a_matter_of_settings() -> None:
    text = "from 203.0.113.7 to 10.0.0.3 and 127.0.0.1"
    assert [value for _, value in found(text)] == ["203.0.113.7"]
    assert [value for _, value in found(text, Rules("all"))] == ["203.0.113.7", "10.0.0.3"]
    assert found(text, Rules("none")) == []


def test_further_field_names_are_a_matter_of_settings() -> None:
    text = '{"user_id": "u-17", "order.user-id": 4711, "x": "u-17"} user_id=u-18'
    assert found(text) == []
    rules = Rules.of("public", "user_id, customer")
    assert [value for _, value in found(text, rules)] == ["u-17", "4711", "u-18"]


@pytest.mark.parametrize(("addresses", "keys"), [("some", ""), ("public", "a b"), ("all", "(.*)+")])
def test_settings_that_can_not_be_meant_are_refused(addresses: str, keys: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Rules.of(addresses, keys)
    assert caught.value.advice


@pytest.mark.parametrize(
    "unit",
    [
        b"a", b"0", b"@", b"a@", b"a.", b".a@a", b"%", b"%41", b"\\u0041", b'"', b'\\"', b"=", b"password=",
        b"password: ", b"token ", b"eyJ", b"eyJa.eyJ", b"-----BEGIN PRIVATE KEY-----", b"://", b"://a:",
        b"4111 ", b"1.", b"1.1.1.1.", b"::", b"a:", b"DE89 ", b"A1", b"QUFB", b"ssn 1", b"phone 1 ", b"+1 ",
        b"cookie: a", b"bearer ", b'{"key":"password","value":', b",", b"\n", b"\0", b"\xff",
    ],
)  # fmt: skip
def test_time_grows_with_length_and_no_faster(unit: bytes) -> None:
    """Ten times the text takes about ten times the time; what backtracks without bound takes a hundred."""

    def seconds(size: int) -> float:
        data = unit * (size // len(unit))
        before = time.process_time()
        find(data)
        return time.process_time() - before

    small, large = seconds(8_000), seconds(80_000)
    assert large < 40 * max(small, 0.003)

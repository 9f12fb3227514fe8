"""A seeded corpus for the redaction rules: values of every kind in the forms evidence has, among look-alikes.

Every value is drawn from a seeded generator, so that no rule can know it; the forms include some that the
rules are not made for. Used by `bench.py redaction` and by the test that holds the rules to a floor.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from incident_pipeline.redaction import find

LETTERS, DIGITS = string.ascii_letters, string.digits
HEX = "0123456789abcdef"


@dataclass(frozen=True)
class Planted:
    """One value: its bytes in the corpus, its kind, and the form it was written in."""

    start: int
    end: int
    kind: str
    form: str


@dataclass(frozen=True)
class Score:
    """Of one kind: values planted, values wholly covered, stretches found, stretches that touch a value."""

    planted: int
    covered: int
    found: int
    right: int

    @property
    def recall(self) -> float:
        return self.covered / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0


def _word(rng: random.Random, alphabet: str, low: int, high: int | None = None) -> str:
    return "".join(rng.choices(alphabet, k=rng.randint(low, high or low)))


def _card(rng: random.Random) -> str:
    prefix, length = rng.choice([("4", 16), ("51", 16), ("55", 16), ("37", 15), ("6011", 16), ("2221", 16)])
    body = prefix + _word(rng, DIGITS, length - len(prefix) - 1)
    total = sum(
        d if i % 2 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(map(int, reversed(body)))
    )
    digits = body + str(-total % 10)
    if rng.random() < 0.5:
        return digits
    cuts = (4, 10) if length == 15 else (4, 8, 12)
    joint = rng.choice([" ", "-"])
    return joint.join(digits[a:b] for a, b in zip((0, *cuts), (*cuts, length), strict=True))


def _iban(rng: random.Random) -> str:
    country, length = rng.choice([("DE", 22), ("GB", 22), ("FR", 27), ("NL", 18), ("ES", 24), ("AT", 20)])
    bank = {"GB": "NWBK", "NL": "ABNA"}.get(country, "")
    body = bank + _word(rng, DIGITS, length - 4 - len(bank))
    check = 98 - int("".join(str(int(sign, 36)) for sign in f"{body}{country}00")) % 97
    plain = f"{country}{check:02d}{body}"
    return plain if rng.random() < 0.5 else " ".join(plain[at : at + 4] for at in range(0, length, 4))


def _jwt(rng: random.Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    signature = base64.urlsafe_b64encode(rng.randbytes(32)).decode().rstrip("=")
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': _word(rng, DIGITS, 8)})}.{signature}"


def _public_ip(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return "2a02:" + ":".join(_word(rng, HEX, 4) for _ in range(7))
    return f"{rng.choice([5, 8, 34, 81, 93, 151, 203])}." + ".".join(
        str(rng.randint(1, 254)) for _ in range(3)
    )


def _phone(rng: random.Random) -> str:
    return rng.choice(["+1 (415) 555-", "+44 20 7946 ", "+49 30 901820", "0171 555 "]) + _word(rng, DIGITS, 4)


VALUES: dict[str, Callable[[random.Random], str]] = {
    "password": lambda r: _word(r, LETTERS + DIGITS + "!#+*~.-_", 6, 20) + r.choice("0123456789"),
    "token": lambda r: _word(r, LETTERS + DIGITS, 20, 48),
    "api-key": lambda r: _word(r, HEX, 32),
    "secret": lambda r: base64.b64encode(r.randbytes(30)).decode(),
    "authorization": lambda r: _word(r, LETTERS + DIGITS + "-_", 24, 60) + "7",
    "cookie": lambda r: f"sid={_word(r, HEX, 32)}",
    "aws-access-key": lambda r: "AKIA" + _word(r, string.ascii_uppercase + DIGITS, 16),
    "github-token": lambda r: "ghp_" + _word(r, LETTERS + DIGITS, 36),
    "slack-token": lambda r: f"xoxb-{_word(r, DIGITS, 12)}-{_word(r, LETTERS + DIGITS, 24)}",
    "stripe-key": lambda r: "sk_live_" + _word(r, LETTERS + DIGITS, 24),
    "jwt": _jwt,
    "private-key": lambda r: (
        "-----BEGIN PRIVATE KEY-----\\n" + base64.b64encode(r.randbytes(120)).decode() + "\\n-----END PRIVATE KEY-----"
    ),
    "email": lambda r: (
        _word(r, string.ascii_lowercase, 3, 8) + r.choice(["", ".", "+", "_"]) + _word(r, string.ascii_lowercase, 2, 6)
        + "@" + _word(r, string.ascii_lowercase, 4, 9) + r.choice([".com", ".de", ".co.uk", ".io"])
    ),
    "card": _card,
    "iban": _iban,
    "ssn": lambda r: f"{r.randint(100, 665)}-{r.randint(1, 99):02d}-{r.randint(1, 9999):04d}",
    "phone": _phone,
    "ip": _public_ip,
}  # fmt: skip

BARE = ("{v} was seen", "user=7 value={v} status=200", '{{"msg":"saw {v} here","code":200}}', "[{v}]",
        '{{"data":{{"x":"{v}"}}}}', "GET /a?x={v}&y=1", "at Foo.run(Foo.java:88): bad input: {v}")  # fmt: skip
"""Forms for values that give themselves away."""

NAMED: dict[str, tuple[str, ...]] = {
    "password": ('{{"db":{{"password":"{v}"}},"x":1}}', "level=info password={v} user=bob", "DB_PASSWORD={v}",
                 "db:\n  password: {v}\n  port: 1", "my password is {v} thanks", "login --password {v} --host a",
                 "Server=db;Uid=sa;Pwd={v};Pooling=true", "postgres://app:{v}@db:5432/app", "DB_PASS={v}",
                 '{{"key":"db.password","value":{{"stringValue":"{v}"}}}}', "the pass phrase would be {v}",
                 '{{"m":"{{\\"password\\":\\"{v}\\"}}"}}'),
    "token": ("GET /x?access_token={v}&a=1", '{{"refresh_token": "{v}"}}', "session_token={v}", "X-Auth-Token: {v}",
              "--token {v}", "csrf={v}", "using token {v} now"),
    "api-key": ("X-Api-Key: {v}", '{{"apiKey":"{v}"}}', "api_key={v}", "?apikey={v}&x=1", "api key {v}"),
    "secret": ("client_secret={v}", "aws_secret_access_key = {v}", '{{"secret":"{v}"}}', "AccountKey={v};Suffix=x"),
    "authorization": ("Authorization: Bearer {v}", "curl -H 'Authorization: Bearer {v}' https://h",
                      '{{"authorization":"Bearer {v}"}}', "authorization=Token {v}"),
    "cookie": ("Cookie: {v}; theme=dark", '{{"cookie":"{v}"}}', "set-cookie: {v}; HttpOnly"),
    "ssn": ("ssn={v}", "SSN: {v}", "social security number {v}", '{{"ssn":"{v}"}}', "taxpayer {v}"),
    "phone": ("phone: {v}", '{{"phone":"{v}"}}', "call me at {v}", "mobile={v}"),
}  # fmt: skip
"""Forms for values that only their name gives away; the last of some are hard on purpose."""

NOISE: tuple[Callable[[random.Random], str], ...] = (
    lambda r: f'{{"traceId":"{_word(r, HEX, 32)}","spanId":"{_word(r, HEX, 16)}","startTimeUnixNano":"17{_word(r, DIGITS, 17)}"}}',
    lambda r: f"commit {_word(r, HEX, 40)} merged as v{r.randint(0, 9)}.{r.randint(0, 40)}.{r.randint(0, 99)}.{r.randint(0, 9)}",
    lambda r: f"request {_word(r, HEX, 8)}-{_word(r, HEX, 4)}-4{_word(r, HEX, 3)}-a{_word(r, HEX, 3)}-{_word(r, HEX, 12)} took {r.random():.16f}",
    lambda r: f"2026-01-{r.randint(1, 28):02d}T10:{r.randint(0, 59):02d}:03.{_word(r, DIGITS, 6)}Z INFO worker {r.randint(1, 9999)} ready",
    lambda r: f"10.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}:5432 -> 192.168.{r.randint(0, 255)}.7:443 ok",
    lambda r: f"image registry/app@sha256:{_word(r, HEX, 64)} pulled",
    lambda r: f"order {r.randint(10**15, 10**16 - 1)} item {_word(r, DIGITS, 19)} sku-{_word(r, DIGITS, 3)}",
    lambda r: r.choice(["unexpected token: EOF at line 4", "password is required", "token_count=4096 max_tokens=512",
                        "secret not found: missing", "basic authentication failed", "cookie jar is empty", "pass 2 of 3 done",
                        "invalid api key, see docs", "the token bucket refills", "authorization: required", "otp expired"]),
    lambda r: f"Mozilla/5.0 (X11; Linux) Chrome/{r.randint(90, 140)}.0.{r.randint(0, 255)}.{r.randint(0, 255)} Safari/537.36",
    lambda r: "payload " + base64.b64encode(r.randbytes(45)).decode(),
    lambda r: f"ns::Type<{_word(r, string.ascii_lowercase, 5)}::{_word(r, string.ascii_lowercase, 5)}> at 0x{_word(r, HEX, 12)}",
    lambda r: f"icon@{r.randint(2, 3)}x.png git@github.com:team/{_word(r, string.ascii_lowercase, 6)}.git unit@{r.randint(1, 9)}.service",
    lambda r: f"part {_word(r, DIGITS, 3)}-{_word(r, DIGITS, 2)}-{_word(r, DIGITS, 4)} page_token={_word(r, LETTERS, 20)}",
)  # fmt: skip


def build(seed: int, per_kind: int) -> tuple[bytes, list[Planted]]:
    """Give a corpus with `per_kind` values of each kind, and as many lines of look-alikes as of values."""
    rng = random.Random(seed)  # noqa: S311 -- repeatable, and guards nothing
    lines: list[tuple[str, str, str, str]] = []
    for kind, draw in VALUES.items():
        forms = NAMED.get(kind, BARE)
        for number in range(per_kind):
            form = forms[number % len(forms)]
            value = draw(rng)
            if "://" in form and kind == "password":
                value = quote(value, safe="")
            text, shown = form.format(v=value), value
            disguise = rng.random()
            if disguise < 0.08 and "\n" not in text:
                shown = base64.b64encode(text.encode() + b" ;").decode()
                text = f"body={shown} end"
            elif disguise < 0.16 and "\n" not in text:
                shown = quote(value, safe="")
                text = "GET /r?u=" + quote(form, safe="{}").replace("{v}", shown).replace(
                    "{{", "%7B"
                ).replace("}}", "%7D")
            lines.append((text, shown, kind, form))
    lines += [(rng.choice(NOISE)(rng), "", "", "") for _ in range(len(lines))]
    rng.shuffle(lines)
    corpus, planted = bytearray(), []
    for text, shown, kind, form in lines:
        head = f"{rng.randint(0, 99999):05d} "
        begin = len(corpus) + len(head)
        corpus += f"{head}{text}\n".encode()
        if kind:
            at = begin + text.encode().rindex(shown.encode())
            planted.append(Planted(at, at + len(shown.encode()), kind, form))
    return bytes(corpus), planted


def score(corpus: bytes, planted: list[Planted]) -> tuple[dict[str, Score], list[Planted]]:
    """Give the scores per kind (`all` for the sum), and the values that were missed.

    A value counts as covered whatever kind it was taken for. Precision is of the kinds as found.
    """
    found = find(corpus)
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    missed = []
    for one in planted:
        inside = sum(
            min(one.end, span.end) - max(one.start, span.start)
            for span in found
            if span.start < one.end and one.start < span.end
        )
        covered = inside == one.end - one.start
        if not covered:
            missed.append(one)
        for key in (one.kind, "all"):
            tally[key][0] += 1
            tally[key][1] += covered
    for span in found:
        right = any(span.start < one.end and one.start < span.end for one in planted)
        for key in (span.kind, "all"):
            tally[key][2] += 1
            tally[key][3] += right
    return {kind: Score(*counts) for kind, counts in sorted(tally.items())}, missed

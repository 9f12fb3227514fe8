"""Secrets that their own form gives away: keys and tokens with a prefix, private keys, passwords in URLs.

Each pattern hangs on a literal, which `bytes.find` looks for; the pattern itself is tried only there and
takes a bounded number of bytes, so the work is linear. The prefixes are those that the issuers document.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.redaction.spans import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.redaction.spans import Text

MAX_BLOCK: Final = 16_384
"""Bytes that a private key may take, with what a log puts around its lines."""

_WORD: Final = re.compile(rb"[A-Za-z0-9_]")
_KEYS: Final = tuple(
    (kind, anchor, re.compile(pattern))
    for kind, anchor, pattern in (
        ("aws-access-key", b"AKIA", rb"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("aws-access-key", b"ASIA", rb"ASIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
        ("github-token", b"gh", rb"gh[pousr]_[A-Za-z0-9]{36,255}"),
        ("github-token", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{36,255}"),
        ("gitlab-token", b"glpat-", rb"glpat-[A-Za-z0-9_-]{20,255}"),
        ("slack-token", b"xox", rb"xox[abeoprs]-[A-Za-z0-9-]{10,255}"),
        ("slack-token", b"xapp-", rb"xapp-[0-9]-[A-Za-z0-9-]{10,255}"),
        ("google-key", b"AIza", rb"AIza[0-9A-Za-z_-]{35}"),
        ("google-key", b"ya29.", rb"ya29\.[0-9A-Za-z_-]{20,2048}"),
        ("google-key", b"GOCSPX-", rb"GOCSPX-[0-9A-Za-z_-]{20,64}"),
        ("stripe-key", b"k_live_", rb"k_live_[0-9A-Za-z]{16,255}"),
        ("stripe-key", b"k_test_", rb"k_test_[0-9A-Za-z]{16,255}"),
        ("stripe-key", b"whsec_", rb"whsec_[0-9A-Za-z]{16,255}"),
        ("api-key", b"sk-", rb"sk-(?:[a-z]{2,8}-){0,2}[A-Za-z0-9_-]{20,255}"),
        ("api-key", b"SG.", rb"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"),
        ("api-key", b"npm_", rb"npm_[A-Za-z0-9]{36}"),
        ("api-key", b"pypi-AgEI", rb"pypi-AgEI[A-Za-z0-9_-]{50,1024}"),
        ("api-key", b"hvs.", rb"hvs\.[A-Za-z0-9_-]{24,255}"),
        ("jwt", b"eyJ", rb"eyJ[A-Za-z0-9_-]{8,8192}\.eyJ[A-Za-z0-9_-]{4,16384}\.[A-Za-z0-9_-]{0,2048}"),
    )
)
_TWO_LETTERED: Final = {b"k_live_": rb"(?<![A-Za-z0-9])[srp]$", b"k_test_": rb"(?<![A-Za-z0-9])[srp]$"}
_WEBHOOK: Final = re.compile(rb"(?:services|workflows|triggers)/([A-Za-z0-9/_+-]{16,255})")
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_BODY: Final = re.compile(rb"[^\r\n]+")
_BODY_WORD: Final = re.compile(rb"[A-Za-z0-9+/=]{16,}")
_USERINFO: Final = re.compile(rb"://[^\s/?#@:\"'<>\\\0]{0,128}:([^\s/?#\"'<>\\\0]{1,256})@")
_BEARER: Final = re.compile(rb"bearer[ \t+]{1,4}([A-Za-z0-9._~+/=-]{8,4096})", re.IGNORECASE)
_BASIC: Final = re.compile(rb"basic[ \t+]{1,4}([A-Za-z0-9+/_-]{8,1024}={0,2})", re.IGNORECASE)
_LONG: Final = 24


def find_formats(text: Text) -> Iterator[Found]:
    """Find secrets by their form."""
    for kind, anchor, pattern in _KEYS:
        before = _TWO_LETTERED.get(anchor)
        for at in text.places(anchor):
            begin = at
            if before is not None:
                if re.search(before, text.data[max(0, at - 2) : at]) is None:
                    continue
                begin = at - 1
            elif at and _WORD.match(text.data, at - 1):
                continue
            match = pattern.match(text.data, at)
            if match:
                yield Found(begin, match.end(), kind)
    yield from _webhooks(text)
    yield from _private_keys(text)
    yield from _passwords_in_urls(text)
    yield from _authorizations(text)


def _webhooks(text: Text) -> Iterator[Found]:
    for at in text.places(b"hooks.slack.com/"):
        match = _WEBHOOK.match(text.data, at + len(b"hooks.slack.com/"))
        if match:
            yield Found(match.start(1), match.end(1), "slack-webhook")


def _private_keys(text: Text) -> Iterator[Found]:
    """Find the lines of PEM and PGP private keys; line ends stay, so that lines can still be counted.

    In one line (JSON, YAML, environment) the block is one stretch. Over several lines each line gives
    one, from its first long word of base64: what a log wrote in front of it stays readable.
    """
    for at in text.places(b"-----BEGIN "):
        head = _BLOCK.match(text.data, at)
        if head is None:
            continue
        closing = b"-----END " + head[1] + b"-----"
        limit = min(len(text.data), at + MAX_BLOCK)
        border = text.data.find(b"\0", at, limit)
        limit = limit if border < 0 else border
        end = text.data.find(closing, head.end(), limit)
        stop = end + len(closing) if end >= 0 else limit
        missed = 0
        for line in _BODY.finditer(text.data, at, stop):
            last = line.end() == stop and end >= 0
            if line.start() <= at < line.end():
                yield Found(at, line.end(), "private-key")
                continue
            word = text.data.find(closing, line.start(), line.end()) if last else -1
            if word < 0:
                body = _BODY_WORD.search(text.data, line.start(), line.end())
                word = body.start() if body else -1
            if word >= 0:
                yield Found(word, line.end(), "private-key")
            missed = 0 if word >= 0 else missed + 1
            # Without an end, the block is over where lines stop looking like one.
            if end < 0 and missed > 2:  # noqa: PLR2004 - headers (Proc-Type, DEK-Info) and an empty prefix
                break


def _passwords_in_urls(text: Text) -> Iterator[Found]:
    for at in text.places(b"://"):
        match = _USERINFO.match(text.data, at)
        if match:
            yield Found(match.start(1), match.end(1), "password")


def _authorizations(text: Text) -> Iterator[Found]:
    for at in text.places(b"bearer", folded=True):
        match = _BEARER.match(text.data, at)
        if match and (len(match[1]) >= _LONG or any(48 <= byte < 58 for byte in match[1])):  # noqa: PLR2004 - digits
            yield Found(match.start(1), match.end(1), "authorization")
    for at in text.places(b"basic", folded=True):
        match = _BASIC.match(text.data, at)
        if match and _is_user_and_password(match[1]):
            yield Found(match.start(1), match.end(1), "authorization")


def _is_user_and_password(value: bytes) -> bool:
    """Say whether base64 text is `user:password` (RFC 7617)."""
    standard = value.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    try:
        plain = base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        return False
    return b":" in plain and all(32 <= byte != 127 for byte in plain)  # noqa: PLR2004 - no control characters

"""Secrets that the name in front gives away: `password=`, `"api_key": `, `Authorization: `, `--token`.

A name counts by its last part (`db.password`, `X-Api-Key`, `dbPassword`), so that `token_count` and
`password_reset_at` do not. It may stand in JSON, also escaped within a string, YAML, logfmt, a query
string, a header, a connection string, a command line, SQL, a sentence, or be the `key` of an OTLP
attribute. In prose (`token: expected ...`) a value must also look like a secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.redaction.spans import Found, fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.redaction.spans import Rules, Text

MAX_VALUE: Final = 8_192

_ENDINGS: Final = (
    ("password", ("password", "passwd", "pwd", "passphrase", "passcode", "password_hash", "pgpassword",
                  "pass", "pw")),
    ("api-key", ("api_key", "apikey", "access_key", "accesskey", "account_key", "accountkey",
                 "shared_access_key", "sharedaccesskey", "subscription_key", "ocp_apim_subscription_key")),
    ("secret", ("secret", "secret_key", "secretkey", "secret_access_key", "secretaccesskey", "private_key",
                "privatekey", "signing_key", "encryption_key", "credential", "credentials",
                "connection_string", "connectionstring", "shared_access_signature")),
    ("token", ("token", "session_id", "sessionid", "session_key", "jsessionid", "phpsessid", "csrf",
               "xsrf", "otp", "x_amz_signature")),
    ("authorization", ("authorization",)),
    ("cookie", ("cookie", "cookies", "set_cookie")),
)  # fmt: skip
_NO_SECRET: Final = re.compile(
    r"(?:page|next|continuation|sync|cursor|unexpected|invalid|end|start|stop|pad|eos|bos|lock|fencing)_?token$"
)
"""Tokens that name a place in a list or a word of a grammar."""
_ANCHORS: Final = (
    b"pass", b"pwd", b"pw", b"secret", b"token", b"api_key", b"apikey", b"api-key",
    b"api.key", b"access_key", b"accesskey", b"access-key", b"accountkey", b"account_key", b"sharedaccess",
    b"private_key", b"privatekey", b"private-key", b"signing_key", b"encryption_key", b"credential",
    b"authorization", b"cookie", b"session_id", b"sessionid", b"session-id", b"sessid", b"session_key",
    b"csrf", b"xsrf", b"connection_string", b"connectionstring", b"subscription-key", b"otp",
    b"x-amz-signature",
)  # fmt: skip

_BEFORE: Final = re.compile(rb"[A-Za-z0-9_.\-]{0,48}$")
_AFTER: Final = re.compile(rb"[A-Za-z0-9_.\-]{0,48}")
_QUOTE: Final = rb"\\{0,4}[\"']"
_SEPARATOR: Final = re.compile(
    rb"(?:" + _QUOTE + rb")?"
    rb"(?:[ \t]{0,4}(?P<sign>=>|:=|=|:|%3[aAdD])[ \t]{0,4}"
    # OTLP attributes, HAR headers and the like: {"key": NAME, "value": {"stringValue": VALUE}}
    rb"|\s{0,64},\s{0,64}" + _QUOTE + rb"[vV]alue" + _QUOTE + rb"\s{0,64}:\s{0,64}"
    rb"(?:\{\s{0,64}" + _QUOTE + rb"string_?[vV]alue" + _QUOTE + rb"\s{0,64}:\s{0,64})?"
    rb"|[ \t]{1,4}(?=')"
    rb"|[ \t]{1,2}(?P<is>is|was)[ \t]{1,2})"
)
_QUOTED: Final = (
    re.compile(rb'"((?:[^"\\\r\n\0]|\\.){1,%d})' % MAX_VALUE),
    re.compile(rb"'((?:[^'\\\r\n\0]|\\.){1,%d})" % MAX_VALUE),
)
_ESCAPED: Final = re.compile(rb"(\\{1,4}[\"'])((?:(?!\1)[^\r\n\0]){1,%d})" % MAX_VALUE)
_BARE: Final = re.compile(
    rb"(?:[^\s\"'&;<>{}\[\]|\\,\0]|,(?![\s\"']|[A-Za-z_][\w.\-]{0,40}[=:])){1,%d}" % MAX_VALUE
)
_BARE_ENCODED: Final = re.compile(
    rb"(?:(?!%%2[0267]|%%3[bB]|%%0[aAdD])[^\s\"'&;<>{}\[\]|\\,\0]){1,%d}" % MAX_VALUE
)
"""A value whose separator was percent-encoded: its end is as well."""
_HEADER: Final = re.compile(rb"[^\r\n\"'\\\0]{1,%d}" % MAX_VALUE)
_SCHEME: Final = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]{1,24}[ \t]+)?[^\s\"'\\,;\0]{1,%d}" % MAX_VALUE)
_FLAG: Final = re.compile(rb"(?:^|[\s\"'=])--?[A-Za-z][\w\-]{0,40}$")
_SPACE: Final = re.compile(rb"[ \t]{1,4}(?![-\s])")
_TOLD: Final = re.compile(
    rb"[ \t]((?=[^\s]{0,64}?[0-9])(?=[^\s]{0,64}?[a-z])(?=[^\s]{0,64}?[A-Z])"
    rb"[A-Za-z0-9_.~+/=-]{20,4096})(?![^\s,.;)\]}\"'])"
)
"""What follows a name in a sentence and is no word: long, of digits and of letters of both cases."""
_PLACEHOLDER: Final = re.compile(
    rb"(?:null|none|nil|true|false|undefined|yes|no|empty|unset|missing|invalid|expired|required|redacted|"
    rb"masked|hidden|filtered|string|unknown|n/a|\*+|x{3,}|-+|\.+|\$\{?[\w.]+\}?|\$\(.*|\{\{.*|<.*|%[sdvq]|"
    rb"\[?(?:redacted|filtered|masked|secret|hidden|password)\]?|\?|\.\.\.)",
    re.IGNORECASE | re.DOTALL,
)
_BACKEND: Final = re.compile(rb"[0-9a-f]{8}\.[0-9a-f]{1,8}")
"""The session id of PostgreSQL's log: start time and process number, and no key to anything."""


def kind_of_key(key: bytes, rules: Rules) -> str | None:
    """Give what a field of this name holds, or None when the name promises no secret."""
    folded = fold(key)
    for kind, endings in _ENDINGS:
        if folded.endswith(endings) and not _NO_SECRET.search(folded) and _whole(folded, endings):
            return kind
    if rules.folded_keys and any(folded == name or folded.endswith("_" + name) for name in rules.folded_keys):
        return "personal"
    return None


def _whole(folded: str, endings: tuple[str, ...]) -> bool:
    """Say whether a short ending is a word of its own: `otp`, not `hotp`."""
    best = max((ending for ending in endings if folded.endswith(ending)), key=len)
    short = 4
    return len(best) > short or folded == best or folded[-len(best) - 1] == "_"


def find_keyed(text: Text) -> Iterator[Found]:
    """Find the values of fields whose names promise a secret."""
    anchors = dict.fromkeys((*_ANCHORS, *_own_anchors(text.rules)))
    seen = -1
    for at in sorted({at for anchor in anchors for at in text.places(anchor, folded=True)}):
        if at < seen:
            continue
        data = text.data
        before, after = _BEFORE.search(data, max(0, at - 48), at), _AFTER.match(data, at)
        begin = before.start() if before else at
        end = after.end() if after else at
        kind = kind_of_key(data[begin:end].rstrip(b".-"), text.rules)
        seen = end
        if kind is None:
            continue
        value = _value(data, begin, end, kind)
        if value is not None:
            # What lies inside is redacted as it is; looking again for every name in it takes long.
            seen = max(seen, value[1])
            yield Found(*value, kind)


def _own_anchors(rules: Rules) -> Iterator[bytes]:
    for name in sorted(rules.folded_keys):
        words = name.split("_")
        yield from (joint.join(words).encode() for joint in ("_", "-", "."))


def _value(data: bytes, begin: int, key_end: int, kind: str) -> tuple[int, int] | None:
    """Give the place of the value that follows a name, or None."""
    separator = _SEPARATOR.match(data, key_end)
    if separator is None:
        # A flag of a command line has its value behind a space.
        space = _SPACE.match(data, key_end) if _FLAG.search(data, max(0, begin - 1), key_end) else None
        if space is not None:
            return _value_at(data, begin, space.end(), kind, strict=True)
        told = _TOLD.match(data, key_end)
        return told.span(1) if told else None
    sign = separator["sign"] or b""
    if sign.startswith(b"%"):
        encoded = _BARE_ENCODED.match(data, separator.end())
        return None if encoded is None else _accept(data, *encoded.span(), kind, strict=True)
    named = data[key_end : key_end + 1] in (b'"', b"'", b"\\")  # a quoted name is no word of a sentence
    strict = named or kind == "personal" or not (sign == b":" or separator["is"])
    return _value_at(data, begin, separator.end(), kind, strict=strict, yaml=sign == b":")


def _value_at(
    data: bytes, begin: int, at: int, kind: str, *, strict: bool, yaml: bool = False
) -> tuple[int, int] | None:
    for pattern, group in ((_QUOTED[0], 1), (_QUOTED[1], 1), (_ESCAPED, 2)):
        quoted = pattern.match(data, at)
        if quoted:
            return _accept(data, quoted.start(group), quoted.end(group), kind, strict=True)
    bare = {"cookie": _HEADER, "authorization": _SCHEME}.get(kind, _BARE).match(data, at)
    if bare is None:
        return None
    end = bare.end()
    while end > bare.start() and data[end - 1] in b").,:":
        end -= 1
    if kind == "cookie" or (yaml and _alone(data, begin, end)):
        strict = True
    elif kind == "authorization":
        strict = False  # "authorization: required" is prose
    return _accept(data, bare.start(), end, kind, strict=strict)


def _alone(data: bytes, begin: int, end: int) -> bool:
    """Say whether name and value are all of a line."""
    line = data.rfind(b"\n", 0, begin) + 1
    return not data[line:begin].strip(b" \t-\"'") and data[end : end + 1] in (b"", b"\n", b"\r")


_NAMES_ONE: Final = {"password": 1, "cookie": 3, "personal": 1, "secret": 4}


def accepted(value: bytes, kind: str) -> bool:
    """Say whether the whole value of a field that holds `kind` is to be redacted."""
    return _accept(value, 0, len(value), kind, strict=True) is not None


def _accept(data: bytes, start: int, end: int, kind: str, *, strict: bool) -> tuple[int, int] | None:
    value = data[start:end]
    if _PLACEHOLDER.fullmatch(value) or len(value) < _NAMES_ONE.get(kind, 6):
        return None
    if kind == "token" and _BACKEND.fullmatch(value):
        return None
    if kind == "token" and strict and len(value) < 12 and value.isalpha():  # noqa: PLR2004 - a word
        return None
    if not strict and not _looks_secret(value):
        return None
    return start, end


def _looks_secret(value: bytes) -> bool:
    """Say whether a bare word is none of a language: digits among it, symbols inside, or no end of it."""
    letters = sum(chr(byte).isalpha() for byte in value)
    inner = value.strip(b".,:;!?()'\"-")
    has_digit = any(chr(byte).isdigit() for byte in value)
    return (has_digit and letters > 0) or len(value) >= 24 or bool(re.search(rb"[!@#$%^*+=~?]", inner))  # noqa: PLR2004 - longer than words

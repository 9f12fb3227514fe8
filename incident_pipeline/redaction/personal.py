"""Personal data: e-mail addresses, payment cards, IBANs, social security and phone numbers, IP addresses.

What has a checksum must pass it (ISO/IEC 7812 Luhn, ISO 13616 mod 97); what is only digits needs a word
beside it that says what it is. Identifiers, hashes, versions and times are no personal data.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from incident_pipeline.redaction.spans import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.redaction.spans import Text

_LOCAL: Final = re.compile(rb"[A-Za-z0-9.!#$%&*+/=?^_`{|}~-]{1,64}$")
_DOMAIN: Final = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9@-])"
)
_STRIP_LOCAL: Final = b".!#$%&*+/=?^`{|}~-"
_NO_MAIL: Final = frozenset({b"png", b"jpg", b"svg", b"js", b"css", b"service", b"local", b"internal", b"so"})
"""Last labels of what has an `@` but is no address: `logo@2x.png`, systemd units, cluster names."""
_USERINFO: Final = re.compile(rb"://[^\s/?#@]{0,128}:[^\s/?#@]{0,128}$")
_ACCOUNTS: Final = frozenset({b"git", b"hg", b"ssh"})
"""Accounts of machines in the address of a repository: `git@github.com:team/name`."""

_CARD: Final = re.compile(
    rb"(?<![0-9A-Za-z._-])[2-6][0-9]{3}"
    rb"(?:[0-9]{9,12}|[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[ -][0-9]{6}[ -][0-9]{4,5})"
    rb"(?![0-9A-Za-z_]|[.-][0-9])"
)
_ISSUERS: Final = re.compile(
    rb"(?:4[0-9]{15}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    rb"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12}"
    rb"|35(?:2[89]|[3-8][0-9])[0-9]{12}|62[0-9]{14})"
)
_IBAN: Final = re.compile(
    rb"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}"
    rb"(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![0-9A-Za-z])"
)
_IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25,
    "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
_SSN_WORDS: Final = (b"ssn", b"social security", b"social_security", b"social-security")
_SSN: Final = re.compile(
    rb"(?<![0-9A-Za-z-])(?!000|666|9)[0-9]{3}([- ]?)(?!00)[0-9]{2}\1(?!0000)[0-9]{4}(?![0-9A-Za-z-])"
)
_PHONE_WORDS: Final = (b"phone", b"mobile", b"msisdn", b"telephone", b"whatsapp", b"call me", b"call him",
                       b"call her", b"tel:", b"tel.", b'"tel"', b"sms to")  # fmt: skip
_PHONE: Final = re.compile(
    rb"(?<![0-9A-Za-z.+])(?:\+|00)?\(?[0-9](?:[ ()./-]{0,2}[0-9]){6,14}(?![0-9A-Za-z])"
)
_INTERNATIONAL: Final = re.compile(
    rb"(?<![0-9A-Za-z.+])\+[1-9][0-9]{0,2}[ .-]\(?[0-9]{1,4}\)?(?:[ .-][0-9]{2,5}){1,4}(?![0-9A-Za-z])"
)
_NEAR: Final = 40
"""Bytes between a word and the number it speaks of."""
_NUMBER: Final = 64
"""Bytes that a number takes at most, however it is written."""

_IPV4: Final = re.compile(
    rb"(?<![0-9A-Za-z._-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z_]|\.[0-9]|-[0-9A-Za-z])"
)
_PRODUCT: Final = re.compile(rb"(?:[A-Z][A-Za-z]{2,32}/|[vV]ersion[\"'\\ :=]{1,8}|[ \"'=]v)$")
_CLIENT: Final = re.compile(
    rb"(?:client|remote|forwarded|visitor|customer|end.?user|user|real|connecting)[\w.\-]{0,24}"
    rb"[\"'\\\s:=,({\[]{1,12}"
    rb"(?:value[\"'\\\s:={]{1,12}(?:string_?value[\"'\\\s:]{1,8})?)?(?:[0-9.]{7,15}[, ]{1,3}){0,8}$"
)
_IPV6: Final = re.compile(rb"[0-9A-Fa-f:]{2,39}(?:\.[0-9]{1,3}){0,3}")
_IPV6_LEFT: Final = re.compile(rb"[0-9A-Fa-f:]{0,39}$")
_IPV6_FULL: Final = re.compile(
    rb"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![0-9A-Za-z:.])"
)
_KEPT: Final = tuple(
    ipaddress.ip_network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/127",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    )
)
"""Addresses of one's own networks, and those that name nobody (RFC 1918, 4193, 6598, 6890)."""
_ASSIGNED: Final = ipaddress.IPv6Network("2000::/3")
"""Where all global unicast addresses of today lie (RFC 4291)."""


def find_personal(text: Text) -> Iterator[Found]:
    """Find personal data."""
    yield from _mails(text)
    yield from _cards(text)
    yield from _ibans(text)
    yield from _near(text, _SSN_WORDS, _SSN, "ssn")
    yield from _near(text, _PHONE_WORDS, _PHONE, "phone")
    if b"+" in text.data:
        for match in _INTERNATIONAL.finditer(text.data):
            yield Found(*match.span(), "phone")
    if text.rules.addresses != "none":
        yield from _ipv4(text)
        yield from _ipv6(text)


def _mails(text: Text) -> Iterator[Found]:
    for at in text.places(b"@"):
        domain = _DOMAIN.match(text.data, at + 1)
        local = _LOCAL.search(text.data, max(0, at - 64), at) if domain else None
        if domain is None or local is None:
            continue
        begin = local.start() + len(local[0]) - len(local[0].lstrip(_STRIP_LOCAL))
        # What stands before `=`, `&` or `/` is a field name or a path.
        begin = max(begin, *(text.data.rfind(cut, begin, at) + 1 for cut in (b"=", b"&", b"/", b"|", b"{")))
        if _USERINFO.search(text.data, max(0, begin - 160), at):
            continue  # the password of a URL and its host
        if text.data[begin:at] in _ACCOUNTS and text.data[domain.end() : domain.end() + 1] in (b":", b"/"):
            continue
        if begin < at and domain[0].rpartition(b".")[2].lower() not in _NO_MAIL:
            yield Found(begin, domain.end(), "email")


def _cards(text: Text) -> Iterator[Found]:
    for match in _CARD.finditer(text.data):
        digits = match[0].translate(None, b" -")
        if _ISSUERS.fullmatch(digits) and luhn(digits) and len(set(digits)) > 1:
            yield Found(*match.span(), "card")


def luhn(digits: bytes) -> bool:
    """Say whether a row of ASCII digits has a right check digit (ISO/IEC 7812-1)."""
    total = 0
    for place, byte in enumerate(reversed(digits)):
        value = byte - 48
        total += value if place % 2 == 0 else value * 2 - 9 * (value > 4)  # noqa: PLR2004 - two digits then
    return total % 10 == 0


def _ibans(text: Text) -> Iterator[Found]:
    for match in _IBAN.finditer(text.data):
        # A word in capitals may follow a spaced number: try without its last groups.
        end = match.end()
        while end > match.start() + 14:
            if iban(text.data[match.start() : end]):
                yield Found(match.start(), end, "iban")
                break
            end = text.data.rfind(b" ", match.start(), end)


def iban(value: bytes) -> bool:
    """Say whether this is an IBAN: length of its country and check digits (ISO 13616)."""
    plain = value.replace(b" ", b"").decode("ascii", "replace")
    if _IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def _near(text: Text, words: tuple[bytes, ...], pattern: re.Pattern[bytes], kind: str) -> Iterator[Found]:
    for word in words:
        for at in text.places(word, folded=True):
            after = at + len(word)
            last = after + _NEAR
            border = text.data.find(b"\n", after, last + _NUMBER)
            match = pattern.search(text.data, after, last + _NUMBER if border < 0 else border)
            if match and match.start() <= last:
                yield Found(*match.span(), kind)


def _ipv4(text: Text) -> Iterator[Found]:
    for match in _IPV4.finditer(text.data):
        try:
            address = ipaddress.IPv4Address(match[0].decode())
        except ValueError:
            continue
        if _PRODUCT.search(text.data, max(0, match.start() - 34), match.start()):
            continue
        if _counts(text, address, match.start()):
            yield Found(*match.span(), "ip")


def _ipv6(text: Text) -> Iterator[Found]:
    spans = {match.span() for match in _IPV6_FULL.finditer(text.data)}
    done = 0
    for at in text.places(b"::"):
        if at < done:
            continue
        left = _IPV6_LEFT.search(text.data, max(0, at - 39), at)
        begin = left.start() if left else at
        match = _IPV6.match(text.data, begin)
        done = match.end() if match else at + 1
        around = text.data[max(0, begin - 1) : begin]
        if match and not (around.isalnum() or around in (b"_", b".")):
            after = text.data[match.end() : match.end() + 1]
            if not (after.isalnum() or after == b"_"):
                spans.add((begin, match.end() - match[0].endswith(b":") * (not match[0].endswith(b"::"))))
    for begin, end in sorted(spans):
        try:
            address = ipaddress.IPv6Address(text.data[begin:end].decode())
        except ValueError:
            continue
        # `a::b` may be C++ or Ruby; a real address outside of one's own networks begins with 2 or 3.
        if (_is_own(address) or address in _ASSIGNED) and _counts(text, address, begin):
            yield Found(begin, end, "ip")


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address in net for net in _KEPT if net.version == address.version)


def _counts(text: Text, address: ipaddress.IPv4Address | ipaddress.IPv6Address, at: int) -> bool:
    if address.is_loopback or address.is_unspecified:
        return False
    if text.rules.addresses == "all":
        return True
    return not _is_own(address) or bool(_CLIENT.search(text.lower, max(0, at - 160), at))

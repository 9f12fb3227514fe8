"""Tokens, the view, its map back to raw offsets, and the way back from a token to its value."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.errors import ConfigError, MissingArtifactError, SealError
from incident_pipeline.evidence import apply_spans
from incident_pipeline.model.redaction import RedactedSpan
from incident_pipeline.redaction import (
    TOKEN,
    RedactionMap,
    TokenKey,
    is_text,
    load_or_create_token_key,
    redact,
    reveal,
)

KEY = TokenKey(bytes(range(32)))
TEXT = b'a bob@example.com b {"password":"hunter2"} \xff bob@example.com password=hunter2 end'


def test_the_view_differs_in_the_stretches_only_and_maps_back() -> None:
    view = redact(TEXT, KEY, incident="i")
    assert view.counts == {"email": 2, "password": 2}
    assert b"bob@" not in view.data
    assert b"hunter2" not in view.data
    assert apply_spans(TEXT, view.spans) == view.data
    assert view.data.startswith(b"a [email:")
    assert view.data.endswith(b" end")
    assert TEXT[view.raw_offset(len(view.data) - 3) :] == b"end"
    inside = view.data.index(b"[password:")
    assert TEXT[view.raw_offset(inside + 5) :].startswith(b"hunter2")
    assert view.raw_offset(0) == 0


@given(
    st.lists(
        st.sampled_from([b"bob@example.com", b"password=hunter2 ", b"plain ", b"\xfe", b"\n"]), max_size=20
    )
)
def test_every_plain_byte_maps_to_its_raw_byte(parts: list[bytes]) -> None:
    data = b" ".join(parts)
    view = redact(data, KEY)
    tokens = [match.span() for match in TOKEN.finditer(view.data.decode("latin-1"))]
    for offset in range(len(view.data)):
        if not any(begin <= offset < end for begin, end in tokens):
            assert data[view.raw_offset(offset)] == view.data[offset]


def test_a_value_has_one_token_within_an_incident_and_others_elsewhere() -> None:
    token = KEY.token("i", "email", b"bob@example.com")
    assert TOKEN.fullmatch(token)
    assert token == KEY.token("i", "email", b"bob@example.com")
    assert token != KEY.token("j", "email", b"bob@example.com")
    assert token != KEY.token("i", "password", b"bob@example.com")
    assert token != TokenKey(b"x" * 32).token("i", "email", b"bob@example.com")
    assert token == KEY.token("i", "email", b"bob\\u0040example.com")


def test_a_token_leads_back_with_key_and_original_alone() -> None:
    view = redact(TEXT, KEY, incident="i")
    token = view.spans[0].token
    assert reveal(token, TEXT, view.spans, KEY, incident="i") == b"bob@example.com"
    with pytest.raises(SealError):
        reveal(token, TEXT, view.spans, TokenKey(b"x" * 32), incident="i")
    with pytest.raises(SealError):
        reveal(token, TEXT.replace(b"bob", b"eve"), view.spans, KEY, incident="i")
    with pytest.raises(MissingArtifactError):
        reveal("[email:000000000000]", TEXT, view.spans, KEY, incident="i")


@pytest.mark.parametrize(
    "spans", [[(5, 3), (4, 2)], [(0, 0)], [(len(TEXT) - 1, 2)], [(-1, 2)], [(0, 4), (3, 2)]]
)
def test_a_map_that_does_not_fit_is_refused(spans: list[tuple[int, int]]) -> None:
    stretches = [RedactedSpan(offset=o, length=n, kind="x", token="x") for o, n in spans]  # noqa: S106 -- no secret
    with pytest.raises(SealError):
        apply_spans(TEXT, stretches)


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    key = load_or_create_token_key(tmp_path / "config")
    path = tmp_path / "config" / "redaction.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_token_key(tmp_path / "config") == key
    assert [file.name for file in path.parent.iterdir()] == ["redaction.key"]
    assert key.secret.hex() not in repr(key)
    assert key.id not in key.secret.hex()


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "00" * 31, "00" * 33])
def test_a_broken_key_file_is_named_and_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "redaction.key"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"redaction\.key"):
        load_or_create_token_key(tmp_path)
    assert path.read_text() == text


def test_the_map_of_regions_answers_for_ranges() -> None:
    spans = redact(TEXT, KEY).spans
    regions = RedactionMap({"a": spans})
    first = spans[0]
    end = first.offset + first.length
    assert regions.overlaps("a", 0, first.offset + 1)
    assert not regions.overlaps("a", 0, first.offset)
    assert not regions.overlaps("a", end, end + 1)
    assert not regions.overlaps("b", 0, len(TEXT))
    assert regions.clean("a", 0, end + 2) == [(0, first.offset), (end, end + 2)]
    assert regions.clean("a", first.offset, end) == []
    assert regions.clean("b", 3, 9) == [(3, 9)]
    assert regions.redacted_text("a", TEXT, first.offset + 3, end + 2) == f"{first.token} b"
    assert regions.plain_part(f"to {first.token} or another {first.token}") == " or another "


def test_what_has_nul_bytes_is_no_text() -> None:
    assert is_text(TEXT)
    assert not is_text("password=hunter2".encode("utf-16"))

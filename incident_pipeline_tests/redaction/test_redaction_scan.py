"""Chunks make no difference: the same stretches, however a text is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.redaction import Rules, TokenKey, find, find_in_chunks, redact
from incident_pipeline.redaction.scan import MARGIN, WINDOW

PLANTED = (
    b"password=hunter2hunter2", b'{"api_key":"0123456789abcdef"}', b"bob@example.com", b"203.0.113.9",
    b"4111 1111 1111 1111", b"https://u:pa55w0rd@h/", b"password%3Dhunter2", b"cGFzc3dvcmQ9aHVudGVyMiB4eHg=",
    b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----",
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.sampled_from(PLANTED), st.binary(max_size=40), st.sampled_from([b" ", b"\n", b'","', b"="])),
    max_size=40,
).map(b" ".join)


@given(TEXTS, st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_any_chunks_give_what_the_whole_gives(text: bytes, sizes: list[int]) -> None:
    chunks, at = [], 0
    for size in sizes * (len(text) // sum(sizes) + 1):
        chunks.append(text[at : at + size])
        at += size
    assert list(find_in_chunks(chunks)) == find(text)


@given(TEXTS, st.integers(0, 120))
def test_small_windows_find_what_one_window_finds(text: bytes, shift: int) -> None:
    whole = b"." * shift + b" " + text
    windowed = list(find_in_chunks((whole,), window=256, margin=4096))
    assert windowed == find(whole)


@given(TEXTS)
def test_stretches_are_in_order_apart_and_inside(text: bytes) -> None:
    end = 0
    for one in find(text):
        assert end <= one.start < one.end <= len(text)
        end = one.end


def test_a_value_across_a_window_border_is_one_stretch() -> None:
    for border in (WINDOW, WINDOW + MARGIN):
        for back in (0, 12, 23):
            filler = (b"all is well\n" * (border // 12 + 1))[: border - back]
            data = filler + b" password=hunter2hunter2 " + b"all is well\n" * 6_000
            found = find(data)
            assert [data[one.start : one.end] for one in found] == [b"hunter2hunter2"], (border, back)
            parts = [data[at : at + 65_521] for at in range(0, len(data), 65_521)]
            assert list(find_in_chunks(parts)) == found


@given(TEXTS)
def test_redacting_twice_changes_nothing_more(text: bytes) -> None:
    key = TokenKey(b"k" * 32)
    once = redact(text, key, rules=Rules())
    planted = [word for word in (b"hunter2", b"bob@example.com", b"pa55w0rd") if word in once.data]
    assert planted == [] or all(word not in b" ".join(PLANTED) for word in planted) or not once.spans

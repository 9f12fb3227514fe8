"""Log templates: what is merged, what is kept apart, and that order does not matter."""

from __future__ import annotations

import random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_pipeline.parsers.masking import mask_id
from incident_pipeline.parsers.table import EVENTS, event_id
from incident_pipeline.signals.templates import mine_batches, mine_templates


def log(index: int, message: str, service: str = "shop", **attributes: str) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(EVENTS.names)
    return row | {
        "event_id": event_id("a" * 64, index, index + 1, 0),
        "time_basis": "explicit",
        "kind": "log",
        "message": message,
        "mask_id": mask_id(message),
        "time_ns": index,
        "service": service,
        "severity": 9 + index % 3,
        "artifact_sha256": "a" * 64,
        "artifact_uri": "log",
        "attributes": sorted((key.replace("_", "."), value) for key, value in attributes.items()),
    }


def mined(*rows: dict[str, object]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = mine_templates(
        pa.Table.from_pylist(list(rows), schema=EVENTS)
    ).to_pylist()
    return sorted(found, key=lambda row: str(row["template"]))


def test_numbers_and_ids_do_not_tell_templates_apart() -> None:
    (one,) = mined(log(1, "order 17 took 30 ms"), log(2, "order 99 took 5 ms"))
    assert one["count"] == 2
    assert (one["first_time_ns"], one["last_time_ns"], one["severity"]) == (1, 2, 11)
    assert one["message"] == "order 17 took 30 ms"


def test_words_that_vary_are_merged_when_most_words_agree() -> None:
    (one,) = mined(
        log(1, "user anna logged in from berlin today"), log(2, "user otto logged in from paris today")
    )
    assert one["template"] == "user <*> logged in from <*> today"
    assert len(one["mask_ids"]) == 2


def test_messages_that_share_little_stay_apart() -> None:
    assert len(mined(log(1, "cache warmed up quickly"), log(2, "cache lost its connection"))) == 2


def test_the_place_in_the_code_is_the_template_when_the_message_names_it() -> None:
    one, other = mined(
        log(1, "o.c.OrderService#115 [find][found: Order(id=a, city=x)]"),
        log(2, "o.c.OrderService#115 [find][found: nothing at all]"),
        log(3, "o.c.OrderService#118 [find][found: Order(id=a, city=x)]"),
    )
    assert (one["template"], one["count"]) == ("o.c.OrderService#115 <*>", 2)
    assert other["template"] == "o.c.OrderService#118 <*>"


def test_attributes_that_name_the_place_keep_two_statements_apart() -> None:
    rows = mined(
        log(1, "retry 1", code_file_path="a.py", code_line_number="5"),
        log(2, "retry 2", code_file_path="a.py", code_line_number="5"),
    )
    assert [row["count"] for row in rows] == [2]


def test_services_are_listed() -> None:
    (one,) = mined(log(1, "service started"), log(2, "service started", service="cart"))
    assert one["services"] == ["cart", "shop"]


def test_no_logs_give_an_empty_table() -> None:
    assert mined() == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(["user", "anna", "otto", "logged", "in", "17", "x=3"]), min_size=1, max_size=6
        ),
        max_size=15,
    ),
    st.randoms(),
)
def test_neither_order_nor_chunking_matters(drawn: list[list[str]], mixer: random.Random) -> None:
    rows = [log(index, " ".join(parts)) for index, parts in enumerate(drawn)]
    mixed = list(rows)
    mixer.shuffle(mixed)
    plain = pa.Table.from_pylist(rows, schema=EVENTS)
    chunked = pa.concat_tables([pa.Table.from_pylist([row], schema=EVENTS) for row in mixed] or [plain])
    assert mine_templates(plain).equals(mine_templates(chunked))
    assert mine_templates(plain).equals(mine_batches(plain.slice(at, 3) for at in range(0, len(rows), 3)))


def test_batches_give_the_first_and_last_of_a_template() -> None:
    rows = [log(2, "order 17 sent"), log(1, "order 4 sent"), log(3, "order 5 sent"), log(0, "undated 1")]
    rows[3]["time_ns"] = rows[3]["severity"] = None
    batches = [pa.Table.from_pylist([row], schema=EVENTS) for row in rows]
    undated, sent = sorted(mine_batches(batches).to_pylist(), key=lambda row: int(row["count"]))
    assert (sent["first_time_ns"], sent["last_time_ns"], sent["message"]) == (1, 3, "order 4 sent")
    assert (sent["count"], sent["severity"], sent["event_id"]) == (3, 11, rows[1]["event_id"])
    assert (undated["first_time_ns"], undated["last_time_ns"], undated["severity"]) == (None, None, None)

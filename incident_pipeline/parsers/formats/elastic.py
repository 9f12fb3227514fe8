"""Elasticsearch and OpenSearch: search and scroll pages, dumped hits, and bulk requests.

A hit is a row with the document's fields, whether nested or dotted (ECS has both in one document); the
`fields` API wraps every value in a list. In a bulk request an action line says where the next line goes.
APM documents are spans. Bare documents on lines are read by `json_lines`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from incident_pipeline.model.event import Kind, Severity
from incident_pipeline.parsers.format import Format
from incident_pipeline.parsers.formats.json_lines import log_event
from incident_pipeline.parsers.formats.otlp_values import normal_id
from incident_pipeline.parsers.json_fields import plan_of
from incident_pipeline.parsers.json_format import (
    PageFormat,
    dict_of,
    end_after,
    epoch_of,
    list_of,
    objects,
    text,
)
from incident_pipeline.parsers.jsontext import NotJsonError, Record, decode_json, flatten, lines, too_deep
from incident_pipeline.parsers.rows import Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from incident_pipeline.parsers.detect import Sample
    from incident_pipeline.parsers.format import Splitting
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.rows import Rows

_ACTIONS: Final = ("index", "create", "update", "delete")
_SPANS: Final = ("span", "transaction")
_HIT_ROLES: Final = ("_source", "fields", "inner_hits")
_ACTION: Final = re.compile(rb'[ \t]*\{[ \t]*"(?:index|create|update|delete)"[ \t]*:[ \t]*\{')
_LINES: Final = 2
"""An action and its document."""


class ElasticSearch(PageFormat):
    """The parser of search pages and of dumped hits."""

    id = "elastic_search"
    aliases = ("elasticsearch", "elastic", "opensearch", "elastic_scroll", "elasticdump", "kibana")
    title = "Elasticsearch and OpenSearch search pages"
    spec = "https://www.elastic.co/guide/en/elasticsearch/reference/current/search-search.html"
    kinds = (Kind.LOG, Kind.SPAN)

    def recognise(self, value: Any) -> float:
        """Recognise pages by `hits.hits`, and hits by their index and source."""
        value = dict_of(value)
        pages = [dict_of(item) for item in list_of(value.get("responses"))] or [value]
        found = [isinstance(dict_of(page.get("hits")).get("hits"), list) or _is_hit(page) for page in pages]
        return sum(found) / len(found)

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a page, the pages of a multi search, or a hit."""
        members = place.members()
        if "responses" in members:
            for part in members["responses"].parts():
                if not _read_page(part, rows):
                    rows.reject(part.start, part.end, "a response without hits")
            return True
        if _read_page(place, rows):
            return True
        record = place.record()
        if not _is_hit(record.value):
            return False
        rows.event(_hit(record, rows))
        return True


class ElasticBulk(Format):
    """The parser of bulk requests: an action line, then its document."""

    id = "elastic_bulk"
    aliases = ("elasticsearch_bulk", "opensearch_bulk", "bulk_ndjson")
    title = "Elasticsearch bulk request"
    spec = "https://www.elastic.co/guide/en/elasticsearch/reference/current/docs-bulk.html"
    kinds = (Kind.LOG, Kind.SPAN)
    splitting: ClassVar[Splitting] = "records"

    def score(self, sample: Sample) -> float:
        """Recognise action lines, which come before every document."""
        found = [_action(value) is not None for value in sample.records]
        if not found or not found[0] or len(found) < _LINES or sample.is_one_document:
            return 0.0
        return 0.97 * sample.json_share if _LINES * (sum(found) + 1) >= len(found) else 0.0

    def begins_record(self, line: bytes) -> bool:
        """Tell whether this is an action line."""
        return _ACTION.match(line) is not None

    def parse(self, data: bytes, rows: Rows) -> None:
        """Read every action with its document into one row; an action alone is a row of its own."""
        waiting: Record | None = None
        for start, end in lines(data):
            record = _line(data, start, end)
            if not isinstance(record.value, dict):
                rows.reject(start, end, record.problem or "JSON, but no object")
                continue
            action = _action(record.value)
            if waiting is None and action is not None and action != "delete":
                waiting = record
            elif waiting is not None:
                rows.event(_bulk_row(waiting, record, rows))
                waiting = None
            elif action is not None:
                rows.event(_action_row(record, _known(record.value)))
            else:
                rows.event(_document(record, flatten(record.value), {}, rows))
        if waiting is not None:
            rows.event(_action_row(waiting, _known(waiting.value)))


def _bulk_row(action: Record, record: Record, rows: Rows) -> Event:
    """Give the row of a document; its bytes begin with the line of its action."""
    known = _known(action.value)
    doc = record.value.get("doc")
    value = doc if known["bulk.action"] == "update" and isinstance(doc, dict) else record.value
    return _document(record._replace(start=action.start), flatten(value), known, rows)


def _known(value: dict[str, Any]) -> dict[str, str]:
    name = _action(value) or ""
    return {"bulk.action": name, **flatten(dict_of(value.get(name)))}


def _line(data: bytes, start: int, end: int) -> Record:
    raw = data[start:end]
    if too_deep(raw):
        return Record(start, end, None, None, "nested too deeply")
    try:
        return Record(start, end, None, decode_json(raw))
    except NotJsonError as error:
        return Record(start, end, None, None, str(error))


def _action(value: Any) -> str | None:
    if isinstance(value, dict) and len(value) == 1:
        name = next(iter(value))
        inner = value[name]
        if (
            name in _ACTIONS
            and isinstance(inner, dict)
            and all(key.startswith("_") or key in _OPTIONS for key in inner)
        ):
            return str(name)
    return None


_OPTIONS: Final = (
    "routing", "pipeline", "require_alias", "retry_on_conflict", "if_seq_no", "if_primary_term", "version",
    "version_type", "dynamic_templates", "require_data_stream",
)  # fmt: skip


def _action_row(record: Record, known: Mapping[str, str]) -> Event:
    """Give the row of an action line: what was asked of the index, without a time."""
    where = "/".join(known[key] for key in ("_index", "_id") if key in known)
    return Event(
        start=record.start,
        end=record.end,
        kind=Kind.OBJECT_STATE,
        message=f"{known['bulk.action']} {where}".strip(),
        attributes=known,
        pointer=record.pointer,
    )


def _is_hit(value: Any) -> bool:
    value = dict_of(value)
    return "_index" in value and ("_source" in value or "fields" in value)


def _read_page(place: Place, rows: Rows) -> bool:
    members = place.members()
    page = members["hits"].members() if "hits" in members else {}
    if "hits" not in page or page["hits"].opener != b"[":
        return False
    count = 0
    for record in objects(page["hits"].items(), rows, "a hit"):
        rows.event(_hit(record, rows))
        count += 1
    _note_limits(members, page, count, rows)
    return True


def _note_limits(members: Mapping[str, Place], page: Mapping[str, Place], count: int, rows: Rows) -> None:
    """Note what a page says of itself that bears on what is missing."""
    total = page["total"].record().value if "total" in page else None
    number = total.get("value") if isinstance(total, dict) else total
    if isinstance(number, int) and number > count:
        rows.assume(f"the page holds {count} of {number} hits")
    if "timed_out" in members and members["timed_out"].raw == b"true":
        rows.assume("the search timed out: hits may be missing")
    shards = dict_of(members["_shards"].record().value) if "_shards" in members else {}
    if shards.get("failed") not in (None, 0):
        rows.assume(f"{text(shards.get('failed'))} shards failed: hits may be missing")
    if "aggregations" in members or "aggs" in members:
        rows.assume("aggregations of the search were not read")


def _hit(record: Record, rows: Rows) -> Event:
    value: dict[str, Any] = record.value
    known = flatten({key: item for key, item in value.items() if key not in _HIT_ROLES})
    source = value.get("_source")
    flat = flatten(source) if isinstance(source, dict) else {}
    for key, item in dict_of(value.get("fields")).items():
        single = item[0] if isinstance(item, list) and len(item) == 1 else item
        flat.update({name: part for name, part in _pairs(key, single) if name not in flat})
    return _document(record, flat, known, rows)


def _pairs(key: str, value: Any) -> Iterator[tuple[str, str]]:
    yield from flatten({key: value}).items()


def _document(record: Record, flat: dict[str, str], known: Mapping[str, str], rows: Rows) -> Event:
    flat.update({key: value for key, value in known.items() if key not in flat})
    if flat.get("processor.event") in _SPANS:
        return _span(record, flat, rows)
    whole = " ".join(f"{key}={value}" for key, value in flat.items() if not key.startswith("_"))
    return log_event(record, flat, plan_of(tuple(flat)), rows.zone, service=None, message=whole)


def _span(record: Record, flat: dict[str, str], rows: Rows) -> Event:
    """Turn a transaction or span of Elastic APM into a span."""
    what = flat["processor.event"]
    plan = plan_of(tuple(flat))
    log = log_event(record, flat, plan, rows.zone, service=None, message="")
    exact = epoch_of(flat.get("timestamp.us"), "us")
    stamp = exact if exact.time_ns is not None else log.stamp
    failed = flat.get("event.outcome") == "failure"
    flat["status.code"] = "error" if failed else "ok" if flat.get("event.outcome") == "success" else "unset"
    flat.setdefault("span.kind", "server" if what == "transaction" else "client")
    own = flat.pop(f"{what}.id", None) or log.span_id
    return log._replace(
        kind=Kind.SPAN,
        message=flat.pop(f"{what}.name", None) or what,
        stamp=stamp,
        end_ns=end_after(stamp.time_ns, flat.get(f"{what}.duration.us"), "us"),
        severity=Severity.ERROR if failed else None,
        severity_raw=None,
        span_id=normal_id(own),
        parent_span_id=normal_id(flat.pop("parent.id", None)),
    )


FORMATS: Final[tuple[Format, ...]] = (ElasticSearch(), ElasticBulk())

"""Metrics as JSON of collection agents: Telegraf's json output, collectd's write_http.

(https://docs.influxdata.com/telegraf/v1/data_formats/output/json/, collectd.conf(5) and the wiki page on
JSON.) Telegraf writes objects of `fields`, `name`, `tags`, `timestamp`, one per line or in `metrics`; the
unit of its times is told by their size, as the file doesn't say it. collectd writes lists of objects with
parallel `values`, `dsnames` and `dstypes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from incident_pipeline.model.event import Kind
from incident_pipeline.parsers.formats.sample_columns import SampleColumns
from incident_pipeline.parsers.json_fields import HOST, LEVEL, MESSAGE, SERVICE
from incident_pipeline.parsers.json_format import (
    JsonFormat,
    dict_of,
    epoch_of,
    first_text,
    is_number,
    list_of,
    number_of,
    text,
)
from incident_pipeline.parsers.jsontext import flatten, text_of
from incident_pipeline.parsers.rows import Event
from incident_pipeline.parsers.severity import severity_of
from incident_pipeline.parsers.table import series_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from incident_pipeline.parsers.format import Format
    from incident_pipeline.parsers.json_places import Place
    from incident_pipeline.parsers.rows import Rows

_INSTANCES: Final = ("host", "plugin", "plugin_instance", "type", "type_instance")


class TelegrafJson(JsonFormat):
    """The parser of Telegraf's JSON."""

    id = "telegraf_json"
    aliases = ("telegraf",)
    title = "Telegraf JSON"
    spec = "https://docs.influxdata.com/telegraf/v1/data_formats/output/json/"
    kinds = (Kind.LOG,)

    def recognise(self, value: Any) -> float:
        """Recognise metrics, alone or as a batch."""
        batch = dict_of(value).get("metrics")
        found = batch[:20] if isinstance(batch, list) and batch else [value]
        return float(all(_is_telegraf(item) for item in found))

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a metric or a batch."""
        columns = SampleColumns(rows)
        batch = place.find("metrics")
        taken = True
        if batch is not None and batch.opener == b"[":
            for record in batch.items():
                if not _is_telegraf(record.value):
                    rows.reject(record.start, record.end, record.problem or "no metric of Telegraf")
                    continue
                _read_telegraf(record.value, (record.start, record.end), record.pointer, columns)
        else:
            record = place.record()
            taken = _is_telegraf(record.value)
            if taken:
                _read_telegraf(record.value, (place.start, place.end), record.pointer, columns)
        columns.flush()
        return taken


def _is_telegraf(value: Any) -> bool:
    value = dict_of(value)
    return isinstance(value.get("fields"), dict) and "name" in value and "timestamp" in value


def _read_telegraf(
    value: dict[str, Any], place: tuple[int, int], pointer: str | None, columns: SampleColumns
) -> None:
    name = text_of(value["name"])
    tags = flatten(dict_of(value.get("tags")))
    stamp = epoch_of(value["timestamp"])
    numbers = {key: item for key, item in value["fields"].items() if is_number(item)}
    if len(numbers) < len(value["fields"]) or not numbers:
        whole = {**tags, **flatten(value["fields"]), "measurement": name}
        level = first_text(whole, LEVEL)
        composed = " ".join(
            [f"{name}:", *(f"{key}={item}" for key, item in flatten(value["fields"]).items())]
        )
        columns.rows.event(
            Event(
                start=place[0],
                end=place[1],
                kind=Kind.LOG,
                message=first_text(dict_of(value["fields"]), MESSAGE) or composed,
                attributes=whole,
                stamp=stamp,
                service=first_text(whole, SERVICE),
                host=first_text(whole, HOST),
                severity=severity_of(level),
                severity_raw=level,
                pointer=pointer,
            )
        )
    for key, item in numbers.items():
        own = _series(f"{name}.{key}", tags, columns.rows)
        columns.add(own, stamp.time_ns, number_of(item), *place)


class CollectdJson(JsonFormat):
    """The parser of collectd's JSON."""

    id = "collectd_json"
    aliases = ("collectd", "collectd_write_http")
    title = "collectd JSON"
    spec = "https://github.com/collectd/collectd/wiki/JSON"

    def recognise(self, value: Any) -> float:
        """Recognise value lists."""
        return float(_is_collectd(value))

    def read(self, place: Place, rows: Rows) -> bool:
        """Read a value list."""
        value = place.record().value
        if not _is_collectd(value):
            return False
        labels = {key: found for key in _INSTANCES if (found := text(value.get(key))) is not None}
        labels.update(flatten(dict_of(value.get("meta"))))
        names, kinds = list_of(value.get("dsnames")), list_of(value.get("dstypes"))
        if len(names) != len(value["values"]):
            rows.reject(place.start, place.end, "a value list with another number of names")
            return True
        stamp = epoch_of(value.get("time"), "s")
        columns = SampleColumns(rows)
        for index, item in enumerate(value["values"]):
            own = labels if index >= len(kinds) else {**labels, "dstype": text_of(kinds[index])}
            source = text_of(names[index])
            name = ".".join(
                [labels["plugin"], labels.get("type", ""), *([source] if source != "value" else [])]
            )
            columns.add(_series(name, own, rows), stamp.time_ns, number_of(item), place.start, place.end)
        columns.flush()
        return True


def _is_collectd(value: Any) -> bool:
    value = dict_of(value)
    return (
        isinstance(value.get("values"), list)
        and isinstance(value.get("dsnames"), list)
        and bool(text(value.get("plugin")))
    )


def _series(name: str, labels: Mapping[str, str], rows: Rows) -> str:
    return rows.series(
        series_id(rows.source.sha256, f"{name!r}{sorted(labels.items())}"),
        name,
        labels,
        service=first_text(labels, SERVICE),
    )


FORMATS: Final[tuple[Format, ...]] = (TelegrafJson(), CollectdJson())

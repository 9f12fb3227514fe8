"""The ids that sources give to their own events: which columns and attributes make up each.

From the sources' own documents: CloudTrail `eventID`, EventBridge `id`, Kubernetes audit `auditID` per stage
and event `metadata.uid` per count, Cloud Logging `logName` + `timestamp` + `insertId`, CloudWatch Logs
`eventId` per stream, Elasticsearch `_index` + `_id`, Splunk `_bkt` + `_cd`, the journal's cursor,
Alertmanager `fingerprint` + `startsAt` + status, PagerDuty log entries, Opsgenie `tinyId` + action, Slack
`channel` + `ts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from incident_pipeline.model.event import Kind

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class NativeId:
    """What makes up the id that a source gives to its events of one kind."""

    rule: str
    kind: Kind
    columns: tuple[str, ...]
    """Columns of the event table that belong to the id."""
    attributes: tuple[tuple[str, ...], ...]
    """Attributes that belong to the id, each with its spellings."""
    time_from: tuple[str, ...] = ()
    """Attribute that carries the event's own time; where it is missing, `time_ns` counts."""
    needs: int = 1
    """How many of the attributes, from the first on, have to be there."""

    def may_occur(self, held: Collection[str]) -> bool:
        """Say whether rows with these attributes can carry the id."""
        return all(any(name in held for name in names) for names in self.attributes[: self.needs])

    @property
    def names(self) -> tuple[str, ...]:
        """Give all attributes that it looks at."""
        return (*(name for names in self.attributes for name in names), *self.time_from)


_SAID: Final = ("time_ns", "message")
_DONE: Final = ("time_ns", "service", "message")

# Apart from alerts, whose wording changes with every evaluation, the message is part of the id: an
# edited message or a reused id is something new to say. The id of a log record or span goes with its time,
# so that such records can be compared one stretch of time after the other (`external`).
NATIVE_IDS: Final = (
    NativeId("alert_fingerprint", Kind.ALERT, (), (("fingerprint",), ("status",)), ("startsAt", "starts_at")),
    NativeId(
        "alert_key", Kind.ALERT, (), (("dedup_key", "incident_key"), ("status",)), ("startsAt", "starts_at")
    ),
    NativeId(
        "opsgenie_alert", Kind.ALERT, _SAID,
        (("alert.tinyId", "tinyId", "alert.alertId"), ("action", "status")),
    ),
    NativeId(
        "alert_record_id", Kind.ALERT, _SAID,
        (("id", "event.id"), ("type", "event.event_type", "detail-type")),
    ),
    NativeId(
        "span_id", Kind.SPAN, ("trace_id", "span_id", "service", "time_ns", "end_time_ns", "message"), ()
    ),
    NativeId("message_id", Kind.CHAT, ("message",), (("client_msg_id", "message_id"),)),
    NativeId(
        "channel_ts", Kind.CHAT, ("actor", "message"),
        (("ts",), ("channel", "channel_id", "channel.id")), needs=2,
    ),
    NativeId("chat_record_id", Kind.CHAT, _SAID, (("id",), ("channel", "channel_id", "topic"))),
    NativeId(
        "audit_id", Kind.AUDIT, ("message",), (("auditID", "eventID", "EventId", "event_id"), ("stage",))
    ),
    NativeId("insert_id", Kind.AUDIT, _SAID, (("insertId",), ("logName",))),
    NativeId("audit_record_id", Kind.AUDIT, _SAID, (("id",), ("type", "detail-type"))),
    NativeId("insert_id", Kind.LOG, _SAID, (("insertId",), ("logName",))),
    NativeId("journal_cursor", Kind.LOG, _SAID, (("__CURSOR",),)),
    NativeId("elastic_id", Kind.LOG, _SAID, (("_id",), ("_index",)), needs=2),
    NativeId("splunk_cd", Kind.LOG, _SAID, (("_cd",), ("_bkt",)), needs=2),
    NativeId(
        "cloudwatch_event_id", Kind.LOG, _SAID,
        (("eventId", "id"), ("logStreamName", "logStream")), needs=2,
    ),
    NativeId(
        "datadog_id", Kind.LOG, _SAID, (("id",), ("type",), ("dd.trace_id", "ddsource", "tags")), needs=2
    ),
    NativeId("sentry_event_id", Kind.LOG, _SAID, (("eventID",),)),
    NativeId(
        "kubernetes_uid", Kind.K8S_EVENT, _SAID,
        (("metadata.uid",), ("count", "series.count", "deprecatedCount", "metadata.resourceVersion")),
    ),
    NativeId("change_record_id", Kind.CHANGE, _DONE, (("id", "deployment.id"), ("detail-type",))),
    NativeId(
        "commit", Kind.CHANGE, _DONE,
        (
            ("change.commit",), ("change.kind",), ("id", "deployment.id", "workflow_run.id"),
            ("environment", "deployment.environment", "env"),
        ),
    ),
    NativeId("ticket_record_id", Kind.TICKET, _SAID, (("id", "sys_id"),)),
)  # fmt: skip

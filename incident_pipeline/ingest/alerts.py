"""Read one alert delivery and make an evidence bundle of it.

Understood are the Alertmanager webhook (version 4, also as Grafana sends it) and the list that
Alertmanager's API v2 gives. Deliveries repeat and their bodies change, so an incident's identity is
the alert's fingerprint and start: the same two always give the same incident id and run key.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from incident_pipeline.errors import MalformedInputError
from incident_pipeline.ingest.instants import Instant, parse_instant
from incident_pipeline.ingest.record import RECORD_NAME
from incident_pipeline.model.incident import fold_incident_id
from incident_pipeline.serialise import compact_json, parse_json, sha256_hex, write_bytes, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

AlertStatus = Literal["firing", "suppressed", "resolved"]

MAX_ALERT_BYTES: Final = 16 * 1024**2
_MAX_TITLE: Final = 200
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{8,64}")
_SERVICE_LABELS: Final = ("service", "service_name", "app", "job")
_ADVICE: Final = "Send Alertmanager's webhook body (version 4) or the answer of its API v2 /alerts."
_STATES: Final[Mapping[str, AlertStatus]] = {
    "firing": "firing", "active": "firing", "unprocessed": "firing",
    "suppressed": "suppressed", "resolved": "resolved",
}  # fmt: skip
"""Webhook `status` and API v2 `status.state`; suppressed = silenced or inhibited by someone."""


@dataclass(frozen=True)
class Alert:
    """The alert that a delivery is about."""

    name: str
    """Of the delivery, for messages and the artifact's file name."""
    fingerprint: str
    """Lower-case hex: as given, else 16 digits of SHA-256 over the sorted labels."""
    starts_at: str
    """RFC 3339, UTC, with the digits that were given."""
    status: AlertStatus
    title: str
    severity: str | None
    service: str | None
    labels: Mapping[str, str]
    incident_id: str
    """`alert-<fingerprint>-<yyyymmddthhmmss>`, with `-<fraction>` where the start has one."""

    @property
    def run_key(self) -> str:
        """Give the key under which this alert is investigated once, however often it is delivered."""
        return f"{self.fingerprint}:{self.starts_at}"


def read_alert(data: bytes, name: str) -> Alert:
    """Give the alert a delivery is about: of those still firing the earliest, ties by fingerprint.

    A delivery in which nothing fires is no error: the alert then has the status `suppressed` or
    `resolved`, and nothing needs to be started.

    Args:
        data: the body as delivered.
        name: what messages call it, usually its file name.

    Raises:
        MalformedInputError: no JSON, no alerts, or an alert without start or identity; the place is named.
    """
    if len(data) > MAX_ALERT_BYTES:
        message = f"{name}: {len(data)} bytes are too many for an alert."
        raise MalformedInputError(message, advice=_ADVICE)
    body = parse_json(data, name=name)
    alerts = body.get("alerts") if isinstance(body, dict) else body
    if not isinstance(alerts, list) or not alerts:
        message = f"{name}: holds no alerts."
        raise MalformedInputError(message, advice=_ADVICE)
    read = [_read_one(alert, f"{name}: alerts/{index}", name) for index, alert in enumerate(alerts)]
    order = ("firing", "suppressed", "resolved")
    return min(read, key=lambda it: (order.index(it[1].status), it[0], it[1].fingerprint))[1]


def write_alert_bundle(alert: Alert, data: bytes, folder: Path) -> Path:
    """Make the evidence bundle of an alert below `folder` and give its path, `folder/<incident key>`.

    It appears whole or not at all. A bundle that is there already stays as it is: the first delivery
    of an alert is the evidence, later ones are repetitions.
    """
    final = folder / fold_incident_id(alert.incident_id)
    if final.is_dir():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=f".{final.name}."))
    try:
        uri = f"alerts/{_file_name(alert.name)}"
        write_bytes(aside / uri, data)
        write_json(aside / RECORD_NAME, _record(alert, uri, data))
        aside.chmod(0o755)
        aside.rename(final)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        if not final.is_dir():  # else another process was first
            raise
    return final


def _record(alert: Alert, uri: str, data: bytes) -> dict[str, object]:
    digest = f"sha256:{sha256_hex(data)}"
    return {
        "incident_id": alert.incident_id,
        "title": alert.title,
        "start_time": alert.starts_at,
        "detected_by": f"alertmanager:{alert.fingerprint}",
        "severity": alert.severity,
        "services": [alert.service] if alert.service else [],
        "ingested_by": "incident-pipeline",
        "artifacts": [{"type": "alert", "source": "alertmanager", "uri": uri, "hash": digest}],
    }


def _read_one(alert: object, place: str, name: str) -> tuple[Instant, Alert]:
    if not isinstance(alert, dict):
        message = f"{place}: is no alert object."
        raise MalformedInputError(message, advice=_ADVICE)
    labels = _texts(alert.get("labels"))
    started = alert.get("startsAt")
    instant = parse_instant(started) if isinstance(started, str) else None
    if instant is None or instant.second.year == 1:
        message = f"{place}/startsAt: {str(started)[:80]!r} is no RFC 3339 time."
        raise MalformedInputError(message, advice=_ADVICE)
    fingerprint = _fingerprint(alert.get("fingerprint"), labels, place)
    return instant, Alert(
        name=name,
        fingerprint=fingerprint,
        starts_at=instant.utc,
        status=_status(alert.get("status"), place),
        title=_title(labels, _texts(alert.get("annotations"))),
        severity=labels.get("severity") or None,
        service=next((labels[key] for key in _SERVICE_LABELS if labels.get(key)), None),
        labels=labels,
        incident_id=f"alert-{fingerprint}-{instant.compact}",
    )


def _fingerprint(given: object, labels: dict[str, str], place: str) -> str:
    if isinstance(given, str) and _FINGERPRINT.fullmatch(given):
        return given.lower()
    if not labels:
        message = f"{place}: has neither a fingerprint nor labels."
        raise MalformedInputError(message, advice=_ADVICE)
    return sha256_hex(compact_json(labels))[:16]


def _status(status: object, place: str) -> AlertStatus:
    state = status.get("state") if isinstance(status, dict) else status
    if state is None:
        return "firing"
    if not isinstance(state, str) or state not in _STATES:
        message = f"{place}/status: {str(state)[:80]!r} is none of {', '.join(_STATES)}."
        raise MalformedInputError(message, advice=_ADVICE)
    return _STATES[state]


def _title(labels: dict[str, str], annotations: dict[str, str]) -> str:
    parts = (labels.get("alertname", ""), annotations.get("summary") or annotations.get("description") or "")
    return ": ".join(filter(None, (_one_line(part) for part in parts)))[:_MAX_TITLE] or "Alert without a name"


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _texts(value: object) -> dict[str, str]:
    """Give the members that are text, sorted by key; label values are text in both forms."""
    pairs = value.items() if isinstance(value, dict) else ()
    return {key: text for key, text in sorted(pairs) if isinstance(text, str)}


def _file_name(name: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name).lstrip(".-")[:100]
    return cleaned if cleaned.endswith(".json") else f"{cleaned or 'alert'}.json"

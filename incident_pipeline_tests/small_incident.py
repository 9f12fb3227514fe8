"""A small incident made for tests: a shop front that calls a stock service whose new version fails.

Thirty calm seconds, then the stock service throws in half of its requests. Traces, logs, a metric, an
alert, a change and a chat message tell of it. Everything is derived from the index of the request, so
that the bytes are the same each time.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
ONSET = 30
SECONDS = 60
PER_SECOND = 4


def _ns(seconds: float) -> int:
    return START_NS + int(seconds * 1_000_000_000)


def _iso(seconds: float) -> str:
    whole, part = divmod(round(seconds * 1000), 1000)
    return f"2026-01-01T00:{whole // 60:02d}:{whole % 60:02d}.{part:03d}Z"


def _attributes(**values: str) -> list[dict[str, object]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _span(
    request: int, name: str, at: float, took: float, *, parent: str = "", failed: bool = False
) -> dict[str, object]:
    trace = hashlib.sha256(f"trace {request}".encode()).hexdigest()[:32]
    span = hashlib.sha256(f"{name} {request}".encode()).hexdigest()[:16]
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": parent,
        "name": name,
        "kind": 2,
        "startTimeUnixNano": str(_ns(at)),
        "endTimeUnixNano": str(_ns(at + took)),
        "status": {"code": 2, "message": "boom"} if failed else {},
    }


def _batch(service: str, spans: list[dict[str, object]]) -> str:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]})


def _files() -> dict[str, str]:
    traces, access, logs, samples = [], [], [], []
    for request in range(SECONDS * PER_SECOND):
        at = request / PER_SECOND
        failed = at >= ONSET and request % 2 == 0
        front = _span(request, "GET /cart", at, 0.050, failed=failed)
        stock = _span(request, "GET /stock", at + 0.010, 0.030, parent=str(front["spanId"]), failed=failed)
        traces += [_batch("front", [front]), _batch("stock", [stock])]
        status = 503 if failed else 200
        access.append(
            json.dumps(
                {"ts": (START_NS / 1e9) + at, "m": "GET", "uri": f"/cart/{request}", "st": status, "rt": 0.05}
            )
        )
        if failed:
            record = {
                "ts": _iso(at + 0.02),
                "service": "stock",
                "level": "error",
                "msg": f"stock lookup failed: KeyError 'warehouse' item={request}",
                "trace_id": front["traceId"],
                "span_id": stock["spanId"],
            }
            logs.append(json.dumps(record))
        elif request % 8 == 1:
            logs.append(
                json.dumps(
                    {"ts": _iso(at), "service": "front", "level": "info", "msg": f"cart {request} served"}
                )
            )
    for second in range(SECONDS):
        value = 0.5 if second > ONSET else 0.0
        samples.append([START_NS // 10**9 + second, str(value)])
    alert = {
        "version": "4", "receiver": "hook", "status": "firing", "groupKey": "{}", "groupLabels": {},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alerts.example",
        "truncatedAlerts": 0,
        "alerts": [{
            "status": "firing", "fingerprint": "00c0ffee00c0ffee",
            "startsAt": _iso(ONSET + 5), "endsAt": "0001-01-01T00:00:00Z",
            "labels": {"alertname": "FrontErrors", "service": "front", "severity": "page"},
            "annotations": {"summary": "front answers 503"}, "generatorURL": "http://metrics.example",
        }],
    }  # fmt: skip
    query = {"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"__name__": "request_error_ratio", "service": "stock"}, "values": samples}]}}  # fmt: skip
    change = {
        "ts": _iso(ONSET - 2),
        "kind": "deploy",
        "actor": "ci",
        "summary": "stock 1.0.0 -> 1.1.0",
        "service": "stock",
    }
    rollback = {
        "ts": _iso(SECONDS - 1),
        "kind": "rollback",
        "actor": "on-call",
        "summary": "stock 1.1.0 -> 1.0.0",
        "service": "stock",
    }
    chat = [
        {
            "type": "message",
            "user": "U1",
            "text": "carts fail, looking at stock",
            "ts": f"{START_NS // 10**9 + ONSET + 8}.000100",
        }
    ]
    return {
        "otlp/traces.jsonl": "\n".join(traces) + "\n",
        "logs/front_access.jsonl": "\n".join(access) + "\n",
        "logs/app.jsonl": "\n".join(logs) + "\n",
        "metrics/errors.json": json.dumps(query),
        "alerts/webhook.json": json.dumps(alert),
        "changes/changes.jsonl": json.dumps(change) + "\n" + json.dumps(rollback) + "\n",
        "chat/incident.json": json.dumps(chat),
    }  # fmt: skip


TYPES = {
    "otlp": "trace",
    "logs": "logs",
    "metrics": "metrics",
    "alerts": "alert",
    "changes": "change",
    "chat": "chat",
}


def write(folder: Path, incident_id: str = "SMALL-1", extra: list[dict[str, object]] | None = None) -> Path:
    """Write the bundle into `folder`; `extra` entries are added to its artifacts."""
    artifacts: list[dict[str, object]] = []
    for name, text in _files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        artifacts.append(
            {"type": TYPES[name.split("/")[0]], "source": "test", "uri": name, "hash": f"sha256:{digest}"}
        )
    record = {
        "incident_id": incident_id,
        "title": "front answers 503",
        "start_time": _iso(ONSET + 5),
        "detected_by": "alertmanager:00c0ffee00c0ffee",
        "severity": "sev2",
        "artifacts": artifacts + (extra or []),
    }
    (folder / "incident.json").write_text(json.dumps(record))
    return folder


def alert_body(fingerprint: str = "00c0ffee00c0ffee", status: str = "firing") -> bytes:
    """Give the webhook body of the incident's alert."""
    body = json.loads(_files()["alerts/webhook.json"])
    body["status"] = body["alerts"][0]["status"] = status
    body["alerts"][0]["fingerprint"] = fingerprint
    return json.dumps(body).encode()

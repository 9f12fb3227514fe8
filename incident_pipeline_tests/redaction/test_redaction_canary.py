"""Secrets planted in every kind of source: after the whole chain in Dagster none shows where people look."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from incident_pipeline.evidence.verify import verify_results
from incident_pipeline.local_run import local_instance, run_incident
from incident_pipeline.progress import listening
from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace
from incident_pipeline_tests import small_incident

START = small_incident.START_NS // 10**9
RAW = ("events.parquet", "series.parquet", "templates.parquet", "quarantine.parquet")
"""Tables as parsed: derived evidence, as confidential as the sealed bytes; the guide says so."""


def canary(name: str) -> str:
    """A secret that stands nowhere else: letters and digits of a digest, after a word to search for."""
    return f"Kanarie{hashlib.sha256(name.encode()).hexdigest()[:20]}"


def private_key() -> list[str]:
    body = base64.b64encode(hashlib.sha512(b"canary key").digest() * 3).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return ["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"]


def stamp(second: float) -> str:
    return small_incident._iso(second)


def sources() -> dict[str, str]:
    """Each file that holds canaries, told at the time of the failure so that it is a key entry."""
    at = 31.0
    records = [
        {"service": "stock", "level": "error", "msg": "login failed", "password": canary("json")},
        {"service": "stock", "level": "error", "msg": f"retrying with api_key={canary('json-message')}"},
        {"service": "stock", "level": "error",
         "msg": json.dumps({"user": "u", "client_secret": canary("nested-json")})},
        {"service": "stock", "level": "error",
         "msg": "payload " + base64.b64encode(f"password={canary('base64')} x".encode()).decode()},
        {"service": "stock", "level": "error",
         "msg": f"GET /login?password%3D{quote(canary('url'))}%26next=1"},
        {"service": "stock", "level": "error", "msg": f"GET /reset?access_token={canary('query')}&x=1"},
        {"service": "stock", "level": "error",
         "msg": 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n'
                f"    connect('postgres://app:{canary('stack-trace')}@db/app')\nOperationalError: no"},
        {"service": "stock", "level": "error", "msg": f"Authorization: Bearer {canary('header')}"},
        {"service": "stock", "level": "error", "msg": f"Cookie: sid={canary('cookie')}; theme=dark"},
        {"service": "stock", "level": "error", "msg": f"mail to {canary('mail')}@example.com bounced"},
        {"service": "stock", "level": "error", "msg": "card declined", "pan": "4000 0035 6000 0123"},
        {"service": "stock", "level": "error", "msg": "payout", "account": "DE75512108001245126199"},
        {"service": "stock", "level": "error", "msg": "visit", "client_ip": "198.51.100.77"},
        {"service": "stock", "level": "error", "msg": "pem " + "\n".join(private_key())},
    ]  # fmt: skip
    json_lines = [json.dumps({"ts": stamp(at + n / 10)} | record) for n, record in enumerate(records)]
    logfmt = [f'{stamp(at)} ERROR level=error svc=stock msg="no" db.password={canary("logfmt")} user=u']
    logfmt += [f"{stamp(at + n / 100)} ERROR {line}" for n, line in enumerate(private_key())]
    wide = "x" * 1_048_500
    split = f"{stamp(at)} ERROR filler {wide} password={canary('split')} tail\n"
    chat = [
        {"type": "message", "user": "U1", "ts": f"{START + 40}.000200",
         "text": f"my password is {canary('chat')}1! can someone check"},
        {"type": "message", "user": "U2", "ts": f"{START + 41}.000200",
         "text": f"export AWS_SECRET_ACCESS_KEY={canary('chat-env')}"},
    ]  # fmt: skip
    alert = json.loads(small_incident.alert_body("00c0ffee00c0ff99"))
    alert["alerts"][0]["annotations"]["description"] = f"probe with token={canary('alert')} failed"
    alert["alerts"][0]["annotations"]["summary"] = f"stock login {canary('alert-mail')}@example.org fails"
    alert["alerts"][0]["labels"]["alertname"] = "StockLogin"
    change = {"ts": stamp(29), "kind": "config", "service": "stock",
              "actor": f"{canary('actor')}@example.com",
              "summary": f"set db_password={canary('change')} on stock"}  # fmt: skip
    span = small_incident._span(9999, "GET /stock", 31.0, 0.03, failed=True)
    span["attributes"] = [
        {"key": "http.request.header.authorization", "value": {"stringValue": f"Bearer {canary('span')}"}},
        {"key": "db.connection_string",
         "value": {"stringValue": f"Server=db;User=sa;Password={canary('span-dsn')};"}},
        {"key": "client.address", "value": {"stringValue": "203.0.113.99"}},
    ]  # fmt: skip
    span["status"] = {"code": 2, "message": f"token={canary('span-status')} refused"}
    metric = {"status": "success", "data": {"resultType": "matrix", "result": [{
        "metric": {"__name__": "logins", "service": "stock", "api_key": canary("label"),
                   "user": f"{canary('label-mail')}@example.com"},
        "values": [[START + second, str(second)] for second in range(60)]}]}}  # fmt: skip
    return {
        "logs/secrets.jsonl": "\n".join(json_lines) + "\n",
        "logs/secrets.log": "\n".join(logfmt) + "\n",
        "logs/wide.log": split,
        "chat/secrets.json": json.dumps(chat),
        "alerts/secrets.json": json.dumps(alert),
        "changes/secrets.jsonl": json.dumps(change) + "\n",
        "otlp/secrets.jsonl": small_incident._batch("stock", [span]) + "\n",
        "metrics/secrets.json": json.dumps(metric),
    }


def forbidden() -> dict[str, bytes]:
    """What must not show, by what it is: all canaries, plain and encoded, and data with checksums."""
    names = (
        "json", "json-message", "nested-json", "base64", "url", "query", "stack-trace", "header", "cookie",
        "mail", "logfmt", "split", "chat", "chat-env", "alert", "alert-mail", "actor", "change", "span",
        "span-dsn", "span-status", "label", "label-mail", "title",
    )  # fmt: skip
    words = {name: canary(name).encode() for name in names}
    words["base64 form"] = base64.b64encode(f"password={canary('base64')} x".encode())[8:40]
    words |= {f"key line {n}": line.encode() for n, line in enumerate(private_key()[1:-1])}
    words |= {"card": b"4000 0035 6000 0123", "iban": b"DE75512108001245126199"}
    words |= {"client": b"198.51.100.77", "span client": b"203.0.113.99"}
    return words


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """The chain over the planted incident: results, configuration, and everything that was logged."""
    base = tmp_path_factory.mktemp("canaries")
    extra: list[dict[str, object]] = []
    bundle = base / "bundle"
    for name, text in sources().items():
        path = bundle / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        extra.append({"type": small_incident.TYPES[name.split("/")[0]], "source": "test", "uri": name})
    small_incident.write(bundle, extra=extra)
    record = json.loads((bundle / "incident.json").read_text())
    record["title"] = f"stock fails for {canary('title')}@example.com"
    (bundle / "incident.json").write_text(json.dumps(record))
    workspace = Workspace.from_settings(
        Settings(embedder="none", config_dir=str(base / "config")), out=base / "out"
    )
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, root = Keep(logging.DEBUG), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        key = workspace.register(bundle)

        def hear(*told: object) -> None:
            lines.append(" ".join(map(str, told)))

        with local_instance(workspace) as instance, listening(hear):
            outcome = run_incident(workspace, key, instance=instance)
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
    assert outcome.success, outcome.message
    return base / "out" / key, base / "config", "\n".join(lines)


def test_the_planted_values_are_in_the_evidence_and_in_the_raw_tables(run: tuple[Path, Path, str]) -> None:
    """Otherwise finding none of them elsewhere would say nothing."""
    text = "".join(sources().values()).encode()
    messages = json.dumps(
        pq.read_table(run[0] / "events.parquet", columns=["message", "attributes", "actor"]).to_pylist()
    ).encode()
    missing = [
        name for name, word in forbidden().items() if word not in text and name not in ("title", "base64")
    ]
    assert missing == []
    parsed = [name for name, word in forbidden().items() if word in messages]
    assert len(parsed) > 20


def visible_files(folder: Path) -> list[Path]:
    hidden = (*RAW, "evidence.json", "manifest.sigstore.json")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in files if path.relative_to(folder).as_posix() not in hidden]


def content(path: Path) -> bytes:
    """The bytes of a file; of a table its values, since pages are compressed."""
    if path.suffix == ".parquet":
        return json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
    return path.read_bytes()


def test_no_canary_shows_in_any_result_that_people_see(run: tuple[Path, Path, str]) -> None:
    files = visible_files(run[0])
    names = {path.relative_to(run[0]).as_posix() for path in files}
    assert {"timeline.json", "timeline.md", "report.html", "postmortem.json", "postmortem.md", "ledger.json",
            "hypotheses.json", "validated_checks.json", "diagnosis.json", "facts.json", "chunks.parquet",
            "redacted/events.parquet", "redacted/series.parquet"} <= names  # fmt: skip
    assert any(name.startswith("index.lance/") for name in names)
    assert sum(name.endswith(".bin") for name in names) == 15
    shown = [
        (path.relative_to(run[0]).as_posix(), name)
        for path in files
        for data in [content(path)]
        for name, word in forbidden().items()
        if word in data
    ]
    assert shown == []


def test_no_canary_shows_in_dagster_or_in_logs(run: tuple[Path, Path, str]) -> None:
    home = run[0].parent / ".store" / "dagster"
    databases = [path for path in home.rglob("*.db") if path.stat().st_size]
    assert databases
    assert "stretches redacted" in run[2]
    texts = [run[2].encode()]
    for path in databases:
        connection = sqlite3.connect(path)
        texts.append("\n".join(connection.iterdump()).encode())
        connection.close()
    texts += [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert any(b"embeddings" in text for text in texts)
    assert [name for name, word in forbidden().items() for text in texts if word in text] == []


def test_what_was_redacted_is_told_by_tokens(run: tuple[Path, Path, str]) -> None:
    story = (run[0] / "timeline.json").read_text() + (run[0] / "postmortem.md").read_text()
    for kind in ("password", "email"):
        assert f"[{kind}:" in story.replace("\\", "")
    card = json.loads((run[0] / "redaction.json").read_bytes())
    assert {artifact["state"] for artifact in card["artifacts"]} == {"redacted"}


def test_the_results_verify_and_no_citation_touches_a_redacted_byte(run: tuple[Path, Path, str]) -> None:
    report = verify_results(run[0], config_dir=run[1])
    assert list(report.failures) == []
    assert report.counts["redaction"] == {"ok": 15}
    ledger = json.loads((run[0] / "ledger.json").read_bytes())
    maps = {
        path.name.split(".")[0]: json.loads(path.read_bytes())["spans"]
        for path in (run[0] / "redacted").glob("*.spans.json")
    }
    cited = [citation for sentence in ledger["sentences"] for citation in sentence["citations"]]
    assert cited
    for citation in cited:
        for span in maps[citation["sha256"]]:
            clear = (
                span["offset"] + span["length"] <= citation["byte_start"]
                or span["offset"] >= citation["byte_end"]
            )
            assert clear, citation


def test_a_quotation_with_tokens_is_still_no_refusal(run: tuple[Path, Path, str]) -> None:
    postmortem = json.loads((run[0] / "postmortem.json").read_bytes())
    assert postmortem["honesty"]["refused_statements"] == 0

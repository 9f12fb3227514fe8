"""`store doctor`: 55 checks that a store which keeps locks passes, and that each catch one which does not."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from incident_pipeline.cli import main
from incident_pipeline.errors import ConfigError, ServiceError
from incident_pipeline.evidence.doctor import CHECKS, CheckOutcome, Examination, examine
from incident_pipeline.evidence.doctor.bench import (
    BODY,
    Bench,
    NotAskedError,
    NotAsPromisedError,
    allows,
    refuses,
)
from incident_pipeline.evidence.doctor.check import Check, CheckState, run_check
from incident_pipeline.evidence.s3_lock import S3Location
from incident_pipeline_tests.evidence.object_stores import BUCKET, Store


def refusal(code: str = "AccessDenied", status: int = 403) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Anything")


class Agreeable:
    """A store that says yes to everything and changes nothing: what locks are made to keep away."""

    meta = type("Meta", (), {"region_name": "us-east-1"})

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self.answers.get(name, self.agree)

    def get_paginator(self, _: str) -> Any:
        return type("Pages", (), {"paginate": lambda _self, **_more: []})()

    def agree(self, **_: Any) -> dict[str, Any]:
        return {
            "ResponseMetadata": {"HTTPHeaders": {}}, "VersionId": "v", "UploadId": "u", "ETag": "e",
            "Status": "Enabled", "Body": io.BytesIO(BODY),
        }  # fmt: skip


def bench(client: Any, seconds: int = 3) -> Bench:
    return Bench(client, S3Location("b-1", "p"), seconds=seconds)


def never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "wait_until", lambda _self, _moment: None)


def test_there_are_55_checks_with_names_of_their_own() -> None:
    assert len(CHECKS) == 55
    assert len({check.id for check in CHECKS}) == 55
    assert len({check.title for check in CHECKS}) == 55
    assert Counter(check.expect for check in CHECKS) == {"ok": 29, "deny": 26}


@pytest.mark.parametrize("check", [check for check in CHECKS if check.expect == "deny"], ids=lambda it: it.id)
def test_each_refusal_that_is_missing_is_noticed(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    never_waits(monkeypatch)
    place = bench(Agreeable())
    for before in CHECKS:
        if before.id in ("multipart-put", "copy-put"):
            run_check(before, place)
    outcome = run_check(check, place)
    assert outcome.state == "fails"
    # A list of deletions is answered as a whole; there the version's loss tells.
    assert outcome.reason == "ALLOWED" or check.id.startswith("delete-many")


@pytest.mark.parametrize(
    "check",
    [check for check in CHECKS if "delete" in check.id and check.expect == "deny"],
    ids=lambda it: it.id,
)
def test_a_refusal_in_words_alone_is_noticed(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    never_waits(monkeypatch)

    def refuse(**_: Any) -> Any:
        raise refusal()

    def gone(**_: Any) -> Any:
        raise refusal("NoSuchVersion", 404)

    store = Agreeable(
        delete_object=refuse,
        delete_bucket=refuse,
        delete_objects=lambda **_: {"Errors": [{"Code": "AccessDenied"}]},
        get_object=gone,
    )
    place = bench(store)
    for before in CHECKS:
        if before.id in ("multipart-put", "copy-put"):
            run_check(before, place)
    outcome = run_check(check, place)
    assert outcome.state == "fails"
    assert "can't be read any more" in outcome.reason


def test_a_store_that_refuses_everything_is_not_taken_for_a_safe_one(monkeypatch: pytest.MonkeyPatch) -> None:
    never_waits(monkeypatch)

    def refuse(**_: Any) -> Any:
        raise refusal()

    store = Agreeable()
    names = (
        "put_object",
        "create_bucket",
        "copy_object",
        "create_multipart_upload",
        "get_object_lock_configuration",
    )
    store.answers = dict.fromkeys(names, refuse)
    result = examine(store, S3Location("b-1", ""), seconds=3)
    assert result.exit_code == 3
    holds = {it.id for it in result.outcomes if it.expect == "ok" and it.state != "not_asked"}
    assert holds == {"bucket-versioning"}  # which this store does not refuse
    assert "nothing is promised" in result.summary


@pytest.mark.parametrize(
    ("code", "status", "counts"),
    [
        ("AccessDenied", 403, True),
        ("InvalidRequest", 400, True),
        ("PreconditionFailed", 412, True),
        ("InternalError", 500, False),
        ("NotImplemented", 501, False),
        ("SlowDown", 503, False),
        ("NoSuchVersion", 404, False),
        ("MethodNotAllowed", 405, False),
    ],
)
def test_only_a_refusal_counts_as_one(code: str, status: int, counts: bool) -> None:
    def ask() -> None:
        raise refusal(code, status)

    if counts:
        assert code in refuses(ask)
    else:
        with pytest.raises(NotAsPromisedError, match=code):
            refuses(ask)


def test_what_does_not_work_for_lack_of_rights_was_not_asked() -> None:
    def ask(code: str) -> None:
        raise refusal(code)

    with pytest.raises(NotAskedError, match="lack the right"):
        allows(lambda: ask("AccessDenied"))
    with pytest.raises(NotAsPromisedError, match="InvalidRequest"):
        allows(lambda: ask("InvalidRequest"))


@pytest.mark.parametrize(
    ("states", "code"),
    [([], 3), (["holds"], 0), (["holds", "not_asked"], 3), (["holds", "fails", "not_asked"], 1)],
)
def test_exit_codes_keep_refused_and_not_asked_apart(states: list[CheckState], code: int) -> None:
    outcomes = tuple(CheckOutcome(f"c{n}", "ok", "t", state, "r") for n, state in enumerate(states))
    result = Examination("s3://b-1", outcomes, (), ())
    assert result.exit_code == code
    assert result.summary.startswith(f"{states.count('holds')} of {len(states)}: ")


def test_a_store_that_goes_away_in_the_middle_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    never_waits(monkeypatch)

    def gone(**_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://store")

    with pytest.raises(ServiceError, match="did not answer"):
        examine(Agreeable(put_object=gone), S3Location("b-1", ""), seconds=3)


@pytest.mark.parametrize("vault", [[], ["--vault", "some/folder"]])
def test_a_folder_has_nothing_to_examine(vault: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["store", "doctor", *vault])
    assert ended.value.code == 2
    assert "tamper-evident" in capsys.readouterr().err


def test_an_unreachable_store_is_exit_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in Store("http://127.0.0.1:9").environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(["store", "doctor", "--vault", "s3://b-1", "--json"])
    assert ended.value.code == 3
    assert json.loads(capsys.readouterr().out)["exit_code"] == 3


def doctor(store: Store, monkeypatch: pytest.MonkeyPatch, *options: str, role: str = "admin") -> int:
    for name, value in store.environment(role).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main(["store", "doctor", "--vault", store.url(), *options])
    return int(ended.value.code or 0)


@pytest.mark.server
def test_seaweedfs_passes_all_55_and_nothing_stays_behind(
    seaweedfs_store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = doctor(seaweedfs_store, monkeypatch, "--json")
    report = json.loads(capsys.readouterr().out)
    assert [it for it in report["checks"] if it["state"] != "holds"] == []
    assert (code, report["held"], report["total"]) == (0, 55, 55)
    assert report["left"] == []
    # It gives a copy the lock of its source, whatever was asked for: said, and not counted.
    assert {it["id"]: it["state"] for it in report["remarks"]} == {
        "copy-unlocked": "fails",
        "copy-longer": "fails",
    }
    assert "Not counted, and not so: copy-unlocked, copy-longer" in report["summary"]
    client = seaweedfs_store.client("admin")
    assert not [it["Name"] for it in client.list_buckets()["Buckets"] if "doctor" in it["Name"]]
    versions = client.list_object_versions(Bucket=BUCKET, Prefix=report["vault"].rpartition("/")[2])
    assert "Versions" not in versions
    assert "DeleteMarkers" not in versions


@pytest.mark.server
def test_moto_is_refused_with_reasons(
    moto_store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = doctor(moto_store, monkeypatch, "--seconds", "3")
    said = capsys.readouterr().out
    assert code == 1
    assert "REFUSED" in said
    failed = {line.split()[2]: line for line in said.splitlines() if line.startswith("FAILS")}
    for check in ("shorten", "shorten-bypass", "downgrade", "clear", "bucket-suspend", "multipart-delete"):
        assert failed[check].endswith(": ALLOWED")
    assert "500" in failed["compliance-get"]
    beside = said.splitlines()[said.splitlines().index("not counted, because a vault never copies:") :]
    assert [line.split()[3] for line in beside if line.startswith("not so")] == [
        "copy-unlocked",
        "copy-longer",
    ]
    asked = [line for line in said.splitlines() if line.startswith(("holds", "FAILS"))]
    assert f"{len(asked) - len(failed)} of 55: REFUSED" in said
    assert f"; {len(failed)} fail, {55 - len(asked)} not asked)" in said


@pytest.mark.server
def test_the_sealing_role_can_not_examine(seaweedfs_store: Store) -> None:
    result = examine(seaweedfs_store.client("ingest"), S3Location(BUCKET, "ingest-doctor"), seconds=3)
    assert result.exit_code == 3
    assert all(it.state != "fails" for it in result.outcomes)
    assert any("lack the right" in it.reason for it in result.outcomes)


@pytest.mark.server
def test_a_bucket_that_is_not_there_is_the_commands_fault(seaweedfs_store: Store) -> None:
    with pytest.raises(ConfigError, match="no-such-bucket"):
        examine(seaweedfs_store.client("ingest"), S3Location("no-such-bucket", ""))

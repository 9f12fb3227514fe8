"""How evidence ends: by policy when it is due, by order at once, and never under a legal hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_pipeline.errors import (
    ConfigError,
    ErasedEvidenceError,
    LegalHoldError,
    MissingArtifactError,
    ServiceError,
)
from incident_pipeline.evidence import DataKeys, EvidenceReader
from incident_pipeline.evidence.retention import Due, apply, erase, hold, plan, release
from incident_pipeline.evidence.retention_policy import RetentionPolicy, Rule, read_retention_policy
from incident_pipeline.evidence.s3_lock import Lock
from incident_pipeline.evidence.sealing_lock import sealing
from incident_pipeline.serialise import sha256_hex
from incident_pipeline_tests.evidence.encrypted_case import NOW, EncryptedCase
from incident_pipeline_tests.evidence.sealed_case import CHAT, LOG

SHA = sha256_hex(LOG)
POLICY = RetentionPolicy((Rule(keep_days=30),))
LATER = NOW + timedelta(days=31)
ORDER = {"reason": "request of the person", "authority": "data protection officer"}


@pytest.fixture
def case(tmp_path: Path) -> EncryptedCase:
    return EncryptedCase(tmp_path)


def states(listed: tuple[Due, ...]) -> dict[str, str]:
    return {due.artifact.uri: due.state for due in listed}


# Erasure by order.


def test_an_erased_artifact_is_gone_and_its_seal_still_holds(case: EncryptedCase) -> None:
    sealed = case.seal_encrypted()
    entry = erase(case.custodian(), "inc-1", "logs/app.log", **ORDER)
    assert (entry.action, entry.artifacts[0].sha256) == ("erase-key", SHA)
    assert case.keys.read("inc-1", SHA) is None
    with pytest.raises(
        ErasedEvidenceError, match=r"logs/app\.log was erased by authority of data protection"
    ):
        case.reader(sealed).decoded(SHA)
    assert case.reader(sealed).decoded(sha256_hex(CHAT)) == CHAT
    code, failures, remarks = case.outcome()
    assert (code, failures) == (0, [])
    assert remarks == [f"logs/app.log: {entry.told}"]


def test_a_citation_of_what_was_erased_could_not_be_checked(case: EncryptedCase) -> None:
    sealed = case.seal_encrypted()
    case.write_ledger(sealed)
    assert case.outcome()[:2] == (0, [])
    erase(case.custodian(), "inc-1", "logs/app.log", **ORDER)
    code, failures, _ = case.outcome()
    assert code == 3
    assert len(failures) == 1
    assert "logs/app.log was erased by authority of data protection officer" in failures[0]


def test_erasing_again_changes_nothing(case: EncryptedCase) -> None:
    case.seal_encrypted()
    first = erase(case.custodian(), "inc-1", "logs/app.log", **ORDER)
    assert erase(case.custodian(), "inc-1", "logs/app.log", reason="again", authority="x") == first


def test_the_incidents_record_can_be_erased_too(case: EncryptedCase) -> None:
    case.seal_encrypted()
    erase(case.custodian(), "inc-1", "incident.json", **ORDER)
    assert case.outcome()[:2] == (0, [])


def test_a_legal_hold_blocks_erasure_until_all_matters_are_released(case: EncryptedCase) -> None:
    case.seal_encrypted()
    custodian = case.custodian()
    for matter in ("a", "b"):
        hold(custodian, "inc-1", reason="inquiry", authority="counsel", matter=matter)
    release(custodian, "inc-1", reason="closed", authority="counsel", matter="a")
    with pytest.raises(LegalHoldError, match=r"legal hold \(b\): logs/app\.log can't be erased") as caught:
        erase(custodian, "inc-1", "logs/app.log", **ORDER)
    assert caught.value.exit_code == 2
    assert case.keys.read("inc-1", SHA) is not None
    release(custodian, "inc-1", reason="closed", authority="counsel", matter="b")
    erase(custodian, "inc-1", "logs/app.log", **ORDER)


def test_a_hold_that_comes_between_stops_an_erasure(case: EncryptedCase) -> None:
    """The hold takes the number that the erasure was going to have."""
    case.seal_encrypted()
    inner, raced = case.vault, []
    publish = inner.publish_record

    def racing(name: str, data: bytes) -> bool:
        if not raced:
            raced.append(name)
            hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel")
        return publish(name, data)

    inner.publish_record = racing  # type: ignore[method-assign]
    with pytest.raises(LegalHoldError):
        erase(replace(case.custodian(), vault=inner), "inc-1", "logs/app.log", **ORDER)
    assert case.keys.read("inc-1", SHA) is not None


class _FailsOnce(DataKeys):
    def destroy(self, incident: str, sha256: str) -> bool:
        message = f"The machine stopped before {incident}/{sha256} was destroyed."
        raise ServiceError(message)


def test_a_run_killed_before_the_key_was_destroyed_is_reported_and_finished(case: EncryptedCase) -> None:
    case.seal_encrypted()
    failing = replace(case.custodian(), keys=_FailsOnce(case.keys.root))
    with pytest.raises(ServiceError):
        erase(failing, "inc-1", "logs/app.log", **ORDER)
    code, failures, _ = case.outcome()
    assert code == 1
    assert failures == ["logs/app.log: custody entry 1 says erased, its key is there."]
    assert states(plan(case.custodian(), POLICY))["logs/app.log"] == "unfinished"
    assert [due.artifact.uri for due in apply(case.custodian(), POLICY, authority="x")] == ["logs/app.log"]
    assert case.outcome()[:2] == (0, [])


def test_what_a_killed_run_left_is_not_finished_under_a_later_hold(case: EncryptedCase) -> None:
    case.seal_encrypted()
    with pytest.raises(ServiceError):
        erase(replace(case.custodian(), keys=_FailsOnce(case.keys.root)), "inc-1", "logs/app.log", **ORDER)
    hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel")
    with pytest.raises(LegalHoldError):
        erase(case.custodian(), "inc-1", "logs/app.log", **ORDER)
    assert apply(case.custodian(LATER), POLICY, authority="x") == ()
    assert case.keys.read("inc-1", SHA) is not None


def test_sealing_again_after_an_erasure_is_new_evidence_under_a_new_key(case: EncryptedCase) -> None:
    case.seal_encrypted()
    erase(case.custodian(), "inc-1", "logs/app.log", **ORDER)
    sealed = case.seal_encrypted()
    assert (sealed.created, sealed.sequence) == (True, 2)
    assert case.reader(sealed).decoded(SHA) == LOG
    assert case.outcome()[:2] == (0, [])
    erase(case.custodian(), "inc-1", "logs/app.log", **ORDER)
    assert len(case.custodian().custody("inc-1").entries) == 2
    assert case.keys.read("inc-1", SHA) is None


def test_what_is_not_there_or_not_encrypted_can_not_be_erased(case: EncryptedCase) -> None:
    case.seal()
    with pytest.raises(MissingArtifactError, match="has an artifact 'nothing'"):
        erase(case.custodian(), "inc-1", "nothing", **ORDER)
    with pytest.raises(ConfigError, match="no key to destroy"):
        erase(case.custodian(), "inc-1", "logs/app.log", **ORDER)


# Retention by policy.


def test_nothing_is_due_before_its_day_and_all_is_on_it(case: EncryptedCase) -> None:
    case.seal_encrypted()
    day = NOW + timedelta(days=30)
    before = plan(case.custodian(day - timedelta(seconds=1)), POLICY)
    assert set(states(before).values()) == {"kept"}
    assert apply(case.custodian(day - timedelta(seconds=1)), POLICY, authority="policy") == ()
    assert set(states(plan(case.custodian(day), POLICY)).values()) == {"due"}
    done = apply(case.custodian(day), POLICY, authority="policy")
    assert len(done) == 3
    assert set(states(plan(case.custodian(day), POLICY)).values()) == {"ended"}
    assert len(case.custodian().custody("inc-1").entries) == 1
    assert case.outcome()[:2] == (0, [])
    assert apply(case.custodian(day), POLICY, authority="policy") == ()


def test_a_clock_that_went_back_ends_nothing_early(case: EncryptedCase) -> None:
    case.seal_encrypted()
    policy = RetentionPolicy((Rule(keep_days=0),))
    assert set(states(plan(case.custodian(NOW - timedelta(days=400)), policy)).values()) == {"kept"}


def test_a_later_seal_prolongs_and_never_shortens(case: EncryptedCase) -> None:
    case.seal_encrypted()
    case.bundle({"logs/app.log": LOG, "chat.json": CHAT, "new.log": b"new\n"})
    case.seal_encrypted(case.root / "bundle", now=NOW + timedelta(days=20))
    found = {due.artifact.uri: due for due in plan(case.custodian(LATER), POLICY)}
    assert found["logs/app.log"].state == "kept"
    assert found["logs/app.log"].keep_until == NOW + timedelta(days=50)


def test_what_is_held_is_never_ended(case: EncryptedCase) -> None:
    case.seal_encrypted()
    hold(case.custodian(), "inc-1", reason="inquiry", authority="counsel")
    assert set(states(plan(case.custodian(LATER), POLICY)).values()) == {"held"}
    assert apply(case.custodian(LATER), POLICY, authority="policy") == ()
    assert case.outcome()[:2] == (0, [])


def test_plain_artifacts_end_with_their_object_in_a_local_vault(case: EncryptedCase) -> None:
    sealed = case.seal()
    done = apply(case.custodian(LATER), POLICY, authority="policy")
    assert {due.ends_by for due in done} == {"dispose"}
    assert not case.vault.contains(SHA)
    code, failures, remarks = case.outcome()
    assert (code, failures) == (0, [])
    assert any("logs/app.log: disposed of by authority of policy" in it for it in remarks)
    with pytest.raises(ErasedEvidenceError, match="was disposed of"):
        EvidenceReader(case.encrypted, sealed.evidence.artifacts).decoded(SHA)


def test_an_object_that_another_incident_needs_stays(case: EncryptedCase) -> None:
    case.seal()
    case.bundle(incident_id="INC-2")
    case.seal(case.root / "bundle")
    custodian = case.custodian(LATER)
    hold(custodian, "inc-2", reason="inquiry", authority="counsel")
    assert {due.incident for due in apply(custodian, POLICY, authority="policy")} == {"inc-1"}
    assert case.vault.contains(SHA)
    release(custodian, "inc-2", reason="closed", authority="counsel")
    assert {due.incident for due in apply(custodian, POLICY, authority="policy")} == {"inc-2"}
    assert not case.vault.contains(SHA)
    assert set(states(plan(custodian, POLICY)).values()) == {"ended"}


def test_an_incident_whose_seal_does_not_hold_is_named_and_left_alone(case: EncryptedCase) -> None:
    case.seal_encrypted()
    path = case.vault.root / "seals" / "inc-1" / "000001.sigstore.json"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b'"sig": "', b'"sig": "AAAA'))
    (found,) = plan(case.custodian(LATER), POLICY)
    assert (found.state, found.exit_code) == ("unverified", 1)
    assert apply(case.custodian(LATER), POLICY, authority="policy") == ()
    assert case.keys.read("inc-1", SHA) is not None


class _Bucket:
    """A vault as a service with locks shows itself: nothing can be removed, locks can be prolonged."""

    def __init__(self, case: EncryptedCase) -> None:
        vault = case.vault
        self.sealed_keys, self.seal_sequences, self.read_seal = (
            vault.sealed_keys, vault.seal_sequences, vault.read_seal,
        )  # fmt: skip
        self.contains, self.list_records, self.read_record = (
            vault.contains, vault.list_records, vault.read_record,
        )  # fmt: skip
        self.publish_record = vault.publish_record
        self.extended: dict[str, datetime] = {}
        self.held: dict[str, bool] = {}

    def set_legal_hold(self, sha256: str, *, on: bool) -> None:
        self.held[sha256] = on

    def extend(self, sha256: str, until: datetime) -> None:
        self.extended[sha256] = until

    def lock_of(self, sha256: str) -> Lock:
        return Lock("COMPLIANCE", self.extended.get(sha256, datetime(2026, 2, 1, tzinfo=UTC)))


def test_a_bucket_prolongs_locks_takes_holds_and_keeps_its_objects(case: EncryptedCase) -> None:
    case.seal()
    bucket = _Bucket(case)
    custodian = replace(case.custodian(), vault=bucket)  # type: ignore[arg-type]
    apply(custodian, POLICY, authority="policy")
    assert set(bucket.extended.values()) == {NOW + timedelta(days=30)}
    assert len(bucket.extended) == 3
    hold(custodian, "inc-1", reason="inquiry", authority="counsel", matter="a")
    hold(custodian, "inc-1", reason="inquiry", authority="counsel", matter="b")
    release(custodian, "inc-1", reason="closed", authority="counsel", matter="a")
    assert set(bucket.held.values()) == {True}
    release(custodian, "inc-1", reason="closed", authority="counsel", matter="b")
    assert set(bucket.held.values()) == {False}
    later = replace(custodian, now=LATER)
    assert all("lifecycle rules end it" in due.why for due in plan(later, POLICY))
    assert apply(later, POLICY, authority="policy") == ()


# The policy file.


def test_the_more_specific_rule_counts_and_of_equals_the_longer(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        "[approvals]\nneeded = 2\n[retention]\nkeep_days = 100\n"
        '[[retention.rule]]\nseverity = "sev1"\nkeep_days = 900\n'
        '[[retention.rule]]\nclass = "chat"\nkeep_days = 10\nbasis = "works council"\n'
        '[[retention.rule]]\nseverity = "SEV1"\nclass = "chat"\nkeep_days = 5\n'
    )
    policy = read_retention_policy(path)
    expected = {("sev1", "logs"): 900, ("sev2", "chat"): 10, ("sev1", "chat"): 5, (None, "logs"): 100}
    assert {key: policy.rule_for(*key).keep_days for key in expected} == expected
    assert policy.rule_for("sev3", "chat").told == "class chat: 10 days (works council)"


@given(st.lists(st.builds(Rule, severity=st.sampled_from([None, "sev1"]), keep_days=st.integers(0, 99))))
def test_an_added_rule_of_equal_rank_never_shortens(rules: list[Rule]) -> None:
    kept = [RetentionPolicy((*rules[:count], Rule(keep_days=1))) for count in range(len(rules) + 1)]
    general = [policy.rule_for(None, "logs").keep_days for policy in kept]
    assert general == sorted(general)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"no \[retention\]"),
        ("[retention]\n", "keep_days"),
        ("[retention]\nkeep_days = -1\n", "keep_days"),
        ("[retention]\nkeep_days = 1\ncolour = 1\n", "colour"),
        ("[retention\n", "no valid TOML"),
        ('[retention]\nkeep_days = 1\n[[retention.rule]]\nclas = "x"\nkeep_days = 2\n', "clas"),
    ],
)
def test_a_policy_that_does_not_say_how_long_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_retention_policy(path)


def test_an_object_is_not_disposed_of_while_something_is_sealed(case: EncryptedCase) -> None:
    """Whoever seals the same bytes for another incident counts on the object; the next `apply` finishes."""
    case.seal()
    with sealing(case.vault), pytest.raises(ServiceError, match="being sealed into the vault"):
        apply(case.custodian(LATER), POLICY, authority="x")
    assert case.vault.contains(SHA)
    assert states(plan(case.custodian(LATER), POLICY))["logs/app.log"] == "unfinished"
    assert apply(case.custodian(LATER), POLICY, authority="x")
    assert not case.vault.contains(SHA)

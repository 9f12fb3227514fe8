"""The trust list: signed versions, thresholds, succession; and what it says of a seal's key."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from incident_pipeline.errors import (
    ConfigError,
    IncidentPipelineError,
    SealError,
    SignatureError,
    TrustRootMissingError,
    UnreadableInputError,
)
from incident_pipeline.evidence import (
    load_or_create_local_signer,
    load_trust_root,
    open_sealer,
    read_manifest,
)
from incident_pipeline.evidence.manifest import PAYLOAD_TYPE
from incident_pipeline.evidence.signing import Signer, as_key, public_pem
from incident_pipeline.evidence.timestamps import Authority, TrustedTime
from incident_pipeline.evidence.trust import TrustRoot
from incident_pipeline.evidence.trust_changes import (
    Revocation,
    find_key,
    next_version,
    revoke_key,
    rotate_local_key,
    rotate_root_key,
)
from incident_pipeline.evidence.trust_list import (
    TRUST_PAYLOAD_TYPE,
    KeyEntry,
    SignedVersion,
    TrustList,
    TrustVersion,
    read_trust_list,
    sign_version,
    trust_file_bytes,
)
from incident_pipeline.serialise import canonical_json, compact_json, sha256_hex
from incident_pipeline_tests.evidence.time_authority import Independent, needs_openssl

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_signer(kind: str = "ed25519") -> CryptoSigner:
    """Make a signer whose key id is the digest of its key, as ours are."""
    made = {
        "ed25519": CryptoSigner.generate_ed25519,
        "ecdsa": CryptoSigner.generate_ecdsa,
        "rsa": CryptoSigner.generate_rsa,
    }[kind]()
    private = made._private_key
    return CryptoSigner(private, as_key(private.public_key()))


def entry(signer: Signer, role: str = "root", **more: object) -> KeyEntry:
    key = signer.public_key
    values = {"keyid": key.keyid, "role": role, "public_key": public_pem(key).decode(), **more}
    return KeyEntry.model_validate(values)


def version(
    keys: list[KeyEntry], threshold: int = 1, before: TrustList | None = None, **more: object
) -> TrustVersion:
    if before is not None:
        return next_version(before, keys, NOW).model_copy(update={"threshold": threshold, **more})
    values = {"version": 1, "previous": None, "issued_at": NOW, "threshold": threshold, "keys": keys, **more}
    return TrustVersion.model_validate(values)


def listed(*signed: SignedVersion) -> TrustList:
    return read_trust_list(trust_file_bytes(signed))


A, B, C = (make_signer() for _ in range(3))
SEAL = make_signer("ecdsa")
FIRST = sign_version(version([entry(A), entry(B), entry(C), entry(SEAL, "seal")], 2), [A, B])


def sign_raw(payload: bytes, signers: list[Signer], payload_type: str = TRUST_PAYLOAD_TYPE) -> SignedVersion:
    pae = Envelope(payload, payload_type, {}).pae()
    made = [signer.sign(pae) for signer in signers]
    return SignedVersion(payload, tuple((it.keyid, bytes.fromhex(it.signature)) for it in made))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_list_reads_back(kind: str) -> None:
    root = make_signer(kind)
    trusted = listed(sign_version(version([entry(root), entry(SEAL, "seal")]), [root]))
    assert trusted.current.version == 1
    assert [it.keyid for it in trusted.current.keys] == [root.public_key.keyid, SEAL.public_key.keyid]
    assert trusted.sha256 == sha256_hex(trusted.signed[0].payload)


def again(signed: SignedVersion, *signatures: tuple[str, bytes]) -> SignedVersion:
    return SignedVersion(signed.payload, signatures or signed.signatures)


def cross(signed: SignedVersion) -> SignedVersion:
    """Let B's signature stand under A's id, and the other way round."""
    (one, first), (two, second) = signed.signatures
    return again(signed, (one, second), (two, first))


STRANGER = make_signer()
THRESHOLDS: dict[str, tuple[Callable[[], SignedVersion], str]] = {
    "one signature of two": (lambda: again(FIRST, FIRST.signatures[0]), "signed by 1 of the 2"),
    "one key twice": (lambda: again(FIRST, *FIRST.signatures[:1] * 2), "twice by the same key"),
    "an unknown key beside the two": (
        lambda: sign_raw(FIRST.payload, [A, B, STRANGER]), "which is no root key"
    ),
    "an unknown key instead of one": (lambda: sign_raw(FIRST.payload, [A, STRANGER]), "which is no root key"),
    "a seal key instead of one": (lambda: sign_raw(FIRST.payload, [A, SEAL]), "which is no root key"),
    "signatures under each other's id": (lambda: cross(FIRST), "does not hold"),
    "a third that does not hold beside two that do": (
        lambda: again(FIRST, *FIRST.signatures, (C.public_key.keyid, b"\0" * 64)), "does not hold"
    ),
    "signed as a seal": (lambda: sign_raw(FIRST.payload, [A, B], PAYLOAD_TYPE), "does not hold"),
    "signed bare, without the encoding": (
        lambda: SignedVersion(
            FIRST.payload,
            tuple((s.public_key.keyid, bytes.fromhex(s.sign(FIRST.payload).signature)) for s in (A, B)),
        ),
        "does not hold",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", THRESHOLDS)
def test_k_of_n_means_that_many_different_keys(case: str) -> None:
    make, says = THRESHOLDS[case]
    with pytest.raises(SignatureError, match=says):
        listed(make())


def test_more_signatures_than_needed_are_fine_when_they_hold() -> None:
    assert listed(sign_raw(FIRST.payload, [A, B, C])).current.threshold == 2


def test_a_key_can_not_stand_under_two_ids() -> None:
    twin = entry(A).model_copy(update={"keyid": "0" * 64})
    with pytest.raises(SignatureError, match="another key than its id says"):
        listed(sign_version(version([entry(A), twin], 2), [A]))
    with pytest.raises(SignatureError, match="lists a key twice"):
        listed(sign_version(version([entry(A), entry(A)]), [A]))


def test_a_key_of_another_algorithm_under_a_trusted_id_is_refused() -> None:
    other = make_signer("ecdsa")
    confused = entry(other).model_copy(update={"keyid": A.public_key.keyid})
    with pytest.raises(SignatureError, match="another key than its id says"):
        listed(sign_version(version([confused]), [other]))


def second(**more: object) -> TrustVersion:
    trusted = listed(FIRST)
    keys = more.pop("keys", list(trusted.current.keys))
    return version(keys, 2, trusted, **more)  # type: ignore[arg-type] # a list of entries


def change(keyid: str, **update: object) -> list[KeyEntry]:
    """Give the first version's entries, one of them changed."""
    return [it.model_copy(update=update) if it.keyid == keyid else it for it in listed(FIRST).current.keys]


def test_new_root_keys_need_the_old_threshold_and_the_new_one() -> None:
    fresh = make_signer()
    retired = {"status": "retired", "replaced_by": fresh.public_key.keyid}
    keys = [*change(C.public_key.keyid, **retired), entry(fresh)]
    after = second(keys=keys)
    assert listed(FIRST, sign_version(after, [A, B])).current.version == 2
    only_new = second(keys=[*change(A.public_key.keyid, **retired), entry(fresh)])
    with pytest.raises(SignatureError, match=r"version 2 \(by the keys before\) is signed by 1 of the 2"):
        listed(FIRST, sign_version(only_new, [B, fresh]))
    with pytest.raises(SignatureError, match="version 2 is signed by 1 of the 2"):
        listed(FIRST, sign_version(only_new, [A, B]))
    assert listed(FIRST, sign_version(only_new, [A, B, fresh])).current.version == 2


REVOKED = {"status": "revoked", "reason": "stolen", "compromised_since": NOW}
SUCCESSIONS: dict[str, tuple[Callable[[], TrustVersion], str]] = {
    "a version left out": (lambda: second(version=3), "does not follow"),
    "another one before": (lambda: second(previous="0" * 64), "does not follow"),
    "issued before": (lambda: second(issued_at=NOW - HOUR), "issued before"),
    "a key removed": (lambda: second(keys=list(listed(FIRST).current.keys[:3])), "never removed"),
    "a role changed": (lambda: second(keys=change(SEAL.public_key.keyid, role="root")), "never removed"),
}


@pytest.mark.parametrize("case", SUCCESSIONS)
def test_a_version_must_follow_from_the_one_before(case: str) -> None:
    make, says = SUCCESSIONS[case]
    with pytest.raises(SignatureError, match=says):
        listed(FIRST, sign_version(make(), [A, B]))


@pytest.mark.parametrize(
    "update",
    [
        {"status": "active", "compromised_since": None, "reason": None},
        {"status": "retired"},
        {"compromised_since": NOW + HOUR},
        {"self_asserted_time": True},
    ],
)
def test_a_revocation_is_never_softened(update: dict[str, object]) -> None:
    revoked = sign_version(second(keys=change(SEAL.public_key.keyid, **REVOKED)), [A, B])
    before = listed(FIRST, revoked)
    keys = [
        it.model_copy(update=update) if it.keyid == SEAL.public_key.keyid else it
        for it in before.current.keys
    ]
    with pytest.raises(SignatureError, match=r"active again|softens"):
        listed(FIRST, revoked, sign_version(version(keys, 2, before), [A, B]))
    harder = [
        it.model_copy(update={"compromised_since": NOW - HOUR}) if it.keyid == SEAL.public_key.keyid else it
        for it in before.current.keys
    ]
    assert listed(FIRST, revoked, sign_version(version(harder, 2, before), [A, B])).current.version == 3


def test_a_retired_key_does_not_come_back() -> None:
    retired = sign_version(second(keys=change(SEAL.public_key.keyid, status="retired")), [A, B])
    before = listed(FIRST, retired)
    with pytest.raises(SignatureError, match="active again, which was retired"):
        listed(FIRST, retired, sign_version(version(list(listed(FIRST).current.keys), 2, before), [A, B]))


def test_keys_and_certificates_that_are_none_are_refused() -> None:
    for pem in ("", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        broken = entry(A).model_copy(update={"public_key": pem})
        with pytest.raises(SignatureError, match=r"can't be read|another key"):
            listed(sign_version(version([broken]), [A]))
    certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(SignatureError, match="certificate that is none"):
        listed(sign_version(version([entry(A)], time_authorities=(certificate,)), [A]))


def test_a_list_that_does_not_begin_at_the_beginning_is_refused() -> None:
    later = sign_version(second(), [A, B])
    with pytest.raises(SignatureError, match="is not the first version"):
        listed(later)


WHOLE = trust_file_bytes((FIRST, sign_version(second(keys=change(SEAL.public_key.keyid, **REVOKED)), [A, B])))


def test_no_byte_of_the_file_can_change_unnoticed() -> None:
    assert read_trust_list(WHOLE).current.version == 2
    for offset in range(len(WHOLE)):
        changed = bytearray(WHOLE)
        changed[offset] ^= 1 << (offset % 8)
        with pytest.raises(IncidentPipelineError):
            read_trust_list(bytes(changed))


@given(data=st.data())
def test_cut_and_extended_files_are_refused(data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(WHOLE) - 1))
    tail = data.draw(st.binary(min_size=1, max_size=10))
    for changed in (WHOLE[:cut], WHOLE + tail, tail + WHOLE, b"", tail):
        with pytest.raises(IncidentPipelineError):
            read_trust_list(changed)


@pytest.mark.parametrize(
    "edit",
    [
        lambda it: it.update(mediaType="application/json"),
        lambda it: it.update(extra=1),
        lambda it: it["versions"].clear(),
        lambda it: it["versions"][0].update(payloadType=PAYLOAD_TYPE),
        lambda it: it["versions"][0]["signatures"].clear(),
        lambda it: it["versions"][0].update(payload="!"),
    ],
)
def test_another_form_is_refused(edit: Callable[[dict[str, Any]], object]) -> None:
    file = json.loads(WHOLE)
    edit(file)
    with pytest.raises(IncidentPipelineError):
        read_trust_list(canonical_json(file))


@pytest.mark.parametrize(
    "change_payload", [b'{"schemaVersion":1}', b"[]", b"\xff", b'{"version":1,"version":1}']
)
def test_a_signed_payload_that_is_no_version_is_refused(change_payload: bytes) -> None:
    with pytest.raises(IncidentPipelineError):
        listed(sign_raw(change_payload, [A]))


def test_a_seal_is_no_trust_list_and_a_trust_list_no_seal(tmp_path: Path) -> None:
    with pytest.raises(SealError):
        read_manifest(WHOLE, [A.public_key])
    one = json.loads(WHOLE)["versions"][0]
    seal = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": A.public_key.keyid}},
        "dsseEnvelope": {**one, "payloadType": PAYLOAD_TYPE, "signatures": one["signatures"][:1]},
    }
    with pytest.raises((SealError, SignatureError)):
        read_manifest(canonical_json(seal), [A.public_key, B.public_key])
    (tmp_path / "x.json").write_bytes(canonical_json(seal))
    with pytest.raises(TrustRootMissingError, match="is no trust list"):
        load_trust_root(tmp_path / "x.json")


# What the list says of a key, in the configuration folder.


def test_keys_of_the_folder_are_taken_over_with_the_first_change(tmp_path: Path) -> None:
    old = load_or_create_local_signer(tmp_path, {})
    friend = make_signer()
    (tmp_path / "trust" / "friend.pem").write_bytes(public_pem(friend.public_key))
    retired, new, trusted = rotate_local_key(tmp_path, NOW, environ={})
    assert (retired, trusted.current.version) == (old.keyid, 2)
    root = load_trust_root(folder=tmp_path)
    assert {old.keyid, new, friend.public_key.keyid} == set(root.keyids)
    assert root.entries[old.keyid].status == "retired"
    assert root.entries[old.keyid].valid_until == NOW
    assert root.entries[old.keyid].replaced_by == new
    assert (root.entries[new].status, root.entries[new].valid_from) == ("active", NOW)
    assert root.entries[friend.public_key.keyid].valid_until is None
    assert load_or_create_local_signer(tmp_path, {}).keyid == new
    assert sorted(it.name for it in (tmp_path / "keys").iterdir()) == ["root.pem", "seal.pem"]
    assert stat.S_IMODE((tmp_path / "keys" / "root.pem").stat().st_mode) == 0o600
    assert root.source == tmp_path / "trust.json"


def test_a_rotation_that_was_killed_half_way_is_finished(tmp_path: Path) -> None:
    first = load_or_create_local_signer(tmp_path, {})
    before = (tmp_path / "keys" / "seal.pem").read_bytes()
    _, new, _ = rotate_local_key(tmp_path, NOW, environ={})
    (tmp_path / "keys" / "seal.pem").rename(tmp_path / "keys" / "next.pem")
    (tmp_path / "keys" / "seal.pem").write_bytes(before)
    (tmp_path / "keys" / "seal.pem").chmod(0o600)
    assert rotate_local_key(tmp_path, NOW + HOUR, environ={})[:2] == (first.keyid, new)
    assert load_or_create_local_signer(tmp_path, {}).keyid == new
    assert load_trust_root(folder=tmp_path).trust_list.current.version == 2  # type: ignore[union-attr]


def test_the_root_key_is_replaced_under_both(tmp_path: Path) -> None:
    load_or_create_local_signer(tmp_path, {})
    old, new, trusted = rotate_root_key(tmp_path, NOW, environ={})
    assert [keyid for keyid, _ in trusted.signed[-1].signatures] == sorted([old, new])
    assert rotate_root_key(tmp_path, NOW, environ={})[0] == new
    rotate_local_key(tmp_path, NOW, environ={})
    assert load_trust_root(folder=tmp_path).entries[old].status == "retired"
    assert old not in load_trust_root(folder=tmp_path).keyids


def test_without_its_root_key_the_list_can_not_be_changed(tmp_path: Path) -> None:
    keyid = load_or_create_local_signer(tmp_path, {}).keyid
    rotate_local_key(tmp_path, NOW, environ={})
    (tmp_path / "keys" / "root.pem").unlink()
    with pytest.raises(ConfigError, match="without its root key"):
        revoke_key(tmp_path, keyid, Revocation("lost"), NOW, environ={})
    with pytest.raises(ConfigError, match="without its root key"):
        rotate_local_key(tmp_path, NOW, environ={})


def test_a_stolen_seal_key_can_not_vouch_for_itself(tmp_path: Path) -> None:
    """A list signed with the seal key as its root is another list, not the next version of this one."""
    thief = load_or_create_local_signer(tmp_path, {})
    rotate_local_key(tmp_path, NOW, environ={})
    trusted = load_trust_root(folder=tmp_path).trust_list
    assert trusted is not None
    freed = [
        it.model_copy(update={"status": "active", "valid_until": None, "replaced_by": None})
        for it in trusted.current.keys
    ]
    forged = sign_version(next_version(trusted, freed, NOW), [thief.signer])
    (tmp_path / "trust.json").write_bytes(trust_file_bytes((*trusted.signed, forged)))
    with pytest.raises(TrustRootMissingError, match=r"is signed with key .* which is no root key") as caught:
        load_trust_root(folder=tmp_path)
    assert caught.value.exit_code == 3


def test_a_retired_or_revoked_key_may_not_seal(tmp_path: Path) -> None:
    local = load_or_create_local_signer(tmp_path, {})
    kept = local.key_path.read_bytes()
    rotate_local_key(tmp_path, NOW, environ={})
    local.key_path.write_bytes(kept)
    for _ in range(2):
        with pytest.raises(ConfigError, match="may not seal any more") as caught:
            open_sealer(signer="", tsa="none", tsa_url="", folder=tmp_path, now=NOW + HOUR)
        assert "keys rotate" in caught.value.advice
        revoke_key(tmp_path, local.keyid, Revocation("stolen"), NOW + HOUR, environ={})


def test_a_revoked_key_leaves_the_folder_of_keys_without_dates(tmp_path: Path) -> None:
    local = load_or_create_local_signer(tmp_path, {})
    rotate_local_key(tmp_path, NOW, environ={})
    revoke_key(tmp_path, local.keyid, Revocation("stolen", NOW), NOW, environ={})
    assert not local.trust_path.exists()
    root = load_trust_root(folder=tmp_path)
    assert local.keyid not in root.keyids
    assert local.keyid in {key.keyid for key in root.known}
    # A copy that comes back does not undo the revocation.
    local.trust_path.write_bytes(public_pem(local.signer.public_key))
    assert local.keyid not in load_trust_root(folder=tmp_path).keyids


def test_a_root_key_is_no_signer_of_seals(tmp_path: Path) -> None:
    load_or_create_local_signer(tmp_path, {})
    rotate_local_key(tmp_path, NOW, environ={})
    root = load_trust_root(folder=tmp_path)
    [root_key] = [it for it in root.entries.values() if it.role == "root"]
    (tmp_path / "trust" / "root.pem").write_text(root_key.public_key)
    assert root_key.keyid not in {key.keyid for key in load_trust_root(folder=tmp_path).known}
    with pytest.raises(ConfigError, match="is a root key"):
        revoke_key(tmp_path, root_key.keyid, Revocation("no"), NOW, environ={})


def test_keys_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    keyid = load_or_create_local_signer(tmp_path, {}).keyid
    root = load_trust_root(folder=tmp_path)
    assert find_key(root, keyid[:8]) == keyid
    for prefix in ("", "zz"):
        with pytest.raises(ConfigError, match="key ids"):
            find_key(root, prefix)


def test_a_trust_list_is_a_trust_root_by_itself_or_in_its_folder(tmp_path: Path) -> None:
    local = load_or_create_local_signer(tmp_path / "config", {})
    rotate_local_key(tmp_path / "config", NOW, environ={})
    (tmp_path / "auditor").mkdir()
    listed_file = tmp_path / "auditor" / "trust.json"
    listed_file.write_bytes((tmp_path / "config" / "trust.json").read_bytes())
    for path in (listed_file, listed_file.parent, tmp_path / "config"):
        root = load_trust_root(path)
        assert local.keyid in root.keyids
        assert root.trust_list is not None
        assert root.fingerprints[0] == f"trust list, version 2, {root.trust_list.sha256}"
        [line] = [line for line in root.fingerprints if local.keyid in line]
        assert line.startswith(f"key {local.keyid} (seal, retired, until 2026-01-31T12:00:00Z, replaced by ")


@needs_openssl
@pytest.mark.parametrize(
    ("entry_update", "offset", "independent", "error"),
    [
        # active, retired: trusted time against the dates; this machine's own clock is enough
        ({}, None, True, None),
        ({"valid_until": NOW}, timedelta(), False, None),
        ({"status": "retired", "valid_until": NOW}, -HOUR, False, None),
        ({"status": "retired", "valid_until": NOW}, HOUR, True, SignatureError),
        ({"status": "retired", "valid_until": NOW}, None, True, UnreadableInputError),
        ({"valid_from": NOW}, -HOUR, True, SignatureError),
        ({"valid_from": NOW}, timedelta(seconds=-1), True, None),
        ({"valid_from": NOW}, None, True, None),
        # revoked: only independent time before the compromise, unless the list says otherwise
        (REVOKED, -HOUR, True, None),
        (REVOKED, -HOUR, False, SignatureError),
        ({**REVOKED, "self_asserted_time": True}, -HOUR, False, None),
        ({**REVOKED, "self_asserted_time": True}, HOUR, False, SignatureError),
        (REVOKED, HOUR, True, SignatureError),
        (REVOKED, timedelta(), True, SignatureError),
        (REVOKED, timedelta(seconds=-1), True, SignatureError),  # the clock may be 2 s wrong
        (REVOKED, None, True, SignatureError),
        ({**REVOKED, "compromised_since": None}, -HOUR, True, SignatureError),
        ({**REVOKED, "valid_until": NOW - 2 * HOUR}, -HOUR, True, SignatureError),
    ],
)
def test_a_key_counts_when_it_was_valid_at_the_trusted_time(
    tmp_path: Path,
    entry_update: dict[str, object],
    offset: timedelta | None,
    independent: bool,
    error: type[Exception] | None,
) -> None:
    name = "Example TSA Root" if independent else "Local time authority (self-asserted)"
    authority: Authority = Independent(tmp_path, name).authority
    said = entry(SEAL, "seal").model_copy(update=entry_update)
    root = TrustRoot((), tmp_path, known=(SEAL.public_key,), entries={said.keyid: said})
    time = (
        None if offset is None else TrustedTime(NOW + offset, NOW + offset + timedelta(seconds=2), authority)
    )
    if error is None:
        root.judge(said.keyid, time, name="The seal")
    else:
        with pytest.raises(error, match=f"The seal is signed with key {said.keyid}"):
            root.judge(said.keyid, time, name="The seal")


def test_the_payload_is_plain_json_that_others_can_read() -> None:
    payload = json.loads(base64.b64decode(json.loads(WHOLE)["versions"][1]["payload"]))
    assert payload["version"] == 2
    assert payload["previous"] == sha256_hex(FIRST.payload)
    [seal] = [it for it in payload["keys"] if it["role"] == "seal"]
    assert (seal["status"], seal["reason"], seal["compromisedSince"]) == (
        "revoked", "stolen", "2026-01-31T12:00:00Z",
    )  # fmt: skip
    assert compact_json(payload)

"""The attack list as a table; the tests and `benchmarks/attack_table.py` make every row for real."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from incident_pipeline.evidence.manifest import SignedPayload
from incident_pipeline_tests.evidence.attacks import (
    Said,
    altered,
    bomb,
    clock_set_back,
    dated_back,
    disk_fails,
    exchange_entries,
    flip,
    forked,
    grown,
    huge,
    injected,
    key_swapped,
    killed,
    link_raced,
    log_edited,
    lost_lock,
    power_lost,
    reframed,
    replayed,
    resigned,
    store_falters,
    swapped,
    threshold_by_one_key,
    two_sealers,
    unpacked,
)
from incident_pipeline_tests.evidence.test_evidence_log_attacks import rebuild
from incident_pipeline_tests.ingest import test_ingest_archives as archives


@dataclass(frozen=True)
class Row:
    """One attack: what is done, and what must be said about it."""

    attack: str
    done: str
    run: Callable[[Path], Said]
    code: int
    says: str


MANY = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
ROWS = [
    Row("bit flip", "artifact", altered("artifact", flip), 1, "was altered"),
    Row("bit flip", "manifest", altered("manifest", flip), 1, "manifest.sigstore.json"),
    Row("bit flip", "inclusion proof", altered("proof", flip), 1, "seal.log.json"),
    Row("bit flip", "checkpoint in the vault", altered("checkpoint", flip), 1, "of log entry 0"),
    Row("bit flip", "evidence list", altered("evidence list", flip), 1, "does not say what the seal says"),
    Row(
        "bit flip",
        "signature",
        resigned(lambda it: SignedPayload(it.payload, flip(it.signature), it.keyid, it.timestamps)),
        1,
        "does not hold: it was altered",
    ),
    Row(
        "bit flip",
        "time stamp",
        resigned(
            lambda it: SignedPayload(it.payload, it.signature, it.keyid, (flip(it.timestamps[0]),)),
            stamped=True,
        ),
        1,
        "time stamp 1",
    ),
    Row(
        "truncate", "one byte less of an artifact", altered("artifact", lambda it: it[:-1]), 1, "was altered"
    ),
    Row(
        "extend",
        "one newline more in an artifact",
        altered("artifact", lambda it: it + b"\n"),
        1,
        "was altered",
    ),
    Row("zero length", "artifact emptied", altered("artifact", lambda _: b""), 1, "was altered"),
    Row("swap", "two artifacts of equal size", swapped, 1, "was altered"),
    Row(
        "replay",
        "an older valid manifest, checkpoint pinned",
        replayed(pinned=True),
        1,
        "An older manifest is replayed",
    ),
    Row("replay", "an older valid manifest, nothing pinned", replayed(pinned=False), 0, "unanchored"),
    Row(
        "fork",
        "the signer goes on from an older log, pinned",
        forked(rolled_back=False, pinned=True),
        1,
        "was forked",
    ),
    Row("fork", "the same, nothing pinned", forked(rolled_back=False, pinned=False), 0, "unanchored"),
    Row(
        "roll back",
        "vault and results of before, pinned",
        forked(rolled_back=True, pinned=True),
        1,
        "was rolled back",
    ),
    Row("roll back", "the same, nothing pinned", forked(rolled_back=True, pinned=False), 0, "unanchored"),
    Row(
        "delete an entry",
        "of the log",
        log_edited(lambda it: (it.records / "entries/00000001.json").unlink()),
        1,
        "was taken away",
    ),
    Row("reorder entries", "two of the log", log_edited(exchange_entries), 1, "Log entry 1"),
    Row(
        "insert an entry",
        "of the log",
        log_edited(lambda it: rebuild(it, [it.log().entries[0], *it.log().entries])),
        1,
        "does not cover the first 2 entries",
    ),
    Row(
        "key swap",
        "all sealed anew with the attacker's key, which lies beside it",
        key_swapped,
        1,
        "is not trusted",
    ),
    Row(
        "payload type",
        "of the envelope",
        reframed(lambda it: it["dsseEnvelope"].update(payloadType="text/plain")),
        1,
        "can't be read as a seal",
    ),
    Row(
        "extra signature",
        "the same one again",
        reframed(lambda it: it["dsseEnvelope"].update(signatures=it["dsseEnvelope"]["signatures"] * 2)),
        1,
        "can't be read as a seal",
    ),
    Row(
        "duplicate key",
        "`mediaType` twice in the bundle",
        altered("manifest", lambda it: it.replace(b"{", b'{"mediaType": "x",', 1)),
        1,
        "can't be read as a seal",
    ),
    Row(
        "threshold",
        "2 of 2 root keys, one signs twice",
        threshold_by_one_key,
        3,
        "signed twice by the same key",
    ),
    *(
        Row("hostile archive", name, unpacked(make), 3, reason)
        for name, make, reason in archives.HOSTILE
        if name
        in (
            "absolute",
            "climbing",
            "symlink",
            "symlink then file",
            "hard link",
            "pipe",
            "block device",
            "no UTF-8",
            "case twins",
            "form twins",
            "zip overlapping",
        )
    ),
    Row("bomb", "256 MiB of zeros in 255 KiB of gzip", bomb, 3, "bomb"),
    Row("link race", "a link to a secret put in an artifact's place while collecting", link_raced, 3, "link"),
    Row(
        "source changes",
        "a line appended between listing and sealing",
        grown,
        3,
        "changed while it was being sealed",
    ),
    Row(
        "clock rollback", "time stamp before that of the seal before", clock_set_back, 3, "nothing was sealed"
    ),
    Row("clock ahead", "sealed an hour ahead of its time stamp", dated_back, 1, "is older than the seal"),
    Row("kill -9", "6 times while sealing, then once more", killed, 0, "Everything holds"),
    Row("two sealers", "four at once, one incident", two_sealers, 0, "Everything holds"),
    *(
        Row("disk fails", f"{os.strerror(code)} in {call}", disk_fails(call, code), 3, os.strerror(code))
        for call in ("write", "fsync", "link")
        for code in (errno.ENOSPC, errno.EIO)
    ),
    Row(
        "power loss",
        "after every step of a sealing, what was not durable gone",
        power_lost,
        0,
        "Everything holds",
    ),
    Row(
        "store falters",
        "503, 500, a lost reply and a stall while sealing",
        store_falters,
        0,
        "Everything holds",
    ),
    Row("store without locks", "`store doctor` against moto", lost_lock, 1, "of 55 checks fail"),
    Row(
        "prompt injection",
        "evidence says what to write, and somebody cites it so",
        injected,
        1,
        "not 'the database failed'",
    ),
    Row(
        "huge input", "200,000 nested lists for a manifest", huge(lambda: MANY), 1, "can't be read as a seal"
    ),
    Row(
        "huge input",
        "8 MiB of brackets for a manifest",
        huge(lambda: b"[" * (1 << 23)),
        1,
        "can't be read as a seal",
    ),
]
"""All rows, in the order of the list in which they were collected."""

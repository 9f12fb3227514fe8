"""Checks of GOVERNANCE mode: it keeps without the bypass header, and gives way with it."""

from __future__ import annotations

from typing import Final

from incident_pipeline.evidence.doctor.bench import Bench, allows, refuses, relocked, shorter
from incident_pipeline.evidence.doctor.check import Check


def _put(bench: Bench) -> str:
    bench.stands(allows(lambda: bench.put("GOVERNANCE")))
    return "stored, locked"


def _delete(bench: Bench) -> str:
    item = bench.given("GOVERNANCE")
    reason = refuses(lambda: bench.client.delete_object(**item.names))
    bench.stands(item)
    return reason


def _shorten(bench: Bench) -> str:
    item = bench.given("GOVERNANCE", until=bench.soon(bench.seconds + 3))
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": shorter(item, 2)}
    reason = refuses(lambda: bench.client.put_object_retention(**item.names, Retention=retention))
    bench.stands(item)
    return reason


def _shorten_bypass(bench: Bench) -> str:
    item = bench.given("GOVERNANCE", until=bench.soon(bench.seconds + 3))
    earlier = shorter(item, 2)
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": earlier}
    allows(
        lambda: bench.client.put_object_retention(
            **item.names, Retention=retention, BypassGovernanceRetention=True
        )
    )
    bench.stands(relocked(item, until=earlier))
    return "shortened"


def _delete_bypass(bench: Bench) -> str:
    item = bench.given("GOVERNANCE")
    allows(lambda: bench.client.delete_object(**item.names, BypassGovernanceRetention=True))
    return "deleted"


CHECKS: Final = (
    Check("governance-put", "ok", "store in GOVERNANCE mode", _put),
    Check("governance-delete", "deny", "delete a version in GOVERNANCE mode", _delete),
    Check("governance-shorten", "deny", "shorten a GOVERNANCE retention", _shorten),
    Check("governance-shorten-bypass", "ok", "shorten a GOVERNANCE retention with bypass", _shorten_bypass),
    Check(
        "governance-delete-bypass", "ok", "delete a version in GOVERNANCE mode with bypass", _delete_bypass
    ),
)

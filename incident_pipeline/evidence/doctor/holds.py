"""Checks of legal hold: it keeps a version for as long as it is on, and not a moment longer."""

from __future__ import annotations

from typing import Final

from incident_pipeline.evidence.doctor.bench import Bench, Item, NotAsPromisedError, allows, refuses
from incident_pipeline.evidence.doctor.check import Check


def _on(bench: Bench) -> str:
    item = bench.given()
    bench.held.append(item)
    allows(lambda: _set(bench, item, "ON"))
    return "on"


def _get(bench: Bench) -> str:
    item = _held(bench)
    state = (
        allows(lambda: bench.client.get_object_legal_hold(**item.names)).get("LegalHold", {}).get("Status")
    )
    if state != "ON":
        message = f"given as {state}"
        raise NotAsPromisedError(message)
    return "ON"


def _delete(bench: Bench) -> str:
    return _refused(bench, _held(bench))


def _delete_bypass(bench: Bench) -> str:
    item = _held(bench)
    reason = refuses(lambda: bench.client.delete_object(**item.names, BypassGovernanceRetention=True))
    bench.stands(item)
    return reason


def _off(bench: Bench) -> str:
    item = _held(bench)
    allows(lambda: _set(bench, item, "OFF"))
    return "off"


def _delete_after(bench: Bench) -> str:
    item = _held(bench)
    bench.needs(lambda: _set(bench, item, "OFF"), "a lifted hold")
    allows(lambda: bench.client.delete_object(**item.names))
    return "deleted"


def _header(bench: Bench) -> str:
    item = allows(lambda: bench.put(ObjectLockLegalHoldStatus="ON"))
    bench.held.append(item)
    state = (
        allows(lambda: bench.client.get_object_legal_hold(**item.names)).get("LegalHold", {}).get("Status")
    )
    if state != "ON":
        message = f"stored, but the hold is {state}"
        raise NotAsPromisedError(message)
    return "stored, on"


def _header_delete(bench: Bench) -> str:
    item = bench.given(ObjectLockLegalHoldStatus="ON")
    bench.held.append(item)
    return _refused(bench, item)


def _held(bench: Bench) -> Item:
    item = bench.given()
    bench.held.append(item)
    bench.needs(lambda: _set(bench, item, "ON"), "a legal hold")
    return item


def _set(bench: Bench, item: Item, state: str) -> object:
    return bench.client.put_object_legal_hold(**item.names, LegalHold={"Status": state})


def _refused(bench: Bench, item: Item) -> str:
    reason = refuses(lambda: bench.client.delete_object(**item.names))
    bench.stands(item)
    return reason


CHECKS: Final = (
    Check("hold-on", "ok", "put a version under legal hold", _on),
    Check("hold-get", "ok", "the hold can be read", _get),
    Check("hold-delete", "deny", "delete a held version", _delete),
    Check("hold-delete-bypass", "deny", "delete a held version with bypass", _delete_bypass),
    Check("hold-off", "ok", "lift the hold", _off),
    Check("hold-off-delete", "ok", "delete a version after its hold was lifted", _delete_after),
    Check("hold-header", "ok", "store under legal hold at once", _header),
    Check("hold-header-delete", "deny", "delete what was stored under hold", _header_delete),
)

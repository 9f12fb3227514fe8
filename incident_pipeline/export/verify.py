"""Verify anything we hand out: results, a vault, or a whole export, down to every derived file.

`evidence.verify` answers for seals, sealed bytes and citations. This adds what comes after sealing: the
derivation statements, and around an export its bag. An export brings its own vault (`data/`); a redacted one
is verified by `verify_redacted` as far as it shows anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from incident_pipeline.errors import IncidentPipelineError
from incident_pipeline.evidence import LocalVault, load_trust_root
from incident_pipeline.evidence.manifest import read_manifest
from incident_pipeline.evidence.pins import find_pins
from incident_pipeline.evidence.verification import Checked, Findings, VerificationReport
from incident_pipeline.evidence.verify import result_folders, verify_results
from incident_pipeline.export import layout
from incident_pipeline.export.verify_bag import check_bag
from incident_pipeline.export.verify_derivations import SealFacts, check_derivations
from incident_pipeline.export.verify_redacted import RedactedExport
from incident_pipeline.results import ResultsFolder

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.evidence import Keyring, TrustRoot
    from incident_pipeline.evidence.vault import Vault


class _Options(TypedDict):
    trust_root: Path | None
    config_dir: Path | None
    checkpoint: Path | None
    partial: bool
    keyring: Keyring | None


def verify_path(
    path: Path,
    *,
    trust_root: Path | None = None,
    vault: Vault | None = None,
    config_dir: Path | None = None,
    checkpoint: Path | None = None,
    keyring: Keyring | None = None,
    action: str = "",
) -> VerificationReport:
    """Verify results, a folder of results, a vault, or an export, completely and offline.

    Arguments and errors are those of `evidence.verify.verify_results`; an export is its own vault.
    """
    root = load_trust_root(trust_root, folder=config_dir)
    path = path.resolve()
    if not layout.is_bag(path):
        report = verify_results(
            path,
            trust_root=trust_root,
            vault=vault,
            config_dir=config_dir,
            checkpoint=checkpoint,
            keyring=keyring,
            action=action,
        )
        return _with(report, _derivations(path, root))
    findings = Findings(path.name)
    statement = check_bag(path, root, findings)
    if statement is not None and statement.predicate.redacted is not None:
        shown = RedactedExport(path / layout.DATA, statement, root, find_pins(checkpoint, config_dir))
        return _with(shown.verify(), findings.items, first=True)
    data = path / layout.DATA
    # The log comes along whole, with the seals of other incidents left out.
    options = _Options(
        trust_root=trust_root, config_dir=config_dir, checkpoint=checkpoint, partial=True, keyring=keyring
    )
    reports = [verify_results(data, **options)] if _is_vault(data) else []
    results = data / "results"
    try:
        reports.append(verify_results(results, vault=LocalVault(data), **options))
    except IncidentPipelineError as error:
        findings.error("seal", "data/results", error)
    else:
        findings.items += _derivations(results, root)
    incidents = tuple(sorted({name for report in reports for name in report.incidents}))
    items = tuple(item for report in reports for item in report.items)
    return VerificationReport(incidents, (*findings.items, *items), root.keyids, str(root.source))


def _is_vault(path: Path) -> bool:
    return (path / "seals").is_dir() and (path / "objects").is_dir()


def _derivations(path: Path, trust: TrustRoot) -> list[Checked]:
    """Verify the derivations of every incident whose seal holds; of the others enough is said already."""
    items: list[Checked] = []
    for folder in [] if _is_vault(path) else result_folders(path):
        findings = Findings(folder.name)
        file = ResultsFolder(folder).manifest
        try:
            manifest = read_manifest(file.read_bytes(), trust.known, name=file.name)
        except (IncidentPipelineError, OSError):
            continue
        check_derivations(folder, SealFacts.of(manifest), trust, findings)
        items += findings.items
    return items


def _with(report: VerificationReport, items: list[Checked], *, first: bool = False) -> VerificationReport:
    together = (*items, *report.items) if first else (*report.items, *items)
    return VerificationReport(report.incidents, together, report.trusted_keys, report.trust_source)

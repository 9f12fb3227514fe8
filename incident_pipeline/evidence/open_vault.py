"""Open the vault that a setting names: a folder, or `s3://bucket/prefix`.

Here and not in the vaults, so that boto3 is loaded only where a vault in S3 is asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from incident_pipeline.evidence.local_vault import LocalVault

if TYPE_CHECKING:
    from incident_pipeline.evidence.vault import Vault

S3_SCHEME: Final = "s3://"


def open_vault(where: str, *, mode: str = "COMPLIANCE", retention_days: str = "30") -> Vault:
    """Open a vault. Nothing is asked of a service before something is read or stored.

    Args:
        where: the folder's path, or `s3://bucket/prefix`.
        mode: Object Lock mode, in S3 only.
        retention_days: for how long new objects are locked, in S3 only.

    Raises:
        ConfigError: the URL, mode or number of days can't be meant.
    """
    if not where.startswith(S3_SCHEME):
        return LocalVault(Path(where))
    from incident_pipeline.evidence.s3_vault import S3Vault  # noqa: PLC0415 -- loads boto3

    return S3Vault.from_settings(where, mode=mode, days=retention_days)

"""Where one installation keeps its things: results, vault, scratch, and which bundle an incident comes from.

OUT/<incident key>/     results of one incident (`results.ResultsFolder`)
OUT/.store/vault/       sealed evidence and seals, unless configured elsewhere
OUT/.store/sources/     <incident key>.json: the bundle an incident is read from
OUT/.store/alerts/      bundles made from alerts of the inbox
OUT/.store/dagster/     Dagster's home for runs started by the command line
"""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from incident_pipeline.errors import IncidentIdError, MissingArtifactError, UnreadableInputError
from incident_pipeline.evidence import (
    ACCESS_LOG,
    S3_SCHEME,
    Access,
    AccessLog,
    DataKeys,
    EncryptedVault,
    WatchedVault,
    open_keyring,
    open_vault,
)
from incident_pipeline.evidence.signing import config_dir
from incident_pipeline.ingest import is_bundle, peek_incident_id
from incident_pipeline.model.incident import fold_incident_id, is_incident_key
from incident_pipeline.parsers import load_formats
from incident_pipeline.results import ResultsFolder
from incident_pipeline.serialise import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from incident_pipeline.evidence import Vault
    from incident_pipeline.model.artifact import SealedEvidence
    from incident_pipeline.parsers.format import Format
    from incident_pipeline.settings import Settings


@dataclass(frozen=True)
class Workspace:
    """The folders of one installation."""

    out: Path
    vault_root: Path
    inbox: Path
    incidents: Path
    embedder: str = ""
    config_dir: Path | None = None
    vault_url: str = ""
    vault_mode: str = "COMPLIANCE"
    vault_retention_days: str = "30"
    signer: str = ""
    tsa: str = "local"
    tsa_url: str = ""
    redact_addresses: str = "public"
    redact_keys: str = ""
    formats: Path | None = None
    """Where the user's own formats are declared; None means `formats` in the configuration folder."""
    encryption: str = "none"
    signs: bool = True
    """Whether stages sign what they derived from what; not where results are only made to be compared."""

    @classmethod
    def from_settings(cls, settings: Settings, *, out: Path | None = None) -> Workspace:
        """Lay out the folders that settings (and a command's `--out`) name."""
        root = (out or Path(settings.out)).absolute()
        in_s3 = settings.vault.startswith(S3_SCHEME)
        return cls(
            out=root,
            vault_root=(
                Path(settings.vault).absolute() if settings.vault and not in_s3 else root / ".store" / "vault"
            ),
            vault_url=settings.vault if in_s3 else "",
            vault_mode=settings.vault_mode,
            vault_retention_days=settings.vault_retention_days,
            inbox=Path(settings.inbox).absolute(),
            incidents=Path(settings.incidents).absolute(),
            embedder=settings.embedder,
            signer=settings.signer,
            tsa=settings.tsa,
            tsa_url=settings.tsa_url,
            encryption=settings.encryption,
            redact_addresses=settings.redact_addresses,
            redact_keys=settings.redact_keys,
            formats=Path(settings.formats).absolute() if settings.formats else None,
            config_dir=Path(settings.config_dir).absolute() if settings.config_dir else None,
        )

    def own_formats(self) -> tuple[Format, ...]:
        """Read the formats that the user declared.

        Raises:
            ConfigError: a declaration is wrong.
        """
        return load_formats(self.formats or (self.config_dir or config_dir()) / "formats")

    @property
    def store(self) -> Path:
        """Everything that is not a result."""
        return self.out / ".store"

    def folder(self, key: str) -> ResultsFolder:
        """Give the results folder of an incident.

        Raises:
            IncidentIdError: the key is none; partitions can be added by hand, with any text.
        """
        return ResultsFolder(self.out / _checked(key))

    @property
    def vault_setting(self) -> str:
        """Give the setting that names this vault: its URL, or its folder."""
        return self.vault_url or str(self.vault_root)

    def vault(self) -> Vault:
        """Open the vault, making it on first use where it is a folder.

        Raises:
            ConfigError: the settings of a vault in S3 can't be meant.
        """
        return open_vault(self.vault_setting, mode=self.vault_mode, retention_days=self.vault_retention_days)

    def evidence_vault(self, key: str) -> EncryptedVault:
        """Open the vault for the artifacts of one incident: encrypts and decrypts as configured.

        Raises:
            ConfigError: the settings can't be meant, or the key-encryption key can't be read.
        """
        keyring = open_keyring(self.encryption, self.config_dir, create=True)
        return EncryptedVault(self.vault(), keyring, keys=DataKeys(self.side / "keys"), incident=key)

    def watched_vault(self, key: str, evidence: SealedEvidence, *, action: str, reason: str) -> WatchedVault:
        """Open the vault for reading sealed artifacts, each entered into the access log before it is read.

        Args:
            key: the incident.
            evidence: whose artifacts may be read.
            action: the stage or command that reads.
            reason: why.

        Raises:
            ServiceError: the access log can't be written.
        """
        accesses = [Access(key, action, artifact.sha256, reason) for artifact in evidence.artifacts]
        return WatchedVault(self.evidence_vault(key), self.access_log(), accesses)

    def access_log(self) -> AccessLog:
        """Give the log of who looked at raw evidence."""
        return AccessLog(self.side / ACCESS_LOG)

    @property
    def side(self) -> Path:
        """Give the folder of what no write-once vault may hold: data keys, and the access log."""
        return self.store if self.vault_url else self.vault_root

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a folder that is gone afterwards."""
        parent = self.store / "scratch"
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as name:
            yield Path(name)

    def register(self, bundle: Path) -> str:
        """Note that an incident is read from this bundle; give the incident's key.

        Raises:
            IncidentIdError: another incident with a different id already has this key.
        """
        incident_id = peek_incident_id(bundle)
        key = fold_incident_id(incident_id)
        path = self._source_file(key)
        if path.is_file():
            known = json.loads(path.read_text())["incident_id"]
            if known != incident_id:
                raise IncidentIdError(
                    f"{bundle}: incident id {incident_id!r} and {known!r} both become {key!r}."
                )
        write_json(path, {"incident_id": incident_id, "bundle": str(bundle.absolute())})
        return key

    def source(self, key: str) -> Path:
        """Give the bundle of an incident: the registered one, else the one in the incidents folder.

        Raises:
            MissingArtifactError: no bundle is known for the key, or it is gone.
        """
        path = self._source_file(key)
        if path.is_file():
            bundle = Path(json.loads(path.read_text())["bundle"])
        else:
            bundle = self.catalogue().get(key, Path())
        if bundle == Path() or not bundle.exists():
            advice = f"Put its bundle into {self.incidents}, or run `incident-pipeline investigate BUNDLE`."
            raise MissingArtifactError(f"No evidence bundle for incident {key!r}.", advice=advice)
        return bundle

    def catalogue(self) -> dict[str, Path]:
        """List the bundles in the incidents folder by incident key; the first by name wins a key."""
        return self.read_catalogue()[0]

    def read_catalogue(self) -> tuple[dict[str, Path], tuple[UnreadableInputError, ...]]:
        """List the bundles as `catalogue` does, and what is wrong with those that can't be read."""
        found: dict[str, Path] = {}
        broken: list[UnreadableInputError] = []
        for path in sorted(self.incidents.iterdir()) if self.incidents.is_dir() else ():
            try:
                if is_bundle(path):
                    found.setdefault(fold_incident_id(peek_incident_id(path)), path)
            except UnreadableInputError as error:
                broken.append(error)
        return found, tuple(broken)

    def _source_file(self, key: str) -> Path:
        return self.store / "sources" / f"{_checked(key)}.json"


def _checked(key: str) -> str:
    if not is_incident_key(key):
        advice = "Keys are lower-case letters, digits and hyphens, at most 64 characters."
        raise IncidentIdError(f"{key!r} is no incident key.", advice=advice)
    return key

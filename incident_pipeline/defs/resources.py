"""Resources take the same settings as the command line, so that both see one installation."""

from dataclasses import asdict

import dagster as dg
from pydantic import Field

from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace


class WorkspaceResource(dg.ConfigurableResource[Workspace]):
    """Where results, vault, inbox and bundles are; see `incident_pipeline.settings.Settings`."""

    out: str = Field(description="Where results go, one folder per incident.")
    vault: str = Field(
        default="",
        description="The evidence vault: a folder, or s3://bucket/prefix; empty: OUT/.store/vault.",
    )
    vault_mode: str = Field(default="COMPLIANCE", description="Object Lock mode of a vault in S3.")
    vault_retention_days: str = Field(default="30", description="Days for which a vault in S3 locks.")
    inbox: str = Field(default="data/inbox", description="Folder the alert sensor watches.")
    incidents: str = Field(default="data/incidents", description="Folder of evidence bundles.")
    embedder: str = Field(default="", description="Empty: packaged weights; a model path; or `none`.")
    config_dir: str = Field(default="", description="Where keys and trust live; empty: the user's.")

    signer: str = Field(default="", description="Who signs: empty for the local key, or awskms:<key>.")
    tsa: str = Field(default="local", description="Who stamps seals with a time: local, url, or none.")
    tsa_url: str = Field(default="", description="Address of the time stamping authority.")
    encryption: str = Field(default="none", description="none, local, or awskms:<key>.")
    policy: str = Field(default="", description="TOML file that says how long evidence is kept.")

    redact_addresses: str = Field(default="public", description="IP addresses redacted: public, all, none.")
    redact_keys: str = Field(default="", description="Further field names whose values are redacted.")
    formats: str = Field(default="", description="Folder of own formats; empty: in the configuration folder.")

    def open(self) -> Workspace:
        """Give the workspace these settings describe."""
        return Workspace.from_settings(
            Settings(
                out=self.out,
                vault=self.vault,
                vault_mode=self.vault_mode,
                vault_retention_days=self.vault_retention_days,
                inbox=self.inbox,
                incidents=self.incidents,
                embedder=self.embedder,
                config_dir=self.config_dir,
                signer=self.signer,
                tsa=self.tsa,
                tsa_url=self.tsa_url,
                encryption=self.encryption,
                policy=self.policy,
                redact_addresses=self.redact_addresses,
                redact_keys=self.redact_keys,
                formats=self.formats,
            )
        )


@dg.definitions
def resources() -> dg.Definitions:
    """Bind the workspace to what the environment and `incident-pipeline.toml` say."""
    return dg.Definitions(resources={"workspace": WorkspaceResource(**asdict(Settings.load()))})

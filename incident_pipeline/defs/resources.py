"""Resources take the same settings as the command line, so that both see one installation."""

from dataclasses import asdict

import dagster as dg
from pydantic import Field

from incident_pipeline.settings import Settings
from incident_pipeline.workspace import Workspace


class WorkspaceResource(dg.ConfigurableResource[Workspace]):
    """Where results, vault, inbox and bundles are; see `incident_pipeline.settings.Settings`."""

    out: str = Field(description="Where results go, one folder per incident.")
    vault: str = Field(default="", description="Folder of the evidence vault; empty: OUT/.store/vault.")
    inbox: str = Field(default="data/inbox", description="Folder the alert sensor watches.")
    incidents: str = Field(default="data/incidents", description="Folder of evidence bundles.")
    embedder: str = Field(default="", description="Empty: packaged weights; a model path; or `none`.")
    config_dir: str = Field(default="", description="Where keys and trust live; empty: the user's.")

    def open(self) -> Workspace:
        """Give the workspace these settings describe."""
        return Workspace.from_settings(
            Settings(
                out=self.out,
                vault=self.vault,
                inbox=self.inbox,
                incidents=self.incidents,
                embedder=self.embedder,
                config_dir=self.config_dir,
            )
        )


@dg.definitions
def resources() -> dg.Definitions:
    """Bind the workspace to what the environment and `incident-pipeline.toml` say."""
    return dg.Definitions(resources={"workspace": WorkspaceResource(**asdict(Settings.load()))})

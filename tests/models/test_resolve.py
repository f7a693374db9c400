"""What a model's name stands for; a run whose model is not here fails before it starts, with the command to type."""

import hashlib
import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from memfactory_core.config import load
from memfactory_core.errors import ConfigError, PolicyError
from memfactory_core.models.fetch import fetch_model
from memfactory_core.models.resolve import model_names, resolve_model
from memfactory_core.policies.hf import HF
from memfactory_core.runs import database, jobs
from memfactory_core.runs.bundle import ModelRecord
from memfactory_core.runs.models import describe_models, used_models
from memfactory_core.runs.worker import work
from memfactory_core.tiny import WEIGHTS
from tests.models.packages import write_bert
from tests.policies.test_policies import save_model

DENSE = ["paradigm.retriever=dense", "paradigm.retriever.embedder=sentence_transformer"]


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMFACTORY_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "models"


def test_a_known_name_is_never_a_folder_that_happens_to_be_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_bert(tmp_path / "minilm")
    with pytest.raises(ConfigError, match="memfactory get minilm"):
        resolve_model("minilm")
    assert resolve_model("./minilm") == Path("minilm")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("smollm2-135m", "memfactory get smollm2-135m"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "memfactory get smollm2-135m"),
        ("Qwen/Qwen3-0.6B", "memfactory get Qwen/Qwen3-0.6B"),
    ],
)
def test_what_was_not_fetched_says_the_command_and_downloads_nothing(name, command, tmp_path):
    with pytest.raises(ConfigError, match=f"was not fetched yet: {command}$"):
        resolve_model(name)
    with pytest.raises(PolicyError, match=f"cannot load the model '{name}': .*{command}"):
        HF(model=name).load()


@pytest.mark.parametrize("name", ["nothing", "/nothing/here", "../models", "a/b/c", "."])
def test_other_names_are_refused_with_the_choices(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == ".":
        assert resolve_model(name) == Path(".")
        return
    with pytest.raises(ConfigError, match="give a folder, a hub id OWNER/NAME, or one of smollm2"):
        resolve_model(name)


def test_the_models_of_a_run_are_those_that_its_mode_loads():
    policy = ["policy=hf", "policy.model=smollm2-135m", "roles.answer=hf", "roles.answer.model=a/b"]
    config = load("rmm-tiny", [*policy, *DENSE])
    assert [name for name, _ in model_names(config)] == ["minilm", "smollm2-135m", "a/b"]
    assert {mark.use for name, mark in model_names(config) if name == "minilm"} == {"embedding"}
    search = load("locomo-retrieval", policy)
    assert used_models(search) == {}


def test_a_run_without_its_model_fails_before_it_starts(lab, monkeypatch):
    monkeypatch.setattr(jobs, "start_waiting", None)  # would raise: nothing is to be started
    run = jobs.create(lab, load("memagent-tiny", ["policy=hf", "policy.model=smollm2-135m"]))
    with pytest.raises(ConfigError, match="memfactory get smollm2-135m"):
        jobs.start(lab, run)
    failed = database.get_run(lab, run.id)
    assert failed.state == "failed" and failed.reason.endswith("memfactory get smollm2-135m")


def test_a_run_with_fetched_models_records_their_manifests(lab, tmp_path):
    chat = fetch_model(save_model(tmp_path / "chat", "qwen3"))
    bert = write_bert(tmp_path / "bert")
    settings = [
        "mode=evaluate", "policy=hf", "policy.model=chat", "evaluation.examples=1",
        "evaluation.samples=0", *DENSE, f"paradigm.retriever.embedder.model={bert}",
    ]  # fmt: skip
    run = work(lab, jobs.create(lab, load("rmm-tiny", settings)).id)
    assert (run.state, run.reason) == ("finished", "")
    kept = json.loads((Path(run.folder) / "run.json").read_text())["models"]
    assert kept["chat"]["manifest"] == chat.digest and kept["chat"]["sha256"] == chat.sha256
    assert kept[str(bert)]["manifest"] is None and "model.safetensors" in kept[str(bert)]["sha256"]


def test_a_record_names_the_weights_that_come_with_the_package():
    """Of the policy and of a role's own; comparing retrievers loads none."""
    digest = hashlib.sha256((WEIGHTS / "model.safetensors").read_bytes()).hexdigest()
    for settings in ([], ["policy=scripted", "mode=evaluate", "roles.answer=tiny"]):
        found = describe_models(load("memagent-tiny", settings))["tiny"]
        assert found["sha256"] == {"model.safetensors": digest} and found["source"] == "package"
        ModelRecord.model_validate(found)
    assert describe_models(load("memagent-tiny", ["policy=scripted", "mode=evaluate"])) == {}
    assert "tiny" not in describe_models(load("locomo-retrieval", ["task.path=x.json"]))

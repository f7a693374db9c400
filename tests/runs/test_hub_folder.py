"""A policy for the hub: plain transformers or peft loads it, and its card says what it is."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from memfactory_core.cli.main import app
from memfactory_core.config import build, load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.weights import trained_policy
from memfactory_core.runs.worker import work
from tests.policies.test_policies import save_model

SMALL = [
    "training.steps=1", "training.groups=1", "training.group_size=2", "training.warmup_steps=0",
    "training.learning_rate=0.01", "evaluation.examples=2", "evaluation.samples=1",
    "paradigm.updater.max_tokens=16", "paradigm.answer_tokens=8", 'reward={"length": 1.0}',
]  # fmt: skip
LLAMA = ["policy.kind=hf", "policy.dtype=float32", "policy.lora_rank=4"]
PLAIN = """
import json, sys
import torch
{code}
ids = torch.tensor([[5, 6, 7, 8]])
with torch.no_grad():
    last = model(ids).logits[0, -1].tolist()
assert not any(name.startswith("memfactory") for name in sys.modules)
print(json.dumps({{"logits": last, "text": tokenizer.decode(tokenizer("Bako")["input_ids"])}}))
"""


def trained(lab, *settings):
    run = work(lab, jobs.create(lab, load("memagent-tiny", [*SMALL, *settings])).id)
    assert (run.state, run.reason) == ("finished", "")
    return run


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory):
    """The folder of a lab in which the tiny policy was trained, and the run's id."""
    place = tmp_path_factory.mktemp("trained") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(place))
        patch.delenv("MEMFACTORY_DB", raising=False)
        engine = database.connect(jobs.database_url())
        run = trained(
            engine, "seed=3", 'training.stages=[{"steps": 28, "task": {"facts_per_chunk": 2}}]'
        )
        engine.dispose()
    return place, run.id


@pytest.fixture
def run(trained_once, tmp_path, monkeypatch):
    """The trained run in a copy of its lab, for a test to do with as it likes."""
    place, run_id = trained_once
    shutil.copytree(place, tmp_path / "runs")
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    engine = database.connect(jobs.database_url())
    yield database.update_run(engine, run_id, folder=str(tmp_path / "runs" / run_id))
    engine.dispose()


@pytest.fixture
def its_lab(run):
    """The engine on the lab of the trained run."""
    return database.connect(jobs.database_url())


def export(run, folder):
    done = CliRunner().invoke(app, ["export", run.id, str(folder), "--format", "huggingface"])
    assert done.exit_code == 0, done.output
    return folder


def code_of(card):
    return card.split("```python\n")[1].split("```")[0]


def load_plainly(folder, tmp_path):
    """What the code of the card gives, in a process that cannot import this project."""
    code = PLAIN.format(code=code_of((folder / "README.md").read_text()))
    bare = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH",)} | {
        "HF_HUB_OFFLINE": "1"
    }
    script = tmp_path / "plain.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, "-P", script], cwd=folder, env=bare, capture_output=True, text=True, timeout=240
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def logits(run):
    """Of the policy as the lab loads it."""
    config = build(run.settings, run.name)
    model = config.policy.load(trained_policy(run, config)).model.eval()
    with torch.no_grad():
        return model(torch.tensor([[5, 6, 7, 8]])).logits[0, -1]


@pytest.mark.slow
def test_the_tiny_policy_is_loaded_by_transformers_alone(run, tmp_path):
    folder = export(run, tmp_path / "hub")
    found = load_plainly(folder, tmp_path)
    assert torch.allclose(torch.tensor(found["logits"]), logits(run), atol=1e-5)
    assert "Bako" in found["text"]


@pytest.mark.slow
def test_a_llamas_adapter_is_loaded_by_peft_alone(lab, tmp_path):
    model = save_model(tmp_path / "base", "llama")
    run = trained(lab, *LLAMA, f"policy.model={model}")
    folder = export(run, tmp_path / "hub")
    assert (folder / "adapter_model.safetensors").exists()
    found = load_plainly(folder, tmp_path)
    assert torch.allclose(torch.tensor(found["logits"]), logits(run), atol=1e-5)
    card = (folder / "README.md").read_text()
    assert "of a stage" not in card
    assert "library_name: peft" in card and "LoRA adapter (rank 4)" in card
    assert 'license: "other"' in card and "Licence of the base: unknown" in card


def test_a_bundle_of_adapters_holds_nothing_else_and_no_path(lab, tmp_path):
    model = save_model(tmp_path / "base", "llama")
    run = trained(lab, *LLAMA, f"policy.model={model}")
    sizes = {}
    for how in ([], ["--half"]):
        folder = tmp_path / f"bundle{len(how)}"
        done = CliRunner().invoke(app, ["export", run.id, str(folder), *how])
        assert done.exit_code == 0, done.output
        names = {path.name for path in (folder / "policy").iterdir()}
        assert names == {"adapter_config.json", "adapter_model.safetensors"}
        settings = (folder / "policy" / "adapter_config.json").read_text()
        assert str(tmp_path) not in settings
        assert json.loads(settings)["base_model_name_or_path"] == "base"
        sizes[len(how)] = (folder / "policy" / "adapter_model.safetensors").stat().st_size
        done = CliRunner().invoke(app, ["import", str(folder)])
        assert done.exit_code == 0, done.output
        brought = database.get_run(lab, done.output.strip())
        assert torch.allclose(logits(brought), logits(run), atol=2e-2 if how else 1e-5)
    assert sizes[1] < 0.6 * sizes[0]


def test_the_card_says_what_was_trained_on_and_how_it_did(run, tmp_path):
    record = json.loads((Path(run.folder) / "run.json").read_text())
    record["files"] = {"/home/somebody/secret place/notes.json": "a" * 64}
    (Path(run.folder) / "run.json").write_text(json.dumps(record))
    folder = export(run, tmp_path / "hub")
    card = (folder / "README.md").read_text()
    assert 'license: "apache-2.0"' in card and "library_name: transformers" in card
    assert f"`notes.json` sha256 `{'a' * 64}`" in card and "somebody" not in card
    after = run.summary["after"]["greedy/exact_match"]
    assert f"{after['mean']:.3f}" in card and f"n={after['n']}" in card and "95% interval" in card
    versions = record["versions"]
    assert f"memfactory-lab {versions['memfactory-lab']}" in card
    assert versions.get("commit", "memfactory-lab") in card
    steps = load(str(folder / "recipe.toml")).training.steps
    assert f"{steps} steps of" in card
    assert f"The first {steps} are of a stage" in card, "the recipe's stage is longer than this"
    assert "seed 3" in card and load(str(folder / "recipe.toml")).seed == 3
    assert json.loads((folder / "results.json").read_text()) == run.summary
    assert str(tmp_path) not in card


def test_a_name_from_outside_stays_a_name_in_the_card(run, its_lab, tmp_path):
    values = run.settings | {"name": 'x"\n---\n# [a](http://evil.example) <script>'}
    run = database.update_run(its_lab, run.id, config=json.dumps(values))
    folder = export(run, tmp_path / "hub")
    card = (folder / "README.md").read_text()
    assert card.count("\n---\n") == 1 and "<script>" not in card.replace("\\<script\\>", "")
    assert "[a](" not in card


def test_an_imported_run_keeps_what_the_card_needs(run, its_lab, tmp_path):
    imported = import_run(its_lab, export_run(its_lab, run, tmp_path / "bundle.zip"))
    mine, theirs = export(run, tmp_path / "one"), export(imported, tmp_path / "two")
    assert (mine / "README.md").read_text() == (theirs / "README.md").read_text()
    assert {path.name for path in mine.iterdir()} == {path.name for path in theirs.iterdir()}


def test_what_trained_no_policy_is_refused_in_one_line(lab, tmp_path):
    scripted = ["mode=evaluate", "policy=scripted", "evaluation.examples=2", "evaluation.samples=0"]
    run = work(lab, jobs.create(lab, load("memagent-tiny", scripted)).id)
    done = CliRunner().invoke(
        app, ["export", run.id, str(tmp_path / "hub"), "--format", "huggingface"]
    )
    assert "trained no policy" in str(done.exception)
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_nothing_is_written_over(run, tmp_path, taken):
    place = tmp_path / "hub"
    if taken == "folder":
        place.mkdir()
    (place / "mine" if taken == "folder" else place).write_text("mine")
    done = CliRunner().invoke(app, ["export", run.id, str(place), "--format", "huggingface"])
    assert "is not empty" in str(done.exception)
    assert (place / "mine" if taken == "folder" else place).read_text() == "mine"

"""The Qwen3 recipes: they load, and a step of each on a tiny random Qwen3 changes what it should and nothing
else. The published models are never fetched."""

from pathlib import Path

import pytest
import torch

from memfactory_core.config import load, recipes
from memfactory_core.errors import ConfigError
from memfactory_core.runs import jobs
from memfactory_core.runs.worker import work
from memfactory_core.scoring.split import training_examples
from memfactory_core.training.arguments import grpo_config
from memfactory_core.training.trainer import MemoryGRPOTrainer
from tests.policies.test_policies import save_model
from tests.tasks.records import DOCUMENTS, locomo, write

HOW = ("full", "lora")
NAMES = [name for name in recipes() if "qwen3" in name]
SMALL = [
    "policy.dtype=float32", "policy.gradient_checkpointing=false", "paradigm.answer_tokens=4",
    "training.steps=1", "training.groups=1", "training.group_size=2", "training.micro_batches=1",
    "training.warmup_steps=0", "evaluation.examples=2", "evaluation.samples=0",
]  # fmt: skip
SHORT = {
    "memagent": ["paradigm.updater.max_tokens=4", "task.section=200"],
    "memory_r1": ["paradigm.updater.max_tokens=4"],
    # a random model writes no topic that could be read: what is said is kept, the choice is trained
    "rmm": [
        "paradigm.retriever.max_tokens=4",
        "paradigm.extractor=verbatim",
        "paradigm.updater=append",
    ],
}
LEARNED = {
    "memory-r1-qwen3-full": {"manage"}, "memory-r1-qwen3-lora": {"manage"},
    "memory-r1-qwen3-answerer": {"answer"}, "rmm-qwen3-full": {"rerank"}, "rmm-qwen3-lora": {"rerank"},
}  # fmt: skip
"""Whose turns are trained, where it is not all."""
CONVERSATIONS = ("conv-26", "conv-30", "conv-41", "conv-42", "conv-43", "conv-44")


def spoken(name):
    """A conversation whose question shares words with the turns that answer it."""
    record = locomo(sample_id=name)
    # held out is what reads another text, whatever it is called
    record["conversation"]["session_1"][1]["text"] = f"Nice, {name}!"
    record["qa"][0]["question"] = "In which year did Ann say that her dog is called Rex?"
    return record


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tiny random Qwen3 and a file for each task, by the task's kind."""
    folder = tmp_path_factory.mktemp("qwen3")
    texts = [
        {
            "context": DOCUMENTS.replace("about", f"about {n} and"),
            "input": "What?",
            "answers": ["3"],
        }
        for n in range(6)
    ]
    return {
        "model": save_model(folder / "model", "qwen3"),
        "memagent_file": write(folder, "texts.json", texts),
        "locomo": write(folder, "locomo.json", [spoken(name) for name in CONVERSATIONS]),
    }


def shrunk(name, files):
    """The recipe on the tiny model and file, everything else as it ships but for its sizes."""
    kind, task = (getattr(load(name), part).kind for part in ("paradigm", "task"))
    own = [f"policy.model={files['model']}", f"task.path={files[task]}"]
    return load(name, [*own, *SMALL, *SHORT[kind]])


def test_each_paradigm_has_a_recipe_with_adapters_and_one_for_the_whole_model():
    both = [f"{name}-qwen3-{how}" for name in ("memagent", "memory-r1", "rmm") for how in HOW]
    assert sorted([*both, "memory-r1-qwen3-answerer"]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_its_papers_settings(name):
    config = load(name, ["task.path=mine.json", "policy.model=Qwen/Qwen3-0.6B"])
    assert (config.mode, config.policy.kind, config.policy.model) == (
        "train",
        "hf",
        "Qwen/Qwen3-0.6B",
    )
    mine = [str(Path("mine.json").resolve())]
    assert config.held_out.files() == config.task.files() == mine
    lora = not name.endswith("full")
    assert (config.policy.lora_rank > 0) == lora
    assert config.training.learning_rate == (1e-5 if lora else 1e-6)
    assert (config.training.beta, config.training.clip, config.training.temperature) == (
        1e-3,
        0.2,
        1.0,
    )
    paradigm, training = config.paradigm, config.training
    if paradigm.kind == "memagent":
        assert (training.group_size, training.scale_rewards, training.loss) == (16, "none", "dapo")
        assert config.reward == {"exact_match": 1.0} and training.warmup_steps == 20
        assert (paradigm.updater.max_tokens, paradigm.answer_tokens) == (1024, 1024)
    if paradigm.kind == "memory_r1":
        assert training.groups * training.group_size == 128 and training.scale_rewards == "group"
        banks = (paradigm.retriever, paradigm.updater.related)
        assert [(bank.kind, bank.inner.top_k) for bank in banks] == [
            ("speakers", 30),
            ("speakers", 10),
        ]
        assert config.task.window == 50 and paradigm.temporal_bank and paradigm.cites
        frozen = {"answer": "manage"}.get(paradigm.trains, "answer")
        assert config.roles == {frozen: "start"} and config.reward == {"exact_match": 1.0}
        assert (paradigm.updater.max_tokens, paradigm.answer_tokens) == (2048, 2048)
        assert config.task.conversations == ("conv-26",)
        assert config.held_out.conversations == ("conv-30",) and config.held_out.together
    if paradigm.kind == "rmm":
        assert (paradigm.retriever.candidates.top_k, paradigm.retriever.most) == (20, 5)
        assert (paradigm.extractor.kind, paradigm.updater.kind) == ("topics", "merge")
        assert config.roles == dict.fromkeys(("extract", "merge", "answer"), "start")
        assert config.reward == {"f1": 1.0, "citation": 0.5, "rejected": -0.2} and paradigm.cites
    grpo_config(training, "x", 0, use_cpu=True)  # its pieces divide its episodes


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_without_a_file_says_so_in_one_line(name):
    with pytest.raises(ConfigError, match="names no data file: .*--set task.path=FILE"):
        training_examples(load(name))


class Rewarded(MemoryGRPOTrainer):
    """Fixed rewards, so that an untrained model has a gradient."""

    def _check_groups(self, episodes):
        super()._check_groups(episodes)
        for index, one in enumerate(episodes):
            episodes[index] = one.model_copy(update={"reward": float(index % 2)})


@pytest.mark.parametrize("name", NAMES)
def test_a_step_changes_the_right_parameters_and_only_them(name, files, tmp_path):
    config = shrunk(name, files)
    policy = config.policy
    sampler = config.load_policies(None, None)
    own = sampler.own
    before = {key: value.clone() for key, value in own.model.state_dict().items()}
    args = grpo_config(
        config.training, str(tmp_path), 0, use_cpu=True, save_strategy="no",
        **policy.training_arguments(),
    )  # fmt: skip
    seen = []
    trainer = Rewarded(
        sampler, config.paradigm, training_examples(config), config.reward, config.training, args,
        on_episodes=lambda step, episodes: seen.extend(episodes), **policy.trainer_options(own.model),
    )  # fmt: skip
    start = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    trainable = {key for key, value in trainer.model.named_parameters() if value.requires_grad}
    trainer.train()
    after = trainer.model.state_dict()
    moved = {key for key, value in start.items() if not torch.equal(after[key], value)}
    assert len(seen) == 2 and trainer.state.global_step == 1
    learned = {turn.role for one in seen for turn in one.turns if turn.trainable}
    assert learned == LEARNED.get(name, {"update", "answer"})
    if not policy.lora_rank:
        assert moved == trainable == set(before)
        return
    # B starts at zero, so that A has no gradient in the first step
    assert moved == {key for key in trainable if "lora_B" in key}
    assert trainable == {key for key in after if "lora_" in key}
    base = {
        key.removeprefix("base_model.model.").replace(".base_layer", ""): value
        for key, value in after.items()
        if key not in trainable
    }
    assert set(base) == set(before)
    assert all(torch.equal(base[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", ["memagent-qwen3-lora", "memory-r1-qwen3-full", "rmm-qwen3-lora"])
def test_a_run_of_a_recipe_trains_saves_and_is_evaluated(name, files, lab):
    config = shrunk(name, files)
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason, run.step) == ("finished", "", 1)
    assert set(run.summary) == {"before", "after"}
    again = work(
        lab,
        jobs.create(lab, config.model_copy(update={"mode": "evaluate", "weights": run.id})).id,
    )
    assert (again.state, again.reason) == ("finished", "")
    assert again.summary["after"] == run.summary["after"]

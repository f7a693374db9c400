"""The stage of imitation in a run: stopped and resumed it is the same run, its gate says what was found, and what was
measured stands in three columns."""

from pathlib import Path

import pytest
from safetensors.torch import load_file
from sqlmodel import Session, select

from memfactory_core.cli.report import evaluations, print_table
from memfactory_core.config import load
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.policies.imitation import Imitation
from memfactory_core.runs import database, imitating, jobs, record
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.imitating import judge_gate
from memfactory_core.runs.tables import EpisodeRow
from memfactory_core.runs.weights import (
    imitated_weights,
    imitation_folder,
    last_checkpoint,
    role_weights,
    trained_policy,
)
from memfactory_core.runs.worker import Work, work
from tests.policies.test_policies import save_model
from tests.runs.test_resume import curves, said

SMALL = [
    "task.language=invented", "policy.dtype=float32", "policy.lora_rank=4", "paradigm.prompts={}",
    "paradigm.updater.max_tokens=40", "imitation.steps=4", "imitation.examples=8", "imitation.batch=4",
    "imitation.save_every=50", "imitation.check_every=2", "imitation.checked=2", "training.steps=1",
    "training.groups=2", "training.group_size=2", "training.micro_batches=1", "training.warmup_steps=0",
    "evaluation.examples=2", "evaluation.samples=1", "evaluation.seed=77", 'reward={"length": 1.0, "kept": 1.0}',
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("imitating") / "model", "qwen3")


def configured(model, *more):
    return load("memagent-smollm2", [*SMALL, f"policy.model={model}", *more])


class StopsAmid(Work):
    """Is asked to stop within a step of imitation."""

    at = 2

    def update(self, **changes):
        super().update(**changes)
        if changes.get("phase", "").startswith(f"imitating, step {self.at}"):
            (self.folder / "stop").touch()
        if self.config.mode == "imitate" and changes.get("step") == self.at:
            (self.folder / "stop").touch()


def stop_amid(lab, run, at=2):
    stopping = StopsAmid(lab, database.get_run(lab, run.id))
    stopping.at = at
    stopping.carry_out()
    return database.get_run(lab, run.id)


@pytest.mark.parametrize(
    "how", ["policy.lora_rank=4", pytest.param("policy.lora_rank=0", marks=pytest.mark.slow)]
)
def test_a_run_stopped_amid_imitation_goes_on_as_if_it_had_not_been_stopped(lab, model, how):
    config = configured(model, how)
    straight = work(lab, jobs.create(lab, config).id)
    assert straight.state == "finished", straight.reason
    run = jobs.create(lab, config)
    stopped = stop_amid(lab, run)
    folder = Path(run.folder)
    assert (stopped.state, stopped.phase) == ("stopped", jobs.SAVING)
    kept = last_checkpoint(imitation_folder(folder, config))
    assert kept and kept.name == "checkpoint-2" and (kept / "files.json").is_file(), "sealed"
    assert imitated_weights(folder, config) is None and set(stopped.summary) == {"untrained"}
    resumed = work(lab, run.id)
    assert resumed.state == "finished"
    name = "adapter_model" if how.endswith("4") else "model"
    for place in ("imitation/policy", "policy"):
        one, two = (
            load_file(Path(r.folder) / place / f"{name}.safetensors") for r in (straight, resumed)
        )
        assert set(one) == set(two) and all(one[key].equal(two[key]) for key in one), place
    assert curves(lab, resumed) == curves(lab, straight)
    assert said(lab, resumed) == said(lab, straight)
    assert resumed.summary == straight.summary
    assert not (folder / "imitation" / "checkpoints").exists(), (
        "the training needs the weights alone"
    )
    names = {name for name, _ in curves(lab, resumed)}
    assert {"imitation/loss", "imitation/accuracy", "imitation/form", "reward"} <= names
    points = curves(lab, resumed)
    assert [points["imitation/loss", step] > 0 for step in (1, 2, 3, 4)] == [True] * 4


def test_a_run_measures_untrained_imitated_and_trained(lab, model, capsys, tmp_path):
    config = configured(model, "imitation.steps=2", "imitation.most_rejected=1.0")
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason) == ("finished", "")
    assert list(run.summary) == ["untrained", "before", "after"]
    with Session(lab) as session:
        phases = set(
            session.exec(select(EpisodeRow.phase).where(EpisodeRow.run_id == run.id)).all()
        )
    assert phases == {"train"} | {
        f"{when}/{how}" for when in run.summary for how in ("greedy", "sampled")
    }
    gate = record.read(Path(run.folder))["imitation"]
    assert gate["passed"] and gate["line"].startswith("imitation's gate passed: rejected ")
    capsys.readouterr()  # what the run's log says
    print_table(run)
    table = capsys.readouterr().out
    assert (
        table.index("untrained")
        < table.index("imitated")
        < table.index("trained", table.index("imitated"))
    )
    assert gate["line"] in table
    back = import_run(lab, export_run(lab, run, tmp_path / "out"))
    assert back.summary == run.summary
    assert record.read(Path(back.folder))["imitation"] == gate


def test_imitation_alone_is_a_mode_whose_weights_a_training_starts_from(lab, model):
    config = configured(model, "mode=imitate", "imitation.most_rejected=1.0")
    run = jobs.create(lab, config)
    assert run.steps == 4
    assert stop_amid(lab, run, at=3).state == "stopped"
    run = work(lab, run.id)
    assert (run.state, run.step) == ("finished", 4), run.reason
    assert set(run.summary) == {"before", "after"} and evaluations(run) == {
        "before": "Untrained", "after": "Imitated",
    }  # fmt: skip
    weights = trained_policy(run, config)
    assert weights == Path(run.folder) / "policy" == imitated_weights(Path(run.folder), config)
    more = configured(model, "imitation.steps=0", f"weights={run.id}")
    trained = work(lab, jobs.create(lab, more).id)
    assert trained.state == "finished" and "untrained" not in trained.summary
    assert trained.summary["before"] == run.summary["after"]


@pytest.mark.slow
def test_frozen_roles_are_played_by_what_imitation_ended_with(lab, model):
    config = configured(
        model, 'roles={"answer": "start"}', "paradigm.trains=memory", "imitation.steps=2",
    )  # fmt: skip
    run = jobs.create(lab, config)
    folder = Path(run.folder)
    assert role_weights(lab, config, folder) is None, "untrained before"
    run = work(lab, run.id)
    assert run.state == "finished", run.reason
    assert role_weights(lab, config, folder) == folder / "imitation" / "policy"
    evaluated = load(
        "memagent-smollm2", [f"policy.model={model}", "mode=evaluate", f"weights={run.id}"]
    )
    assert role_weights(lab, evaluated, folder / "elsewhere") == folder / "imitation" / "policy"
    begun = load(
        "memagent-smollm2",
        [f"policy.model={model}", "mode=evaluate", f"weights={run.id}", "weights_step=0"],
    )
    assert role_weights(lab, begun) is None, "the partner of what it started with"
    (folder / "imitation" / "policy").rename(folder / "gone")
    with pytest.raises(RunError, match="the weights that its imitation ended with"):
        role_weights(lab, config, folder)


def test_the_curve_of_the_form_asks_the_pupil_in_the_roles_that_are_frozen_later(
    lab, model, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        imitating, "obeyed", lambda config, sampler, examples: asked.append(sampler) or 1.0
    )
    more = ['roles={"answer": "start"}', "paradigm.trains=memory", "imitation.steps=2"]
    run = work(lab, jobs.create(lab, configured(model, *more)).id)
    assert run.state == "finished", run.reason
    assert asked and all(not sampler.others for sampler in asked)


def scores(**means):
    return {
        f"greedy/{name}": {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 50}
        for name, mean in means.items()
    }


def test_the_gate_asks_for_the_form_and_for_an_ignorant_choice():
    chance = scores(kept=0.35, rejected=0.0)
    untrained = scores(kept=0.1, rejected=0.2)

    def judged(**means):
        config = load("memagent-smollm2")
        return judge_gate(config, untrained, scores(**means), chance)

    good = judged(kept=0.38, rejected=0.04)
    assert good.passed and good.line == (
        "imitation's gate passed: rejected 0.04 (at most 0.10), kept 0.38 (the teacher's chance 0.35, untrained 0.10)"
    )
    bad = judged(kept=0.3, rejected=0.11)
    assert not bad.passed and "gate missed: the form is not learned: rejected 0.11" in bad.line
    knowing = judged(kept=0.6, rejected=0.0)
    assert not knowing.passed and "the choice is no longer ignorant" in knowing.line
    assert judged(kept=0.54, rejected=0.0).passed, "the intervals still meet"


@pytest.mark.slow
def test_a_missed_gate_is_said_and_the_run_goes_on_or_ends(lab, model):
    # a random model writes to the limit: all is rejected
    settings = ["imitation.steps=1", "imitation.learning_rate=1e-9", "imitation.most_rejected=0.0"]
    run = work(lab, jobs.create(lab, configured(model, *settings)).id)
    assert run.state == "finished"
    assert run.reason.startswith(
        "imitation's gate missed: the form is not learned: rejected 1.00 (at most 0.00)"
    )
    ended = work(lab, jobs.create(lab, configured(model, *settings, "imitation.missed=end")).id)
    assert (ended.state, ended.step) == ("failed", 0) and "gate missed" in ended.reason
    assert set(ended.summary) == {"untrained", "before"}


def test_imitation_needs_steps_and_a_policy_that_learns(model):
    with pytest.raises(ConfigError, match="mode 'imitate' needs imitation.steps"):
        configured(model, "mode=imitate", "imitation.steps=0")
    with pytest.raises(ConfigError, match="'scripted' cannot be trained"):
        load("memagent-tiny", ["policy=scripted", "mode=imitate", "imitation.steps=3"])
    assert Imitation().steps == 0

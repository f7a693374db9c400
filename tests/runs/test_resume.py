"""A run that is stopped goes on from its step as the same run, bit by bit: nothing twice, nothing lost."""

from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file
from sqlmodel import Session, select

from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import EpisodeRow, ExampleRow, Metric, NeedRow
from memfactory_core.runs.worker import Work, work
from memfactory_core.tiny import WEIGHTS
from tests.conftest import some
from tests.policies.test_policies import save_model

STEPS = 4
SMALL = [
    "paradigm.updater.max_tokens=12", "paradigm.answer_tokens=6", f"training.steps={STEPS}", "training.groups=2",
    "training.group_size=4", "training.warmup_steps=0", "evaluation.examples=2",
    "evaluation.samples=1",
    # an untrained model earns nothing, but its outputs differ in length
    'reward={"length": 1.0}',
]  # fmt: skip
HF = ["policy.kind=hf", "policy.dtype=float32"]
HOWS = {
    "full": HF, "lora": [*HF, "policy.lora_rank=4"], "tiny": ["policy.kind=tiny"],
    "continuous": [*HF, "policy.engine=continuous"],
}  # fmt: skip
FULL_FIRST = ["full", "tiny", pytest.param("lora", marks=pytest.mark.slow)]
"""Where an adapter takes the same way as whole weights, it is tried by make test-slow only."""


class StopsAt(Work):
    """Is asked to stop when a moment has come: after a step, or in an evaluation."""

    step = 0
    phase = ""

    def keep_metrics(self, step, logs):
        super().keep_metrics(step, logs)
        if step == self.step:
            (self.folder / "stop").touch()

    def enter(self, phase):
        super().enter(phase)
        if phase == self.phase:
            (self.folder / "stop").touch()


def stop_at(lab, run, step=0, phase=""):
    stopping = StopsAt(lab, database.get_run(lab, run.id))
    stopping.step, stopping.phase = step, phase
    stopping.carry_out()
    stopped = database.get_run(lab, run.id)
    assert stopped.state == "stopped" and not (Path(run.folder) / "stop").exists()
    assert stopped.phase == (phase or jobs.SAVING), "who stops it waits for what it saves"
    return stopped


def rows_of(lab, run):
    """Episodes by phase and step, metrics' steps, and what the episodes' tables name."""
    with Session(lab) as session:
        rows = session.exec(select(EpisodeRow).where(EpisodeRow.run_id == run.id)).all()
        points = session.exec(select(Metric).where(Metric.run_id == run.id)).all()
        patterns = session.exec(select(ExampleRow).where(ExampleRow.run_id == run.id)).all()
        needs = session.exec(select(NeedRow).where(NeedRow.run_id == run.id)).all()
    assert {pattern.id for pattern in patterns} == {row.shared for row in rows}
    assert {need.episode_id for need in needs} == {row.id for row in rows}
    asked = {}
    for row in rows:
        if row.phase == "train":
            asked.setdefault(row.step, []).append(row.example_id)
    return (
        Counter((row.phase, row.step) for row in rows),
        Counter(point.step for point in points if point.name == "reward"),
        {step: sorted(ids) for step, ids in asked.items()},
    )


def curves(lab, run):
    """Every point of every curve but that of time."""
    with Session(lab) as session:
        points = session.exec(select(Metric).where(Metric.run_id == run.id)).all()
    assert not [p.name for p in points if p.name.startswith("train_")]
    return {(p.name, p.step): p.value for p in points if p.name != "step_time"}


def said(lab, run):
    """What was said in which phase and step, in order."""
    with Session(lab) as session:
        rows = session.exec(select(EpisodeRow).where(EpisodeRow.run_id == run.id)).all()
    texts = [
        (
            row.phase,
            row.step,
            row.group_id,
            tuple(t.completion.text for t in row.episode.turns),
        )
        for row in rows
    ]
    return sorted(texts)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("resume") / "model", "qwen3")


def begin(lab, model, how, save_every, *more):
    settings = [*SMALL, *of_model(how, model), f"training.save_every={save_every}", *more]
    return jobs.create(lab, load("memagent-tiny", settings))


def of_model(how, model):
    return HOWS[how] + ([] if how == "tiny" else [f"policy.model={model}"])


@pytest.fixture(scope="module")
def straight(tmp_path_factory, model):
    """Makes runs that nobody stops, each once: a function from how and further settings to the run and its engine.
    They save only at their end; whoever saves more often must come to the same."""
    place, made = tmp_path_factory.mktemp("straight"), {}

    def make(how, *more):
        if (how, more) not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("MEMFACTORY_RUNS", str(place / "runs"))
                engine = database.connect(jobs.database_url())
                run = work(engine, begin(engine, model, how, 100, *more).id)
            assert (run.state, run.reason) == ("finished", "")
            made[how, more] = run, engine
        return made[how, more]

    return make


@pytest.mark.parametrize(
    "how", [pytest.param(h, marks=pytest.mark.slow) if h == "continuous" else h for h in HOWS]
)
def test_a_stopped_run_goes_on_from_its_step_as_if_it_had_not_been_stopped(
    lab, model, straight, how
):
    whole, its_lab = straight(how)
    run = begin(lab, model, how, save_every=2)
    stopped = stop_at(lab, run, step=2)
    assert stopped.step == 2 and not (Path(run.folder) / "policy").exists()
    resumed = work(lab, run.id)
    assert (resumed.state, resumed.step) == ("finished", STEPS)
    assert rows_of(lab, resumed) == rows_of(its_lab, whole)
    counts, metrics, _ = rows_of(lab, resumed)
    assert [counts["train", step] for step in range(1, STEPS + 1)] == [8] * STEPS
    assert metrics == dict.fromkeys(range(1, STEPS + 1), 1)
    name = "adapter_model" if how == "lora" else "model"
    one, two = (
        load_file(Path(each.folder) / "policy" / f"{name}.safetensors") for each in (whole, resumed)
    )
    start = load_file((WEIGHTS if how == "tiny" else Path(model)) / "model.safetensors")
    assert set(one) == set(two) and all(one[key].equal(two[key]) for key in one)
    if how != "lora":
        assert not all(one[key].equal(start[key]) for key in one), "the rewards differed"
    assert resumed.summary == whole.summary
    assert curves(lab, resumed) == curves(its_lab, whole)


class StopsWhilePlaying(Work):
    """Is asked to stop once the third step's episodes are played: their draws are made, their step is not."""

    def keep_training_episodes(self, step, episodes):
        if step == 3:
            (self.folder / "stop").touch()
        super().keep_training_episodes(step, episodes)


EASY = '{"steps": %d, "task": {"chunks": 1}, "paradigm": {"store": {"budget": 20}}}'
MORE = {
    "plain": (), "pieces": ("training.micro_batches=2",),
    "reuse": ("training.reuse=2", "training.steps=5"),
    "stage 1": (f"training.stages=[{EASY % 3}]",), "stage 2": (f"training.stages=[{EASY % 1}]",),
}  # fmt: skip
QUICK = {
    ("lora", "plain"),
    ("tiny", "pieces"),
    ("full", "reuse"),
    ("tiny", "stage 2"),
}
"""Each way and each setting once; the other pairs are tried by make test-slow only, and continuous batching, which
takes longer to begin, in all of them."""


@pytest.mark.parametrize(
    ("how", "name"),
    [
        pytest.param(how, name, marks=() if (how, name) in QUICK else pytest.mark.slow)
        for how in HOWS
        for name in MORE
    ],
)
def test_a_stop_amid_a_step_is_resumed_as_the_same_run(lab, model, straight, how, name):
    """With `reuse`, the batch that was begun is finished too: its second step is left to do."""
    whole, its_lab = straight(how, *MORE[name])
    run = begin(lab, model, how, 100, *MORE[name])
    StopsWhilePlaying(lab, database.get_run(lab, run.id)).carry_out()
    assert database.get_run(lab, run.id).state == "stopped"
    if name == "reuse":
        stop_at(lab, run, step=3)
    resumed = work(lab, run.id)
    assert (resumed.state, resumed.reason) == ("finished", "")
    assert curves(lab, resumed) == curves(its_lab, whole)
    assert said(lab, resumed) == said(its_lab, whole)
    assert resumed.summary == whole.summary


@pytest.mark.parametrize("how", FULL_FIRST)
def test_a_stop_between_checkpoints_keeps_the_step_it_had_reached(lab, model, how):
    run = begin(lab, model, how, save_every=100)
    stop_at(lab, run, step=3)
    kept = [path.name for path in (Path(run.folder) / "checkpoints").glob("checkpoint-*")]
    assert kept == ["checkpoint-3"]
    assert (Path(run.folder) / "checkpoints" / "checkpoint-3" / "optimizer.pt").exists()
    resumed = work(lab, run.id)
    counts, metrics, _ = rows_of(lab, resumed)
    assert (resumed.state, resumed.step) == ("finished", STEPS)
    assert [counts["train", step] for step in range(1, STEPS + 1)] == [8] * STEPS
    assert metrics == dict.fromkeys(range(1, STEPS + 1), 1)


def test_a_killed_run_repeats_the_steps_after_its_checkpoint_without_doubling_them(lab, model):
    class Killed(Work):
        def keep_metrics(self, step, logs):
            super().keep_metrics(step, logs)
            if step == 3:
                raise MemoryError("as if killed")

    run = begin(lab, model, "full", save_every=2)
    with pytest.raises(MemoryError):
        Killed(lab, database.get_run(lab, run.id)).carry_out()
    assert database.get_run(lab, run.id).state == "failed"
    torn = Path(run.folder) / "checkpoints" / "checkpoint-3"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    resumed = work(lab, run.id)
    counts, metrics, _ = rows_of(lab, resumed)
    assert (resumed.state, resumed.step) == ("finished", STEPS)
    assert [counts["train", step] for step in range(1, STEPS + 1)] == [8] * STEPS
    assert metrics == dict.fromkeys(range(1, STEPS + 1), 1)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", FULL_FIRST)
def test_an_evaluation_that_was_stopped_is_done_again_and_counted_once(lab, model, how, when):
    run = begin(lab, model, how, save_every=100)
    stop_at(lab, run, phase=f"evaluating {when} training")
    resumed = work(lab, run.id)
    counts, metrics, _ = rows_of(lab, resumed)
    assert (resumed.state, resumed.reason) == ("finished", "")
    assert set(resumed.summary) == {"before", "after"}
    assert metrics == dict.fromkeys(range(1, STEPS + 1), 1)
    for mode in ("greedy", "sampled"):
        assert counts["before/" + mode, 0] == counts["after/" + mode, STEPS] == 2


@pytest.mark.parametrize("how", some(["tiny", "full", "lora"]))
def test_a_run_may_start_from_the_weights_of_another_and_stays_near_them(lab, model, how):
    beta = [
        "training.beta=0.01",
        "training.steps=2",
        "training.learning_rate=0.003",  # with more of it all outputs can become alike in two steps
        "training.stages=[]",
    ]
    # long enough that the lengths of an untrained model's outputs differ in the first step too
    long = ["paradigm.updater.max_tokens=32", "paradigm.answer_tokens=16"]
    settings = [*SMALL, *of_model(how, model), *beta, *long]
    first = work(lab, jobs.create(lab, load("memagent-tiny", settings)).id)
    second = load("memagent-tiny", [*settings, f"weights={first.id}"])
    run = work(lab, jobs.create(lab, second).id)
    assert (run.state, run.reason) == ("finished", "")
    with Session(lab) as session:
        points = session.exec(select(Metric).where(Metric.run_id == run.id)).all()
    kl = {point.step: point.value for point in points if point.name == "kl"}
    assert kl[1] == pytest.approx(0, abs=1e-6), "the reference is what it starts from"
    assert kl[2] > 1e-5
    name = "adapter_model" if how == "lora" else "model"
    one, two = (
        load_file(Path(each.folder) / "policy" / f"{name}.safetensors") for each in (first, run)
    )
    assert set(one) == set(two) and not all(one[key].equal(two[key]) for key in one)
    stop_at(lab, again := jobs.create(lab, second), step=1)
    assert work(lab, again.id).state == "finished"

"""A training in stages: which examples each step learns from, that none of them is held out, and what is refused."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memfactory_core.assembly.command import find_assignments
from memfactory_core.cli.main import app
from memfactory_core.config import build, load, read
from memfactory_core.errors import ConfigError
from memfactory_core.runs import jobs, record, sweeps
from memfactory_core.runs.recording import recorded_episodes
from memfactory_core.runs.worker import work
from memfactory_core.scoring.split import (
    demonstrated_examples,
    held_out_examples,
    learned_texts,
    training_examples,
)
from memfactory_core.trace import Wrote
from tests.scoring.test_split import WORDS
from tests.tasks.records import write
from tests.tasks.test_identity import BASE, ONE_ID, SETTINGS

SHORT = 'training.stages=[{"steps": 3, "task": {"chunks": 1}}, {"steps": 2, "task": {"near": 0}}]'
SMALL = ["training.steps=8", "training.groups=2"]


def sections_by_step(config):
    """How many sections the examples of each step have."""
    examples, groups = training_examples(config), config.training.groups
    steps = [examples[at : at + groups] for at in range(0, len(examples), groups)]
    return [{len(example.observations) for example in step} for step in steps]


def test_each_stage_has_its_steps_and_the_last_ones_have_the_task_as_it_stands():
    config = load("memagent-tiny", [*SMALL, SHORT])
    assert sections_by_step(config) == [{1}] * 3 + [{2}] * 5
    examples = training_examples(config)
    assert len({example.id for example in examples}) == 16
    plain = training_examples(load("memagent-tiny", SMALL))
    assert examples[10:] == plain[10:]
    assert all(short != whole for short, whole in zip(examples[:6], plain[:6], strict=True))


@pytest.mark.parametrize(("steps", "left"), [(5, [3, 2]), (4, [3, 1]), (2, [2, 0])])
def test_a_training_of_fewer_steps_than_its_stages_ends_in_one_of_them(steps, left):
    config = load("memagent-tiny", [*SMALL, SHORT, f"training.steps={steps}"])
    assert [form.steps for form in config.forms()] == [*left, 0]
    assert [config.form_at(step).task.chunks for step in (1, steps)] == [1, 2 if left[1] else 1]
    assert sections_by_step(config)[:steps] == [{1}] * left[0] + [{2}] * left[1]
    uneven = [*SMALL, SHORT.replace("3", "4"), "training.steps=3", "training.reuse=2"]
    assert sections_by_step(load("memagent-tiny", uneven))[:2] == [{1}] * 2  # batches of two steps


def test_the_turns_of_a_dialogue_are_settings_like_others():
    stage = 'training.stages=[{"steps": 1, "task": {"new": 2, "changes": 0, "retractions": 0, "chatter": 0}}]'
    config = load("memory-r1-tiny", [*SMALL, stage, "task.vary=false"])
    first, *others = sections_by_step(config)
    assert first == {2} and all(step > {2} or min(step) > 2 for step in others)


def test_a_batch_that_serves_several_steps_is_counted_once():
    stage = 'training.stages=[{"steps": 4, "task": {"chunks": 1}}]'
    config = load("memagent-tiny", [*SMALL, stage, "training.reuse=2"])
    assert sections_by_step(config)[:4] == [{1}, {1}, {2}, {2}]  # of steps 1 to 8


@pytest.mark.parametrize("kind", ONE_ID)
def test_no_stage_learns_from_a_text_that_is_held_out(kind, tmp_path):
    path = write(tmp_path, "a.json", [ONE_ID[kind](word) for word in WORDS])
    stages = [
        {"steps": 2, "task": {k: list(v) if isinstance(v, tuple) else v for k, v in one.items()}}
        for one in SETTINGS[kind]
    ]
    values = load("memagent-tiny", [f"task.kind={kind}", f"task.path={path}"]).dump()
    values["task"] |= BASE.get(kind, {})
    values["evaluation"]["task"] = None
    values["training"] |= {"stages": stages, "steps": 20}
    config = build(values)
    learned = {example.text for example in training_examples(config)}
    held = {example.text for example in held_out_examples(config)}
    assert learned == learned_texts(config) and (len(learned), len(held)) == (8, 2)
    assert not learned & held


def test_what_is_demonstrated_is_of_the_task_itself_and_is_not_held_out(tmp_path):
    """Two steps of a stage of four: the training never reaches the task as it stands, the imitation before it does."""
    people = [ONE_ID["locomo"](word) | {"sample_id": word} for word in WORDS[:4]]
    path = write(tmp_path, "a.json", people)
    own, stages, measured = WORDS[:3]
    settings = [
        "policy=hf", "imitation.steps=2", "training.steps=2", "task.kind=locomo", f"task.path={path}",
        f'task.conversations=["{own}"]', "evaluation.task.kind=locomo",
        f'training.stages=[{{"steps": 4, "task": {{"conversations": ["{stages}"]}}}}]',
    ]  # fmt: skip

    def measure(conversation):
        return load(
            "memagent-tiny", [*settings, f'evaluation.task.conversations=["{conversation}"]']
        )

    config = measure(measured)
    whole = config.task.examples(9, config.seed, "train")
    shown, trained = demonstrated_examples(config), training_examples(config)
    assert shown and {one.text for one in shown} <= {one.text for one in whole}
    assert not {one.text for one in shown} & {one.text for one in trained}
    assert held_out_examples(config)
    with pytest.raises(ConfigError, match="read a text that is also learned from"):
        held_out_examples(measure(own))


def test_a_text_that_only_a_stage_learns_from_must_not_be_held_out(tmp_path):
    """A task of some conversations and a stage of another: the measurement on that other one is refused."""
    people = [ONE_ID["locomo"](word) | {"sample_id": word} for word in WORDS[:4]]
    path = write(tmp_path, "a.json", people)
    settings = [
        "task.kind=locomo", f"task.path={path}", f'task.conversations=["{WORDS[0]}"]',
        "evaluation.task.kind=locomo", f'evaluation.task.conversations=["{WORDS[1]}"]', "training.steps=4",
    ]  # fmt: skip
    assert held_out_examples(load("memagent-tiny", settings))
    stage = f'training.stages=[{{"steps": 1, "task": {{"conversations": ["{WORDS[1]}"]}}}}]'
    with pytest.raises(ConfigError, match="read a text that is also learned from"):
        held_out_examples(load("memagent-tiny", [*settings, stage]))


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        ('[{"steps": 1, "task": {"chunks": 0}}]', "stage 1: chunks: Input should be greater"),
        ('[{"steps": 1, "task": {"chunk": 1}}]', "stage 1: chunk: Extra inputs"),
        ('[{"steps": 1}, {"steps": 1, "task": {"kind": "dialogue"}}]', "stage 2: .*does not fit"),
        ('[{"steps": 1, "paradigm": {"kind": "rmm"}}]', "stage 1: .*does not fit"),
        ('[{"steps": 1, "paradigm": {"store": {"kind": "ram"}}}]', "stage 1: .* no kinds of parts"),
        ('[{"steps": 1, "paradigm": {"store": {"budgets": 1}}}]', "stage 1: store.*budgets: Extra"),
        ('[{"steps": 1, "paradigm": {"cites": true}}]', "has never learned what paradigm.cites"),
        (
            '[{"steps": 1, "task": "chunks"}]',
            "training.stages.0.task: Input should be a valid dict",
        ),
    ],
)
def test_stages_that_do_not_fit_are_refused_in_words(stages, told):
    with pytest.raises(ConfigError, match=told):
        load("memagent-tiny", [*SMALL, f"training.stages={stages}"])


def test_a_stage_that_would_split_a_batch_or_read_another_file_is_refused(tmp_path):
    stage = 'training.stages=[{"steps": 3, "task": {}}]'
    with pytest.raises(ConfigError, match=r"reuse \(2\) must divide the steps of every stage"):
        load("memagent-tiny", [*SMALL, stage, "training.reuse=2"])
    one, two = (write(tmp_path, f"{name}.json", []) for name in "ab")
    other = f'training.stages=[{{"steps": 3, "task": {{"path": "{two}"}}}}]'
    with pytest.raises(ConfigError, match="reads the files of the task, none of its own"):
        load("memagent-tiny", [*SMALL, "task.kind=jsonl", f"task.path={one}", other])


def test_stages_are_kept_in_the_record_and_in_the_command_that_repeats_a_run(lab):
    config = load("memagent-tiny", [*SMALL, SHORT])
    repeated = load("memagent-tiny", find_assignments(read("memagent-tiny"), config))
    assert repeated == config == build(config.dump())
    small = ["training.group_size=2", "evaluation.examples=2", "evaluation.samples=0"]
    run = work(lab, jobs.create(lab, load("memagent-tiny", [*SMALL, *small, SHORT])).id)
    assert (run.state, run.reason) == ("finished", "")
    kept = record.read(Path(run.folder))["config"]["training"]["stages"]
    assert [(stage["steps"], stage["task"]) for stage in kept] == [
        (3, {"chunks": 1}), (2, {"near": 0}),
    ]  # fmt: skip


def test_a_stage_has_the_paradigm_that_it_names_and_its_episodes_show_it(lab):
    """Room for ten characters, what is longer is cut: no memory of the first two steps is longer."""
    stage = {"steps": 2, "paradigm": {"store": {"budget": 10}, "updater": {"too_long": "cut"}}}
    settings = [
        *SMALL, f"training.stages={json.dumps([stage])}", "training.group_size=2", "evaluation.examples=2",
        "evaluation.samples=0",
    ]  # fmt: skip
    config = load("memagent-tiny", settings)
    budgets = [config.form_at(step).paradigm.store.budget for step in (1, 2, 3, 8, 9)]
    assert budgets == [10, 10, 64, 64, 64]
    updater = config.form_at(2).paradigm.updater
    assert (updater.too_long, updater.max_tokens) == ("cut", 32), "what it does not name stays"
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason) == ("finished", "")
    longest = {
        step: max(
            len(event.after or "")
            for episode in recorded_episodes(lab, run.id, "train", step, step)
            for event in episode.events
            if isinstance(event, Wrote)
        )
        for step in (1, 2, 3, 4)
    }
    assert longest[1] <= 10 and longest[2] <= 10 and longest[3] > 10 and longest[4] > 10


@pytest.fixture
def staged(tmp_path):
    """A recipe of one's own with a stage."""
    path = tmp_path / "staged.json"
    path.write_text(json.dumps(load("memagent-tiny", [SHORT]).dump()))
    return str(path)


def test_a_sweep_says_that_some_of_its_cells_train_without_the_stages(staged):
    def told(*grid, fixed=()):
        plan = sweeps.Plan(staged, grid, fixed)
        return sweeps.tell_unlike(plan.recipe, plan.cells())

    assert told("paradigm.updater.kind=overwrite,append").startswith("1 of 2 combinations train")
    assert told("training.steps=10,100") == "" and told("task.chunks=2,3") == ""
    none = ("training.stages=[]",)
    assert told("paradigm.updater.kind=overwrite,append", fixed=none) == ""
    assert told("training.steps=9,99", fixed=("task=dialogue",)) == "", "none has them"


def test_the_shell_says_that_a_training_lost_its_stages(lab, staged):
    def said(*settings):
        more = [word for setting in settings for word in ("--set", setting)]
        done = CliRunner().invoke(app, ["train", staged, "--dry-run", *more])
        assert done.exit_code == 0, done.output
        return "stages are left out" in done.stderr

    assert said("task=dialogue") and not said("task.chunks=4")
    assert not said("task=dialogue", "training.stages=[]")

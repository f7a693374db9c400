"""What is measured: a task that is set is the task that is evaluated."""

import os
import warnings

import pytest

from memfactory_core.assignment import set_values
from memfactory_core.config import build, load, recipes
from memfactory_core.errors import ConfigError
from memfactory_core.scoring.split import held_out_examples
from tests.tasks.records import PLAIN, locomo, write

TWO_TASKS = [name for name, path in recipes().items() if "[evaluation.task]" in path.read_text()]


@pytest.mark.parametrize("recipe", TWO_TASKS)
def test_a_users_file_is_what_is_measured(recipe, tmp_path):
    path = write(tmp_path, "mine.json", [PLAIN, PLAIN | {"context": "Ben has a cat."}])
    for more in ([], ["mode=evaluate"]):
        config = load(recipe, ["task.kind=jsonl", f"task.path={path}", *more])
        assert config.held_out.kind == "jsonl" and config.held_out.files() == [path]
    assert {e.question for e in held_out_examples(config)} == {"Who has a cat?"}


def test_stages_go_with_another_kind_of_part_unless_they_are_set_too():
    stage = 'training.stages=[{"steps": 5, "task": {"chunks": 1}}]'
    staged = load("memagent-tiny", [stage])
    for setting in ("task.kind=dialogue", "task=dialogue", "paradigm.updater.kind=append"):
        values = staged.dump()
        set_values(values, [setting])
        assert "stages" not in values["training"], setting
    values = staged.dump()
    set_values(values, ["task.chunks=4"])
    assert values["training"]["stages"]
    new = ["task.kind=dialogue", 'training.stages=[{"steps": 5, "task": {"new": 1}}]']
    assert load("memagent-tiny", new).training.stages[0].steps == 5


@pytest.mark.parametrize("recipe", TWO_TASKS)
def test_a_task_that_is_set_is_measured_unless_the_evaluation_task_is_set_too(recipe):
    config = load(recipe, ["task.kind=needle", "task.chunks=7"])
    assert config.held_out == config.task and config.task.chunks == 7
    both = load(recipe, ["task.kind=needle", "evaluation.task.kind=ruler"])
    assert (both.task.kind, both.held_out.kind) == ("needle", "ruler")
    untouched = load(recipe, ["seed=3"])
    assert untouched.held_out == load(recipe).held_out != untouched.task


def test_other_conversations_of_the_same_file_stay_the_evaluation(tmp_path):
    path = write(tmp_path, "mine.json", [locomo()])
    config = load("rmm-linear-locomo", [f"task.path={path}"])
    assert config.held_out.files() == [path] == config.task.files()
    assert config.held_out.conversations == ("conv-43", "conv-44")


def test_a_recorded_run_is_measured_on_the_file_that_is_set(tmp_path):
    first, other = (write(tmp_path, name, [locomo()]) for name in ("a.json", "b.json"))
    values = load("rmm-linear-locomo", [f"task.path={first}"]).dump()
    set_values(values, [f"task.path={other}"])
    config = build(values)
    assert config.held_out.files() == [other]
    assert config.held_out.conversations == ("conv-43", "conv-44")
    values = load("rmm-linear-locomo", [f"task.path={first}"]).dump()
    set_values(values, ["task.kind=needle", "evaluation.task.observation=session"])
    assert build(values).held_out.files() == [first], "what is named keeps its file"
    values = load("memagent-tiny").dump()
    set_values(values, ["task.kind=locomo", f"task.path={other}"])
    assert build(values).held_out.files() == [other]


def test_a_data_path_means_the_file_that_it_names_where_it_is_typed(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    for typed, meant in (
        ("a.json", "here/a.json"), ("../b.json", "b.json"), ("~/c.json", "c.json"),
        ("./x/../d.json", "here/d.json"),
    ):  # fmt: skip
        config = load("memagent-tiny", ["task.kind=jsonl", f"task.path={typed}"])
        assert config.task.files() == [str(tmp_path / meant)]
        assert config.dump()["task"]["path"] == str(tmp_path / meant)
        monkeypatch.chdir(tmp_path)
        again = build(config.dump())
        assert again == config and os.path.isabs(again.task.files()[0])
        monkeypatch.chdir(tmp_path / "here")


def test_settings_of_another_kind_hold_in_whatever_order_they_are_given(tmp_path):
    path = write(tmp_path, "mine.json", [PLAIN])
    settings = [
        f"task.path={path}", "task.section=50", "paradigm.retriever.top_k=7", "task.kind=jsonl",
        "paradigm.retriever.kind=bm25", "paradigm.kind=memory_r1", "evaluation.task=null",
        "evaluation.task.kind=needle", "evaluation.task.chunks=9",
    ]  # fmt: skip
    assert load("memagent-tiny", ["task.kind=locomo", *settings]) == load("memagent-tiny", settings)
    config = load("memagent-tiny", settings)
    assert (config.task.path, config.task.section) == (path, 50)
    assert config.paradigm.retriever.top_k == 7 and config.held_out.chunks == 9


@pytest.mark.parametrize("kept", ["[]", "1", "null", '"memagent"'])
def test_a_record_whose_recipe_is_no_table_is_refused_in_words(tmp_path, kept):
    (tmp_path / "run.json").write_text(f'{{"config": {kept}}}')
    with pytest.raises(ConfigError, match="is not a table of settings"):
        load(str(tmp_path / "run.json"))


def test_a_name_that_is_no_text_is_refused_in_words():
    with pytest.raises(ConfigError, match=r"the configuration: the name of a setting is no text"):
        build({"roles": {"\ud800": []}})


@pytest.mark.parametrize(
    "settings",
    [
        ["roles.answer=start", "paradigm.trains=memory"],
        ["roles.answer.kind=api", "roles.answer.model=m", "paradigm.trains=memory"],
        ["reward.brief.kind=length", "reward.brief.weight=-0.01"],
    ],
)
def test_what_a_setting_may_hold_is_written_out_without_a_warning(settings):
    config = load("memagent-tiny", settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build(config.dump()) == config

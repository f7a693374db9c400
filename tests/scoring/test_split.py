"""What is learned from a file and what is held out of it."""

import pytest

from memfactory_core.config import load
from memfactory_core.errors import ConfigError
from memfactory_core.runs import jobs
from memfactory_core.runs.worker import work
from memfactory_core.scoring.split import held_out_examples, split, training_examples
from tests.tasks.records import write

FILE = ["training.steps=2", "training.groups=4", "evaluation.samples=0", "task.kind=jsonl"]


def rows(count, questions=1):
    return [
        {"context": f"Text {n}.", "question": f"Question {n}.{q}?", "answer": "x"}
        for n in range(count)
        for q in range(questions)
    ]


def on_file(path, *more):
    base = [*FILE, f"task.path={path}", "evaluation.task=null"]
    return load("memagent-tiny", [*base, *more])


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_one_file_serves_both_and_no_text_is_on_both_sides(name, tmp_path):
    config = on_file(write(tmp_path, name, rows(20, questions=2)), "training.steps=100")
    learned = {example.observations for example in training_examples(config)}
    held = {example.observations for example in held_out_examples(config)}
    assert (len(learned), len(held)) == (16, 4) and not learned & held
    other = config.model_copy(update={"seed": 7})
    assert {example.observations for example in training_examples(other)} == learned
    less = on_file(config.task.path, "evaluation.share=0.5", "evaluation.examples=3")
    assert len(held_out_examples(less)) == 3 and len(training_examples(less)) == 8


def test_files_of_their_own_are_used_whole(tmp_path):
    one, two = write(tmp_path, "a.json", rows(9)), write(tmp_path, "b.json", rows(5))
    config = on_file(one, "evaluation.task.kind=jsonl", f"evaluation.task.path={two}")
    assert len(training_examples(config)) == 8 and len(held_out_examples(config)) == 5
    assert len(held_out_examples(on_file(one, "mode=evaluate"))) == 9


def test_an_evaluation_of_trained_weights_leaves_out_what_they_learned_from(tmp_path):
    one, two = write(tmp_path, "a.json", rows(20)), write(tmp_path, "b.json", rows(5))
    trained, again = on_file(one), on_file(one, "mode=evaluate")
    assert held_out_examples(again, trained) == held_out_examples(trained)
    assert len(held_out_examples(on_file(two, "mode=evaluate"), trained)) == 5


def test_texts_that_cannot_be_split_are_named(tmp_path):
    config = on_file(write(tmp_path, "a.json", rows(1, questions=3)))
    with pytest.raises(
        ConfigError, match=r"a\.json: all 3 examples read the same text.*evaluation.task"
    ):
        training_examples(config)
    two = on_file(write(tmp_path, "b.json", rows(2)), "evaluation.share=0.9")
    assert [len(side) for side in split(two.task.examples(9, 0), two)] == [1, 1]


def test_an_evaluation_task_without_a_path_reads_the_training_file(tmp_path):
    config = load("rmm-linear-locomo", ["task.path=mine.json"])
    assert config.held_out.files() == ["mine.json"]
    own = load("rmm-linear-locomo", ["task.path=mine.json", "evaluation.task.path=other.json"])
    assert own.held_out.files() == ["other.json"]
    with pytest.raises(ConfigError, match="evaluation.task.path: Field required"):
        load("memagent-tiny", ["evaluation.task.kind=locomo"])


def test_a_run_on_a_file_is_evaluated_on_what_it_did_not_learn_from(lab, tmp_path):
    config = on_file(
        write(tmp_path, "a.json", rows(10)), "training.steps=1", "training.group_size=2"
    )
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason) == ("finished", "")
    assert run.summary["after"]["greedy/exact_match"]["n"] == 2

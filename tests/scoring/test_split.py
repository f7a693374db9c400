"""What is learned from a file and what is held out of it."""

import os
import shutil
from collections import Counter

import pytest
from sqlmodel import Session, select

from memfactory_core.cli.report import print_table, report
from memfactory_core.config import load
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.runs import jobs
from memfactory_core.runs.tables import EpisodeRow
from memfactory_core.runs.worker import work
from memfactory_core.scoring.split import (
    describe_held_out,
    draw_rounds,
    held_out_examples,
    learned_texts,
    refuse_overlap,
    refuse_same_ids,
    split,
    training_examples,
)  # fmt: skip
from memfactory_core.types import Example
from tests.compared import compare_greedy
from tests.tasks.records import hotpot, write
from tests.tasks.test_identity import BASE, ONE_ID, SETTINGS

FILE = ["training.steps=2", "training.groups=4", "evaluation.samples=0", "task.kind=jsonl"]


def rows(count, questions=1, of="Text"):
    return [
        {"context": f"{of} {n}.", "question": f"Question {n}.{q}?", "answer": "x"}
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
    one, two = write(tmp_path, "a.json", rows(9)), write(tmp_path, "b.json", rows(5, of="Other"))
    config = on_file(one, "evaluation.task.kind=jsonl", f"evaluation.task.path={two}")
    assert len(training_examples(config)) == 8 and len(held_out_examples(config)) == 5
    assert len(held_out_examples(on_file(one, "mode=evaluate"))) == 9


def test_an_evaluation_of_trained_weights_leaves_out_what_they_learned_from(tmp_path):
    one, two = write(tmp_path, "a.json", rows(20)), write(tmp_path, "b.json", rows(5, of="Other"))
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
    assert config.held_out.files() == [os.path.abspath("mine.json")]
    own = load("rmm-linear-locomo", ["task.path=mine.json", "evaluation.task.path=other.json"])
    assert own.held_out.files() == [os.path.abspath("other.json")]
    with pytest.raises(ConfigError, match="evaluation.task.path: Field required"):
        load("memagent-tiny", ["evaluation.task.kind=locomo"])


def test_a_run_on_a_file_is_evaluated_on_what_it_did_not_learn_from(lab, tmp_path):
    config = on_file(
        write(tmp_path, "a.json", rows(10)), "training.steps=1", "training.group_size=2"
    )
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason) == ("finished", "")
    assert run.summary["after"]["greedy/exact_match"]["n"] == 2


WORDS = "Azo Bero Cato Dunn Ezo Fero Gato Hunn Izo Jero".split()


@pytest.mark.parametrize("kind", ONE_ID)
def test_no_setting_seed_or_shuffle_of_any_reader_puts_a_text_on_both_sides(kind, tmp_path):
    path = write(tmp_path, "a.json", [ONE_ID[kind](word) for word in WORDS])
    sides = set()
    for settings in ({}, *SETTINGS[kind]):
        for seed in (0, 1, 2):
            told = [
                f"task.{k}={list(v) if isinstance(v, tuple) else str(v).lower()}"
                for k, v in (BASE.get(kind, {}) | settings).items()
            ]
            config = load(
                "memagent-tiny",
                [f"task.kind={kind}", f"task.path={path}", "evaluation.task=null", f"seed={seed}",
                 "training.steps=50", *told],
            )  # fmt: skip
            learned = {example.text for example in training_examples(config)}
            held = {example.text for example in held_out_examples(config)}
            assert (len(learned), len(held)) == (8, 2) and not learned & held, settings
            sides.add(frozenset(held))
    assert len(sides) == 1, "the same are held out whatever is set"


def test_a_planted_leak_is_refused(tmp_path):
    one = write(tmp_path, "a.json", rows(9))
    copy = shutil.copy(one, tmp_path / "copy.jsonl.json")
    for path in (one, copy, write(tmp_path, "b.jsonl", [*rows(3, of="Other"), *rows(1)])):
        config = on_file(one, "evaluation.task.kind=jsonl", f"evaluation.task.path={path}")
        with pytest.raises(ConfigError, match=r"of \d held-out examples read a text that is also"):
            held_out_examples(config)
    examples = [
        Example(id=name, observations=(name,), question="q", answers=("a",)) for name in "ab"
    ]
    refuse_overlap({examples[0].text}, examples[1:])
    with pytest.raises(ConfigError, match=r"1 of 2 held-out examples .* \(the first is a\)"):
        refuse_overlap({examples[0].text}, examples)


def test_a_planted_leak_ends_a_run_before_anything_is_learned(lab, tmp_path):
    one = write(tmp_path, "a.json", rows(9))
    config = on_file(one, "evaluation.task.kind=jsonl", f"evaluation.task.path={one}")
    run = work(lab, jobs.create(lab, config).id)
    assert run.state == "failed" and "also learned from" in run.reason and run.summary == {}


def test_weights_are_not_evaluated_on_what_they_or_their_ancestors_learned_from(tmp_path):
    one, two = write(tmp_path, "a.json", rows(20)), write(tmp_path, "b.json", rows(9, of="Other"))
    first, second = on_file(one), on_file(two)
    again = on_file(one, "mode=evaluate")
    for trained in ([first], [second, first], [first, second]):
        assert held_out_examples(again, *trained) == held_out_examples(first)
    other_settings = on_file(
        one, "mode=evaluate", "evaluation.share=0.9", "task.section=20", "seed=3"
    )
    assert not learned_texts(first) & {e.text for e in held_out_examples(other_settings, first)}
    named = on_file(
        two, "mode=evaluate", "evaluation.task.kind=jsonl", f"evaluation.task.path={one}"
    )
    with pytest.raises(ConfigError, match="16 of 20 held-out examples"):
        held_out_examples(named, first)
    copy = shutil.copy(one, tmp_path / "c.json")
    assert len(held_out_examples(on_file(copy, "mode=evaluate"), first)) == 4
    whole = on_file(one, "evaluation.task.kind=needle", "training.steps=9")
    with pytest.raises(ConfigError, match="the weights have learned from all 20 examples"):
        held_out_examples(again, whole)


def test_weights_whose_file_is_gone_are_measured_and_it_is_said(tmp_path):
    one, two = write(tmp_path, "a.json", rows(20)), write(tmp_path, "b.json", rows(5, of="Other"))
    trained, again = on_file(one), on_file(two, "mode=evaluate")
    os.remove(one)
    held = held_out_examples(again, trained)
    assert len(held) == 5
    assert f"{one} is gone" in describe_held_out(again, held, trained)["split"]


@pytest.mark.parametrize(
    ("count", "steps", "groups"), [(15, 10, 4), (127, 16, 8), (3, 4, 8), (1, 2, 3)]
)
def test_every_example_is_used_in_every_round_and_no_id_twice_in_a_step(count, steps, groups):
    examples = [
        Example(id=f"e{n}", observations=(str(n),), question="q", answers=("a",))
        for n in range(count)
    ]
    drawn = draw_rounds(examples, steps, groups, seed=0)
    assert len(drawn) == steps * groups and drawn == draw_rounds(examples, steps, groups, seed=0)
    assert drawn != draw_rounds(examples, steps, groups, seed=1) or count == 1
    for start in range(0, len(drawn), groups):
        step = drawn[start : start + groups]
        assert len({example.id for example in step}) == groups, "each id is a group"
        if count >= groups:
            assert len({example.text for example in step}) == groups, "as long as there are enough"
    times = Counter(example.text for example in drawn)
    assert set(times) == {example.text for example in examples} or count > steps * groups
    assert max(times.values()) - min(times.values()) <= 1, "the last incomplete step is used too"
    rounds = [[e.text for e in drawn[i : i + count]] for i in (0, count)]
    assert rounds[0] != rounds[1] or count < 4, "no fixed order"


def test_fewer_examples_than_groups_are_trained_on_all_the_same(lab, tmp_path):
    config = on_file(
        write(tmp_path, "a.json", rows(4)),
        "training.steps=2", "training.groups=6", "training.group_size=2",
    )  # fmt: skip
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason, run.step) == ("finished", "", 2)
    with Session(lab) as session:
        rows_ = session.exec(select(EpisodeRow).where(EpisodeRow.phase == "train")).all()
    groups = Counter((row.step, row.group_id) for row in rows_)
    assert len(groups) == 12 and set(groups.values()) == {2}
    assert len({row.text_id for row in rows_}) == 3


def test_a_run_says_what_it_was_measured_on(lab, tmp_path, capsys):
    path = write(tmp_path, "a.json", rows(10, questions=2))
    config = on_file(path, "mode=evaluate", "policy=scripted")
    run = work(lab, jobs.create(lab, config).id)
    assert report(run)["measured"] == {
        "task": "jsonl", "files": [path], "split": "whole file", "examples": 20, "questions": 20,
        "texts": 10, "missing_evidence": 0,
    }  # fmt: skip
    print_table(run)
    printed = capsys.readouterr().out
    assert (
        f"measured on: jsonl, {path} (whole file): 20 examples, 20 questions about 10 texts"
        in printed
    )
    assert "n=20/10" in printed and "bootstrap over whole texts" in printed


def test_the_reranker_holds_out_conversations_of_its_file(tmp_path):
    path = write(tmp_path, "a.json", [ONE_ID["locomo"](word) for word in WORDS])
    config = load(
        "rmm-linear-locomo", [f"task.path={path}", "task.conversations=[]", "evaluation.task=null"]
    )
    learned = {example.text for example in training_examples(config)}
    held = {example.text for example in held_out_examples(config)}
    assert (len(learned), len(held)) == (8, 2) and not learned & held


def test_two_runs_are_compared_on_the_same_texts_and_whole_ones_are_drawn(lab, tmp_path):
    one = write(tmp_path, "a.jsonl", rows(6, questions=3))
    other = write(tmp_path, "b.jsonl", rows(6, questions=3, of="Other"))
    runs = [
        work(lab, jobs.create(lab, on_file(path, "mode=evaluate", "policy=scripted")).id)
        for path in (one, one, other)
    ]
    row = compare_greedy(lab, *runs[:2])["exact_match"]
    assert (row["n"], row["clusters"], row["difference"]) == (18, 6, 0.0)
    with pytest.raises(RunError, match="share no examples"):  # though both have a line 1
        compare_greedy(lab, runs[0], runs[2])


def test_facts_that_a_file_names_and_states_nowhere_are_counted_in_the_table(lab, tmp_path, capsys):
    lost = {"title": ["Dune", "Nobody", "Nobody"], "sent_id": [0, 0, 1]}
    path = write(tmp_path, "a.json", [hotpot(), hotpot(supporting_facts=lost)])
    settings = [f"task.path={path}", "task.documents=3"]
    run = work(lab, jobs.create(lab, load("hotpotqa-scripted", settings)).id)
    assert report(run)["measured"]["missing_evidence"] == 2
    print_table(run)
    printed = capsys.readouterr().out
    assert "states them nowhere: needed facts, 2" in printed
    assert (
        "intervals: none, all questions are about one text" in printed
        and "[no interval]" in printed
    )


def test_a_task_that_gives_two_examples_one_id_is_refused():
    examples = [Example(id=n, observations=(n,), question="q", answers=("a",)) for n in "aba"]
    refuse_same_ids(load("memagent-tiny").task, examples[:2])
    with pytest.raises(ConfigError, match="'needle' gives its examples 1 and 3 the same id 'a'"):
        refuse_same_ids(load("memagent-tiny").task, examples)

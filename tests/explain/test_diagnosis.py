"""The diagnosis of a run: each kind from counts made by hand, and one of a run that was really played."""

import json

import pytest

from memfactory_core.config import load
from memfactory_core.explain.diagnosis import Counts, diagnose, tally
from memfactory_core.explain.refusals import KINDS, is_for_room, kind_of
from memfactory_core.runs import jobs
from memfactory_core.runs.diagnosis import count_run, diagnose_run
from memfactory_core.runs.worker import work
from memfactory_core.stores.buffer import Buffer
from memfactory_core.stores.ram import Ram
from memfactory_core.trace import Wrote
from memfactory_core.types import Op
from tests.processes import memfactory

SETTINGS = {
    "paradigm": {"store": {"budget": 24, "capacity": 3}, "retriever": {"top_k": 2, "most": 4}},
}


def sentences(settings=SETTINGS, **counts):
    return [(one.sentence, one.setting) for one in diagnose(Counts(**counts), settings)]


@pytest.mark.parametrize(
    ("counts", "sentence", "setting"),
    [
        (
            {"tally": {"writes": 60, "refused/over_budget": 44}, "facts": 20, "long_facts": 20},
            "44 of 60 writes rejected: the budget of 24 characters is shorter than the facts",
            "paradigm.store.budget",
        ),
        (
            {"tally": {"writes": 60, "refused/over_budget": 44}, "facts": 20, "long_facts": 0},
            "44 of 60 writes rejected: they are longer than the budget of 24 characters",
            "paradigm.store.budget",
        ),
        (
            {"tally": {"writes": 1200, "refused/bank_full": 1100}},
            "1,100 of 1,200 writes rejected: the bank is full, it holds 3 memories",
            "paradigm.store.capacity",
        ),
        (
            {"tally": {"asked/update": 50, "cut_off/update": 25, "writes": 50, "refused/cut_off": 25}},
            "25 of 50 outputs of the role update were cut off at the length limit",
            "paradigm.updater.max_tokens",
        ),
        (
            {"tally": {"asked/extract": 50, "cut_off/extract": 25}},
            "25 of 50 outputs of the role extract were cut off at the length limit",
            "paradigm.extractor.max_tokens",
        ),
        (
            {"tally": {"asked/answer": 10, "cut_off/answer": 4}},
            "4 of 10 answers were cut off at the length limit",
            "paradigm.answer_tokens",
        ),
        (
            {"tally": {"writes": 10, "refused/malformed": 9}},
            "9 of 10 writes rejected: the output is not in a form that is understood",
            "policy.dialect",
        ),
        (
            {"tally": {"writes": 10, "refused/wrong_memory": 9}},
            "9 of 10 writes rejected: the output named a memory that is not there, or quoted another",
            "policy",
        ),
        (
            {"tally": {"writes": 10, "refused/too_many": 5}},
            "5 of 10 writes rejected: chose more memories than are allowed",
            "paradigm.retriever.most",
        ),
        (
            {"causes": {"not_retrieved": 12, "not_used": 10, "reader_error": 8}, "episodes": 40},
            "12 of 30 wrong answers: the fact was in memory but not among the 2 memories that are read",
            "paradigm.retriever.top_k",
        ),
        (
            {"causes": {"never_extracted": 12, "not_used": 10, "failed": 8}, "episodes": 40},
            "12 of 30 wrong answers: the extractor left the fact out",
            "paradigm.extractor",
        ),
        (
            {"causes": {"no_room": 12, "not_used": 10, "failed": 8}, "episodes": 40},
            "12 of 30 wrong answers: the memory had no room for the fact",
            "paradigm.store",
        ),
        (
            {"causes": {"overwritten": 128, "deleted": 44}, "episodes": 200},
            "128 of 172 wrong answers: an update replaced the fact",
            "policy",
        ),
        (
            {"equal_groups": (0.8, 0.9, 1.0), "reward": (0.9, 0.95, 1.0)},
            "90% of the last groups earned the same in every attempt and teach nothing: the task is too easy now",
            "task",
        ),
        (
            {"equal_groups": (0.8, 0.9, 1.0), "reward": (0.1, 0.0, 0.0)},
            "90% of the last groups earned the same in every attempt and teach nothing: the task is too hard "
            "for this policy",
            "task",
        ),
    ],
)  # fmt: skip
def test_each_kind_is_said_with_its_setting(counts, sentence, setting):
    assert sentences(**counts) == [(f"{sentence} ({setting})", setting)]


def test_the_weightiest_comes_first_and_rare_things_are_not_said():
    told = sentences(
        tally={"writes": 100, "refused/bank_full": 20, "refused/malformed": 60, "refused/empty": 9,
               "asked/answer": 100, "cut_off/answer": 3},
        causes={"not_used": 4, "reader_error": 4, "deleted": 4}, episodes=100,
        equal_groups=(0.5, 0.4, 0.3),
    )  # fmt: skip
    assert [setting for _, setting in told] == ["policy.dialect", "paradigm.store.capacity"]
    assert sentences() == [] and sentences(causes={"cannot_tell": 9}, episodes=9) == []


def test_parts_without_the_setting_are_named_without_a_number():
    bare = {"paradigm": {"store": {}, "retriever": {}}}
    ((full, _), (top, setting)) = sentences(
        bare, tally={"writes": 10, "refused/bank_full": 9},
        causes={"not_retrieved": 2, "deleted": 8, "not_used": 7}, episodes=20,
    )  # fmt: skip
    assert full == "9 of 10 writes rejected: the bank is full (paradigm.store.capacity)"
    assert (setting, "among what was read" in top) == ("paradigm.retriever", True)


@pytest.mark.parametrize(
    ("store", "texts", "kind", "room"),
    [
        (Buffer(budget=24), ["The pet of Bako is Zimo."], None, None),
        (Buffer(budget=12), ["The pet of Bako is Zimo."], "over_budget", True),
        (Buffer(budget=40), ["The pet of Bako is Zimo. It was a long day."], "over_budget", False),
        (Ram(budget=40), ["It was a long day.", "The pet of Bako is Zimo."], "over_budget", True),
        (Ram(capacity=1), ["It rained.", "The pet of Bako is Zimo."], "bank_full", True),
        (Ram(), [" "], "empty", False),
    ],
)  # fmt: skip
def test_the_stores_own_refusals_are_known_by_their_kind(store, texts, kind, room):
    from memfactory_core.stores import Refused

    bank = store.open()
    refusal = None
    for seq, text in enumerate(texts):
        try:
            bank.apply(Op(action="add", text=text), seq, 0)
        except Refused as refused:
            refusal = Wrote(seq=seq, at=0, action="reject", after=text, reason=str(refused))
    assert (kind_of(refusal.reason) if refusal else None) == kind
    if refusal:
        assert kind in KINDS
        assert is_for_room(refusal, "The pet of Bako is Zimo.") == room


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("I would rather not.", None), ("UPDATE The pet of Bako is Zimo. #7 to x", "wrong_memory"),
        ("DELETE", None), ("", "empty"), ("Hm.", "malformed"),
    ],
)  # fmt: skip
def test_the_dialects_own_refusals_have_a_kind(said, kind):
    from memfactory_core.dialects.chat import Chat
    from memfactory_core.types import Memory

    (op,) = Chat().read_operations(said, [Memory(id="1", text="The pet of Bako is Zimo.")])
    assert op.action == "reject"
    assert kind_of(op.reason) in KINDS
    assert kind is None or kind_of(op.reason) == kind


def test_a_budget_smaller_than_the_facts_is_found_in_a_played_run_and_shown(lab):
    chosen = [
        "mode=evaluate", "policy=scripted", "policy.strategy=everything", "evaluation.examples=12",
        "evaluation.samples=0", "paradigm.store.budget=20",
    ]  # fmt: skip
    run = jobs.create(lab, load("memagent-tiny", chosen))
    run = work(lab, run.id)
    phase, found = diagnose_run(lab, run)
    counts = count_run(lab, run, phase)
    writes = counts.tally["writes"]
    assert writes == counts.tally["refused/over_budget"] == counts.tally["asked/update"] == 36
    wanted = (
        f"{writes} of {writes} writes rejected: the budget of 20 characters is shorter than the facts "
        "(paradigm.store.budget)"
    )
    assert found[0].sentence == wanted
    assert counts.causes == {"no_room": 12}
    table = memfactory("show", run.id).stdout
    assert f"diagnosis ({phase}): {wanted}" in table
    told = memfactory("show", run.id, "--json").stdout
    assert json.loads(told)["diagnosis"]["found"][0] == {
        "kind": "over_budget", "sentence": wanted, "setting": "paradigm.store.budget",
    }  # fmt: skip


def test_counts_of_several_batches_are_added_up_and_forgotten_with_their_steps(lab):
    from memfactory_core.episode import run_episodes
    from memfactory_core.runs.recording import forget_episodes, save_episodes

    chosen = load("memagent-tiny", ["mode=evaluate", "policy=scripted"])
    run = jobs.create(lab, chosen)
    played = run_episodes(chosen.paradigm, chosen.policy.load(), chosen.task.examples(4, 0), 0.0)
    save_episodes(lab, run.id, "after/greedy", 0, played[:2])
    save_episodes(lab, run.id, "after/greedy", 0, played[2:])
    assert count_run(lab, run, "after/greedy").tally == tally(played)
    forget_episodes(lab, run.id, "after/greedy")
    assert count_run(lab, run, "after/greedy").tally == {}
    assert diagnose_run(lab, run) == ("", [])


def test_a_training_is_diagnosed_by_the_stage_that_its_last_steps_are_of(lab):
    """Ten steps with room for 20 characters, then the task as it stands, with room for 64."""
    from memfactory_core.episode import run_episodes
    from memfactory_core.runs.recording import save_episodes, save_metrics

    stage = 'training.stages=[{"steps": 10, "paradigm": {"store": {"budget": 20}}}]'
    chosen = load("memagent-tiny", [stage, "training.steps=12"])
    strategy = load("memagent-tiny", ["mode=evaluate", "policy=scripted"]).policy
    run = jobs.create(lab, chosen)

    def play(step):
        sampler = strategy.model_copy(update={"strategy": "everything"}).load()
        form = chosen.form_at(step)
        played = run_episodes(form.paradigm, sampler, form.task.examples(4, step), 0.0)
        save_episodes(lab, run.id, "train", step, played)
        save_metrics(lab, run.id, step, {"equal_groups": 1.0, "reward": 0.1})

    for step in (9, 10):
        play(step)
    phase, found = diagnose_run(lab, run)
    assert phase == "train"
    assert "the budget of 20 characters is shorter than the facts" in found[0].sentence
    early = count_run(lab, run, "train")
    assert early.long_facts == early.facts > 0
    play(11)
    late = count_run(lab, run, "train")
    assert (late.episodes, late.long_facts) == (4, 0), "of the steps of the stage none"
    told = [one.sentence for one in diagnose_run(lab, run)[1]]
    assert any("the budget of 64 characters" in one for one in told)
    for step in range(1, 9):
        save_metrics(lab, run.id, step, {"equal_groups": 1.0})
    assert late.equal_groups == count_run(lab, run, "train").equal_groups == ()

"""What was right against what was done: scripted policies whose table is known, from episodes and from the
database."""

from collections import Counter

import pytest

from memfactory_core import config
from memfactory_core.config import load
from memfactory_core.episode import run_episodes
from memfactory_core.explain.operations import confusion, new_facts, pairs, tell_new_facts
from memfactory_core.runs import database, jobs, recording
from memfactory_core.runs.recording import recorded_episodes
from memfactory_core.tasks.language import parse_fact
from memfactory_core.trace import replay

COUNT = 20


def played(strategy, recipe="memory-r1-tiny"):
    chosen = load(recipe, ["mode=evaluate", "policy=scripted", f"policy.strategy={strategy}"])
    examples = chosen.held_out.examples(COUNT, 3, "heldout")
    return run_episodes(chosen.paradigm, chosen.policy.load(), examples, 0.0)


def wanted():
    """How often each operation is the right one in those episodes."""
    examples = load("memory-r1-tiny").held_out.examples(COUNT, 3, "heldout")
    return Counter(action for example in examples for action in example.meta["actions"])


def test_the_perfect_policy_stands_on_the_diagonal():
    table, right = confusion(played("clairvoyant")), wanted()
    assert list(table) == ["add", "update", "delete", "noop"]
    for action, done in table.items():
        assert done == {name: right[action] * (name == action) for name in table}


def test_a_policy_that_never_updates_is_seen():
    table = confusion(played("first"))
    assert {right: sum(done.values()) for right, done in table.items()} == wanted()
    assert table["update"]["update"] == table["delete"]["delete"] == 0
    assert table["update"]["add"] + table["update"]["reject"] == wanted()["update"]


def test_tasks_that_do_not_know_the_right_operation_have_no_table():
    assert confusion(played("overlap", "memagent-tiny")) == {}
    assert confusion([]) == {}


def test_new_facts_that_are_like_a_memory_are_told_apart_from_the_others():
    """Whoever adds all adds both kinds; whoever takes likeness for sameness, the others alone."""
    (alike, alikes), (other, others) = new_facts(played("clairvoyant"))
    assert alike == alikes > 5 and other == others > 5
    assert alikes + others == wanted()["add"]
    swapped = [liken(episode) for episode in played("clairvoyant")]
    # what is left out is not there for the next one to be like
    (alike, alikes), (other, others) = new_facts(swapped)
    assert alikes + others == wanted()["add"] and alikes > 5
    assert alike == 0 and others - other <= 1  # an invented name can be a stop word
    assert tell_new_facts(swapped) == (
        f"Of {others} new facts that share no word with a memory {other / others:.0%} were added, "
        f"of {alikes} that do 0%."
    )
    assert tell_new_facts([]) == tell_new_facts(played("overlap", "memagent-tiny")) == ""


def liken(episode):
    """The episode in which each new fact that shares its person or its attribute with a memory was left out."""
    events = list(episode.events)
    for right, _, seq in pairs(episode):
        if right != "add":
            continue
        fact = parse_fact(episode.example.observations[events[seq].at])
        held = [parse_fact(one.text) for one in replay(episode.events[:seq]).values()]
        if any({one.entity, one.attribute} & {fact.entity, fact.attribute} for one in held):
            events[seq] = events[seq].model_copy(update={"action": "noop"})
    return episode.model_copy(update={"events": tuple(events)})


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    engine = database.connect(jobs.database_url())
    name = jobs.create(engine, config.load("memory-r1-tiny")).id
    for step, strategy in enumerate(("first", "random", "clairvoyant"), 1):
        recording.save_episodes(engine, name, "train", step, played(strategy))
    return engine, name


def test_a_stored_run_at_a_range_of_steps(run):
    engine, name = run
    assert confusion(recorded_episodes(engine, name, "train", 3, 3)) == confusion(
        played("clairvoyant")
    )
    assert confusion(recorded_episodes(engine, name, "train", 1, 1)) == confusion(played("first"))
    everything = list(recorded_episodes(engine, name, "train"))
    assert len({episode.id for episode in everything}) == 3 * COUNT
    assert confusion(recorded_episodes(engine, name, "before/greedy")) == {}


def test_of_a_long_range_whole_steps_are_taken(run):
    engine, name = run
    some = list(recorded_episodes(engine, name, "train", limit=2 * COUNT))
    assert confusion(some) == confusion([*played("first"), *played("clairvoyant")])
    last = confusion(recorded_episodes(engine, name, "train", limit=COUNT))
    assert last == confusion(played("clairvoyant"))
    assert len(list(recorded_episodes(engine, name, "train", 2, 2, limit=5))) == 5

"""Which steps of a training had which form of the task, in words."""

from memfactory_core.config import load
from memfactory_core.explain.stages import (
    find_stretch,
    find_stretches,
    settings_at,
    starts,
    tell_stretches,
)

STAGES = (
    'training.stages=[{"steps": 4, "task": {"chunks": 1}}, '
    '{"steps": 6, "paradigm": {"store": {"budget": 32}}, "task": {"facts_per_chunk": 2, "near": 0.1}}]'
)


def test_a_training_without_stages_has_nothing_to_tell():
    assert find_stretches(load("memory-r1-tiny").dump()["training"]) == []
    assert find_stretches({}) == [] and tell_stretches({}) == "" and starts({}) == []


def test_every_step_is_in_one_stretch_and_the_sentence_names_them():
    training = load("memagent-tiny", [STAGES]).dump()["training"]
    stretches = find_stretches(training)
    assert [(one.first, one.last) for one in stretches] == [(1, 4), (5, 10), (11, 80)]
    assert starts(training) == [5, 11]
    assert find_stretch(training, 10).changed["store.budget"] == 32
    assert find_stretch(training, 11).changed == {} and find_stretch(training, 0) is None
    told = tell_stretches(training)
    assert (
        "steps 1 to 4: chunks 1; steps 5 to 10: facts per chunk 2, near 0.1, store budget 32"
        in told
    )
    assert "steps 11 to 80: the task as it stands" in told and "the curves jump" in told


def test_a_training_that_ends_in_a_stage_is_told_so():
    for steps, expected in ((7, [(1, 4), (5, 7)]), (4, [(1, 4)]), (3, [(1, 3)])):
        training = load("memagent-tiny", [STAGES, f"training.steps={steps}"]).dump()["training"]
        assert [(one.first, one.last) for one in find_stretches(training)] == expected
        told = tell_stretches(training)
        assert told.endswith("the task as it stands has no steps.") and f" to {steps}: " in told
        assert ("the curves jump" in told) == (len(expected) > 1)


def test_the_settings_of_a_step_are_those_of_the_form_that_it_is_played_in():
    config = load("memagent-tiny", [STAGES, "training.steps=12"])
    for step in (1, 4, 5, 10, 11, 12):
        found, form = settings_at(config.dump(), step), config.form_at(step)
        assert found["task"] == form.task.model_dump(mode="json")
        assert found["paradigm"] == form.paradigm.model_dump(mode="json")
        assert found["training"] == config.dump()["training"]
    assert settings_at(config.dump(), 0) == config.dump() and settings_at({}, 3) == {}

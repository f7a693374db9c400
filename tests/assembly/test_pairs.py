"""Every swap of every part of every preset: the configuration is valid and one episode plays to its end, or the kind is
grey with a reason. Each kind once in the quick suite; all swaps, and all pairs of swaps, among the slow ones."""

from functools import lru_cache
from itertools import combinations

import pytest

from memfactory_core import config
from memfactory_core.assembly.fit import find_fits
from memfactory_core.assembly.rehearsal import rehearse
from memfactory_core.component import kinds
from memfactory_core.policies.roles import RoleSampler
from memfactory_core.policies.scripted import Scripted
from memfactory_core.policies.tiny import Tiny
from memfactory_core.tiny import WEIGHTS
from tests.talkative import Talkative

PLACES = {
    ("paradigm",): "paradigms", ("policy",): "policies",
    ("paradigm", "extractor"): "extractors", ("paradigm", "updater"): "updaters",
    ("paradigm", "store"): "stores", ("paradigm", "retriever"): "retrievers",
}  # fmt: skip
QUICK = {
    "memagent-tiny": [("paradigm",), ("policy",)], "memory-r1-smollm2": [("paradigm", "updater")],
    "rmm-smollm2-topics": [("paradigm", "extractor")], "memory-r1-tiny": [("paradigm", "store")],
    "factconsolidation-scripted": [("paradigm", "retriever")],
}  # fmt: skip
"""The preset on which each place's kinds are tried in the quick suite."""


@lru_cache
def stand_in(kind):
    """Who answers for a policy: itself where it is here, a talkative program for a language model."""
    if kind == "tiny" and (WEIGHTS / "model.safetensors").is_file():
        return Tiny(seed=0, min_p=0.05).load()
    return Scripted().load() if kind in ("tiny", "scripted") else Talkative(0)


def plays(values):
    """One episode of made-up sentences, for the files are not here; False in a mode that plays none."""
    built = config.build(values)
    if built.mode not in ("train", "evaluate"):
        return False
    task = {"kind": "dialogue"} if built.task.files() else values["task"]
    evaluation = values["evaluation"] | {"task": None, "judge": None}
    played = config.build(values | {"task": task, "evaluation": evaluation})
    episode = rehearse(played, RoleSampler(stand_in(built.policy.kind), {}), seed=0)
    assert episode.stop_reason == "answered" and episode.events
    return True


def try_all(values, path):
    """Each kind at a place plays or has a reason; the values of those that fit, by kind."""
    fits = find_fits(values, path, PLACES[path])
    assert {fit.kind for fit in fits} == set(kinds(PLACES[path]))
    for fit in fits:
        if fit.reason:
            assert len(fit.reason) > 20 and "Traceback" not in fit.reason
            with pytest.raises(config.ConfigError):
                config.build(fit.swap.values)
        else:
            plays(fit.swap.values)
    return {fit.kind: fit.swap.values for fit in fits if not fit.reason}


@pytest.mark.parametrize(
    ("recipe", "path"), [(r, p) for r, places in QUICK.items() for p in places]
)
def test_each_kind_plays_or_says_why_not(recipe, path):
    fitting = try_all(config.load(recipe).dump(), path)
    assert len(fitting) >= 2


def test_every_preset_plays_as_it_is():
    played = [recipe for recipe in config.recipes() if plays(config.load(recipe).dump())]
    assert len(played) == len(config.recipes()) - 3  # three compare retrievers


@pytest.mark.slow
@pytest.mark.parametrize("recipe", config.recipes())
def test_all_swaps_of_a_preset(recipe):
    values = config.load(recipe).dump()
    for path in PLACES:
        assert try_all(values, path), path


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("recipe", config.recipes())
def test_all_pairs_of_swaps_of_a_preset(recipe):
    values = config.load(recipe).dump()
    tried = 0
    for first, second in combinations(PLACES, 2):
        for fit in find_fits(values, first, PLACES[first]):
            if not fit.reason:
                tried += len(try_all(fit.swap.values, second))
    assert tried > 50

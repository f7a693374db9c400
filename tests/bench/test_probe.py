"""The probe reads what a state holds, and nothing where it holds nothing."""

import random

import torch

from bench.probe import draw, probe
from memfactory_core.tasks.language import parse_fact


def test_it_tells_what_is_there_to_be_read_and_else_is_at_chance():
    torch.manual_seed(0)
    fitted, asked = torch.randn(600, 8), torch.randn(400, 8)
    assert 0.4 < probe(fitted, asked) < 0.6
    for values in (fitted, asked):
        values[:, 3] += 4 * (torch.arange(len(values)) % 2)
    assert probe(fitted, asked) > 0.95


def test_a_change_has_a_memorys_key_and_a_near_miss_half_of_one():
    rng = random.Random(0)
    for index in range(200):
        prompt = draw(rng, "heldout", change=bool(index % 2))
        memory, _, rest = prompt.removeprefix("Memory: ").partition("\nFact: ")
        told = parse_fact(rest.partition("\n")[0])
        held = [parse_fact("The " + one.split(" #")[0].strip()) for one in memory.split("The ")[1:]]
        assert all(held) and any((told.key == one.key) for one in held) == bool(index % 2)
        assert any(told.entity == o.entity or told.attribute == o.attribute for o in held)

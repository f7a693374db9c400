"""The command that Compose shows makes the same configuration when it is pasted: parsed by a shell and the command
line, for random compositions of all parts."""

import random
import subprocess
from typing import get_args

import pytest
from typer.main import get_command

from memfactory_core import config
from memfactory_core.assembly.command import find_assignments, write_command
from memfactory_core.assembly.fit import find_fits
from memfactory_core.assembly.schema import list_parts
from memfactory_core.cli import main
from memfactory_core.component import FAMILIES, find, kinds
from memfactory_core.config import RunConfig
from memfactory_core.policies.roles import Role

HOSTILE = (
    "A name with 'quotes'", '"double"', "12", "1e5", "true", "null", "NaN", "[1, 2]", '{"a": 1}', " blank ",
    "$HOME `ls`",
    "a=b.c", "-x", "#3", "two\nlines", "\\n", "!!", "\u00fcber \u8bb0\u5fc6", "*", "~",
)  # fmt: skip


REWARDS = (
    {"mine": {"kind": "length", "weight": -0.01}}, {"also_mine": {"kind": "f1", "weight": 0.5}}, {"f1": 0.25},
)  # fmt: skip


def paste(command):
    """What the command line makes of the command: bash parses it, then the command's own parser."""
    code = f"memfactory() {{ printf '%s\\0' \"$@\"; }}\n{command}\n"
    said = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True).stdout
    verb, *words = said.split("\0")[:-1]
    given = get_command(main.app).commands[verb].make_context(verb, words).params
    if verb == "train":
        return config.load(given["recipe"], given["set_"] or ())
    return main.read_evaluation(given["recipe"], given["set_"] or ())


def change_field(rng, model, name, value):
    """Another value that a field may have, or the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.randint(0, 3)
    if isinstance(value, float):
        return value * rng.choice([1, 0.5])
    return value


def change(rng, values, model, chance=0.25):
    """Some of a part's settings changed, where the result is valid."""
    changed = dict(values)
    for name in model.model_fields:
        value = changed.get(name)
        if isinstance(value, dict) and "kind" in value:
            inner = find(list_parts(model)[name], value["kind"])
            changed[name] = {"kind": value["kind"], **change(rng, value, inner, chance)}
        elif rng.random() < chance:
            trial = changed | {name: change_field(rng, model, name, value)}
            try:
                model.model_validate({k: v for k, v in trial.items() if k != "kind"})
            except ValueError:
                continue
            changed = trial
    return changed


def compose(seed):
    """A preset with parts swapped and settings changed at random; one that can be started."""
    rng = random.Random(seed)
    recipe = rng.choice(list(config.recipes()))
    values = config.load(recipe).dump()
    places = [("task",), ("paradigm",), ("policy",), ("evaluation", "task")]
    places += [("paradigm", name) for name in ("extractor", "updater", "store", "retriever")]
    for path in rng.sample(places, rng.randint(0, 4)):
        family = {"task": "tasks", "policy": "policies", "paradigm": "paradigms"}.get(
            path[-1], f"{path[-1]}s"
        )
        fitting = [fit for fit in find_fits(values, path, family) if not fit.reason]
        values = rng.choice(fitting).swap.values
    for name in ("task", "paradigm", "policy"):
        part = values[name]
        values[name] = {
            "kind": part["kind"],
            **change(rng, part, find(FAMILIES_OF[name], part["kind"])),
        }
    for name in ("training", "evaluation", "retention", "reranking"):
        group = type(getattr(config.load(recipe), name))
        values[name] = change(rng, values[name], group)
    if rng.random() < 0.5:
        values["name"] = rng.choice(HOSTILE).strip() or "x"
        values["about"] = rng.choice(HOSTILE)
    if rng.random() < 0.4:
        values["reward"] = dict(values["reward"]) | rng.choice(REWARDS)
    if rng.random() < 0.2:
        values["reward"] = {"exact_match": 1.0}
    if rng.random() < 0.3:
        policy = rng.choice(["start", {"kind": "scripted"}, {"kind": "api"}])
        values["roles"] = {rng.choice(get_args(Role)[:-1]): policy}
    if rng.random() < 0.2:
        values["retrieval"] = values["retrieval"] | {
            "retrievers": [{"kind": "bm25", "top_k": 3}, "recency"],
            "ks": [3],
        }
    try:
        return recipe, RunConfig.model_validate(values)
    except ValueError:
        return recipe, None


FAMILIES_OF = {"task": "tasks", "paradigm": "paradigms", "policy": "policies"}


def check(seeds):
    made = 0
    for seed in seeds:
        recipe, wanted = compose(seed)
        if wanted is None:
            continue
        made += 1
        command = write_command(recipe, find_assignments(config.read(recipe), wanted), wanted.mode)
        assert paste(command) == wanted, f"seed {seed}:\n{command}"
    return made


def test_random_compositions_are_repeated_by_their_command():
    assert check(range(20)) >= 12


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_random_compositions_are_repeated_by_their_command():
    assert check(range(1000, 2000)) >= 600


@pytest.mark.parametrize(
    "assignments",
    [
        ["paradigm.extractor.section=60"],
        ["paradigm.updater.related.top_k=2", "paradigm.updater=crud"],
        ["task.chunks=4"],
        ["evaluation.task=null"],
        ["retrieval.store.capacity=7", "retrieval.store.budget=900"],
        ["policy=scripted", "mode=evaluate", "policy.strategy=last"],
        ["mode=evaluate"],
        ["mode=retrieve", 'retrieval.retrievers=["bm25"]'],
        ['reward={"kept": 1.0}'],
        ['reward={"mine": {"kind": "length", "weight": -0.1}, "kept": 1.0}'],
        ['roles={"update": "scripted"}'],
        *(
            [f"name={text.strip()}" if text != "12" else 'name="12"']
            for text in ("A 'b'", "two\nlines", "12")
        ),
    ],
)
def test_one_change_is_repeated(assignments):
    recipe = "memagent-tiny"
    wanted = config.load(recipe, assignments)
    command = write_command(recipe, find_assignments(config.read(recipe), wanted), wanted.mode)
    assert paste(command) == wanted
    assert command.count("--set") <= 4


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_survives_the_shell(text):
    wanted = config.build(config.read("memagent-tiny") | {"about": text})
    found = find_assignments(config.read("memagent-tiny"), wanted)
    assert paste(write_command("memagent-tiny", found)) == wanted


def test_an_unchanged_preset_needs_no_setting():
    for recipe in config.recipes():
        assert find_assignments(config.read(recipe), config.load(recipe)) == []


def test_one_setting_of_a_part_that_the_recipe_does_not_name_leaves_the_others():
    built = config.load("memory-r1-qwen3-lora", ["paradigm.extractor.section=60"])
    assert (built.paradigm.extractor.kind, built.paradigm.extractor.section) == ("verbatim", 60)
    values = config.read("memory-r1-tiny")
    values["paradigm"] = {"kind": "memory_r1", "retriever": {"b": 0.5}}
    retriever = config.build(values).paradigm.retriever
    assert (retriever.kind, retriever.b, retriever.top_k) == ("bm25", 0.5, 60)
    nested = config.load(
        "memagent-tiny", ["paradigm.retriever=dense", "paradigm.retriever.embedder.dimensions=64"]
    )
    assert nested.paradigm.retriever.embedder.dimensions == 64


def test_every_family_is_known_to_the_command():
    assert set(FAMILIES) >= {f"{name}s" for name in ("store", "updater", "extractor", "retriever")}
    assert all(kinds(family) for family in FAMILIES)

"""A part is swapped: limits of the same name stay, defaults follow the new kind, and what does not fit says why."""

import json
from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from memfactory_core import config
from memfactory_core.assembly.fit import find_fits
from memfactory_core.assembly.swap import carry_over, swap_part
from memfactory_core.cli.main import app
from memfactory_core.component import kinds
from memfactory_core.tasks.settings import with_task

PARTS = ("extractor", "updater", "store", "retriever")


def values_of(recipe, *assignments):
    return config.load(recipe, assignments).dump()


def test_a_bank_of_three_stays_a_bank_of_three():
    swap = swap_part(values_of("memory-r1-tiny"), ("paradigm", "store"), "stores", "lance")
    assert swap.kept == {"capacity": 3} and not swap.reset
    store = config.build(swap.values).paradigm.store
    assert (store.kind, store.capacity, store.budget) == ("lance", 3, 100_000_000)


def test_what_nobody_chose_follows_the_new_kind():
    part, kept, reset = carry_over(
        "stores", {"kind": "ram", "capacity": 1000, "budget": 5000}, "lance"
    )
    assert part["capacity"] == 100_000 and part["budget"] == 5000
    assert kept == {"budget": 5000} and reset == {}


def test_what_the_new_kind_does_not_have_or_refuses_is_said():
    part, kept, reset = carry_over("stores", {"kind": "ram", "capacity": 3, "budget": 5}, "buffer")
    assert part == {"kind": "buffer", "budget": 4000}  # ten characters at least
    assert kept == {} and reset == {"capacity": 3, "budget": 5}


def test_parts_inside_a_part_stay():
    old = {"kind": "dense", "top_k": 7, "embedder": {"kind": "hashing", "dimensions": 64}}
    part, kept, _ = carry_over("retrievers", old, "hybrid")
    assert part["top_k"] == 7 and part["embedder"]["dimensions"] == 64
    assert set(kept) == {"top_k", "embedder"}


@pytest.mark.parametrize("kind", ["memory_r1", "retrieval", "rmm"])
def test_each_other_paradigm_fits_the_default_preset_with_its_limits(kind):
    swap = swap_part(values_of("memagent-tiny"), ("paradigm",), "paradigms", kind)
    assert swap.problems == []
    built = config.build(swap.values)
    assert built.paradigm.kind == kind and built.paradigm.answer_tokens == 16
    assert built.paradigm.store.budget == 64 and built.paradigm.store.kind == "ram"
    assert swap.kept["answer_tokens"] == 16 and swap.kept["store.budget"] == 64
    if kind == "memory_r1":
        assert built.paradigm.updater.max_tokens == 32 and built.paradigm.retriever.top_k == 60


def test_of_a_paradigm_only_those_parts_stay_that_have_to():
    swap = swap_part(values_of("memagent-tiny"), ("paradigm",), "paradigms", "rmm")
    assert swap.stayed == ["extractor", "updater"]  # the tiny policy has learned neither of RMM's
    assert swap.values["paradigm"]["retriever"]["kind"] == "rerank_llm"
    chosen = swap_part(values_of("rmm-smollm2-topics"), ("paradigm",), "paradigms", "memory_r1")
    assert chosen.stayed == [] and not chosen.problems


def test_who_is_trained_stays_where_another_choice_would_be_refused():
    swap = swap_part(values_of("memory-r1-tiny"), ("paradigm",), "paradigms", "memagent")
    assert swap.problems == []  # the answers are a frozen policy's: they cannot be trained
    assert swap.values["paradigm"]["trains"] == "memory"


def test_the_same_kind_again_changes_nothing():
    for recipe in config.recipes():
        values = values_of(recipe)
        for part in PARTS:
            path, old = ("paradigm", part), values["paradigm"][part]
            assert swap_part(values, path, f"{part}s", old["kind"]).values == values


def test_the_reason_is_the_one_that_training_gives():
    values = values_of("memagent-tiny")
    fits = {fit.kind: fit for fit in find_fits(values, ("paradigm", "retriever"), "retrievers")}
    assert set(fits) == set(kinds("retrievers"))
    assert [kind for kind, fit in fits.items() if fit.reason] == ["search"]
    with pytest.raises(config.ConfigError) as refused:
        config.load("memagent-tiny", ["paradigm.retriever=search"])
    assert fits["search"].reason in str(refused.value)
    policies = {fit.kind: fit.reason for fit in find_fits(values, ("policy",), "policies")}
    assert "cannot be trained" in policies["scripted"] and not policies["hf"]


def test_what_is_wrong_anyway_speaks_against_no_kind():
    values = values_of("memagent-tiny") | {"seed": 1000}
    fits = find_fits(values, ("paradigm", "store"), "stores")
    missing = [fit.kind for fit in fits if fit.reason]
    assert len(fits) == 4 and missing == ["qdrant"] * (find_spec("qdrant_client") is None)


def test_an_optional_part_can_be_taken_out_and_put_in():
    values = values_of("memagent-tiny")
    out = swap_part(values, ("evaluation", "task"), "tasks", None)
    assert config.build(out.values).evaluation.task is None
    back = swap_part(out.values, ("evaluation", "task"), "tasks", "dialogue")
    assert config.build(back.values).held_out.kind == "dialogue"
    role = swap_part(values_of("memory-r1-tiny"), ("roles", "answer"), "policies", "scripted")
    assert config.build(role.values).roles["answer"].kind == "scripted"


def test_another_task_is_measured_on_itself():
    swap = swap_part(values_of("memagent-tiny"), ("task",), "tasks", "dialogue")
    assert swap.measured_anew and config.build(swap.values).held_out.kind == "dialogue"
    assigned = config.load("memagent-tiny", ["task=dialogue"])  # as in the shell
    assert assigned.held_out.kind == "dialogue"
    same = swap_part(values_of("memory-r1-qwen3-lora"), ("task",), "tasks", "locomo")
    assert not same.measured_anew and same.values["evaluation"]["task"]


def test_an_evaluation_task_follows_to_the_new_file():
    first = values_of("memory-r1-qwen3-lora", "task.path=a.json")
    assert first["evaluation"]["task"]["path"] == first["task"]["path"]
    second = with_task(first, first["task"] | {"path": "b.json"})
    assert second["evaluation"]["task"] == first["evaluation"]["task"] | {"path": "b.json"}
    assert with_task(values_of("memagent-tiny"), {"kind": "needle"})["task"] == {"kind": "needle"}


def test_a_file_stays_where_the_new_task_reads_one_too():
    values = values_of("hotpotqa-scripted")
    swap = swap_part(values, ("task",), "tasks", "memagent_file")
    assert swap.values["task"]["path"] == values["task"]["path"] and swap.kept["path"]
    assert swap_part(values_of("memagent-tiny"), ("task",), "tasks", "jsonl").problems == []


def test_stages_go_with_the_part_whose_settings_they_change():
    values = values_of("memagent-tiny")
    values["training"]["stages"] = [{"steps": 5, "task": {"chunks": 1}}]
    for path, family, kind in (
        (("task",), "tasks", "dialogue"),
        (("paradigm",), "paradigms", "rmm"),
    ):
        swap = swap_part(values, path, family, kind)
        assert swap.unstaged and not swap.values["training"].get("stages")
    swap = swap_part(values, ("policy",), "policies", "hf")
    assert not swap.unstaged and swap.values["training"]["stages"]
    assert not swap_part(values_of("memory-r1-tiny"), ("task",), "tasks", "needle").unstaged


def test_the_mode_that_trains_the_linear_reranker_takes_no_other():
    fits = find_fits(values_of("rmm-linear-locomo"), ("paradigm", "retriever"), "retrievers")
    assert {fit.kind for fit in fits if not fit.reason} == {"rerank_linear"}
    assert "rerank_linear" in next(fit.reason for fit in fits if fit.kind == "bm25")


def test_the_shell_says_what_fits_and_why_the_rest_does_not():
    told = CliRunner().invoke(app, ["kinds", "retrievers", "--fits", "memagent-tiny"])
    assert told.exit_code == 0, told.output
    assert "search               NO: the policy 'tiny' has never learned" in told.output
    assert "recency              fits" in told.output
    stores = CliRunner().invoke(app, ["kinds", "stores", "--fits", "memory-r1-tiny", "--json"])
    assert json.loads(stores.output)["stores"]["lance"] == {
        "fits": True, "reason": "", "kept": {"capacity": 3}, "reset": {}
    }  # fmt: skip
    more = ["--set", "mode=evaluate"]
    assert "scripted             fits" in (
        CliRunner().invoke(app, ["kinds", "policies", "--fits", "memagent-tiny", *more]).output
    )
    wrong = CliRunner().invoke(app, ["kinds", "rewards", "--fits", "memagent-tiny"])
    assert "no family called 'rewards' in a recipe" in str(wrong.exception)
    alone = CliRunner().invoke(app, ["kinds", "policies", *more])
    assert "--set changes the recipe of --fits" in str(alone.exception) and not alone.stdout

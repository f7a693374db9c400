"""What a preset's card says is what the recipe is; minutes are those that somebody measured."""

from pathlib import Path

import pytest

from memfactory_core import config
from memfactory_core.assembly.presets import FILE, describe_preset, list_presets

README = Path(__file__).parents[2] / "README.md"
TIMED = ("on one core", "on two cores")


def test_the_card_is_no_setting_and_needs_no_place_in_a_run():
    for name in config.recipes():
        assert "card" in config.read_file(name)
        assert "card" not in config.read(name) and "card" not in config.load(name).dump()


@pytest.mark.parametrize(
    ("name", "paradigm", "model", "needs", "time"),
    [
        ("memagent-tiny", "memagent", "tiny", ("CPU",), "1 min on two cores"),
        ("rmm-linear-locomo", "retrieval", "scripted", ("CPU", FILE), "1 min on two cores"),
        (
            "memory-r1-qwen3-lora",
            "memory_r1",
            "Qwen/Qwen3-4B, LoRA",
            ("GPU", FILE),
            "time not measured",
        ),
    ],
)
def test_a_card_tells_what_the_recipe_is(name, paradigm, model, needs, time):
    card = describe_preset(name)
    assert (card.paradigm, card.model, card.needs, card.time_in_words()) == (
        paradigm,
        model,
        needs,
        time,
    )
    assert card.title == config.load(name).name and card.about


def test_what_starts_at_once_comes_first():
    order = [preset.needs for preset in list_presets()]
    assert order[0] == ("CPU",) and order[-1] == ("GPU", FILE)
    assert len(order) == len(config.recipes())


def test_the_minutes_are_those_that_the_readme_tells():
    told = README.read_text(encoding="utf-8")
    for preset in list_presets():
        if preset.card.minutes is not None:
            assert f"{preset.card.minutes:g} min" in told and preset.card.measured in TIMED
            assert preset.name in told

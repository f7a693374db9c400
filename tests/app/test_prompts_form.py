"""The prompts' form: a text area for each role that the paradigm asks for, the dialect's words in it until they are
changed."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from memfactory_core.config import build, load
from memfactory_core.dialects.wordings import PROMPTS

MINE = "Decide as JSON.\n---\n{memories}\nNews: {fact}"


def form(values):
    """A page that is the form of a paradigm alone; it writes down what was typed."""
    import streamlit as st

    from app.compose.forms import edit_part

    st.json(edit_part("paradigms", values, "p", "Paradigm"))


def page_of(paradigm):
    return AppTest.from_function(form, args=(paradigm,), default_timeout=60).run()


def typed(page):
    assert not page.exception, [error.value for error in page.exception]
    return json.loads(page.json[0].value)


def areas(page):
    return {area.label: area.value for area in page.text_area}


@pytest.fixture
def config():
    return load("memory-r1-qwen3-lora", ["task.path=x.json"])


def test_the_dialects_words_stand_in_the_form_and_are_not_kept(config):
    page = page_of(config.dump()["paradigm"])
    assert areas(page) == {"Manage": PROMPTS["manage"], "Answer": PROMPTS["cite"]}
    assert typed(page)["prompts"] == {}


def test_what_is_changed_is_kept_and_goes_into_the_recipe(config):
    page = page_of(config.dump()["paradigm"])
    page.text_area(key="p.memory_r1.prompts.manage.manage").set_value(MINE).run()
    now = typed(page)
    assert now["prompts"] == {"manage": MINE}
    changed = build(config.dump() | {"paradigm": now})
    assert changed.paradigm.prompts == {"manage": MINE}
    again = page_of(changed.dump()["paradigm"])
    assert areas(again)["Manage"] == MINE and typed(again)["prompts"] == {"manage": MINE}


def test_other_parts_ask_in_other_words(config):
    dump = config.dump()["paradigm"]
    parts = {
        "extractor": "topics",
        "updater": {"kind": "merge", "keys": True},
        "retriever": "search",
    }
    roles = {
        "Extract": "topics",
        "Merge": "merge",
        "Index": "index",
        "Search": "search",
        "Answer": "cite",
    }
    assert areas(page_of(dump | parts)) == {label: PROMPTS[name] for label, name in roles.items()}

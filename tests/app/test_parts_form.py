"""A part inside a part is changed in its form: limits of the same name stay, and going back finds what was there."""

import json

from streamlit.testing.v1 import AppTest

VALUES = {"kind": "rerank_llm", "candidates": {"kind": "bm25", "top_k": 3, "k1": 1.2}, "most": 2}


EASY = {"steps": 4, "task": {"chunks": 1}, "paradigm": {"store": {"budget": 32}}}
STAGES = {"stages": [EASY], "steps": 20}


def training_form(values):
    """A page that is the form of the training's settings alone."""
    import streamlit as st

    from app.compose.forms import edit_settings
    from memfactory_core.policies.reinforcement import Training

    st.json(edit_settings(Training, values, "p"))


def test_stages_are_added_changed_and_taken_away():
    page = AppTest.from_function(training_form, args=(STAGES,), default_timeout=60).run()
    assert typed(page)["stages"] == [EASY]
    page.text_input(key="p.stages.0.task").set_value("chunks=1, near=0.25").run()
    page.number_input(key="p.stages").set_value(2).run()
    page.number_input(key="p.stages.1.steps").set_value(7).run()
    page.text_input(key="p.stages.1.task").set_value(
        'x=[1, 2], wording=new, y={"a": 1, "b": 2}'
    ).run()
    one, two = typed(page)["stages"]
    assert one == EASY | {"task": {"chunks": 1, "near": 0.25}}
    assert page.text_input(key="p.stages.0.paradigm").value == "store.budget=32"
    assert two == {
        "steps": 7,
        "paradigm": {},
        "task": {"x": [1, 2], "wording": "new", "y": {"a": 1, "b": 2}},
    }
    page.text_input(key="p.stages.1.task").set_value("near").run()
    assert typed(page)["stages"][1]["task"] == "near", "the validation refuses it"
    page.number_input(key="p.stages").set_value(0).run()
    assert typed(page)["stages"] == []


def form(values):
    """A page that is the form of a retriever alone; it writes down what was typed."""
    import streamlit as st

    from app.compose.forms import edit_part

    st.json(edit_part("retrievers", values, "p", "Retriever"))


def typed(page):
    assert not page.exception, [error.value for error in page.exception]
    return json.loads(page.json[0].value)


def test_a_part_inside_a_part_keeps_its_limits():
    page = AppTest.from_function(form, args=(VALUES,), default_timeout=60).run()
    page.selectbox(key="p.rerank_llm.candidates.kind").set_value("dense").run()
    now = typed(page)["candidates"]
    assert (now["kind"], now["top_k"]) == ("dense", 3)
    told = " ".join(caption.value for caption in page.caption).replace("\\", "")
    assert "Kept: top k 3" in told and "k1 1.2" in told
    page.number_input(key="p.rerank_llm.candidates.dense.top_k").set_value(8).run()
    page.selectbox(key="p.rerank_llm.candidates.kind").set_value("recency").run()
    assert typed(page)["candidates"] == {
        "kind": "recency",
        "top_k": 8,
    }  # what was typed, not what was given
    page.selectbox(key="p.rerank_llm.candidates.kind").set_value("bm25").run()
    assert typed(page)["candidates"]["top_k"] == 3
    assert typed(page)["most"] == 2


def policy_form(values):
    """A page that is the form of a chat model's settings alone."""
    import streamlit as st

    from app.compose.forms import edit_settings
    from memfactory_core.policies.hf import HF

    st.json(edit_settings(HF, values, "p"))


def test_the_engine_of_a_chat_model_is_chosen_in_its_form():
    page = AppTest.from_function(policy_form, args=({"lora_rank": 4},), default_timeout=60).run()
    engine = page.selectbox(key="p.engine")
    assert engine.value == "transformers" and engine.options == ["transformers", "continuous"]
    engine.set_value("continuous").run()
    assert typed(page)["engine"] == "continuous" and not page.exception

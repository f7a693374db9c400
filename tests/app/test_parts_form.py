"""A part inside a part is changed in its form: limits of the same name stay, and going back finds what was there."""

import json

from streamlit.testing.v1 import AppTest

VALUES = {"kind": "rerank_llm", "candidates": {"kind": "bm25", "top_k": 3, "k1": 1.2}, "most": 2}


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

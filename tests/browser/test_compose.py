"""Compose in a real browser: a part changed by the keyboard alone, a file given and mapped, an episode before the
start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from memfactory_core.tiny import WEIGHTS

pytestmark = [
    pytest.mark.timeout(420),
    pytest.mark.skipif(
        not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
    ),
]


def test_a_part_is_changed_by_the_keyboard_and_what_does_not_fit_says_why(
    open_lab: Any, page: Any
) -> None:
    page.goto(f"{open_lab.url}/compose")
    page.get_by_role("button", name="everything").focus()
    page.keyboard.press("Enter")
    menu = page.get_by_role("dialog")
    menu.get_by_text("has never learned what the role 'search' asks for").wait_for()
    expect(menu.get_by_role("button", name="search")).to_be_disabled()
    menu.get_by_role("button", name="bm25").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past dense; the present kind and what does not fit are no stops
    assert page.evaluate("document.activeElement.innerText").strip() == "hybrid"
    page.keyboard.press("Enter")
    page.get_by_text("--set paradigm.retriever=hybrid").wait_for()
    page.get_by_role("dialog").wait_for(state="detached")


def test_the_picture_breaks_no_word_at_any_width(open_lab: Any, page: Any) -> None:
    for width in (1280, 1024, 760):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{open_lab.url}/compose")
        page.get_by_role("button", name="Start", exact=True).wait_for()
        for kind in ("overwrite", "everything", "verbatim"):
            label = page.get_by_role("button", name=kind).locator("p").first
            height = label.evaluate("e => e.getBoundingClientRect().height")
            assert height < 30, (width, kind, height)  # one line


def test_a_file_is_given_and_an_episode_of_it_played(
    open_lab: Any, page: Any, tmp_path: Path
) -> None:
    rows = [
        {"passage": f"The pet of Bako{n} is Zimo.", "query": f"What is the pet of Bako{n}?", "output": "Zimo"}
        for n in range(6)
    ]  # fmt: skip
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    page.goto(f"{open_lab.url}/compose")
    page.get_by_role("button", name="needle").click()
    page.get_by_role("dialog").get_by_role("button", name="jsonl").click()
    page.get_by_text("the task names no data file").wait_for()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text("An example as it is read").wait_for()
    page.get_by_text("--set task.context=passage").wait_for()
    page.get_by_role("button", name="Play one episode now").click()
    page.get_by_role("dialog").get_by_text("nothing is kept").wait_for()
    page.get_by_role("dialog").get_by_text("Section 1 of 1").wait_for()

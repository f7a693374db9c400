"""A walk through the rooms in which runs are kept, measured and compared; the address names every place on it."""

from __future__ import annotations

import re
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
NAME = "MemAgent, tiny, CPU"


def test_from_the_list_to_an_evaluation_and_a_comparison(server: Any, page: Any) -> None:
    page.goto(f"{server.url}/runs")
    page.get_by_role("button", name=NAME, exact=True).click()
    page.wait_for_url("**/runs?run=*")
    page.get_by_role("heading", name=NAME).wait_for()
    run = re.search(r"run=([\w-]+)", page.url)[1]
    page.reload()  # the address is the place
    page.get_by_role("heading", name=NAME).wait_for()
    page.get_by_role("button", name="All runs").click()
    page.wait_for_url(lambda url: url.endswith("/runs"))
    page.get_by_role("heading", name="Runs").wait_for()
    page.go_back()
    page.wait_for_url(f"**/runs?run={run}")
    page.get_by_role("heading", name=NAME).wait_for()

    page.get_by_role("button", name="Evaluate on …").click()
    page.wait_for_url(f"**/evaluate?run={run}")
    for label, value in (("Examples", "6"), ("Samples", "0")):
        page.get_by_label(label, exact=True).fill(value)
        page.keyboard.press("Tab")
    page.get_by_text("evaluation.samples=0").first.wait_for()
    page.get_by_text("2 evaluations").wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/evaluate?view=results&runs=*")
    page.get_by_text("In brackets the 95% interval").wait_for()
    page.get_by_text("of 2 measured").wait_for(state="detached")
    latex = page.get_by_role("button", name="LaTeX")
    latex.first.wait_for()
    expect(latex).to_have_count(1)
    measured = re.search(r"runs=([\w,%-]+)", page.url)[1]
    page.get_by_role("heading", name="Wrong answers").wait_for()

    page.goto(f"{server.url}/compare?runs={measured}")
    page.get_by_text("6 shared examples, all that both attempted").wait_for()
    page.get_by_role("button", name="Side by side").first.click()
    page.wait_for_url("**example=*")
    opened = page.get_by_role("link", name="Open in the debugger")
    expect(opened).to_have_count(2)
    opened.first.click()
    page.wait_for_url("**/episode?run=*")
    page.get_by_role("heading", name="Episodes").wait_for()

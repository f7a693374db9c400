"""The strip of curves over the groups: a click on it moves in time, and so does a drag along it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.reads.examples import find_examples
from tests.browser.conftest import Server
from tests.browser.redrawing import settle

pytestmark = pytest.mark.timeout(300)


def test_a_click_on_the_strip_opens_another_step(page: Any, shared: Server) -> None:
    run = find_examples()[0]
    page.goto(f"{shared.url}/groups?run={run.id}&phase=train&step=20")
    page.get_by_text("Groups · step 20").wait_for()
    strip = page.locator(".js-plotly-plot").first
    strip.locator(".scatterlayer path.point").first.wait_for()
    box = strip.locator(".nsewdrag").first.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
    page.wait_for_url(re.compile(r"step=[56]\d\b"))
    step = int(page.evaluate("new URLSearchParams(location.search).get('step')"))
    assert 50 <= step <= 69
    page.get_by_text(f"Groups · step {step - step % 5}").wait_for()
    page.go_back()
    page.get_by_text("Groups · step 20").wait_for()
    settle(page)
    middle = box["y"] + 0.5 * box["height"]
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=5)
    page.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"step=[34]\d\b"))

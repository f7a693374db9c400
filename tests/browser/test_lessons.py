"""Each lesson of the course in a real browser, from its prediction to its end; what is right is taken from the lesson's
own computation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from app.learn import bounded, cause, decides, hacking, parted, reranker
from tests.browser.conftest import Server
from tests.browser.redrawing import fill_until, press_until, settle
from tests.conftest import PATIENCE

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.timeout(300)
Answers = dict[str, float | int]
"""What is right by the question's key: the number of an option (int), or a number to be typed (float)."""


def _decides() -> Answers:
    share = decides.share_right("first")
    return {"checked": min(range(4), key=lambda i: abs(decides.MIDDLES[i] - share))}


def _bounded() -> Answers:
    return {"checked": float(bounded.largest_full(bounded.CHECKED_WINDOW)), "difference": 1}


def _credit() -> Answers:
    groups = parted.play_parted(*parted.plain_case(), 0)
    leads = parted.leads(groups)
    most = leads.index(max(leads))
    return {"lead": most, "taught": float(parted.taught(groups[most]))}


def _reranker() -> Answers:
    weights, _ = reranker.learned_by_default()
    found = reranker.share_found(weights, reranker.HELD_OUT, 1)
    return {"checked": reranker.FEATURES.index("before"), "after": 100 * found}


def _hacking() -> Answers:
    return {"weight": round(hacking.least_weight(), 1), "seeds": 3.0}


def _cause() -> Answers:
    cases = cause.find_cases()
    asked = cases[-2]
    right = [case.finding.cause for case in cases].index(asked.finding.cause)
    return {"checked": right, "section": float(cause.section_of(asked))}


LESSONS: dict[str, Callable[[], Answers]] = {
    "decides": _decides, "group": lambda: {"checked": 2.65, "equal": 0.0}, "bounded": _bounded,
    "credit": _credit, "reranker": _reranker, "hacking": _hacking, "cause": _cause,
}  # fmt: skip
"""The lessons but one, which `test_learn.py` takes to its end."""


@pytest.mark.parametrize("lesson", LESSONS)
def test_to_its_end(lesson: str, page: Page, open_lab: Server) -> None:
    page.goto(f"{open_lab.url}/learn?lesson={lesson}")
    choose(widget(page, lesson, "predict"), 0)
    check = page.get_by_role("heading", name="4 · Check")
    press_until(widget(page, lesson, "commit").get_by_role("button"), check)
    for key, value in LESSONS[lesson]().items():
        settle(page)
        field = widget(page, lesson, key)
        button = widget(page, lesson, f"{key}-button").get_by_role("button")
        if isinstance(value, float):
            fill_until(field.get_by_role("spinbutton"), f"{value:g}", button)
        else:
            choose(field, value)
        press_until(button, page.locator(f".st-key-{lesson}-{key}-judged"))
    expect(page.get_by_text("This lesson is done.")).to_be_visible()
    expect(page.get_by_text("1 of 8 taken to the end")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def widget(page: Page, lesson: str, key: str) -> Locator:
    return page.locator(f".st-key-{lesson}-{key}")


def choose(radio: Locator, number: int) -> None:
    radio.get_by_role("radiogroup").locator("label").nth(number).click()

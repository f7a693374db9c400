"""Without a mouse and without colours, in a real browser: every way by keyboard alone, words for every
chart and the table behind it, a word and a sign on every operation. Nothing is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from app.markup.labels import ACTIONS
from app.reads.curves import read_curves
from memfactory_core import config
from memfactory_core.runs import database, jobs, recording
from memfactory_core.tiny import WEIGHTS
from tests.browser.conftest import Server
from tests.browser.redrawing import settle
from tests.filled import fill, with_weights

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
    ),
]
STEPS = 6
MOST = 120
"""Stops of the Tab key on one page."""
REGIONS = ("main", "group")
"""What can be scrolled by keys and is no control: it may go without a name."""
LOOK = """e => {
  const looks = [];
  for (let i = 0; i < 6 && e; i++, e = e.parentElement) {
    const s = getComputedStyle(e);
    const outline = s.outlineStyle === 'none' ? '' : s.outlineWidth + s.outlineColor;
    looks.push([outline, s.boxShadow, s.borderColor, s.backgroundColor].join());
  }
  return looks.join('|');
}"""
AT_ONCE = "*, *::before, *::after { transition: none !important; animation: none !important; }"
"""A border has its colour as soon as it is drawn, so that no test waits for it to fade."""
SETTLED = 250
"""Milliseconds in which a grid has handed the focus on to its cell."""
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def lab(open_lab: Server) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a lab and its runs: those of `fill`, one with weights, a reranker's."""
    with open_lab.chosen():
        engine = database.connect(jobs.database_url())
        runs = fill(engine, steps=STEPS, examples=4)
        runs["tiny"] = with_weights(engine, "memory-r1-tiny", steps=STEPS)
        runs["rerank"] = jobs.create(engine, config.load("rmm-linear-locomo")).id
        for step in range(1, 5):
            recording.save_metrics(engine, runs["rerank"], step, {"useful": step / 5})
        database.update_run(
            engine, runs["rerank"], state="finished", started=database.now(), ended=database.now()
        )
        yield open_lab.url, runs


class Keyboard:
    """A user who has only the keyboard; every stop must have a name and must be seen."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.add_style_tag(content=AT_ONCE)
        self.tree = page.context.new_cdp_session(page)
        self.last: tuple[Any, str, str] | None = None

    def focused(self) -> tuple[str, str]:
        """Role and accessible name of what has the focus."""
        found = self.tree.send("Runtime.evaluate", {"expression": "document.activeElement"})
        asked = {"objectId": found["result"]["objectId"], "fetchRelatives": False}
        node = self.tree.send("Accessibility.getPartialAXTree", asked)["nodes"][0]
        return tuple(node.get(key, {}).get("value", "") for key in ("role", "name"))

    def press(self, key: str) -> tuple[str, str]:
        """Presses Tab or Shift+Tab and gives the stop; "" for the role at the page's end."""
        self.page.keyboard.press(key)
        self.page.evaluate(DRAWN)
        self._was_seen()
        if self.page.evaluate("document.activeElement === document.body"):
            self.last = None
            return "", ""
        role, name = self.focused()
        if not name.strip() and role not in REGIONS:
            self.page.wait_for_timeout(SETTLED)
            role, name = self.focused()
        assert name.strip() or role in REGIONS, f"no name: {self._html()}"
        handle = self.page.evaluate_handle("document.activeElement")
        self.last = handle, handle.evaluate(LOOK), f"{role} {name}"
        return role, name

    def _was_seen(self) -> None:
        if self.last is None or not self.last[0].evaluate("e => e.isConnected"):
            return
        handle, look, which = self.last
        if which.startswith("gridcell"):
            return  # the grid draws its chosen cell on a canvas
        assert handle.evaluate(LOOK) != look, f"the focus does not show on {which}"

    def _html(self) -> str:
        return self.page.evaluate("document.activeElement.outerHTML.slice(0, 200)")

    def to(self, role: str, name: str) -> None:
        """Tab until a stop of this role has this name (a regular expression)."""
        passed = []
        for _ in range(MOST):
            stop = self.press("Tab")
            passed.append(stop)
            if stop[0] == role and re.search(name, stop[1]):
                return
        raise AssertionError(f"{role} {name!r} is not reached; passed {passed}")

    def act(self, key: str) -> None:
        """A key that does something; the focus may go elsewhere by it."""
        self.last = None
        self.page.keyboard.press(key)


def test_from_the_curve_to_the_event_by_keyboard(
    lab: tuple[str, dict[str, str]], page: Any
) -> None:
    url, runs = lab
    page.goto(f"{url}/runs?run={runs['tiny']}")
    link = page.get_by_role("link", name="Open this step")
    link.wait_for()
    keyboard = Keyboard(page)
    keyboard.to("spinbutton", "^Step$")
    keyboard.act("ArrowDown")
    keyboard.act("Enter")
    page.locator(f"a[href*='step={STEPS - 1}']", has_text="Open this step").wait_for()
    keyboard.to("link", "Open this step")
    keyboard.act("Enter")
    page.wait_for_url(f"**/groups?run={runs['tiny']}*step={STEPS - 1}")

    page.get_by_text("Memories at the end").wait_for()
    keyboard.to("button", "right · reward")
    keyboard.to("button", "right · reward")
    keyboard.act("Enter")
    page.wait_for_url("**group=*")
    page.get_by_text("Where two attempts part").wait_for()
    keyboard.to("link", "Open attempt 2")
    keyboard.act("Enter")
    page.wait_for_url("**/episode?*episode=*")

    page.get_by_text("Step by step").wait_for()
    keyboard.to("radio", "Story")
    keyboard.act("ArrowRight")
    keyboard.act("Space")
    page.wait_for_url("**view=steps*")
    page.get_by_text(re.compile("Moment 1 of")).wait_for()
    keyboard.to("slider", "Moment 1 of")
    keyboard.act("ArrowRight")
    page.wait_for_url("**event=*")
    page.get_by_text(re.compile("Moment 2 of")).wait_for()
    page.locator("[aria-current=true]").wait_for()


PLACES = {
    "overview": "", "runs": "runs", "curves": "runs?run={tiny}",
    "results": "runs?run={trained}&tab=Before+and+after", "causes": "runs?run={tiny}&tab=Causes",
    "memories": "runs?run={tiny}&tab=Memories", "groups": "groups?run={tiny}",
    "story": "episode?run={tiny}", "steps": "episode?run={tiny}&view=steps",
    "what-if": "episode?run={tiny}&view=what-if", "tokens": "episode?run={tiny}&view=tokens",
    "memory": "memory?run={tiny}", "compose": "compose", "useful": "runs?run={rerank}",
    "old": "runs?run={evaluated}",
}  # fmt: skip


def open_place(lab: tuple[str, dict[str, str]], page: Any, name: str) -> None:
    url, runs = lab
    page.goto(f"{url}/{PLACES[name].format(**runs)}")
    settle(page)
    page.wait_for_timeout(300)


@pytest.mark.parametrize("name", ["curves", "causes", "groups", "steps", "what-if", "memory"])
def test_no_keyboard_trap(name: str, lab: tuple[str, dict[str, str]], page: Any) -> None:
    open_place(lab, page, name)
    for table in page.get_by_text("The figures as a table").all():
        table.click()
    page.wait_for_timeout(1500)
    page.evaluate("{ const first = document.querySelector('a'); first.focus(); first.blur(); }")
    keyboard = Keyboard(page)
    start = keyboard.press("Tab")
    stops = [start]
    while len(stops) < MOST:
        stop = keyboard.press("Tab")
        if stop in (start, ("", "")):
            break
        stops.append(stop)
    assert 8 < len(stops) < MOST, f"the end is not reached: {stops[-6:]}"
    keyboard.press("Shift+Tab")
    assert keyboard.press("Shift+Tab")[0], "there is no way back"


@pytest.mark.parametrize("name", PLACES)
def test_words_for_charts_and_signs_for_operations(
    name: str, lab: tuple[str, dict[str, str]], page: Any
) -> None:
    open_place(lab, page, name)
    charts = page.locator(".js-plotly-plot")
    if name in ("curves", "results", "causes", "memories", "useful", "old"):
        charts.first.wait_for()
        behind = page.get_by_text("The figures as a table").or_(page.locator("table"))
        expect(behind.first).to_be_attached()
    for chart in charts.all():
        told = chart.evaluate("e => e.closest('[role=figure]')?.ariaLabel ?? ''")
        assert len(told) > 20 and ":" in told, told
        expect(chart.locator(".modebar-btn")).to_have_count(0)
    if name in ("story", "steps"):
        known = "|".join(label for _, label in ACTIONS.values())
        expect(page.locator(".mf-tag", has_text=re.compile(known)).first).to_be_visible()
    for tag in page.locator(".mf-tag").all():
        sign, word = tag.evaluate("e => [e.firstChild.textContent, e.lastChild.textContent]")
        assert sign.strip() and re.search(r"\w", word), (sign, word)


def test_the_table_behind_the_curves_holds_their_values(
    lab: tuple[str, dict[str, str]], page: Any
) -> None:
    open_place(lab, page, "curves")
    page.get_by_text("The figures as a table").click()
    table = page.get_by_test_id("stDataFrame")
    table.wait_for()
    run = lab[1]["tiny"]
    reward = dict(read_curves(run, ["reward"])["reward"])
    grid = table.locator("table, [role=grid]").first
    grid.wait_for(state="attached")
    expect(grid).to_have_attribute("aria-rowcount", str(STEPS + 1))
    cells = " ".join(grid.locator("[role=gridcell]").all_text_contents())
    assert f"{reward[1]:.3f}".rstrip("0")[:4] in cells

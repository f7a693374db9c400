"""The little that `make test` looks at in a real browser: every page opens, and a run that is started there is
trained and seen. One lab, one browser, one tab. The other files of this folder go into what is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from app.shell.pages import ADDRESSES, PAGES
from memfactory_core.runs import database, jobs
from memfactory_core.tiny import WEIGHTS
from tests.browser.conftest import Server
from tests.browser.redrawing import settle
from tests.browser.test_journey import POINTS, start_run
from tests.conftest import PATIENCE

pytestmark = pytest.mark.timeout(600)
STEPS = 3


@pytest.fixture(scope="module")
def faults() -> list[str]:
    """What went wrong in the tab: errors of scripts, answers that say that the server failed."""
    return []


@pytest.fixture(scope="module")
def tab(open_lab: Server, chromium: Any, faults: list[str]) -> Iterator[Any]:
    """One tab for all: it loads the pages' code once and goes on by the navigation, as a user does."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("response", lambda got: got.status < 500 or faults.append(f"{got.status} {got.url}"))
    opened.goto(open_lab.url)
    yield opened
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens(name: str, tab: Any, faults: list[str]) -> None:
    title, _ = PAGES[name]
    navigation = tab.get_by_test_id("stSidebarNav")
    navigation.get_by_role("link", name=title, exact=False).click()
    tab.wait_for_url(f"**/{'' if name == 'overview' else ADDRESSES.get(name, name)}*")
    settle(tab)
    expect(tab.get_by_test_id("stException")).to_have_count(0)
    expect(tab.get_by_test_id("stAlertContentError")).to_have_count(0)
    if name == "chat":
        tab.frame_locator("iframe").get_by_role("button", name="Send").wait_for()
    assert faults == []


@pytest.mark.skipif(
    not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
)
def test_a_run_is_started_trained_and_seen(open_lab: Server, tab: Any, faults: list[str]) -> None:
    run_id = start_run(tab, open_lab, steps=STEPS)
    wait_for_trained = tab.get_by_role("button", name="Chat with its agent").wait_for
    wait_for_trained(timeout=4 * PATIENCE)  # its process reads the training library first
    tab.wait_for_function(f"({POINTS})() === {STEPS}")
    with open_lab.chosen():
        run = database.get_run(database.connect(jobs.database_url()), run_id)
    assert (run.state, run.step, run.fault) == ("finished", STEPS, "")
    tab.get_by_role("tab", name="Before and after").click()
    tab.get_by_text("Greedy decoding").wait_for()
    assert faults == []

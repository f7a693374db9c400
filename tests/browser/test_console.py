"""Every page opened cold, and the views of a run and an episode: the console stays silent, and the address is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from app.reads.causes import list_wrong
from app.reads.examples import find_examples
from app.shell.pages import PAGES, address_of, other_addresses
from tests.browser.conftest import Server
from tests.browser.redrawing import settle
from tests.conftest import PATIENCE

pytestmark = pytest.mark.timeout(300)
PLACES = {
    "a run": "runs", "before and after": "runs?tab=Before+and+after", "decisions": "runs?tab=Decisions",
    "causes": "runs?tab=Causes", "memories": "runs?tab=Memories", "settings": "runs?tab=Settings",
    "groups": "groups", "story": "episode?view=story", "steps": "episode?view=steps",
    "what if": "episode?view=what-if", "tokens": "episode?view=tokens", "memory": "memory",
    "compare": "compare",
}  # fmt: skip
"""Views of the trained manager that comes with the package."""


@pytest.fixture(scope="module")
def place(open_lab: Server) -> dict[str, str]:
    """A wrong answer of the example run, as the address names it."""
    with open_lab.chosen():
        run = find_examples()[-1].id
        (wrong,) = list_wrong(run, "train", 1)
    named = {"run": run, "phase": "train", "step": wrong["step"], "episode": wrong["id"]}
    return {name: str(value) for name, value in named.items()}


@pytest.fixture(scope="module")
def tab(chromium: Any) -> Iterator[Any]:
    """One browser for all: it has the pages' code, and each address is opened anew."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def wrong(tab: Any) -> Iterator[list[str]]:
    """What the browser complains about meanwhile; the page before is left first, for the chat says that its connection
    was aborted when it is."""
    tab.goto("about:blank")
    found: list[str] = []
    listeners = {
        "response": lambda r: found.append(f"{r.status} {r.url}") if r.status >= 400 else None,
        "console": lambda m: found.append(m.text) if m.type == "error" else None,
        "pageerror": lambda error: found.append(str(error)),
    }
    for event, listener in listeners.items():
        tab.on(event, listener)
    yield found
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)


def open_cold(tab: Any, url: str) -> None:
    tab.goto(url)
    settle(tab)
    tab.wait_for_timeout(700)  # what is still asked for; the chat's own connection never ends


@pytest.mark.parametrize("address", [*map(address_of, PAGES), "learn?lesson=dogs"])
def test_a_page(address: str, tab: Any, open_lab: Server, wrong: list[str]) -> None:
    open_cold(tab, f"{open_lab.url}/{address}")
    assert wrong == []
    assert tab.evaluate("location.pathname").strip("/") == address.partition("?")[0]


@pytest.mark.parametrize("view", PLACES)
def test_a_view(
    view: str, tab: Any, open_lab: Server, place: dict[str, str], wrong: list[str]
) -> None:
    name, _, more = PLACES[view].partition("?")
    asked = {"runs": f"{place['run']}@before,{place['run']}"} if name == "compare" else place
    asked = {"run": place["run"]} if name == "runs" else asked
    open_cold(tab, f"{open_lab.url}/{name}?{urlencode(asked)}&{more}")
    assert wrong == []
    assert tab.get_by_test_id("stException").count() == 0
    assert tab.get_by_test_id("stAlertContentError").count() == 0


def test_what_one_types_for_a_page_leads_to_it(tab: Any, open_lab: Server) -> None:
    assert {"chat", "episodes"} <= other_addresses().keys()
    for typed, address in other_addresses().items():
        tab.goto(f"{open_lab.url}/{typed}?run=x")
        assert tab.url == f"{open_lab.url}/{address}?run=x"

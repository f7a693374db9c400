"""The memory debugger in a real browser: from a curve to the one event, a link opened cold, back
and forward, and a counterfactual. Nothing is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session

from app.reads.engine import database_engine
from app.reads.episodes import read_episode
from memfactory_core.explain import moments
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import EpisodeRow
from memfactory_core.tiny import WEIGHTS
from tests.browser.conftest import Server
from tests.browser.talking import take_first_offer
from tests.filled import with_weights

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
    ),
]
STEPS = 6


@pytest.fixture(scope="module")
def lab(open_lab: Server) -> Iterator[tuple[str, str]]:
    """The address of a lab and the id of one of its runs."""
    with open_lab.chosen():
        yield open_lab.url, with_weights(database.connect(jobs.database_url()), steps=STEPS)


def failed_episode(run: str) -> EpisodeRow:
    """An episode that failed at a known event."""
    with Session(database_engine()) as session:
        chosen = (
            select(EpisodeRow)
            .where(EpisodeRow.run_id == run, EpisodeRow.phase == "train")
            .where(EpisodeRow.cause_seq.is_not(None))
            .order_by(EpisodeRow.id)
        )
        return session.execute(chosen).scalars().first()


def click_curve(page: Any, share: float) -> None:
    """Clicks the reward's curve so far along its steps."""
    plot = page.locator(".st-key-reward .js-plotly-plot")
    plot.locator(".scatterlayer .points path").last.wait_for()
    plot.scroll_into_view_if_needed()
    box = plot.locator(".nsewdrag").bounding_box()
    place = box["x"] + share * box["width"], box["y"] + box["height"] / 2
    page.mouse.move(*place)
    plot.locator(".hoverlayer text").first.wait_for()
    page.mouse.click(*place)


def test_from_a_curve_to_the_event(lab: tuple[str, str], page: Any) -> None:
    url, run = lab
    page.goto(f"{url}/runs?run={run}")
    click_curve(page, 0.5)
    page.wait_for_url(f"**/groups?run={run}*")
    step = int(re.search(r"step=(\d+)", page.url)[1])
    assert 1 <= step <= STEPS

    page.get_by_text("Attempt 4", exact=True).wait_for()
    page.get_by_text("Memories at the end").wait_for()
    page.locator(".st-key-groups button").nth(1).click()
    page.wait_for_url("**group=*")
    page.get_by_role("link", name="Open attempt 1", exact=True).click()
    page.wait_for_url("**/episode?*episode=*")
    page.get_by_text(re.compile(r"Section (\d+) of \1$")).wait_for()

    row = failed_episode(run)
    page.goto(f"{url}/episode?run={run}&episode={row.id}")
    page.get_by_role("button", name="Go to the event").click()
    page.wait_for_url(f"**event={row.cause_seq}*")
    shown = read_episode(run, row.id)
    told = moments.moments(shown)
    at = moments.find(told, row.cause_seq)
    page.get_by_text(f"Moment {at + 1} of {len(told)}").wait_for()
    page.locator("[aria-current=true]").wait_for()


def test_a_link_opened_cold_back_and_forward(lab: tuple[str, str], page: Any) -> None:
    url, run = lab
    row = failed_episode(run)
    told = moments.moments(read_episode(run, row.id))
    page.goto(f"{url}/episode?run={run}&episode={row.id}&event={told[0].decides}")
    page.get_by_text(f"Moment 1 of {len(told)}").wait_for()
    page.get_by_role("button", name="Next", exact=True).click()
    page.get_by_text(f"Moment 2 of {len(told)}").wait_for()
    page.get_by_role("slider", name="Moment").press("ArrowRight")
    page.get_by_text(f"Moment 3 of {len(told)}").wait_for()
    page.wait_for_url(f"**event={told[2].decides}*")
    page.go_back()
    page.get_by_text(f"Moment 2 of {len(told)}").wait_for()
    page.go_forward()
    page.get_by_text(f"Moment 3 of {len(told)}").wait_for()
    page.get_by_role("link", name="This group").click()
    page.wait_for_url(f"**/groups?*step={row.step}*")
    page.get_by_text("Where two attempts part").wait_for()


def test_a_counterfactual_and_the_tokens(lab: tuple[str, str], page: Any) -> None:
    url, run = lab
    row = failed_episode(run)
    before = read_episode(run, row.id)
    page.goto(f"{url}/episode?run={run}&episode={row.id}&event={row.cause_seq}&view=what-if")
    page.get_by_text("Say something else").click()
    page.get_by_label("What the policy says instead").fill(before.example.needed[0].text)
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Play again").click()
    page.get_by_text("Played again unchanged").wait_for()
    page.get_by_text("95% intervals").wait_for()
    assert read_episode(run, row.id) == before

    page.get_by_text("Tokens", exact=True).click()
    page.wait_for_url("**view=tokens*")
    page.get_by_role("button", name="Compare").click()
    page.locator(".mf-token").first.wait_for()


def test_a_chats_bank_from_the_chat(lab: tuple[str, str], page: Any) -> None:
    url, run = lab
    page.goto(f"{url}/talk?run={run}")
    chat = page.frame_locator("iframe")
    take_first_offer(chat)
    with page.context.expect_page() as opened:
        chat.get_by_role("link", name="Look into this memory").click()
    memory = opened.value
    memory.wait_for_url("**/memory?source=chat&chat=*")
    memory.get_by_text(re.compile(r"Read: \d of 1 memories")).wait_for()
    memory.get_by_role("tab", name="History of an entry").click()
    memory.get_by_text("in section 1", exact=False).first.wait_for()
    memory.get_by_role("tab", name="The talk").click()
    memory.get_by_text("Read 3 of 3 sections").wait_for()


def test_a_tab_of_a_run_is_a_place_of_its_own(lab: tuple[str, str], page: Any) -> None:
    url, run = lab
    page.goto(f"{url}/runs?run={run}")
    page.locator(".st-key-reward .js-plotly-plot").wait_for()
    page.get_by_role("tab", name="Causes").click()
    page.wait_for_url("**tab=Causes*")
    page.get_by_text("Wrong answers by cause").wait_for()
    page.get_by_text("Before, greedy", exact=True).click()
    page.wait_for_url("**tab=Causes*phase=before*")
    page.get_by_text("share of the 6 episodes kept").wait_for()
    page.go_back()
    page.get_by_text("share of the 96 episodes kept").wait_for()
    page.go_back()
    page.locator(".st-key-reward .js-plotly-plot").wait_for()

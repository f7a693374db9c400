"""The main journeys in a real browser: train, look at an episode, chat; and a run that outlives the
web server and the browser's tab."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from app.reads.episodes import read_episode
from memfactory_core.explain import story
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import ENDED, Run
from memfactory_core.tiny import WEIGHTS
from tests.browser.talking import take_first_offer

pytestmark = [
    pytest.mark.timeout(420),
    pytest.mark.skipif(
        not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
    ),
]
POINTS = (
    "() => document.querySelector('.st-key-reward .js-plotly-plot')?.calcdata?.[0]?.length ?? 0"
)


def start_run(page: Any, server: Any, **training: int) -> str:
    """Chooses small sizes on the Compose page and presses Start; the run's id."""
    page.goto(f"{server.url}/compose")
    type_numbers(page, "Evaluation", {"Examples": 4, "Samples": 0})
    type_numbers(page, "Training", {"Groups": 2, "Group size": 4, "Steps": training["steps"]})
    page.get_by_text(f"training.steps={training['steps']}").wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/runs?run=*")
    return re.search(r"run=([\w-]+)", page.url)[1]


def type_numbers(page: Any, tab: str, values: dict[str, int]) -> None:
    """Into a tab of the form; other tabs have fields of the same names."""
    page.get_by_role("tab", name=tab).click()
    fields = page.get_by_role("tabpanel", name=tab)
    for label, value in values.items():
        # a stage of the training, which stands below, has steps of its own
        fields.get_by_label(label, exact=True).first.fill(str(value))
        page.keyboard.press("Tab")
    page.get_by_text(f"={value}", exact=False).first.wait_for()


def wait_for_step(run_id: str, step: int, seconds: float = 120) -> Run:
    engine = database.connect(jobs.database_url())
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run = database.get_run(engine, run_id)
        if run.step >= step or run.state in ENDED:
            return run
        time.sleep(0.5)
    raise AssertionError(f"step {step} was not reached: {run.state}, step {run.step}")


def test_from_preset_to_chat(shared: Any, page: Any) -> None:
    run_id = start_run(page, shared, steps=11)
    page.wait_for_function(f"({POINTS})() >= 10")
    page.get_by_role("button", name="Chat with its agent").wait_for()
    page.get_by_role("tab", name="Before and after").click()
    page.get_by_text("Greedy decoding").wait_for()

    page.get_by_role("button", name="Open its episodes").click()
    page.wait_for_url(f"**/episode?run={run_id}*")
    page.get_by_text(re.compile(r"Section (\d+) of \1$")).wait_for()
    page.get_by_text("The needed fact was read in section").wait_for()
    page.locator(".st-key-episodes button").nth(2).click()
    page.wait_for_url("**episode=*")
    episode_id = re.search(r"episode=(\w+)", page.url)[1]
    chosen = read_episode(run_id, episode_id)
    page.get_by_text(story.tell(chosen), exact=True).wait_for()
    page.reload()  # the address opened cold leads to the same place
    page.get_by_text(story.tell(chosen), exact=True).wait_for()
    page.go_back()
    page.wait_for_url(lambda url: episode_id not in url)

    page.goto(f"{shared.url}/talk?run={run_id}")
    chat = page.frame_locator("iframe")
    take_first_offer(chat)
    chat.get_by_text("Read 3 of 3 sections").wait_for()
    chat.get_by_role("radio", name="Both").check()
    chat.get_by_label("Message").fill("What is the pet of Bako?")
    chat.get_by_label("Message").press("Enter")
    chat.locator(".mf-sides .mf-answer strong").nth(1).wait_for()
    chat.get_by_role("heading", name="Bank before training").wait_for()


def test_a_run_outlives_server_and_tab(server: Any, page: Any, chromium: Any) -> None:
    run_id = start_run(page, server, steps=5000)
    reached = wait_for_step(run_id, 2).step
    page.goto("about:blank")  # the tab leaves
    reached = wait_for_step(run_id, reached + 2).step
    server.kill()
    reached = wait_for_step(run_id, reached + 2).step
    server.start()
    page.goto(f"{server.url}/runs?run={run_id}")
    page.get_by_text("of 5,000").wait_for()
    shown = int(re.search(r"step ([\d,]+) of", page.inner_text("body"))[1].replace(",", ""))
    assert shown >= reached
    page.get_by_role("button", name="Stop").click()
    page.locator(".stMarkdownBadge", has_text="stopped").wait_for()
    assert database.get_run(database.connect(jobs.database_url()), run_id).state == "stopped"

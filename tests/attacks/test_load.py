"""Many that look at once, and one after the other: pages answer, nothing is lost, nothing is kept."""

import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
from sqlmodel import Session, func, select

from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import EpisodeRow, Metric
from tests.attacks.sessions import WARM, open_sessions
from tests.attacks.stopping import CASES, GRACE, measure_all
from tests.browser.conftest import server  # noqa: F401
from tests.filled import fill
from tests.misbehaving import prepare, until

pytestmark = [pytest.mark.hours, pytest.mark.slow, pytest.mark.timeout(3600)]
PAGES = (
    "",
    "runs",
    "runs?run={run}",
    "groups?run={run}",
    "episode?run={run}",
    "memory?run={run}",
    "compose",
)
STEPS, EACH = 120, 4


def test_three_browsers_look_while_a_run_trains(server, chromium):  # noqa: F811
    engine = database.connect(jobs.database_url())
    settings = [f"training.steps={STEPS}", "training.groups=2", f"training.group_size={EACH // 2}",
                "evaluation.examples=2", "evaluation.samples=0"]  # fmt: skip
    run = jobs.start(engine, jobs.create(engine, load("memagent-tiny", settings)))
    until(lambda: database.get_run(engine, run.id).step >= 2, 120)
    wrong, shown, slowest = [], 0, 0.0
    tabs = [chromium.new_context().new_page() for _ in range(3)]
    for tab in tabs:
        tab.set_default_timeout(60_000)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on(
            "response", lambda a: wrong.append(f"{a.status} {a.url}") if a.status >= 500 else None
        )
    number = 0
    while number < 30 or database.get_run(engine, run.id).state == "running":
        began = time.monotonic()
        for place, tab in enumerate(tabs):
            page = PAGES[(number + 2 * place) % len(PAGES)].format(run=run.id)
            tab.goto(f"{server.url}/{page}", wait_until="commit")
        for tab in tabs:
            tab.locator("h1").first.wait_for()
            tab.wait_for_timeout(200)
            wrong += tab.locator('[data-testid="stException"]').all_inner_texts()
            shown += 1
        slowest = max(slowest, time.monotonic() - began)
        number += 1
    until(lambda: database.get_run(engine, run.id).state == "finished", 120)
    print(
        f"{shown} pages in three browsers, the slowest three in {slowest:.1f} s; wrong: {wrong or 'nothing'}"
    )
    assert wrong == []
    done = database.get_run(engine, run.id)
    assert (done.step, done.reason) == (STEPS, "")
    with Session(engine) as session:
        kept = session.exec(select(func.count()).where(
            EpisodeRow.run_id == run.id, EpisodeRow.phase == "train")).one()  # fmt: skip
        points = session.exec(select(func.count()).where(
            Metric.run_id == run.id, Metric.name == "reward")).one()  # fmt: skip
    assert (kept, points) == (STEPS * EACH, STEPS)
    for tab in tabs:
        tab.context.close()


def state(page, name):
    """The newest run's state: a badge of an icon and the word."""
    return page.locator(".stMarkdownBadge").filter(has_text=re.compile(rf"{name}$")).first


def test_an_open_page_calls_a_killed_run_lost_within_ten_seconds(server, page):  # noqa: F811
    engine = database.connect(jobs.database_url())
    for place in ("", "runs", "runs?run={run}"):
        run = jobs.start(
            engine, jobs.create(engine, load("memagent-tiny", ["training.steps=2000"]))
        )
        until(lambda run=run: database.get_run(engine, run.id).state == "running", 60)
        page.goto(f"{server.url}/{place.format(run=run.id)}")
        state(page, "running").wait_for()
        psutil.Process(run.pid).parent().kill()
        os.killpg(run.pid, signal.SIGKILL)
        began = time.monotonic()
        state(page, "running").wait_for(state="detached", timeout=20_000)
        state(page, "lost").wait_for()
        seconds = time.monotonic() - began
        print(f"/{place}: called lost after {seconds:.1f} s")
        assert seconds < 10


def test_a_thousand_sessions_leave_nothing_behind(server, tmp_path):  # noqa: F811
    run_id = fill(database.connect(jobs.database_url()), steps=12, examples=12)["trained"]
    held = open_sessions(server, 1000, run_id)
    memory, files, threads = zip(*held.values(), strict=True)
    assert max(memory) < 1.15 * held[WARM][0]
    assert max(files) <= held[WARM][1] + 5
    assert max(threads) <= held[WARM][2] + 5


def test_the_time_from_stop_to_memory_free(lab, tmp_path, monkeypatch, registry):
    prepare(tmp_path / "parts")
    monkeypatch.setenv("MEMFACTORY_PARTS", str(tmp_path / "parts"))
    found = measure_all(lab, Path(tmp_path / "parts"))
    obeys, hangs, deaf = (found[case] for case in CASES)
    assert obeys < 30 and hangs < GRACE + 8 and deaf < GRACE + 10 + 8

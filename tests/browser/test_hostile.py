"""Whatever a model writes, every page shows it as text: no script runs, no markup is made of it, no direction
mark turns the page around, a megabyte in one line does not break it. In a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from app.reads.episodes import count_episodes
from memfactory_core import config
from memfactory_core.runs import chats, database, jobs, recording
from memfactory_core.trace import Asked, Episode, Recalled, Wrote
from memfactory_core.types import Completion, Evidence, Example, Hit, Memory, Turn
from tests.browser.conftest import Server
from tests.browser.redrawing import settle

pytestmark = pytest.mark.timeout(240)
EVIL = (
    "https://e.example www.e.example a@e.example "
    "<script>window.evil=1</script><img src=x onerror='window.evil=1'> **bold** # head "
    "[link](javascript:window.evil=1) ${1+1} {{2+2}} :red[red] \u202egnp.\u0007\u0000\u200b "
    "\U0001f469\u200d\U0001f680 "
)
LONG = EVIL + "y" * 1_000_000


def hostile(name: str) -> Episode:
    """An episode in which everything that can be a model's or a data set's text is hostile."""
    example = Example(
        id=name, observations=(EVIL, LONG, EVIL), question=EVIL, answers=(EVIL,),
        evidence=(Evidence(text=EVIL, observation=0),), meta={"actions": ["add", "update", "add"]},
    )  # fmt: skip
    hit = Hit(memory=Memory(id=EVIL, text=LONG), score=1.0, scores={EVIL: 1.0})
    writes = (("add", None, EVIL, 0), ("update", EVIL, LONG, 1), ("reject", None, LONG, 2))
    events: list[Any] = [
        Wrote(seq=i, at=at, action=action, memory_id="1", before=before, after=after, reason=EVIL)
        for i, (action, before, after, at) in enumerate(writes)
    ]
    events += [
        Recalled(seq=3, query=EVIL, hits=(hit,)), Asked(seq=4, role=EVIL, index=0),
    ]  # fmt: skip
    turn = Turn(
        role=EVIL, messages=({"role": EVIL, "content": LONG},), completion=Completion(text=LONG)
    )
    scores = {"exact_match": 0.0, "kept": 0.0, "stored": 0.0}
    return Episode(
        id=name, group_id="g", example=example, turns=(turn,), events=tuple(events), answer=LONG,
        scores=scores,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lab(open_lab: Server) -> Iterator[tuple[str, str]]:
    """The address of a lab and one of its runs, whose every episode is hostile."""
    with open_lab.chosen():
        engine = database.connect(jobs.database_url())
        chosen = config.load("memory-r1-tiny", ["policy=scripted", "mode=evaluate"])
        run = jobs.create(engine, chosen.model_copy(update={"name": EVIL}))
        recording.save_episodes(engine, run.id, "after/greedy", 0, [hostile("one"), hostile("two")])
        now = database.now()
        database.update_run(
            engine, run.id, state="failed", reason=EVIL, phase=EVIL, started=now, ended=now
        )
        (Path(run.folder) / "log.txt").write_text(EVIL + "\n" + LONG)
        chats.save(engine, EVIL, hostile("chat"))
        assert count_episodes(run.id) == 2
        yield open_lab.url, run.id


PLACES = {
    "overview": "", "runs": "runs", "results": "runs?run={run}",
    "operations": "runs?run={run}&tab=Decisions", "causes": "runs?run={run}&tab=Causes",
    "lost": "runs?run={run}&tab=Memories&list=lost",
    "unread": "runs?run={run}&tab=Memories&list=unread", "log": "runs?run={run}&tab=Log",
    "settings": "runs?run={run}&tab=Settings", "groups": "groups?run={run}",
    "story": "episode?run={run}&episode=one", "steps": "episode?run={run}&episode=one&event=1",
    "answer": "episode?run={run}&episode=one&event=4",
    "what-if": "episode?run={run}&episode=one&view=what-if",
    "tokens": "episode?run={run}&episode=one&view=tokens",
    "memory": "memory?run={run}&episode=one", "chat": "memory?source=chat", "talk": "talk?run={run}",
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_hostile_text_is_text(name: str, lab: tuple[str, str], page: Any) -> None:
    url, run = lab
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{url}/{PLACES[name].format(run=run)}")
    settle(page)
    for tab in page.get_by_role("tab").all() if name in ("memory", "chat") else ():
        tab.click()
        page.wait_for_timeout(300)
    page.wait_for_timeout(700)
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    assert page.evaluate("window.evil") is None and not dialogs
    shown = page.inner_text("body")
    assert "\u202e" not in shown and "\u0007" not in shown
    assert len(shown) < 250_000
    assert page.locator("a[href^='javascript'], a[href*='e.example'], img[src='x']").count() == 0
    main = page.locator("[data-testid=stMain]")
    made = main.locator("strong, em, h1, h2, h3").all_inner_texts()
    assert not [text for text in made if text.strip() in ("bold", "head", "red", "link")]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{wide} pixels wider than the window"

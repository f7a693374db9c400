"""Makes the screenshots of docs/, light and dark, by hand:

    python -m tests.browser.screenshots [VIEW ...]

They show the example run that comes with the package; without one, a database like the tests'. The
memory of a chat is shown after the chat."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlmodel import Session

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
DOCS = ROOT / "docs"
SIZE = {"width": 1280, "height": 800}
LARGEST = 200_000


def places() -> dict[str, str]:
    """The address of each view, at a place of the run that shows something."""
    from sqlalchemy import select

    from app.reads.engine import database_engine
    from app.reads.groups import list_groups
    from app.reads.runs import list_runs
    from app.run.operations import has_operations
    from memfactory_core.runs import database, jobs
    from memfactory_core.runs.examples import FOLDERS
    from memfactory_core.runs.tables import EpisodeRow
    from tests.filled import fill, with_weights

    if FOLDERS:
        # the example of the shipped policy, which plays episodes again wherever this runs
        run = played = next(one.id for one in list_runs(9) if one.name.startswith("MemAgent, tiny"))
    else:
        engine = database.connect(jobs.database_url())
        run, played = fill(engine, 60, 40)["trained"], with_weights(engine, steps=20)
    with Session(database_engine()) as session:
        failed = (
            select(EpisodeRow.step, EpisodeRow.group_id, EpisodeRow.id, EpisodeRow.cause_seq)
            .where(EpisodeRow.phase == "train", EpisodeRow.cause_seq.is_not(None))
            .order_by(EpisodeRow.cause != "overwritten", EpisodeRow.step.desc())
        )
        step, group, episode, seq = session.execute(failed.where(EpisodeRow.run_id == run)).first()
        rows = list_groups(run, "train", step, 64)
        mixed = [row["group_id"] for row in rows if row["highest"] > row["lowest"]]
        other = session.execute(failed.where(EpisodeRow.run_id == played)).first()
    group = group if group in mixed or not mixed else mixed[0]
    at = f"run={run}&phase=train&step={step}"
    one = f"episode?run={played}&phase=train&step={other.step}&episode={other.id}"
    found = {
        "overview": "",
        "compose": "compose",
        "runs": "runs",
        "run": f"runs?run={run}",
        "results": f"runs?run={run}&tab=Before+and+after",
        "causes": f"runs?run={run}&tab=Causes",
        "survival": f"runs?run={run}&tab=Memories",
        "groups": f"groups?{at}&group={group}",
        "story": f"episode?{at}&episode={episode}",
        "episode": f"episode?{at}&episode={episode}&event={seq}",
        "counterfactual": f"{one}&event={other.cause_seq}&view=what-if",
        "tokens": f"{one}&view=tokens",
        "memory": f"memory?{at}&episode={episode}&event={seq - 1}",
        "chat": f"talk?run={played}",
        "chat-memory": "memory?source=chat",
    }
    deciding = [other.id for other in list_runs(50) if has_operations(other)]
    if deciding:  # only some tasks know what was right
        found["operations"] = f"runs?run={deciding[0]}&tab=Decisions"
    return found


def settle(page: Any, view: str) -> None:
    """Waits until a view shows what it is about."""
    page.locator("h1").first.wait_for()
    if view in ("run", "causes", "survival"):
        page.locator(".js-plotly-plot .xtick").first.wait_for()
    if view == "compose":
        page.get_by_label("Name").first.wait_for()
    if view == "counterfactual":
        page.get_by_role("button", name="Play again").click()
        page.get_by_text("95% intervals").wait_for()
    if view == "tokens":
        page.get_by_role("button", name="Compare").click()
        page.locator(".mf-token").first.wait_for()
    if view == "operations":
        page.locator(".mf-heat").last.wait_for()
    if view == "chat":
        from tests.browser.talking import take_first_offer

        chat = page.frame_locator("iframe")
        take_first_offer(chat)
    page.wait_for_timeout(3000)
    if view == "counterfactual":
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 90)")
        page.wait_for_timeout(300)


def main() -> None:
    """Every view, light and dark."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMFACTORY_RUNS"] = str(Path(folder) / "runs")
        os.environ.pop("MEMFACTORY_DB", None)
        from playwright.sync_api import sync_playwright

        from tests.browser.conftest import Server
        from tests.conftest import CHROMIUM, PATIENCE

        found = places()
        found = {view: found[view] for view in sys.argv[1:] or found}
        server = Server(Path(folder))
        server.start()
        try:
            with sync_playwright() as engine:
                browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                for theme in ("light", "dark"):
                    context = browser.new_context(viewport=SIZE, color_scheme=theme)
                    context.set_default_timeout(PATIENCE)
                    page = context.new_page()
                    for view, address in found.items():
                        page.goto(f"{server.url}/{address}")
                        settle(page, view)
                        path = DOCS / f"{view}-{theme}.png"
                        page.screenshot(path=path)
                        size = path.stat().st_size
                        print(f"{path.name}: {size:,} bytes{' TOO LARGE' * (size > LARGEST)}")
                browser.close()
        finally:
            server.kill()


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    main()

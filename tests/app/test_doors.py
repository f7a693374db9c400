"""Ways from one place to another: the strip of curves, cells of decisions, what-if and tokens that begin at the "
"event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.markup.confusion import confusion_table
from app.reads.causes import list_failures
from app.reads.engine import database_engine
from app.reads.examples import find_examples
from app.run import charts
from app.run.curves import is_flat
from app.run.recent import RECENT
from app.run.strip import strip_figure
from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.operations import confusion, find_decisions
from memfactory_core.explain.what_if import HELPS
from memfactory_core.runs import database, examples, jobs
from memfactory_core.runs.examples import stored_episodes
from tests.app.test_pages import open_page, words
from tests.filled import fill


@pytest.fixture(scope="module", autouse=True)
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(tmp_path_factory.mktemp("doors") / "runs"))
        patch.delenv("MEMFACTORY_DB", raising=False)
        engine = database.connect(jobs.database_url())
        examples.ensure(engine)
        yield {name: run.id for name, run in examples.find(engine).items()}


@pytest.mark.parametrize("name", ["groups", "episode"])
def test_a_strip_of_the_curves_stands_over_groups_and_episodes(name: str, runs: Any) -> None:
    page = open_page(name, run=runs["memagent"], phase="train", step="40")
    told = [chart.proto.alt for chart in page.get("plotly_chart") if hasattr(chart.proto, "alt")]
    assert len(page.get("plotly_chart")) >= 1, told
    assert "step 40" in words(page) or "40" in str(page.get("plotly_chart")[0].proto)


def test_the_strip_marks_the_step_and_shows_each_curve_over_its_own_range() -> None:
    curves = {"reward": [(1, -2.0), (5, 0.0), (9, 2.0)], "kept": [(1, 0.5), (5, 0.5), (9, 0.5)]}
    figure = strip_figure(curves, 5)
    assert [shape.x0 for shape in figure.layout.shapes] == [5]
    assert list(figure.data[0].y) == [0.0, 0.5, 1.0] and list(figure.data[1].y) == [0.0, 0.0, 0.0]
    assert list(figure.data[0].customdata) == [-2.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("cause", "how"),
    [("overwritten", "Force an operation"), ("deleted", "Undo it"), ("stale", "Force an operation"),
     ("no_room", "Ask again")],
)  # fmt: skip
def test_what_if_begins_with_what_could_help(cause: str, how: str, runs: Any) -> None:
    run = runs["memory_r1"]
    row = next(
        r for r in list_failures(run, "before/greedy", cause, (0, 200), 20) if r["cause_seq"]
    )
    page = open_page("episode", run=run, episode=row["id"], view="what-if")
    assert page.selectbox(key="url.event").value == str(row["cause_seq"])
    change = page.radio(key=f"what-if.how.{row['id']}.{row['cause_seq']}")
    assert change.value == how and CAUSES[cause] in words(page)
    if cause in ("overwritten", "stale"):
        operation = next(box for box in page.selectbox if box.label == "Operation")
        assert operation.value == {"overwritten": "ADD", "stale": "UPDATE"}[cause]


def test_another_decision_begins_as_ever(runs: Any) -> None:
    run = runs["memory_r1"]
    row = next(
        r
        for r in list_failures(run, "before/greedy", "overwritten", (0, 200), 20)
        if r["cause_seq"] > 3
    )
    page = open_page("episode", run=run, episode=row["id"], view="what-if", event="2")
    if page.get("radio"):
        assert "Begins with what could help" not in words(page)


def test_every_cause_has_something_that_could_help() -> None:
    assert set(HELPS) == set(CAUSES) - {"failed", "cannot_tell"}


def test_tokens_begin_at_the_event(runs: Any) -> None:
    run = runs["memagent"]
    row = next(
        r
        for r in list_failures(run, "before/greedy", "not_written", (0, 0), 50)
        if r["cause_seq"] > 1
    )
    page = open_page("episode", run=run, episode=row["id"], view="tokens")
    blamed = next(box for box in page.selectbox if box.label == "Turn").value
    page = open_page("episode", run=run, episode=row["id"], view="tokens", event="1")
    first = next(box for box in page.selectbox if box.label == "Turn").value
    assert (first, int(blamed)) == ("0", row["cause_seq"] // 2)


def test_the_decisions_behind_a_cell_are_those_it_counts() -> None:
    played = list(stored_episodes("memory_r1", "before/greedy"))
    table = confusion(played)
    for right, done in (("add", "noop"), ("add", "add"), ("noop", "add")):
        found = list(find_decisions(played, right, done))
        assert len(found) == table[right].get(done, 0)
        assert all(event.action == done for _, event in found)
    assert table["add"]["noop"] > 100


def test_a_cell_is_a_door_to_its_episodes(runs: Any) -> None:
    page = open_page("runs", run=runs["memory_r1"], tab="Decisions")
    html = " ".join(str(one.proto) for one in page.get("html"))
    assert "cell=left.add.noop" in html and 'href=\\"runs?' in html
    page = open_page("runs", run=runs["memory_r1"], tab="Decisions", cell="left.add.noop")
    assert "Right was add, done was no change" in words(page)
    links = [link.proto for link in page.get("page_link")]
    assert sum('label: "Open"' in str(link) for link in links) == 12
    silent = open_page("runs", run=runs["memory_r1"], tab="Decisions", cell="right.<b>.x")
    assert not silent.error and "Right was" not in words(silent)


def test_a_cell_without_a_count_is_no_door() -> None:
    shown = confusion_table(
        {"add": {"add": 3, "noop": 0}}, "t", lambda right, done: f'runs?a="{right}&{done}'
    )
    assert shown.count("<a ") == 1 and "runs?a=&quot;add&amp;add" in shown


def test_short_charts_have_whole_ticks_and_flat_ones_fold_away(runs: Any) -> None:
    assert charts.curve_figure({"a": [(1, 0.2), (3, 0.4)]}).layout.xaxis.dtick == 1
    assert charts.curve_figure({"a": [(1, 0.2), (150, 0.4)]}).layout.xaxis.dtick is None
    assert is_flat([(1, 1.0), (2, 1.0)]) and not is_flat([(1, 1.0)])
    assert not is_flat([(1, 0.0), (2, 0.1)])
    page = open_page("runs", run=runs["memagent"])
    folded = [box.label for box in page.expander if "did not change" in box.label]
    assert folded and "Memories read beyond need: 0" in words(page)


def test_results_say_what_their_words_mean(runs: Any) -> None:
    page = open_page("runs", run=runs["memagent"], tab="Before and after")
    assert "What these words mean" in [box.label for box in page.expander]
    assert "Share of the needed facts that are in memory" in words(page).replace("\\", "")


def test_the_overview_keeps_its_examples(runs: Any) -> None:
    fill(database_engine(), steps=2, examples=2)
    page = open_page("overview")
    shown = words(page)
    assert [run.name for run in find_examples()] == [
        "MemAgent, tiny, CPU",
        "Memory-R1, tiny, CPU",
        "MemAgent, SmolLM2, adapters of rank 8",
    ]
    assert "Memory\\\\-R1, tiny, CPU" in shown or "Memory-R1" in shown.replace("\\", "")
    assert RECENT == 3 and "Just created" in shown


def test_examples_that_are_not_here_can_be_brought_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    fill(database.connect(jobs.database_url()), steps=2, examples=2)  # a lab that has runs
    page = open_page("overview")
    next(b for b in page.button if b.label == "Bring in the examples").click().run()
    assert len(find_examples()) == 3 and not page.error

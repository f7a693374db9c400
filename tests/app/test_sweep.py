"""A sweep from the page: its grid, what is refused and why, the command, and the matrix whose cells are doors."""

from __future__ import annotations

import shlex

import pytest

from memfactory_core.assembly.presets import list_presets
from memfactory_core.errors import ConfigError
from memfactory_core.runs import database, jobs, worker
from memfactory_core.runs.sweeps import Plan, begin_sweep, find_sweep, list_sweeps
from tests.app.test_pages import open_page, words

SMALL = ("mode=evaluate", "policy=scripted", "evaluation.examples=4", "evaluation.samples=0")
GRID = ("policy.strategy=overlap,last", "paradigm.retriever=everything,recency")
PLAN = Plan("memagent-tiny", GRID, SMALL)


@pytest.fixture
def quick(lab, monkeypatch):
    """A lab whose runs are carried out in this process as soon as they begin."""
    monkeypatch.setattr("memfactory_core.runs.examples.ensure", lambda engine: [])
    monkeypatch.setattr(jobs, "start", lambda engine, run: worker.work(engine, run.id))
    return lab


def test_the_page_says_what_is_refused_and_its_command_makes_the_same_sweep(quick):
    page = open_page("sweep")
    assert "Choose what is varied" in words(page)
    offered = page.selectbox(key="sweep.recipe")
    assert offered.options == [preset.title for preset in list_presets()]
    assert offered.value == "memagent-tiny"
    page.multiselect(key="sweep.rows.paradigm.retriever").set_value(["everything", "bm25"]).run()
    page.selectbox(key="sweep.columns").set_value("another setting").run()
    page.text_input(key="sweep.columns.path").set_value("policy.strategy").run()
    page.text_input(key="sweep.columns.typed").set_value("overlap, nonsense").run()
    page.number_input(key="sweep.evaluation.examples").set_value(4).run()
    page.text_area(key="sweep.more").set_value("mode=evaluate\npolicy=scripted").run()
    assert not page.exception and "2 of 4 combinations** can run" in words(page)
    assert any("policy.strategy" in one.value.replace("\\", "") for one in page.warning)
    command = next(code.value for code in page.code if code.language == "bash")
    _, verb, recipe, *rest = shlex.split(command.replace("\\\n", ""))
    given = {
        flag: [v for f, v in zip(rest[::2], rest[1::2], strict=True) if f == flag]
        for flag in rest[::2]
    }
    assert (verb, recipe) == ("sweep", "memagent-tiny")
    assert given == {
        "--grid": ["paradigm.retriever=everything,bm25", "policy.strategy=overlap,nonsense"],
        "--set": ["evaluation.examples=4", "mode=evaluate", "policy=scripted"],
    }  # fmt: skip
    page.button(key="sweep.start").click().run()
    assert not page.exception and page.query_params["view"] == "matrix"
    (sweep,) = list_sweeps(quick)
    assert sweep.id == page.query_params["sweep"] and len(sweep.runs) == 2
    assert words(page).count("refused") >= 2


def test_each_cell_of_the_matrix_leads_to_its_run(quick):
    sweep = find_sweep(quick, begin_sweep(quick, PLAN))
    assert sweep.axes == [
        ("policy.strategy", ["overlap", "last"]), ("paradigm.retriever", ["everything", "recency"]),
    ]  # fmt: skip
    page = open_page("sweep", view="matrix")
    links = {str(one.proto.page): one.proto for one in page.get("page_link")}
    text = " ".join(str(proto) for one in page.get("page_link") for proto in [one.proto])
    assert links and all(f"run={run.id}" in text for run in sweep.runs.values())
    best = sweep.runs[("policy.strategy=overlap", "paradigm.retriever=everything")]
    mean = best.summary["after"]["greedy/exact_match"]["mean"] * 100
    assert f"{mean:.1f}" in text.replace("\\", "")
    page.selectbox(key="url.score").set_value("kept").run()
    assert not page.exception and "Kept to the end in percent" in words(page)


def test_a_sweep_is_read_back_and_one_without_a_legal_cell_is_refused(quick):
    with pytest.raises(ConfigError, match="no cell of this sweep is legal"):
        begin_sweep(quick, PLAN._replace(grid=("policy.strategy=nonsense",)))
    assert database.list_runs(quick) == []
    sweep = find_sweep(
        quick, begin_sweep(quick, PLAN._replace(grid=("policy.strategy=last,nonsense",)))
    )
    assert sweep.plan.fixed == SMALL and list(sweep.runs) == [("policy.strategy=last",)]
    assert "nonsense" in sweep.refusals()[("policy.strategy=nonsense",)]
    run = sweep.runs[("policy.strategy=last",)]
    database.update_run(quick, run.id, cell="no JSON")
    assert find_sweep(quick, sweep.id) is None and list_sweeps(quick) == []
    assert "There is no sweep yet" in open_page("sweep", view="matrix").info[0].value

"""The reward's form: weights, settings, parts under names of their own; and pages beside a broken part."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from memfactory_core.config import build, load
from memfactory_core.runs import database, jobs
from tests.app.test_pages import PAGES, ROOT
from tests.filled import fill

TABLE = {
    "exact_match": 1.0, "length": -0.01, "brevity": {"kind": "length", "weight": -0.5, "most": 9},
}  # fmt: skip


def form(table):
    """A page that is the form alone; it writes down what was typed."""
    import streamlit as st

    from app.compose.rewards import edit_rewards

    st.json(edit_rewards(table, "r"))


def typed(page):
    assert not page.exception
    return json.loads(page.json[0].value)


@pytest.fixture
def page():
    return AppTest.from_function(form, args=(TABLE,), default_timeout=60).run()


def test_what_is_not_touched_stays_what_it_was(page):
    assert typed(page) == TABLE
    assert [box.label for box in page.number_input] == [
        "Exact match", "Tokens per turn", "Most", "Brevity", "Most",
    ]  # fmt: skip


def test_a_setting_makes_a_weight_a_part_and_its_default_a_weight_again(page):
    page.number_input(key="r.length.most").set_value(40).run()
    now = typed(page)
    assert now["length"] == {"kind": "length", "weight": -0.01, "most": 40}
    assert build(load("memagent-tiny").dump() | {"reward": now}).dump()["reward"] == now
    page.number_input(key="r.length.most").set_value(0).run()
    assert typed(page) == TABLE


def test_a_part_of_its_own_name_keeps_its_kind_and_can_be_left_out(page):
    page.number_input(key="r.brevity").set_value(-1.0).run()
    assert typed(page)["brevity"] == {"kind": "length", "weight": -1.0, "most": 9}
    page.multiselect(key="r.parts").set_value(["exact_match"]).run()
    assert typed(page) == {"exact_match": 1.0}
    assert "Right for the judge" in page.multiselect(key="r.parts").options


def test_a_part_is_added_under_a_name_of_its_own(page):
    page.selectbox(key="r.own.kind").set_value("length").run()
    page.text_input(key="r.own.name").set_value("short").run()
    page.button(key="r.own.add").click().run()
    assert typed(page) == TABLE | {"short": {"kind": "length", "weight": 0.1, "most": 0}}
    page.number_input(key="r.short").set_value(-0.3).run()
    page.number_input(key="r.short.most").set_value(12).run()
    now = typed(page)
    assert now["short"] == {"kind": "length", "weight": -0.3, "most": 12}
    assert build(load("memagent-tiny").dump() | {"reward": now}).dump()["reward"] == now


@pytest.mark.parametrize(
    ("name", "said"),
    [("Short one", "small letters"), ("", "small letters"), ("f1", "measure of its own"), ("brevity", "already")],
)  # fmt: skip
def test_a_name_that_cannot_be_is_said(name, said, page):
    page.selectbox(key="r.own.kind").set_value("length").run()
    page.text_input(key="r.own.name").set_value(name).run()
    page.button(key="r.own.add").click().run()
    assert said in page.error[0].value and typed(page) == TABLE


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_which_part_is_broken(name, tmp_path, monkeypatch, filled_run):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    monkeypatch.setenv("MEMFACTORY_PARTS", str(tmp_path))
    page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    page.switch_page(f"../pages/{name}.py")
    page.query_params["run"] = filled_run
    page.run()
    assert not page.exception, [error.value for error in page.exception]
    told = [error.value.replace("\\", "") for error in page.error]
    assert all("bad.py cannot be used: line 1: ZeroDivisionError" in error for error in told)
    if name != "learn":  # what a lesson has played is kept, and then nothing is read
        assert bool(told) == (name not in ("overview", "compare", "chat"))


@pytest.fixture(scope="module")
def filled_run(tmp_path_factory):
    """A trained run in a lab of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMFACTORY_RUNS", str(tmp_path_factory.mktemp("filled") / "runs"))
        patch.delenv("MEMFACTORY_DB", raising=False)
        patch.setattr("memfactory_core.runs.examples.ensure", lambda engine: [])
        yield fill(database.connect(jobs.database_url()), steps=2, examples=2)["trained"]


@pytest.mark.parametrize("name", PAGES)
def test_a_run_whose_part_is_here_no_more_can_still_be_looked_at(name, filled_run):
    engine = database.connect(jobs.database_url())
    run = database.get_run(engine, filled_run)
    table = {"exact_match": 1.0, "gone": 0.5, "also_gone": {"kind": "gone", "weight": 2.0}}
    database.update_run(engine, run.id, config=json.dumps(run.settings | {"reward": table}))
    page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    page.switch_page(f"../pages/{name}.py")
    page.query_params["run"] = run.id
    page.run()
    assert not page.exception, [error.value for error in page.exception]
    assert not page.error, [error.value for error in page.error]

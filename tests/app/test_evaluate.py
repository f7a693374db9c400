"""Evaluate: agents and tasks chosen, evaluations begun through the queue, their scores in one table, its files, and the
wrong answers behind it."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.reads.engine import database_engine
from memfactory_core import config
from memfactory_core.errors import RunError
from memfactory_core.runs import checks, database, jobs, worker
from memfactory_core.runs.evaluations import evaluation_of
from memfactory_core.runs.tables import Run
from memfactory_core.runs.uploads import keep_file
from tests.app.test_pages import filled, open_page, runs, words
from tests.filled import with_weights

__all__ = ["filled", "runs"]
FEW = {"evaluate.examples": 3, "evaluate.samples": 0}


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """The runs that the page begins; each is carried out in this process at once."""
    done: list[Run] = []

    def start(engine: Any, run: Run) -> Run:
        done.append(worker.work(engine, run.id))
        return done[-1]

    monkeypatch.setattr(jobs, "start", start)
    return done


def choose(page: AppTest, programs: list[str] | None = None) -> AppTest:
    for key, value in FEW.items():
        page.number_input(key=key).set_value(value)
    page.multiselect(key="evaluate.programs").set_value(programs or [])
    page.run()
    assert not page.exception
    return page


def test_a_run_is_measured_beside_what_it_started_with_and_a_program(
    runs: Any, begun: list[Run]
) -> None:
    run = with_weights(database_engine())
    page = choose(open_page("evaluate", run=run), ["overlap"])
    assert page.multiselect(key="url.run").value == [run]
    assert not page.warning and "3 evaluations" in words(page)
    page.button(key="evaluate.start").click().run()
    assert not page.exception
    assert [one.state for one in begun] == ["finished"] * 3
    names = [one.name for one in begun]
    assert names == [
        "Shaken memagent-tiny (evaluated)", "Shaken memagent-tiny (untrained)",
        "Shaken memagent-tiny (overlap)",
    ]  # fmt: skip
    page.query_params["view"] = "results"  # AppTest does not follow st.switch_page's parameters
    page.query_params["runs"] = ",".join(one.id for one in begun)
    page.run()
    assert not page.exception
    (table,) = [frame.value for frame in page.dataframe]
    assert list(table["Run"]) == names
    expected = begun[2].summary["after"]["greedy/exact_match"]["mean"]
    assert table["Exact match"][2].startswith(f"{expected * 100:.1f} [")
    told = next(code.value for code in page.code if code.language == "bash")
    assert told.startswith("memfactory table ") and all(one.id in told for one in begun)


def test_the_commands_shown_make_the_same_evaluations(runs: Any) -> None:
    engine = database_engine()
    run = with_weights(engine)
    page = choose(open_page("evaluate", run=run), ["last"])
    page.multiselect(key="evaluate.tasks").set_value(["own", "needle"]).run()
    page.number_input(key="evaluate.task.needle.chunks").set_value(9).run()
    commands = next(code.value for code in page.code if code.language == "bash").splitlines()
    assert len(commands) == 6
    for command in commands:
        _, verb, run_id, *rest = shlex.split(command)
        assert (verb, run_id) == ("eval", run) and rest[::2] == ["--set"] * (len(rest) // 2)
        built = evaluation_of(database.get_run(engine, run), rest[1::2])
        assert built.mode == "evaluate" and built.evaluation.examples == 3
        assert built.weights == run and (built.weights_step == 0) == ("weights_step=0" in rest)
    assert sum("evaluation.task.chunks=9" in command for command in commands) == 3


def test_what_cannot_be_measured_is_left_out_with_its_reason(runs: Any) -> None:
    engine = database_engine()
    lost = jobs.create(engine, config.load("memagent-tiny", ["name=Without weights"]))
    database.update_run(engine, lost.id, state="failed")
    page = choose(open_page("evaluate", run=lost.id))
    assert "has no trained weights" in page.warning[0].value.replace("\\", "")
    assert "1 evaluation**" in words(page)  # what it would have started with
    page.multiselect(key="evaluate.tasks").set_value(["jsonl"]).run()
    assert page.button(key="evaluate.start").disabled
    assert "names no data file" in " ".join(one.value for one in page.warning)
    assert [run.id for run in database.list_runs(engine)] == [lost.id]


def test_without_runs_the_page_leads_to_compose(runs: Any) -> None:
    page = open_page("evaluate")
    assert "no run yet" in words(page) and page.button[0].label == "Compose a run"


def test_the_table_its_files_and_the_wrong_answers(filled: dict[str, str]) -> None:
    both = f"{filled['trained']},{filled['evaluated']}"
    page = open_page("evaluate", view="results", runs=both)
    assert not page.error
    table = page.dataframe[0].value
    assert list(table["Training"]) == ["before", "after", ""]
    page.selectbox(key="url.decoding").set_value("all").run()
    assert len(page.dataframe[0].value) > 3
    assert {"CSV", "JSON", "LaTeX", "Markdown"} <= {
        one.label for one in page.get("download_button")
    }
    page.selectbox(key="url.of").set_value(f"{filled['trained']}/before/greedy").run()
    assert not page.exception and page.query_params["of"] == f"{filled['trained']}/before/greedy"
    assert "opens in the debugger" in words(page)
    links = [str(one.proto) for one in page.get("page_link")]
    assert any(f"run={filled['trained']}" in link and "episode=" in link for link in links)


def test_a_run_under_way_is_told_with_its_state(filled: dict[str, str]) -> None:
    page = open_page("evaluate", view="results", runs=f"{filled['empty']},{filled['evaluated']}")
    assert "1 of 2 measured" in str([one.proto for one in page.get("progress")])
    assert len(page.dataframe[0].value) == 1


def test_the_runs_page_leads_to_evaluate(filled: dict[str, str]) -> None:
    page = open_page("runs", run=filled["evaluated"])
    assert any(button.label == "Evaluate on …" for button in page.button)


def test_a_file_that_is_given_becomes_the_task_of_the_evaluation(runs: Any) -> None:
    run = with_weights(database_engine())
    page = choose(open_page("evaluate", run=run))
    page.multiselect(key="evaluate.tasks").set_value(["jsonl"]).run()
    line = b'{"context": "The pet of Bako is Zimo.", "question": "What is it?", "answer": "Zimo"}'
    page.file_uploader(key="evaluate.file.jsonl").set_value(
        ("mine.jsonl", line, "text/plain")
    ).run()
    assert not page.exception and not page.warning and "2 evaluations" in words(page)
    command = next(code.value for code in page.code if code.language == "bash").splitlines()[0]
    built = evaluation_of(database.get_run(database_engine(), run), shlex.split(command)[4::2])
    assert built.held_out.kind == "jsonl" and built.held_out.examples(9, 1)[0].answers == ("Zimo",)


def test_a_file_with_other_columns_is_read_by_guessed_ones_and_kept_once(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []

    def count(*given: Any) -> Any:
        kept.append(given[1])
        return keep_file(*given)

    monkeypatch.setattr("app.compose.data_file.keep_file", count)
    run = with_weights(database_engine())
    page = choose(open_page("evaluate", run=run))
    page.multiselect(key="evaluate.tasks").set_value(["jsonl"]).run()
    line = b'{"passage": "The pet of Bako is Zimo.", "query": "What is it?", "output": "Zimo"}'
    page.file_uploader(key="evaluate.file.jsonl").set_value(
        ("mine.jsonl", line, "text/plain")
    ).run()
    page.run()
    assert not page.exception and not page.warning and kept == ["mine.jsonl"]
    command = next(code.value for code in page.code if code.language == "bash").splitlines()[0]
    built = evaluation_of(database.get_run(database_engine(), run), shlex.split(command)[4::2])
    assert built.held_out.examples(9, 1)[0].answers == ("Zimo",)


def test_a_refused_file_is_said_and_the_page_goes_on(runs: Any) -> None:
    run = with_weights(database_engine())
    page = choose(open_page("evaluate", run=run))
    page.multiselect(key="evaluate.tasks").set_value(["own", "jsonl"]).run()
    page.file_uploader(key="evaluate.file.jsonl").set_value(("mine.jsonl", b"", "text/plain")).run()
    assert not page.exception and "file is empty" in page.error[0].value
    assert not page.button(key="evaluate.start").disabled


def test_an_evaluation_that_is_refused_late_is_named_beside_those_that_began(
    runs: Any, begun: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_weights(database_engine())
    page = choose(open_page("evaluate", run=run), ["overlap"])

    def refuse(engine: Any, chosen: Any) -> None:
        """The weights went between the form and the start of the first one."""
        if chosen.name.endswith("(evaluated)"):
            raise RunError("its weights are gone")
        checks.refuse_start(engine, chosen)

    monkeypatch.setattr(jobs, "refuse_start", refuse)
    page.button(key="evaluate.start").click().run()
    assert not page.exception
    assert [one.name.rpartition(" ")[2] for one in begun] == ["(untrained)", "(overlap)"]
    assert page.query_params["runs"] == ",".join(one.id for one in begun)
    (told,) = [one.value.replace("\\", "") for one in page.warning]
    assert told.endswith("(evaluated): its weights are gone")
    assert not page.run().warning  # it is said once

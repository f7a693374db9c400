"""A log in the database: a run of the kind "imported", from the shell, from the page, exported and brought in again;
nothing is left of one that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, func, select
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from app.reads.causes import count_causes, list_failures
from memfactory_core.cli.main import app
from memfactory_core.config import build
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.logs import EXAMPLE
from memfactory_core.runs import database, jobs
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.imported import import_log
from memfactory_core.runs.tables import EpisodeRow, MemoryRow, Run
from tests.app.test_pages import open_page, words
from tests.conftest import ON_BOTH

LOG = {EXAMPLE.name: EXAMPLE.read_bytes()}


def count(engine: Any, table: Any) -> int:
    with Session(engine) as session:
        return session.exec(select(func.count()).select_from(table)).one()


@ON_BOTH
def test_a_log_becomes_a_run_once(lab: Any) -> None:
    run = import_log(lab, LOG, "The assistant")
    assert (run.mode, run.state, run.name) == ("imported", "finished", "The assistant")
    assert import_log(lab, LOG).id == run.id
    assert count(lab, Run) == 1 and count(lab, EpisodeRow) == 6 and count(lab, MemoryRow) > 6
    with pytest.raises(ConfigError, match="another agent's log"):
        build(run.settings, f"run {run.id}")


def test_nothing_is_left_of_a_log_that_is_refused(lab: Any) -> None:
    for content in (b"hello", b'{"op": "add", "text": "x"}\n{"op": "add"}', b"SQLite format 3\0"):
        with pytest.raises(RunError):
            import_log(lab, {"log": content})
    assert count(lab, Run) == 0
    assert [p for p in jobs.root().iterdir() if p.name.startswith((".log", "log"))] == []


def test_an_imported_run_travels(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = import_log(lab, LOG)
    file = export_run(lab, run, tmp_path / "log.zip")
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "elsewhere"))
    other = database.connect(jobs.database_url())
    again = import_run(other, file)
    assert (again.mode, again.origin) == ("imported", run.id) and again.settings == run.settings
    assert count(other, EpisodeRow) == 6


def test_import_log_from_the_shell(lab: Any, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["import-log", str(EXAMPLE), "--name", "From the shell"])
    assert done.exit_code == 0
    assert database.get_run(lab, done.stdout.strip()).name == "From the shell"
    missing = CliRunner().invoke(app, ["import-log", str(tmp_path / "none.jsonl")])
    assert isinstance(missing.exception, RunError) and "none.jsonl cannot be read" in str(
        missing.exception
    )
    for command in (["eval"], ["resume"]):
        refused = CliRunner().invoke(app, [*command, done.stdout.strip()])
        assert isinstance(refused.exception, ConfigError | RunError)
        assert "another agent's log" in str(refused.exception)


def test_its_pages_tell_why_it_forgot(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = import_log(lab, LOG)
    page = open_page("runs", run=run.id)
    assert not page.error and [tab.label for tab in page.tabs] == ["Causes", "Memories"]
    assert "Open its groups" not in [button.label for button in page.button]
    assert "url.steps" not in [box.key for box in page.selectbox] and "step 0" not in words(page)
    page.query_params["tab"] = "Memories"
    assert "does not say in which section" not in words(page.run())
    causes = count_causes(run.id, "imported")[0]["causes"]
    assert causes == {
        "overwritten": 1, "not_written": 1, "stale": 1, "not_retrieved": 1, "deleted": 1,
    }  # fmt: skip
    row = list_failures(run.id, "imported", "overwritten", (0, 0), 5)[0]
    for view in ("story", "steps", "what-if", "tokens"):
        page = open_page("episode", run=run.id, episode=row["id"], view=view)
        assert not page.error, view
        assert "Reward =" not in words(page) and "Advantage" not in words(page)
    assert "another agent" in words(
        open_page("episode", run=run.id, episode=row["id"], view="what-if")
    )
    groups = words(open_page("groups", run=run.id))
    assert "6 groups" in groups and "Teaches" not in groups
    for name in ("groups", "memory", "compare", "evaluate", "overview"):
        assert not open_page(name, run=run.id).error


def test_hostile_words_of_a_log_stay_words(lab: Any) -> None:
    evil = '<script>alert(1)</script> </div> {{x}} **b** \u202e "#5"'
    entries = [
        {"op": "read", "text": evil, "session": evil}, {"op": "add", "id": evil, "text": evil, "session": evil},
        {"op": "answer", "question": evil, "answer": evil, "right": "x", "session": evil},
    ]  # fmt: skip
    run = import_log(lab, {"log": "\n".join(map(json.dumps, entries)).encode()}, name=evil)
    for name in ("runs", "episode", "groups", "memory"):
        page = open_page(name, run=run.id)
        assert not page.error
        assert "<script>alert" not in " ".join(str(one.proto) for one in page.get("html"))


def test_the_upload_brings_a_log_in(lab: Any) -> None:
    def show() -> None:
        from app.run.foreign import show_log_upload

        show_log_upload()

    page = AppTest.from_function(show, default_timeout=60).run()
    assert page.button(key="logs.bring").disabled
    page.file_uploader(key="logs.upload").set_value(
        [("a.jsonl", b'{"op": "add"}', "text/plain")]
    ).run()
    page.button(key="logs.bring").click().run()
    assert "a.jsonl, line 1: 'add' wants the field 'text'" in page.error[0].value.replace("\\", "")
    assert not [run for run in database.list_runs(lab) if run.mode == "imported"]
    page.button(key="logs.example").click().run()
    assert [run.name for run in database.list_runs(lab) if run.mode == "imported"] == [
        "Log: example.jsonl"
    ]


@pytest.mark.slow
def test_two_files_of_one_name_are_two_files(lab: Any) -> None:
    def show() -> None:
        from app.run.foreign import show_log_upload

        show_log_upload()

    lines = EXAMPLE.read_bytes().splitlines(keepends=True)
    halves = (b"".join(lines[:9]), b"".join(lines[9:]))
    page = AppTest.from_function(show, default_timeout=60).run()
    page.file_uploader(key="logs.upload").set_value(
        [("history.jsonl", half, "text/plain") for half in halves]
    ).run()
    page.button(key="logs.bring").click().run()
    (run,) = [run for run in database.list_runs(lab) if run.mode == "imported"]
    assert run.settings["log"]["entries"] == len(lines)

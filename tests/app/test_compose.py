"""The Compose page: parts swapped by their menus, checks that hold Start back, one episode before the start."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.compose import before_start
from memfactory_core import config
from memfactory_core.assembly.rehearsal import rehearse
from memfactory_core.runs import database, jobs
from memfactory_core.runs.deletion import delete_run
from tests.app.test_pages import open_page, runs, words

__all__ = ["runs"]


def choose(page: AppTest, preset: str, place: str, kind: str) -> None:
    """Opens the menu of a place of the picture and takes a kind."""
    key = next(str(b.key) for b in page.button if str(b.key).endswith(f".choose.{place}"))
    assert key.startswith(preset)
    page.button(key=key).click().run()
    page.button(key=f"menu.{place}.{kind}").click().run()
    assert not page.exception


def shown_command(page: AppTest) -> str:
    return next(code.value for code in page.code if code.language == "bash")


def test_choosing_another_part_changes_the_form(runs: Path) -> None:
    page = open_page("compose")
    choose(page, "memagent-tiny", "paradigm.retriever", "recency")
    assert "--set paradigm.retriever=recency" in shown_command(page)
    page.button(key="memagent-tiny.1.choose.policy").click().run()
    assert page.button(key="menu.policy.scripted").disabled
    assert "cannot be trained" in words(page)
    page.selectbox(key="memagent-tiny.1.mode").set_value("evaluate").run()
    choose(page, "memagent-tiny", "policy", "scripted")
    assert not page.error and "policy=scripted" in shown_command(page)


@pytest.mark.parametrize("kind", ["memory_r1", "retrieval", "rmm"])
def test_the_default_preset_takes_every_other_paradigm(kind: str, runs: Path) -> None:
    page = open_page("compose")
    choose(page, "memagent-tiny", "paradigm", kind)
    assert not page.error and not page.button[-1].disabled
    assert "answer tokens 16" in page.info[0].value and "store budget 64" in page.info[0].value
    assert page.number_input(key="memagent-tiny.1.paradigm.answer_tokens").value == 16
    assert "answer_tokens" not in shown_command(page).replace("answer_tokens=16", "")


def test_a_swap_keeps_what_was_typed_and_reset_forgets_it(runs: Path) -> None:
    page = open_page("compose")
    page.selectbox(key="preset").set_value("memory-r1-tiny").run()
    start = next(str(b.key) for b in page.button if str(b.key).endswith("choose.paradigm.store"))
    page.number_input(key=start.replace("choose.paradigm.store", "training.steps")).set_value(
        9
    ).run()
    page.number_input(key=start.replace("choose.", "") + ".capacity").set_value(5).run()
    choose(page, "memory-r1-tiny", "paradigm.store", "lance")
    assert "Kept: capacity 5" in page.info[0].value
    command = shown_command(page)
    assert "training.steps=9" in command and "paradigm.store.capacity=5" in command
    page.button(key="reset").click().run()
    assert "--set" not in shown_command(page) and not page.info


def test_a_red_line_holds_start_back_and_no_run_is_left(runs: Path) -> None:
    page = open_page("compose")
    assert not start_of(page).disabled
    page.selectbox(key="preset").set_value("hotpotqa-scripted").run()
    assert start_of(page).disabled
    assert page.button(key="compose.play").disabled
    assert any("hotpot_dev_distractor_v1.json" in e.value.replace("\\", "") for e in page.error)
    assert database.list_runs(database.connect(jobs.database_url())) == []


def start_of(page: AppTest) -> object:
    return next(button for button in page.button if button.label == "Start")


def test_what_the_run_needs_is_said_with_its_basis(runs: Path) -> None:
    told = words(open_page("compose"))
    assert "time and memory are not known" in told.lower() and "on the disk" in told
    assert "made as it is needed" in told and "comes with the lab" in told and "are free" in told


def test_a_broken_record_is_told_with_line_and_reason(runs: Path) -> None:
    path = runs / "mine.jsonl"
    good = {
        "context": "The pet of Bako is Zimo.",
        "question": "What is the pet of Bako?",
        "answer": "Zimo",
    }
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | {"question": 3}))
    page = open_page("compose")
    choose(page, "memagent-tiny", "task", "jsonl")
    key = next(str(t.key) for t in page.text_input if str(t.key).endswith(".task.path"))
    page.text_input(key=key).set_value(str(path)).run()
    told = " ".join(error.value for error in page.error)
    assert "line 2" in told and "question" in told and "expected text, got 3" in told


def test_one_episode_is_played_before_the_start(runs: Path) -> None:
    page = open_page("compose")
    page.selectbox(key="memagent-tiny.0.mode").set_value("evaluate").run()
    choose(page, "memagent-tiny", "policy", "scripted")
    page.button(key="compose.play").click().run()
    assert not page.exception and not page.error
    told = words(page)
    assert "Played in" in told and "nothing is kept" in told
    assert re.search(r"Reward = 1 . exact match", told) and "Section 1" in told
    assert database.list_runs(database.connect(jobs.database_url())) == []


MINE = [
    {"passage": "The pet of Bako is Zimo.", "query": "What is the pet of Bako?", "output": "Zimo", "other": "x"},
    {"passage": "The pet of Nalu is Rilo.", "query": "What is the pet of Nalu?", "output": "Rilo", "other": "y"},
]  # fmt: skip


def test_a_file_given_in_the_browser_is_kept_mapped_and_read(runs: Path) -> None:
    page = open_page("compose")
    choose(page, "memagent-tiny", "task", "jsonl")
    assert start_of(page).disabled
    content = "\n".join(map(json.dumps, MINE)).encode()
    page.file_uploader[0].set_value(("mine.jsonl", content, "application/json")).run()
    assert not page.exception and not page.error, [e.value for e in page.error]
    boxes = {box.label: box.value for box in page.selectbox}
    assert (
        boxes["Context"] == "passage"
        and boxes["Question"] == "query"
        and boxes["Answers"] == "output"
    )
    assert "What is the pet of Bako" in words(page) and not start_of(page).disabled
    command = shown_command(page)
    assert "task.context=passage" in command and "/uploads/" in command


def test_columns_that_nobody_can_guess_are_asked_for(runs: Path) -> None:
    page = open_page("compose")
    choose(page, "memagent-tiny", "task", "jsonl")
    content = json.dumps({"a": "It rained.", "b": "Rained it?", "c": "no"}).encode()
    page.file_uploader[0].set_value(("odd.jsonl", content, "application/json")).run()
    told = next(one.value for one in page.warning)
    assert "which column is the context and answers" in told and start_of(page).disabled
    assert "needle" not in shown_command(page)  # measured on the file too
    for label, column in (("Context", "a"), ("Answers", "c")):
        box = next(str(box.key) for box in page.selectbox if box.label == label)
        assert page.selectbox(key=box).options == ["a", "b", "c"]
        page.selectbox(key=box).set_value(column).run()
    assert not page.warning and "An example as it is read" in words(page)


def test_what_was_typed_in_the_tabs_outlives_a_file_and_a_column(runs: Path) -> None:
    page = open_page("compose")
    choose(page, "memagent-tiny", "task", "jsonl")
    page.number_input(key=find_key(page.number_input, ".training.steps")).set_value(9).run()
    content = "\n".join(map(json.dumps, MINE)).encode()
    page.file_uploader[0].set_value(("mine.jsonl", content, "application/json")).run()
    assert "training.steps=9" in shown_command(page)
    page.number_input(key=find_key(page.number_input, ".training.groups")).set_value(3).run()
    column = next(str(box.key) for box in page.selectbox if box.label == "Answers")
    page.selectbox(key=column).set_value("other").run()
    command = shown_command(page)
    assert "task.answers=other" in command or "task.answer=other" in command
    assert "training.steps=9" in command and "training.groups=3" in command


def find_key(widgets: Any, ending: str) -> str:
    return next(str(one.key) for one in widgets if str(one.key).endswith(ending))


def test_a_broken_file_given_in_the_browser_says_its_line(runs: Path) -> None:
    page = open_page("compose")
    choose(page, "memagent-tiny", "task", "jsonl")
    page.file_uploader[0].set_value(("mine.jsonl", b'{"a": 1}\n{"a"', "application/json")).run()
    assert any("line 2" in error.value and "is not JSON" in error.value for error in page.error)


def test_a_preset_is_taken_from_its_card(runs: Path) -> None:
    page = open_page("compose")
    page.number_input(key="memagent-tiny.0.training.steps").set_value(7).run()
    page.button(key="presets").click().run()
    told = words(page)
    assert (
        "5 min on two cores" in told and "time not measured" in told and "GPU and your file" in told
    )
    page.button(key="preset.memory-r1-tiny").click().run()
    assert page.selectbox(key="preset").value == "memory-r1-tiny"
    assert shown_command(page) == "memfactory train memory-r1-tiny"


def test_a_run_is_opened_with_its_settings(runs: Path) -> None:
    engine = database.connect(jobs.database_url())
    settings = ["training.steps=9", "paradigm.store=ram", "name=Mine & <b>"]
    run = jobs.create(engine, config.load("memagent-tiny", settings))
    page = open_page("compose", run=run.id)
    assert not page.error and page.selectbox(key="preset").value.endswith("run.json")
    steps = next(n for n in page.number_input if str(n.key).endswith(".training.steps"))
    assert steps.value == 9
    command = shown_command(page)
    assert command == f"memfactory train {run.folder}/run.json"
    assert config.load(f"{run.folder}/run.json") == config.build(run.settings)
    store = next(
        str(n.key) for n in page.number_input if str(n.key).endswith("paradigm.store.capacity")
    )
    page.number_input(key=store).set_value(4).run()
    assert "--set paradigm.store.capacity=4" in shown_command(page)
    page.selectbox(key="preset").set_value("memory-r1-tiny").run()
    assert shown_command(page) == "memfactory train memory-r1-tiny"


def test_a_run_that_is_not_there_is_said(runs: Path) -> None:
    page = open_page("compose", run="nowhere")
    assert "nowhere" in page.warning[0].value and not start_of(page).disabled


def test_a_run_is_opened_again_after_another_preset_was_chosen(runs: Path) -> None:
    engine = database.connect(jobs.database_url())
    run = jobs.create(engine, config.load("memagent-tiny", ["training.steps=9"]))
    page = open_page("compose", run=run.id)
    page.selectbox(key="preset").set_value("memory-r1-tiny").run()
    assert "run" not in page.query_params
    page.query_params["run"] = run.id
    page.run()
    assert shown_command(page) == f"memfactory train {run.folder}/run.json"


def test_a_deleted_run_is_forgotten(runs: Path) -> None:
    engine = database.connect(jobs.database_url())
    run = jobs.create(engine, config.load("memagent-tiny", ["training.steps=9"]))
    page = open_page("compose", run=run.id)
    database.update_run(engine, run.id, state="failed")
    delete_run(engine, run.id)
    del page.query_params["run"]
    page.run()
    assert not page.exception and not page.warning
    assert shown_command(page) == "memfactory train memagent-tiny"


def play_before_start() -> None:
    from app.compose.before_start import _show_episode
    from memfactory_core.config import load

    _show_episode(load("memagent-tiny", ["mode=evaluate", "policy=scripted"]).model_dump_json())


def test_another_episode_is_played_once_and_nothing_else_in_the_dialog_plays(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = []

    def count(*given: Any) -> Any:
        played.append(given)
        return rehearse(*given)

    monkeypatch.setattr(before_start, "rehearse", count)
    page = AppTest.from_function(play_before_start, default_timeout=60).run()
    assert not page.exception and len(played) == 1
    shown = page.session_state[before_start.EPISODE]
    page.run()
    assert len(played) == 1 and page.session_state[before_start.EPISODE] == shown
    page.button(key="compose.play.another").click().run()
    assert not page.exception and len(played) == 2

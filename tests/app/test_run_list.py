"""The list of runs: searched, filtered, put in order by the address; tags, notes, and what is done with one run."""

from __future__ import annotations

import json
import re

import pytest

from memfactory_core.config import load
from memfactory_core.runs import database, jobs
from memfactory_core.runs.labels import note_run, tag_run
from tests.app.test_pages import open_page, runs, words

__all__ = ["runs"]


@pytest.fixture
def two(lab, monkeypatch):
    """A finished MemAgent and a stopped Memory-R1."""
    monkeypatch.setattr("memfactory_core.runs.examples.ensure", lambda engine: [])
    made = []
    for name, recipe, state in (
        ("Reader", "memagent-tiny", "finished"), ("Keeper", "memory-r1-tiny", "stopped"),
    ):  # fmt: skip
        run = jobs.create(lab, load(recipe, [f"name={json.dumps(name)}"]))
        now = database.now()
        made.append(database.update_run(lab, run.id, state=state, started=now - 9, ended=now))
    return made


def listed(page):
    return [b.label for b in page.button if str(b.key).startswith("link.run.")]


def test_the_list_is_searched_filtered_and_put_in_order(two):
    page = open_page("runs")
    assert listed(page) == ["Keeper", "Reader"]
    assert "memory r1 · ram · verbatim · crud · everything · tiny" in words(page).replace("\\", "")
    page.multiselect(key="url.paradigm").set_value(["memagent"]).run()
    assert page.query_params["paradigm"] == "memagent" and listed(page) == ["Reader"]
    assert "1 of 2 runs" in words(page)
    page.multiselect(key="url.paradigm").set_value([]).run()
    assert "paradigm" not in page.query_params
    page.selectbox(key="url.sort").set_value("oldest").run()
    assert page.query_params["sort"] == "oldest" and listed(page) == ["Reader", "Keeper"]
    page.text_input(key="url.words").set_value("keep").run()
    assert page.query_params["words"] == "keep" and listed(page) == ["Keeper"]
    page.text_input(key="url.words").set_value("nothing like it").run()
    assert listed(page) == [] and "No run is like this" in page.info[0].value
    page.button(key="link.everything").click().run()
    assert listed(page) == ["Keeper", "Reader"] and not page.query_params


def test_an_address_opened_cold_is_the_place(two):
    page = open_page("runs", state="stopped", words="keep", sort="name", page="7")
    assert listed(page) == ["Keeper"]
    assert page.multiselect(key="url.state").value == ["stopped"]
    assert listed(open_page("runs", state="nonsense")) == ["Keeper", "Reader"]


def test_a_click_in_the_list_and_the_way_back_are_in_the_address(two):
    page = open_page("runs", task="dialogue")
    page.button(key=f"link.run.{two[1].id}").click().run()
    assert page.query_params == {"run": two[1].id} and page.title[0].value == "Keeper"
    page.button(key="link.all").click().run()
    assert not page.query_params and page.title[0].value == "Runs"


def test_pages_of_a_long_list_are_in_the_address(two, lab):
    for number in range(14):
        jobs.create(lab, load("memagent-tiny", [f"name=Number {number:02}"]))
    page = open_page("runs", page="2")
    assert len(listed(page)) == 4 and listed(page)[-1] == "Reader"


def test_name_tags_and_note_are_given_by_the_page_with_their_commands(two, lab):
    run = two[1]
    page = open_page("runs", run=run.id)
    shown = [code.value for code in page.code if code.language == "bash"]
    commands = [line for code in shown for line in code.splitlines()]
    for start in ("rename", "tag", "note", "train", "export", "delete"):
        assert any(command.startswith(f"memfactory {start} ") for command in commands), start
    page.text_input(key=f"name.{run.id}").set_value("It's new").run()
    assert f"memfactory rename {run.id} 'It'\"'\"'s new'" in [code.value for code in page.code]
    page.button(key=f"rename.{run.id}").click().run()
    assert page.title[0].value == "It's new"
    tag_run(lab, run.id, ["paper", "late"])
    note_run(lab, run.id, "why it matters")
    page.run()
    assert "why it matters" in words(page) and ":gray-badge[paper]" in words(page)
    page.multiselect(key=f"tags.{run.id}").set_value(["late"]).run()
    assert f"memfactory tag {run.id} --remove paper" in [code.value for code in page.code]
    page.button(key=f"tag.{run.id}").click().run()
    assert database.get_run(lab, run.id).tag_list == ["late"]
    page.text_area(key=f"note.{run.id}").set_value("other").run()
    page.button(key=f"keep.{run.id}").click().run()
    assert not page.exception and database.get_run(lab, run.id).note == "other"
    assert "other" in words(open_page("runs"))


def test_a_run_is_deleted_after_a_confirmation(two, lab):
    run = two[0]
    page = open_page("runs", run=run.id)
    assert page.button(key=f"delete.{run.id}").disabled
    page.checkbox(key=f"sure.{run.id}").check().run()
    page.button(key=f"delete.{run.id}").click().run()
    assert not page.exception and page.title[0].value == "Runs" and not page.query_params
    assert listed(page) == ["Keeper"]
    assert [left.id for left in database.list_runs(lab)] == [two[1].id]


def test_a_run_at_work_has_no_deletion(two, lab):
    database.update_run(lab, two[0].id, state="queued", turn=None, created=database.now())
    page = open_page("runs", run=two[0].id)
    assert not [b for b in page.button if b.key == f"delete.{two[0].id}"]
    assert "it can be deleted when it has ended" in words(page)


def test_a_stopped_run_is_resumed_by_its_button(two, lab, monkeypatch):
    resumed = []
    monkeypatch.setattr(jobs, "start", lambda engine, run: resumed.append(run.id))
    page = open_page("runs", run=two[1].id)
    page.button(key=f"resume.{two[1].id}").click().run()
    assert resumed == [two[1].id]
    assert not [b for b in open_page("runs", run=two[0].id).button if "resume" in str(b.key)]


def test_a_run_is_opened_in_compose_with_its_settings(two, lab, tmp_path):
    changed = jobs.create(lab, load("memory-r1-tiny", ["name=Changed", "training.steps=7"]))
    page = open_page("runs", run=changed.id)
    next(one for one in page.button if one.label == "Open in Compose").click().run()
    assert not page.exception and page.title[0].value == "Compose a run"
    assert page.query_params == {"run": changed.id}
    toml = next(code.value for code in page.code if code.language == "toml")
    (tmp_path / "typed.toml").write_text(toml)
    assert load(str(tmp_path / "typed.toml")).dump() == changed.settings


HOSTILE = "a`b ![x](https://e.example/p.png) **c** :red[d]"


def test_the_words_of_a_run_from_elsewhere_are_no_markdown(two, lab):
    database.update_run(lab, two[0].id, name=HOSTILE, tags=f"{HOSTILE},fine", note=HOSTILE)
    assert database.get_run(lab, two[0].id).tag_list == [HOSTILE, "fine"]
    for page in (open_page("runs"), open_page("runs", run=two[0].id)):
        shown = [one.value for kind in ("title", "markdown", "caption") for one in page.get(kind)]
        shown += [
            str(one.label) for kind in ("button", "expander", "tab") for one in page.get(kind)
        ]
        held = [text for text in shown if "e.example" in text.replace("\\", "")]
        assert held and any(":gray-badge[fine]" in text for text in shown)
        for text in held:
            assert not re.search(r"(?<!\\)(`|!|\*\*c|\]\()", text), text

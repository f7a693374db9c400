"""What a person does to runs: rename, tag, note, delete, search; each from the shell too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlmodel import Session, func, select
from typer.testing import CliRunner

from memfactory_core.cli import runs as shown
from memfactory_core.cli.main import app
from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs, recording
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.deletion import delete_run
from memfactory_core.runs.garbage import collect
from memfactory_core.runs.labels import note_run, rename_run, tag_run
from memfactory_core.runs.search import Query, find_runs, list_facets, list_parts, search_runs
from memfactory_core.runs.tables import (
    EpisodeRow,
    ExampleRow,
    MemoryRow,
    Metric,
    NeedRow,
    TallyRow,
)
from tests.conftest import ON_BOTH
from tests.filled import fill

TABLES = (EpisodeRow, ExampleRow, MemoryRow, Metric, NeedRow, TallyRow)


def make(lab, name, recipe="memagent-tiny", **changes):
    run = jobs.create(lab, load(recipe, [f"name={json.dumps(name)}"]))
    return database.update_run(lab, run.id, **({"state": "finished"} | changes))


def shell(*words):
    return CliRunner().invoke(app, list(words))


def test_a_run_is_renamed_in_its_row_and_its_record(lab):
    run = make(lab, "Old")
    renamed = rename_run(lab, run.id, " New\nname ")
    assert (renamed.name, renamed.settings["name"]) == ("New name", "New name")
    kept = json.loads((Path(run.folder) / "run.json").read_text())
    assert kept["config"]["name"] == "New name" and kept["id"] == run.id
    assert load(str(Path(run.folder) / "run.json")).name == "New name"
    assert "Third" in shell("rename", run.id, "Third").output
    for name in ("", "  ", "x" * 81):
        with pytest.raises(RunError, match="a name has 1 to 80 characters"):
            rename_run(lab, run.id, name)
    assert database.get_run(lab, run.id).name == "Third"


def test_tags_and_notes_are_kept_and_found(lab):
    run, other = make(lab, "One"), make(lab, "Two")
    tag_run(lab, run.id, ["paper", "good one", "paper"])
    assert database.get_run(lab, run.id).tag_list == ["paper", "good one"]
    assert "good one, late" in shell("tag", run.id, "late", "--remove", "paper").output
    assert shell("tag", other.id).output == f"{other.id}  no tags\n"
    note_run(lab, run.id, "  the one with\ntwo lines ")
    assert shell("note", run.id).output == "the one with\ntwo lines\n"
    assert shell("note", run.id, "short").output == "short\n"
    assert search_runs(lab, Query(text="short good")) == [run.id]
    assert search_runs(lab, Query(tags=["late"])) == [run.id]
    assert list_facets(lab).tags == ["good one", "late"]
    assert "One  [good one, late]" in shell("ls", "--tag", "late").output
    assert "Two" not in shell("ls", "--tag", "late").output
    assert shell("note", run.id, "").output == f"{run.id}  no note\n"


@pytest.mark.parametrize(
    ("tags", "said"),
    [(["a,b"], "no comma"), ([" "], "1 to 40"), (["x" * 41], "1 to 40"), ([str(i) for i in range(21)], "at most 20")],
)  # fmt: skip
def test_what_is_no_tag_is_refused(lab, tags, said):
    run = make(lab, "One")
    with pytest.raises(RunError, match=said):
        tag_run(lab, run.id, tags)
    assert database.get_run(lab, run.id).tags == ""


def test_tags_and_note_travel_with_an_export(lab, tmp_path):
    run = make(lab, "One", started=1.0, ended=2.0)
    tag_run(lab, run.id, ["paper"])
    note_run(lab, run.id, "why")
    export_run(lab, database.get_run(lab, run.id), tmp_path / "run.zip")
    brought = import_run(lab, tmp_path / "run.zip")
    assert (brought.tag_list, brought.note) == (["paper"], "why")


@ON_BOTH
def test_a_deleted_run_leaves_nothing_and_the_others_stay(lab):
    ids = fill(lab, steps=2, examples=2)
    folder = Path(database.get_run(lab, ids["trained"]).folder)

    def rows(run_id):
        with Session(lab) as session:
            count = [select(func.count()).where(table.run_id == run_id) for table in TABLES]
            return [session.exec(chosen).one() for chosen in count]

    before = rows(ids["evaluated"])
    assert all(rows(ids["trained"])) and folder.is_dir()
    assert delete_run(lab, ids["trained"]) == []
    assert rows(ids["trained"]) == [0] * len(TABLES) and not folder.exists()
    assert rows(ids["evaluated"]) == before
    with pytest.raises(RunError, match="no run"):
        database.get_run(lab, ids["trained"])
    assert [path.name for path in jobs.root().glob(".*")] == []


@pytest.mark.parametrize("state", ["queued", "starting", "running", "stopping"])
def test_a_run_at_work_is_not_deleted(lab, state):
    run = make(lab, "Busy", state=state)
    recording.save_metrics(lab, run.id, 1, {"reward": 1.0})
    with pytest.raises(RunError, match=f"is {state}: stop it first"):
        delete_run(lab, run.id)
    assert Path(run.folder).is_dir()
    with Session(lab) as session:
        assert session.exec(select(func.count()).select_from(Metric)).one() == 1


def test_a_run_whose_weights_are_at_work_is_not_deleted(lab):
    run = make(lab, "Parent")
    heir = jobs.create(lab, load("memagent-tiny", [f"weights={run.id}", "name=Heir"]))
    with pytest.raises(RunError, match=f"{heir.id} works with its weights"):
        delete_run(lab, run.id)
    database.update_run(lab, heir.id, state="finished")
    assert [one.id for one in delete_run(lab, run.id)] == [heir.id]


def test_deleting_from_the_shell_asks_or_wants_yes(lab):
    run = make(lab, "One")
    refused = shell("delete", run.id)
    assert isinstance(refused.exception, RunError) and "say --yes" in str(refused.exception)
    assert shell("delete", run.id, "--yes").output == f"deleted {run.id}  One\n"
    assert database.list_runs(lab) == []


def test_what_a_killed_deletion_leaves_is_collected(lab, monkeypatch):
    run = make(lab, "One")
    monkeypatch.setattr("memfactory_core.runs.deletion.shutil.rmtree", lambda *_, **__: None)
    monkeypatch.setattr("memfactory_core.runs.deletion.os.getpid", lambda: 2**22 + 1)
    delete_run(lab, run.id)
    assert len(list(jobs.root().glob(".unpacked.*"))) == 1
    monkeypatch.undo()
    monkeypatch.setenv("MEMFACTORY_RUNS", str(Path(run.folder).parent))
    collect(lab)
    assert list(jobs.root().glob(".unpacked.*")) == []


def test_runs_are_found_by_every_side_and_put_in_every_order(lab):
    scores = {"after": {"greedy/exact_match": {"mean": 0.9, "low": 0.8, "high": 1.0, "n": 9}}}
    one = make(lab, "beta", created=1.0, started=0.0, ended=50.0, results=json.dumps(scores))
    two = make(lab, "Alpha", "memory-r1-tiny", created=2.0, state="failed", started=0.0, ended=9.0)
    three = make(lab, "gamma", created=3.0, config="no JSON", results="no JSON")
    ids = {run.name: run.id for run in (one, two, three)}

    def names(**query):
        found = search_runs(lab, Query(**query))
        return [name for run_id in found for name, known in ids.items() if known == run_id]

    assert names() == ["gamma", "Alpha", "beta"]
    assert names(sort="oldest") == ["beta", "Alpha", "gamma"]
    assert names(sort="name") == ["Alpha", "beta", "gamma"]
    assert names(sort="longest") == ["beta", "Alpha", "gamma"]
    database.update_run(lab, two.id, ended=None)  # it works since long ago
    assert names(sort="longest") == ["Alpha", "beta", "gamma"]
    database.update_run(lab, two.id, ended=9.0)
    assert names(sort="best") == ["beta", "gamma", "Alpha"]
    assert names(paradigms=["memory_r1"]) == names(tasks=["dialogue"]) == ["Alpha"]
    assert names(states=["failed"]) == names(text="ALPH") == names(text=two.id) == ["Alpha"]
    assert names(text="a nothing") == []
    facets = list_facets(lab)
    assert (facets.states, facets.paradigms) == (["failed", "finished"], ["memagent", "memory_r1"])
    listed = shell("ls", "--paradigm", "memagent", "--sort", "best").output
    assert "beta" in listed and "Alpha" not in listed
    assert shell("ls", "--state", "lost").output == "no such run\n"


def test_what_a_list_leaves_out_is_said_beside_it(lab, monkeypatch):
    assert shell("ls").stdout == "no runs yet; try: memfactory demo\n"
    for name in ("one", "two", "three"):
        make(lab, name)
    assert shell("ls").stderr == ""
    read = []
    monkeypatch.setattr(
        shown, "find_runs", lambda engine, ids: read.extend(ids) or find_runs(engine, ids)
    )
    monkeypatch.setattr(shown, "MOST_LISTED", 2)
    listed = shell("ls", "--json")
    assert [run["name"] for run in json.loads(listed.stdout)] == ["three", "two"]
    assert listed.stderr.startswith("1 more that are not listed: narrow it down")
    assert len(read) == 2, "what is not listed is not read"
    monkeypatch.setattr(shown, "MOST", 1)
    assert shell("ls", "--text", "two").stderr == "2 runs that are older were not looked through\n"


def test_the_parts_of_a_configuration():
    assert list_parts(load("memory-r1-tiny").dump()) == {
        "paradigm": "memory_r1", "store": "ram", "extractor": "verbatim", "updater": "crud",
        "retriever": "everything", "policy": "tiny", "task": "dialogue",
    }  # fmt: skip
    assert set(list_parts({"paradigm": 3, "policy": None, "task": []}).values()) == {""}

"""The download and the upload of runs, as the pages offer them."""

import shutil
from pathlib import Path

import pytest

from app.reads.engine import database_engine
from app.run import sharing
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs
from tests.app.test_debugger import ids
from tests.app.test_pages import open_page

__all__ = ["ids"]


def leftovers():
    return [path.name for path in jobs.root().glob(".*")]


def test_what_is_packed_is_brought_in_as_another_run(ids):
    engine = database_engine()
    run = database.get_run(engine, ids["trained"])
    packed = sharing.pack_run(run)
    brought = sharing.bring_in(packed)
    assert (brought.origin, brought.name, brought.results) == (run.id, run.name, run.results)
    assert sharing.bring_in(packed).id == brought.id
    assert not open_page("runs", run=brought.id).exception
    assert leftovers() == []


def test_a_file_that_is_no_export_is_refused_and_leaves_nothing(ids):
    before = len(database.list_runs(database_engine()))
    with pytest.raises(RunError, match="neither a .zip nor a .tar.gz"):
        sharing.bring_in(b"hello")
    assert len(database.list_runs(database_engine())) == before and leftovers() == []


def test_a_live_run_has_no_download_and_every_list_a_place_for_files(ids, monkeypatch):
    offered = []
    monkeypatch.setattr("app.run.actions.show_download", lambda run: offered.append(run.id))
    open_page("runs", run=ids["trained"])
    assert offered == [ids["trained"]]
    database.update_run(database_engine(), ids["empty"], state="running", heartbeat=database.now())
    open_page("runs", run=ids["empty"])
    database.update_run(database_engine(), ids["empty"], state="queued")
    assert len(offered) == 1
    assert "Bring in a run" in [box.label for box in open_page("runs").expander]


def test_large_weights_are_left_to_the_shell_and_that_is_said(ids, monkeypatch):
    offered = []
    run = database.get_run(database_engine(), ids["trained"])
    weights = Path(run.folder) / "policy" / "model.safetensors"
    weights.parent.mkdir(exist_ok=True)
    with weights.open("wb") as file:
        file.truncate(3_000_000_000)  # takes no room on the disk
    monkeypatch.setattr(sharing.st, "download_button", lambda *a, **k: offered.append(k["help"]))
    sharing.show_download(run)
    shutil.rmtree(weights.parent)
    assert f"3.0 GB); with them: memfactory export {run.id}" in offered[0]

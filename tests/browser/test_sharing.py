"""A run leaves the lab as a file and comes in from one, in a real browser."""

import re
from pathlib import Path

import pytest

from memfactory_core.runs import database, jobs

pytestmark = pytest.mark.timeout(300)


def test_a_run_is_downloaded_and_brought_in_again(page, shared, tmp_path):
    page.goto(f"{shared.url}/runs")
    page.get_by_text("Bring in a run").wait_for()
    engine = database.connect(jobs.database_url())
    before = {run.id: run for run in database.list_runs(engine)}
    examples = [run for run in before.values() if run.origin]
    chosen = next(run for run in examples if run.name.startswith("MemAgent, tiny"))
    page.goto(f"{shared.url}/runs?run={chosen.id}")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download", exact=True).click()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    assert file.name == f"{chosen.id}.zip" and file.read_bytes().startswith(b"PK")

    page.goto(f"{shared.url}/runs")
    page.get_by_text("Bring in a run").click()
    bad = tmp_path / "bad.zip"
    bad.write_bytes(file.read_bytes()[:-1000])
    page.locator("input[type=file][accept*='.tar.gz']").set_input_files(bad)
    page.get_by_text(re.compile("bad.zip|uploaded")).first.wait_for()
    page.get_by_text("it is cut short").wait_for()
    assert len(database.list_runs(engine)) == len(before)

    page.locator("input[type=file][accept*='.tar.gz']").set_input_files(file)
    page.wait_for_url("**/runs?run=import-*")
    page.get_by_role("heading", name=chosen.name).wait_for()
    (run,) = (run for run in database.list_runs(engine) if run.id not in before)
    assert (run.origin, run.state, run.results) == (chosen.id, "finished", chosen.results)
    assert (Path(run.folder) / "policy" / "model.safetensors").is_file()
    left = [path.name for path in jobs.root().glob(".*")]
    assert left == [], "neither way leaves anything behind"

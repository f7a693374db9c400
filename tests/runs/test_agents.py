"""Which agent a talk begins with: the first of the list."""

from memfactory_core.runs import database, examples, jobs
from memfactory_core.runs.agents import find_agent, list_agents
from memfactory_core.runs.archive import import_run


def test_a_new_lab_begins_with_an_example_that_answers_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MEMFACTORY_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    engine = database.connect(jobs.database_url())
    for folder in examples.FOLDERS:
        import_run(engine, folder)
    for behind in ("its model is not here", "30 steps"):
        found = [entry for entry in list_agents(engine) if entry[1].startswith("run:")]
        assert found[0][0].startswith("Memory-R1, tiny") and len(found) == len(examples.FOLDERS)
        assert found[-1][0].startswith("MemAgent, SmolLM2") and found[-1][0].endswith(behind)
        monkeypatch.setattr("memfactory_core.runs.agents._has_its_models", lambda config: True)
    assert find_agent(engine, found[-1][1]).trained

"""What is looked at before a start; a start that is refused leaves no run."""

import json

import pytest

from memfactory_core.config import load
from memfactory_core.errors import ConfigError, MemFactoryError, RunError
from memfactory_core.runs import database, jobs
from memfactory_core.runs.checks import find_checks
from memfactory_core.runs.place import root


def failed(engine, config):
    return {check.name: check.told for check in find_checks(engine, config) if not check.passed}


def write_records(path, count, **more):
    rows = [
        {"context": f"The pet of B{n} is Z{n}.", "question": f"What is the pet of B{n}?", "answer": f"Z{n}"} | more
        for n in range(count)
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.mark.parametrize(
    ("recipe", "settings", "said"),
    [
        ("hotpotqa-scripted", ["task.path="], "names no data file"),
        ("hotpotqa-scripted", ["task.path=nowhere.json"], "nowhere.json"),
        ("memagent-tiny", ["policy=hf", "policy.model=nobody/nothing"], "nobody/nothing"),
        ("memagent-tiny", ["weights=gone"], "gone"),
    ],
)
def test_a_refused_start_leaves_no_run(recipe, settings, said, lab):
    config = load(recipe, settings)
    with pytest.raises(MemFactoryError, match=said):
        jobs.begin(lab, config)
    assert database.list_runs(lab) == []
    assert not root().exists() or not [path for path in root().iterdir() if path.is_dir()]
    assert any(said in told for told in failed(lab, config).values())


def test_what_is_fine_is_said_with_its_figures(lab, tmp_path):
    checks = {check.name: check for check in find_checks(lab, load("memagent-tiny"))}
    assert all(check.passed for check in checks.values())
    assert "made as it is needed" in checks["Data"].told and "free" in checks["Disk"].told
    path = write_records(tmp_path / "mine.jsonl", 10)
    config = load("memagent-tiny", ["task=jsonl", f"task.path={path}", "evaluation.task=null"])
    told = {check.name: check.told for check in find_checks(lab, config)}
    assert told["Data"] == "mine.jsonl: 8 examples to learn from, 2 held out, none in common"


def test_a_broken_record_is_found_before_the_start(lab, tmp_path):
    path = tmp_path / "mine.jsonl"
    write_records(path, 3)
    path.write_text(path.read_text() + '\n{"context": "x", "question": 7, "answer": "y"}')
    config = load("memagent-tiny", ["task=jsonl", f"task.path={path}", "evaluation.task=null"])
    assert "line 4, field 'question': expected text, got 7" in failed(lab, config)["Data"]


def test_a_full_disk_is_said_before_the_start(lab, monkeypatch):
    config = load("memagent-tiny", ["evaluation.examples=100000", "evaluation.samples=64"])
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("memfactory_core.runs.checks.shutil.disk_usage", lambda place: usage)
    assert "retention.every" in failed(lab, config)["Disk"]


def test_errors_of_a_start_are_of_the_kind_that_a_user_mends(lab):
    with pytest.raises(ConfigError):
        jobs.begin(lab, load("hotpotqa-scripted", ["task.path="]))
    with pytest.raises(RunError):
        jobs.begin(lab, load("memagent-tiny", ["weights=gone"]))

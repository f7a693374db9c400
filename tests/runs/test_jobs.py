"""Runs as processes: started, stopped, lost, repeated; and bad input that loses nothing."""

import gzip
import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest
from sqlmodel import Session, select

from memfactory_core.config import load
from memfactory_core.errors import RunError
from memfactory_core.runs import database, jobs
from memfactory_core.runs.tables import EpisodeRow, TallyRow
from memfactory_core.runs.weights import trained_policy
from memfactory_core.runs.worker import work
from memfactory_core.trace import Wrote
from tests.compared import compare_greedy
from tests.processes import memfactory

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=20", "evaluation.samples=0"]
SMALL = [
    "training.steps=400", "training.groups=2", "training.group_size=2", "evaluation.examples=2",
    "evaluation.samples=0",
]  # fmt: skip


def until(condition, seconds=90.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


def test_an_evaluation_keeps_every_episode_and_event(lab):
    run = work(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)).id)
    assert (run.state, run.reason) == ("finished", "")
    assert run.summary["after"]["greedy/exact_match"]["mean"] == 1.0
    with Session(lab) as session:
        rows = session.exec(select(EpisodeRow)).all()
        counts = session.exec(select(TallyRow).where(TallyRow.name == "writes")).all()
    assert len(rows) == 20
    assert rows[0].episode.answer == rows[0].answer
    writes = [e for row in rows for e in row.episode.events if isinstance(e, Wrote)]
    assert sum(row.count for row in counts) == len(writes)
    record = json.loads((Path(run.folder) / "run.json").read_text())
    assert set(record["versions"]) >= {"torch", "trl"}


def test_the_record_of_a_run_repeats_it(lab):
    first = work(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)).id)
    again = work(lab, jobs.create(lab, load(f"{first.folder}/run.json")).id)
    assert again.summary == first.summary


def test_a_run_can_be_stopped_and_resumed_and_its_process_ends(lab):
    run = jobs.start(
        lab, jobs.create(lab, load("memagent-tiny", [*SMALL, "training.save_every=2"]))
    )
    until(lambda: database.get_run(lab, run.id).step >= 3)
    assert jobs.alive(run)
    stopped = jobs.stop(lab, run.id)
    assert stopped.state == "stopped" and not jobs.alive(run)
    assert not (Path(run.folder) / "stop").exists()
    with pytest.raises(RunError, match="no trained weights in .*resume"):
        trained_policy(stopped, load("memagent-tiny"))
    # a fast machine has gone on to later ones before the stop is seen
    kept = sorted(int(path.name[11:]) for path in Path(run.folder).glob("checkpoints/checkpoint-*"))
    for step in kept:
        found = trained_policy(stopped, load("memagent-tiny"), step)
        assert found.name == f"checkpoint-{step}"
    with pytest.raises(RunError, match=f"no checkpoint of step 399; it has: {kept[0]}"):
        trained_policy(stopped, load("memagent-tiny"), 399)
    at = stopped.step
    again = jobs.start(lab, stopped)
    until(lambda: database.get_run(lab, run.id).step > at)
    jobs.stop(lab, again.id)
    log = (Path(run.folder) / "log.txt").read_text()
    assert log.count("evaluating before training") == 1


def test_a_killed_run_is_called_lost_with_its_last_words(lab):
    run = jobs.start(lab, jobs.create(lab, load("memagent-tiny", SMALL)))
    until(lambda: database.get_run(lab, run.id).phase)
    os.killpg(run.pid, signal.SIGKILL)
    until(lambda: (jobs.reap(lab), database.get_run(lab, run.id).state == "lost")[1])
    lost = database.get_run(lab, run.id)
    assert lost.reason.startswith("the process was killed (SIGKILL); memory had not run out; it ")
    assert "; last line of the log: [" in lost.reason
    assert (lost.exit_code, lost.exit_signal, lost.out_of_memory) == (None, "SIGKILL", False)
    assert lost.peak_memory > 10_000_000


def test_a_process_with_the_same_pid_is_not_the_run(lab):
    run = jobs.create(lab, load("memagent-tiny", SCRIPTED))
    database.update_run(lab, run.id, state="running", pid=os.getpid(), born=1.0)
    jobs.reap(lab)
    assert database.get_run(lab, run.id).state == "lost"


def test_a_failing_run_says_why(lab):
    config = load("memagent-tiny", [*SCRIPTED, "weights=nothing-like-this"])
    run = work(lab, jobs.create(lab, config).id)
    assert run.state == "failed"
    assert run.reason.startswith("no run 'nothing-like-this'")


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    if os.geteuid() == 0:
        place = tmp_path / "file"
        place.write_text("in the way")
    else:
        place = tmp_path / "closed"
        place.mkdir()
        place.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setenv("MEMFACTORY_RUNS", str(place / "runs"))
    with pytest.raises(RunError, match="cannot make the folder"):
        database.connect(jobs.database_url())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "memagnet"), "no recipe called 'memagnet'"),
        (
            ("train", "memagent-tiny", "--set", "paradigm.retriever=bm26"),
            "no retrievers called 'bm26'",
        ),
        (("train", "memagent-tiny", "--set", "training.steps=-1"), "greater than or equal to 1"),
        (("show", "nothing"), "no run 'nothing'"),
        (("eval", "nothing"), "no run 'nothing'"),
        (("kinds", "nothing"), "no family called 'nothing'"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(arguments, message, tmp_path):
    done = memfactory(*arguments, MEMFACTORY_RUNS=str(tmp_path))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_runs_travel_as_folders(lab, tmp_path, monkeypatch):
    from memfactory_core.runs.archive import export_run, import_run

    run = work(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)).id)
    folder = export_run(lab, run, tmp_path / "out")
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "elsewhere"))
    other = database.connect(jobs.database_url())
    brought = import_run(other, folder)
    assert brought.summary == run.summary
    with Session(other) as session:
        assert len(session.exec(select(EpisodeRow)).all()) == 20
    assert brought.origin == run.id and brought.id != run.id
    assert import_run(other, folder).id == brought.id
    assert database.get_run(other, run.id).id == brought.id
    with pytest.raises(RunError, match="not empty"):
        export_run(lab, run, folder)
    with pytest.raises(RunError, match="holds no exported run"):
        import_run(other, tmp_path)


def test_questions_about_one_text_alone_have_no_interval_and_are_shown_and_travel(
    lab, tmp_path, capsys
):
    from memfactory_core.cli.report import print_table
    from memfactory_core.runs.archive import export_run, import_run

    context = ["The pet of Bako is Zimo.", "The city of Rilo is Dema."]
    asked = {"What is the pet of Bako?": "Zimo", "What is the city of Rilo?": "Dema"}
    lines = [json.dumps({"context": context, "question": q, "answer": a}) for q, a in asked.items()]
    (tmp_path / "one.jsonl").write_text("\n".join(lines))
    settings = ["task.kind=jsonl", f"task.path={tmp_path / 'one.jsonl'}", *SCRIPTED]
    run = work(lab, jobs.create(lab, load("memory-r1-tiny", [*settings, "roles={}"])).id)
    assert (run.state, run.fault) == ("finished", "")
    figures = run.summary["after"]["greedy/exact_match"]
    assert (figures["low"], figures["high"], figures["clusters"]) == (None, None, 1)
    print_table(run)
    assert "[no interval] n=2/1" in capsys.readouterr().out
    brought = import_run(lab, export_run(lab, run, tmp_path / "out"))
    assert (brought.fault, brought.summary) == ("", run.summary)


def test_an_export_without_sampled_attempts_keeps_the_greedy_ones(lab, tmp_path):
    from memfactory_core.runs.archive import export_run

    run = work(lab, jobs.create(lab, load("memagent-tiny", [*SCRIPTED, "evaluation.samples=1"])).id)
    folder = export_run(lab, run, tmp_path / "out", sampled=False)
    with gzip.open(folder / "episodes.jsonl.gz", "rt") as file:
        phases = [json.loads(line)[0] for line in file]
    assert phases == ["after/greedy"] * 20


def test_two_runs_are_compared_on_the_same_examples(lab):
    last, best = (
        work(
            lab, jobs.create(lab, load("memagent-tiny", [*SCRIPTED, f"policy.strategy={name}"])).id
        )
        for name in ("last", "overlap")
    )
    row = compare_greedy(lab, last, best)["exact_match"]
    assert row["n"] == 20 and row["second"] == 1.0
    assert 0 < row["low"] <= row["difference"] == 1.0 - row["first"]
    other = work(lab, jobs.create(lab, load("memagent-tiny", [*SCRIPTED, "evaluation.seed=5"])).id)
    with pytest.raises(RunError, match="share no examples"):
        compare_greedy(lab, last, other)


def test_a_sweep_runs_the_legal_cells_and_says_why_others_are_refused(tmp_path):
    done = memfactory(
        "sweep", "memagent-tiny", "--json", "--grid", "policy.strategy=last,overlap",
        "--grid", "paradigm.retriever=everything,nonsense",
        *(word for setting in SCRIPTED for word in ("--set", setting)),
        MEMFACTORY_RUNS=str(tmp_path),
    )  # fmt: skip
    rows = json.loads(done.stdout)
    assert [row["refused"] == "" for row in rows] == [True, False, True, False]
    assert "no retrievers called 'nonsense'" in rows[1]["refused"]
    assert rows[2]["scores"]["after"]["greedy/exact_match"]["mean"] == 1.0


def test_a_training_recipe_is_evaluated_with_a_policy_that_cannot_be_trained(tmp_path):
    settings = ["policy=scripted", "paradigm.store=lance", "paradigm.retriever=hybrid"]
    settings += ["evaluation.examples=5", "evaluation.samples=0"]
    words = [word for setting in settings for word in ("--set", setting)]
    done = memfactory("eval", "memagent-tiny", "--json", *words, MEMFACTORY_RUNS=str(tmp_path))
    assert json.loads(done.stdout)["state"] == "finished", done.stderr

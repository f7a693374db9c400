"""What is kept of a run, what it will take, and what may be removed."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlmodel import Session, select
from typer.testing import CliRunner

from memfactory_core.cli.main import app
from memfactory_core.config import load
from memfactory_core.models.folder import measure_folder
from memfactory_core.runs import database, garbage, jobs, recording
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.footprint import count_checkpoints, count_episodes, foresee, in_units
from memfactory_core.runs.place import OTHERS
from memfactory_core.runs.retention import kept_episodes, superseded
from memfactory_core.runs.tables import ACTIVE, EpisodeRow, ExampleRow, Metric
from memfactory_core.runs.weights import seal
from memfactory_core.runs.worker import work
from tests.conftest import ON_BOTH
from tests.runs.test_chats import played

SCRIPTED = ["mode=evaluate", "policy=scripted", "evaluation.examples=4", "evaluation.samples=0"]


def groups_of(config, step=1, groups=4):
    size = config.training.group_size
    return [
        episode.model_copy(update={"group_id": f"{step}-{n // size}", "id": f"{step}-{n}"})
        for n, episode in enumerate(played(1) * (groups * size))
    ]


def test_episodes_of_every_so_many_steps_and_of_the_ends_are_kept():
    config = load("memagent-tiny", ["retention.every=4", "training.steps=10"])
    kept = [step for step in range(1, 11) if kept_episodes(config, step, groups_of(config, step))]
    assert kept == [1, 4, 8, 10]


def test_whole_groups_are_drawn_by_the_seed_and_the_step():
    few = ["training.group_size=4", "retention.episodes=8"]
    config = load("memagent-tiny", few)
    episodes = groups_of(config)
    kept = kept_episodes(config, 3, episodes)
    names = [episode.group_id for episode in kept]
    assert len(kept) == 8 and [names.count(name) for name in dict.fromkeys(names)] == [4, 4]
    assert kept == kept_episodes(config, 3, episodes) == [e for e in episodes if e in kept]
    drawn = {
        tuple(dict.fromkeys(e.group_id for e in kept_episodes(config, s, episodes)))
        for s in range(20)
    }
    assert len(drawn) > 2, "not always the same groups"
    assert kept_episodes(load("memagent-tiny", ["training.group_size=4"]), 3, episodes) == episodes


def checkpoint(folder, step):
    """A whole checkpoint, as far as it is looked at."""
    import torch
    from safetensors.torch import save_file

    path = folder / "checkpoints" / f"checkpoint-{step}"
    path.mkdir(parents=True)
    save_file({"w": torch.zeros(1000)}, path / "model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.save({}, path / name)
    (path / "trainer_state.json").write_text("{}")
    seal(path)
    return path


def steps_of(paths):
    return sorted(int(path.name.split("-")[1]) for path in paths)


@pytest.mark.parametrize(
    ("settings", "needed", "gone"),
    [
        (["retention.checkpoints=2"], [], [10, 20]),
        (["retention.checkpoints=1"], [], [10, 20, 30]),
        (["retention.checkpoints=1", "retention.best=true"], [], [10, 30]),
        (["retention.checkpoints=1"], [10], [20, 30]),
        (["retention.checkpoints=9"], [], []),
    ],
)
def test_checkpoints_that_are_superseded(tmp_path, settings, needed, gone):
    config = load("memagent-tiny", ["training.save_every=10", *settings])
    for step in (10, 20, 30, 40):
        checkpoint(tmp_path, step)
    rewards = {step: 0.9 if 10 < step <= 20 else step / 100 for step in range(1, 41)}
    assert steps_of(superseded(config, tmp_path, rewards, needed)) == gone


def test_the_best_checkpoint_is_not_chosen_by_the_rewards_of_an_easier_stage(tmp_path):
    stage = 'training.stages=[{"steps": 20, "task": {"chunks": 1}}]'
    kept = ["training.save_every=10", "retention.checkpoints=1", "retention.best=true"]
    config = load("memagent-tiny", [*kept, stage])
    for step in (10, 20, 30, 40, 50):
        checkpoint(tmp_path, step)
    rewards = {step: 0.9 if step <= 20 else 0.5 if step <= 30 else 0.2 for step in range(1, 51)}
    assert steps_of(superseded(config, tmp_path, rewards)) == [10, 20, 40]
    inside = config.model_copy(
        update={"training": config.training.model_copy(update={"steps": 20})}
    )
    assert steps_of(superseded(inside, tmp_path, {10: 0.9, 20: 0.2})) == [20, 30, 40], "one stage"


def test_a_checkpoint_that_is_being_written_or_the_last_whole_one_is_never_superseded(tmp_path):
    config = load("memagent-tiny", ["retention.checkpoints=1"])
    checkpoint(tmp_path, 10)
    broken = checkpoint(tmp_path, 20)
    (broken / "model.safetensors").write_bytes(b"half")
    assert superseded(config, tmp_path, {}) == []


SMALL = [
    "training.steps=6", "training.groups=2", "training.group_size=2", "training.save_every=2",
    "evaluation.examples=2", "evaluation.samples=0", "retention.every=3", "retention.episodes=2",
    "retention.checkpoints=1", "retention.best=true",
]  # fmt: skip


def test_a_training_keeps_what_its_settings_say_and_takes_about_what_was_foreseen(lab):
    config = load("memagent-tiny", SMALL)
    run = work(lab, jobs.create(lab, config).id)
    assert (run.state, run.reason) == ("finished", "")
    with Session(lab) as session:
        rows = session.exec(select(EpisodeRow.phase, EpisodeRow.step, EpisodeRow.group_id)).all()
        rewards = dict(
            session.exec(select(Metric.step, Metric.value).where(Metric.name == "reward")).all()
        )
    trained = [row for row in rows if row.phase == "train"]
    assert sorted({row.step for row in trained}) == [1, 3, 6]
    assert len(trained) == 3 * 2 and len({row.group_id for row in trained}) == 3
    assert len(rows) == count_episodes(config)
    left = steps_of(Path(run.folder).glob("checkpoints/checkpoint-*"))
    best = max((2, 4, 6), key=lambda s: (rewards[s] + rewards[s - 1], s))
    assert left == sorted({6, best}) and count_checkpoints(config) == 2
    again = foresee(lab, config)
    assert f"measured on {len(rows):,} episodes of 1 run of" in again.basis
    taken = sum(measure_folder(path) for path in Path(run.folder).glob("checkpoints/checkpoint-*"))
    assert again.checkpoint_bytes == pytest.approx(taken / len(left), rel=0.05)


def test_what_a_run_will_take_is_said_before_it_is_started(lab):
    command = ["train", "memagent-tiny", "--dry-run", "--set", "training.steps=100"]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    assert "100 steps of 12 x 8 episodes" in said.output
    assert "no run here is like it" in said.output and "on the disk" in said.output
    less = [*command, "--set", "retention.every=10", "--json"]
    values = json.loads(CliRunner().invoke(app, less).output)
    # 200 x (1 + 4) twice, and of training steps 1, 10, 20, ... 100
    assert values["episodes"] == 2 * 200 * 5 + 11 * 64
    assert values["checkpoint_bytes"] > 1_000_000
    assert database.list_runs(lab) == []


def test_the_foreseen_size_is_near_the_size(lab):
    """The database without the run and with it: within a third of what the same run's episodes foretell."""
    config = load("memagent-tiny", [*SCRIPTED, "evaluation.examples=200"])
    garbage.vacuum(lab)
    file = jobs.root() / "memfactory.db"
    before = file.stat().st_size
    work(lab, jobs.create(lab, config).id)
    garbage.vacuum(lab)
    taken = file.stat().st_size - before
    foreseen = foresee(lab, config)
    assert taken == pytest.approx(foreseen.episodes * foreseen.episode_bytes, rel=0.4)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2_500_000, "2.5 MB"), (7e14, "700.0 TB")],
)  # fmt: skip
def test_sizes_in_words(size, said):
    assert in_units(size) == said


def kinds(removals):
    return {removal.kind for removal in removals if not removal.kept}


def age(path):
    old = time.time() - garbage.UNTOUCHED - 60
    for one in [*path.rglob("*"), path]:
        os.utime(one, (old, old))


def litter(lab, monkeypatch):
    """A lab with one thing of each kind that may go; the ended run and the live one."""
    finished = work(lab, jobs.create(lab, load("memagent-tiny", SCRIPTED)).id)
    settings = load("memagent-tiny", ["training.steps=9", "retention.every=3"]).dump()
    database.update_run(lab, finished.id, config=json.dumps(settings), mode="train")
    (episode,) = played(1)
    for step in range(1, 10):
        one = episode.model_copy(update={"id": f"train-{step}"})
        recording.save_episodes(lab, finished.id, "train", step, [one])
    live = jobs.create(lab, load("memagent-tiny"))
    database.update_run(lab, live.id, state="running", pid=os.getpid(), born=1.0)
    for run in (finished, live):
        folder = Path(run.folder)
        (folder / "stop").touch()
        (folder / "policy.part").mkdir()
        for step in (10, 20, 30):
            checkpoint(folder, step)
    recording.save_metrics(lab, "nobody", 1, {"reward": 1.0})
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (jobs.root() / f".unpacked.{dead.pid}.abc").mkdir()
    (jobs.root() / f".export.{os.getpid()}.abc").mkdir()  # of a process that lives
    orphan = jobs.root() / "0101-000000-abcd"
    orphan.mkdir()
    (orphan / "run.json").write_text("{}")
    age(orphan)
    fresh = shutil.copytree(orphan, jobs.root() / "0101-000000-ffff")
    os.utime(fresh)
    (jobs.root() / f".log-{'0' * 16}.{dead.pid}").mkdir()  # a log that was being brought in
    stage = Path(finished.folder) / "imitation"
    (stage / "policy").mkdir(parents=True)
    (stage / "policy" / "model.safetensors").touch()
    checkpoint(stage, 4)
    (jobs.root() / "my notes").mkdir()
    age(jobs.root() / "my notes")
    return finished, live


def everything(lab):
    with Session(lab) as session:
        rows = session.exec(select(EpisodeRow.run_id, EpisodeRow.id)).all()
    return sorted(map(tuple, rows)), {
        str(path) for path in jobs.root().rglob("*") if "memfactory.db" not in path.name
    }


@ON_BOTH
def test_gc_removes_what_may_go_and_nothing_of_a_live_run(lab, monkeypatch):
    finished, live = litter(lab, monkeypatch)
    (jobs.root() / OTHERS).unlink(
        missing_ok=True
    )  # what is not in the usual file is looked at below
    before = everything(lab)
    foretold = garbage.collect(lab, dry_run=True)
    assert everything(lab) == before
    done = garbage.collect(lab)
    assert [r.model_dump() for r in done] == [r.model_dump() for r in foretold]
    assert kinds(done) == {
        "folder without a run", "rows without a run", "episodes beyond retention",
        "superseded checkpoint", "leftover", "stop flag",
    }  # fmt: skip
    rows, paths = everything(lab)
    assert [i for run, i in rows if run == finished.id and i.startswith("train")] == [
        "train-1", "train-3", "train-6", "train-9",
    ]  # fmt: skip
    gone = {path.removeprefix(f"{jobs.root()}/") for path in before[1] - paths}
    mine = {path for path in gone if not path.startswith(finished.id)}
    assert {path.split("/")[0] for path in mine} == {
        next(path for path in mine if path.startswith(".unpacked")).split("/")[0], "0101-000000-abcd",
        next(path for path in mine if path.startswith(".log-")),
    }  # fmt: skip
    assert {path.name for path in (Path(finished.folder) / "imitation").iterdir()} == {"policy"}
    left = Path(finished.folder) / "checkpoints"
    assert steps_of(left.iterdir()) == [20, 30]
    assert len(list((Path(live.folder) / "checkpoints").iterdir())) == 3
    assert (Path(live.folder) / "stop").exists() and (Path(live.folder) / "policy.part").exists()
    with Session(lab) as session:
        needed = session.exec(
            select(EpisodeRow.shared).where(EpisodeRow.run_id == finished.id)
        ).all()
        kept = session.exec(select(ExampleRow.id).where(ExampleRow.run_id == finished.id)).all()
        assert sorted(kept) == sorted(set(needed))
    assert kinds(garbage.collect(lab)) == set(), "a second time there is nothing to do"


@pytest.mark.parametrize("state", ACTIVE)
def test_gc_leaves_every_run_that_has_a_worker_or_waits_for_one(lab, monkeypatch, state):
    finished, live = litter(lab, monkeypatch)
    for run in (finished, live):
        database.update_run(lab, run.id, state=state)
    found = garbage.collect(lab)
    assert kinds(found) <= {"folder without a run", "rows without a run", "leftover"}
    assert all(run.id not in removal.place for run in (finished, live) for removal in found)


def test_a_run_that_starts_while_gc_looks_keeps_its_files(lab, monkeypatch):
    finished, _ = litter(lab, monkeypatch)
    find = garbage.find_superseded

    def start_meanwhile(engine, run_id, *more):
        database.update_run(engine, run_id, state="starting")
        return find(engine, run_id, *more)

    monkeypatch.setattr(garbage, "find_superseded", start_meanwhile)
    garbage.collect(lab)
    assert len(list((Path(finished.folder) / "checkpoints").iterdir())) == 3


def test_gc_says_what_and_how_much_and_the_file_grows_smaller(lab, monkeypatch):
    finished, _ = litter(lab, monkeypatch)
    more = [e.model_copy(update={"id": f"more-{n}"}) for n, e in enumerate(played(1) * 2000)]
    recording.save_episodes(lab, finished.id, "train", 2, more)

    def size():
        return sum(file.stat().st_size for file in jobs.root().glob("memfactory.db*"))

    said = CliRunner().invoke(app, ["gc", "--dry-run"])
    assert said.exit_code == 0 and "would be removed" in said.output, said.output
    before = size()
    said = CliRunner().invoke(app, ["gc", "--json"])
    values = json.loads(said.output)
    assert values["size"] == sum(r["size"] for r in values["removals"] if not r["kept"]) > 1_000_000
    assert size() < before / 2
    assert "nothing to remove" in CliRunner().invoke(app, ["gc"]).output


def test_gc_may_be_asked_to_keep_less(lab, monkeypatch):
    finished, _ = litter(lab, monkeypatch)
    garbage.collect(lab, every=9)
    rows, _ = everything(lab)
    assert [i for _, i in rows if i.startswith("train")] == ["train-1", "train-9"]


def test_folders_of_another_databases_runs_are_left(lab, tmp_path, monkeypatch):
    there = database.connect(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    theirs = work(there, jobs.create(there, load("memagent-tiny", SCRIPTED)).id)
    bundle = export_run(there, theirs, tmp_path / "bundle")
    imported = import_run(there, bundle)
    for run in (theirs, imported):
        age(Path(run.folder))
    found = garbage.collect(lab)
    assert [r.kept for r in found] == [f"another database has runs here ({OTHERS})"] * 2
    assert Path(theirs.folder).exists() and Path(imported.folder).exists()


def test_a_checkpoint_that_another_run_starts_from_stays(lab, monkeypatch):
    finished, _ = litter(lab, monkeypatch)
    settings = load("memagent-tiny", SCRIPTED).dump() | {"weights": finished.id, "weights_step": 10}
    other = jobs.create(lab, load("memagent-tiny", SCRIPTED))
    database.update_run(lab, other.id, config=json.dumps(settings), state="stopped")
    garbage.collect(lab)
    assert steps_of((Path(finished.folder) / "checkpoints").iterdir()) == [10, 20, 30]

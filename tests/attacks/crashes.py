"""Kills the workers of training runs and their supervisors at chosen and at random moments, resumes them, and counts
what was lost.

`python -m tests.attacks.crashes 100` prints the figures. A worker is halted before it is killed, so that what it had
committed can be read in between; the same must be there after the kill, and at the end of the run."""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import Engine
from sqlmodel import Session, select

from memfactory_core.config import load
from memfactory_core.runs import database, jobs, preloaded
from memfactory_core.runs.bodies import write_json
from memfactory_core.runs.tables import EpisodeRow, MemoryRow, Metric, Run
from memfactory_core.runs.weights import last_checkpoint

STEPS, EACH = 6, 8
SETTINGS = [
    "policy.kind=hf", "policy.dtype=float32", "paradigm.updater.max_tokens=24", "paradigm.answer_tokens=8",
    f"training.steps={STEPS}", "training.groups=2", f"training.group_size={EACH // 2}",
    "training.warmup_steps=0", "training.save_every=2", "evaluation.examples=2",
    "evaluation.samples=1", 'reward={"length": 1.0}',
]  # fmt: skip
MOMENTS = (
    "at once", "evaluating before training", "a step", "inside a checkpoint", "any", "twice",
    "inside a checkpoint", "the last save", "evaluating after training", "any",
)  # fmt: skip
PATIENCE = 240.0


@dataclass
class Tally:
    """What the kills did."""

    kills: int = 0
    supervisors: int = 0
    runs: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    committed: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    doubled: int = 0
    slowest_notice: float = 0.0
    forked: int = 0
    """Starts from a process that had read the libraries."""
    unlike: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rows = ("episodes", "memories", "metrics")
        kept = ", ".join(f"{self.committed[n]:,} {n} of which {self.lost[n]} lost" for n in rows)
        return (
            f"{self.kills} kills of workers, {self.supervisors} of supervisors, in {self.runs} runs, "
            f"{self.forked} starts forked "
            f"({dict(self.moments)}); committed when killed: {kept}; "
            f"doubled: {self.doubled}; noticed within {self.slowest_notice:.1f} s; otherwise wrong: "
            f"{self.unlike or 'nothing'}"
        )


Rows = dict[str, dict[tuple[object, ...], object]]


def read_rows(engine: Engine, run_id: str) -> Rows:
    """All that is committed of a run: episodes (by id) with a checksum, memories, metrics."""
    with Session(engine) as session:
        episodes = session.exec(select(EpisodeRow).where(EpisodeRow.run_id == run_id)).all()
        memories = session.exec(select(MemoryRow).where(MemoryRow.run_id == run_id)).all()
        metrics = session.exec(select(Metric).where(Metric.run_id == run_id)).all()
    return {
        "episodes": {(e.phase, e.step, e.id): zlib.crc32(write_json(e.episode)) for e in episodes},
        "memories": {(m.episode_id, m.memory_id): m.text for m in memories},
        "metrics": {(m.name, m.step): m.value for m in metrics},
    }


def crash(engine: Engine, model: str, kills: int, seed: int = 0, forked: bool = False) -> Tally:
    """Kills workers `kills` times, forked ones from a process that has read the libraries or such that read them
    anew; every run is resumed until it ends."""
    tally, draw = Tally(), random.Random(seed)
    while tally.kills < kills:
        preloaded.forget()
        if forked:
            preloaded.preload()
            environment = dict(os.environ) | preloaded.CALM
            while preloaded.current(environment) is None:
                time.sleep(0.05)
        settings = [*SETTINGS, f"policy.model={model}", f"seed={tally.runs}"]
        run = jobs.create(engine, load("memagent-tiny", settings))
        tally.runs += 1
        _kill_until_it_ends(engine, run, kills, tally, draw)
        print(tally, flush=True)
    return tally


def _kill_until_it_ends(
    engine: Engine, run: Run, kills: int, tally: Tally, draw: random.Random
) -> None:
    secured: Rows = {}
    hasty = False
    while True:
        run = jobs.start(engine, database.get_run(engine, run.id))
        parent = psutil.Process(run.pid).parent()
        assert "supervisor.py" in " ".join(parent.cmdline())
        tally.forked += "preloaded.py" in " ".join(psutil.Process(run.pid).cmdline())
        # of three supervisors one is killed long before its worker, one with it, one sees the end
        fate = ("before", "with", "never")[tally.kills % 3]
        if fate == "before":
            parent.kill()
            tally.supervisors += 1
        moment = "never" if tally.kills >= kills else MOMENTS[tally.kills % len(MOMENTS)]
        if hasty:
            moment, hasty = "at once", False
        if not _reach(engine, run, moment, draw):
            break
        hasty = moment == "twice"
        os.killpg(run.pid, signal.SIGSTOP)
        before = read_rows(engine, run.id)
        if fate == "with":
            parent.kill()
            tally.supervisors += 1
        os.killpg(run.pid, signal.SIGKILL)
        killed = time.monotonic()
        if database.get_run(engine, run.id).state == "finished":
            break
        while database.get_run(engine, run.id).state != "lost":
            jobs.reap(engine)
            assert time.monotonic() - killed < 30, database.get_run(engine, run.id)
            time.sleep(0.02)
        tally.slowest_notice = max(tally.slowest_notice, time.monotonic() - killed)
        wanted = "SIGKILL" if fate == "never" else ""
        # on a machine that is full its supervisor may come a moment after who looked
        late = time.monotonic() + 10
        while not _is_told(engine, run.id, wanted) and time.monotonic() < late:
            time.sleep(0.05)
        if not _is_told(engine, run.id, wanted):
            tally.unlike.append(f"{run.id}, supervisor killed {fate}: the end is not recorded so")
        tally.kills += 1
        tally.moments[moment] += 1
        after = read_rows(engine, run.id)
        for name, rows in before.items():
            tally.committed[name] += len(rows)
            tally.lost[name] += sum(after[name].get(key) != value for key, value in rows.items())
        secured = _secured(run, after)
    _check_end(engine, run.id, secured, tally)


def _is_told(engine: Engine, run_id: str, sign: str) -> bool:
    run = database.get_run(engine, run_id)
    return run.exit_signal == sign and sign in run.reason


def _reach(engine: Engine, run: Run, moment: str, draw: random.Random) -> bool:
    """Waits for a moment of a run; False where it ended before."""
    folder = Path(run.folder)
    begun = time.monotonic()
    wait = {"at once": draw.uniform(0, 1), "twice": draw.uniform(0, 6), "any": draw.uniform(0, 10)}
    step = draw.randrange(STEPS)

    def half_written() -> bool:
        found = folder.glob("checkpoints/checkpoint-*")
        return any(not (path / "trainer_state.json").exists() for path in found)

    def state() -> Run:
        return database.get_run(engine, run.id)

    reached: dict[str, Callable[[], bool]] = {
        "a step": lambda: state().step > step,
        "inside a checkpoint": half_written,
        "the last save": lambda: (folder / "policy.part").exists(),
        "never": lambda: False,
    }
    for name, seconds in wait.items():
        reached[name] = lambda seconds=seconds: time.monotonic() - begun > seconds
    there = reached.get(moment) or (lambda: state().phase == moment)
    looked = 0.0
    while not there():
        if time.monotonic() - looked > 0.2:
            looked = time.monotonic()
            jobs.reap(engine)
            if state().state not in ("starting", "running"):
                return False
            assert looked - begun < PATIENCE, f"{moment} did not come: {state()}"
        time.sleep(0.0005)
    time.sleep(draw.choice([0, 0, draw.uniform(0, 0.05)]))
    return jobs.alive(run)


def _secured(run: Run, rows: Rows) -> Rows:
    """Of the rows those that no resume may take out again: of the steps up to the last whole checkpoint."""
    checkpoint = last_checkpoint(Path(run.folder))
    done = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    episodes = {
        key: value
        for key, value in rows["episodes"].items()
        if key[0] == "train" and key[1] <= done
    }
    metrics = {key: value for key, value in rows["metrics"].items() if key[1] <= done}
    return {"episodes": episodes, "metrics": metrics}


def _check_end(engine: Engine, run_id: str, secured: Rows, tally: Tally) -> None:
    """A finished run holds every step once, as if nobody had killed it."""
    run, rows = database.get_run(engine, run_id), read_rows(engine, run_id)
    if (run.state, run.step) != ("finished", STEPS):
        tally.unlike.append(f"{run_id} is {run.state} at step {run.step}: {run.reason}")
    for name, kept in secured.items():
        tally.lost[name] += sum(rows[name].get(key) != value for key, value in kept.items())
    counts = Counter(key[:2] for key in rows["episodes"])
    wanted = {("train", step): EACH for step in range(1, STEPS + 1)}
    wanted |= {(f"{when}/{mode}", step): 2 for when, step in (("before", 0), ("after", STEPS))
               for mode in ("greedy", "sampled")}  # fmt: skip
    tally.doubled += sum(max(0, count - wanted.get(key, 0)) for key, count in counts.items())
    if counts != wanted:
        tally.unlike.append(f"{run_id} holds {dict(counts)}")
    if {step for name, step in rows["metrics"] if name == "reward"} != set(range(1, STEPS + 1)):
        tally.unlike.append(f"{run_id} has not every step in its curve")
    if not {key[0] for key in rows["memories"]} <= {key[2] for key in rows["episodes"]}:
        tally.unlike.append(f"{run_id}: memories and episodes do not belong together")
    left = [path.name for path in Path(run.folder).glob("*.part")]
    if left or run.reason:
        tally.unlike.append(f"{run_id} left {left}, {run.reason!r}")


def main() -> None:
    """Prints the figures of so many kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forked", action="store_true", help="workers have read no library anew")
    asked = parser.parse_args()
    from tests.policies.test_policies import save_model

    with tempfile.TemporaryDirectory() as place:
        os.environ["MEMFACTORY_RUNS"] = str(Path(place) / "runs")
        os.environ.pop("MEMFACTORY_DB", None)
        model = save_model(Path(place) / "model", "qwen3")
        engine = database.connect(jobs.database_url())
        crash(engine, model, asked.kills, asked.seed, asked.forked)


if __name__ == "__main__":
    main()

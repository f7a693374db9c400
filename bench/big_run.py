"""Server time of the lab's pages on a big run, by hand:

    python -m bench.big_run --events 1000000

Fills a database in a temporary folder with a synthetic run and prints p50 and p95 of every query
that pages make, and of whole pages, in milliseconds, and the memory that reading needed. The goal
is a p95 of 300 ms."""

from __future__ import annotations

import argparse
import os
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from memfactory_core.runs.tables import (
    EpisodeRow,
    ExampleRow,
    MemoryRow,
    Metric,
    NeedRow,
    TallyRow,
)

ROOT = Path(__file__).parents[1]
GROUP, STEP = 8, 64
"""Attempts of a group and episodes of a step."""
GOAL = 300
REPEATS = 30
CURVES = ("reward", "score/exact_match", "score/kept", "score/stored", "entropy", "equal_groups")


def templates() -> list[Any]:
    """Episodes of several sorts, whose bodies stand for all."""
    from memfactory_core import config
    from memfactory_core.episode import run_episodes
    from memfactory_core.rewards import score

    chosen = config.load("memagent-tiny", ["task.chunks=7", "mode=evaluate", "policy=scripted"])
    found = []
    for strategy in ("random", "overlap", "last"):
        sampler = chosen.policy.model_copy(update={"strategy": strategy}).load()
        played = run_episodes(chosen.paradigm, sampler, chosen.task.examples(24, 0))
        found += [score(one, chosen.reward) for one in played]
    return found


def fill(events: int) -> tuple[str, int, int]:
    """The run's id, its steps and the events written."""
    from sqlalchemy import insert

    from memfactory_core import config
    from memfactory_core.runs import database, jobs, recording

    engine = database.connect(jobs.database_url())
    run = jobs.create(engine, config.load("memagent-tiny", ["name=Big run"]))
    made: list[tuple[int, dict[Any, list[dict[str, Any]]]]] = []
    known: dict[Any, Any] = {}
    for one in templates():
        rows = recording.episode_rows(run.id, "train", 1, [one], known)
        made.append((len(one.events), rows))
    patterns = [row for _, rows in made for row in rows[ExampleRow]]
    with engine.begin() as connection:
        connection.execute(insert(ExampleRow), patterns)
    rng, written, step = random.Random(0), 0, 0
    while written < events:
        step += 1
        tables: dict[Any, list[dict[str, Any]]] = {
            table: [] for table in (EpisodeRow, NeedRow, MemoryRow, TallyRow)
        }
        counts: Counter[str] = Counter()
        for number in range(STEP):
            count, rows = rng.choice(made)
            name = f"e{step:07d}{number:02d}"
            (episode,) = rows[EpisodeRow]
            drawn = {"reward": episode["reward"] + rng.random() / 100, "advantage": rng.gauss(0, 1)}
            place = {"step": step, "id": name, "group_id": f"{step}-{number // GROUP}"}
            tables[EpisodeRow].append(episode | place | drawn)
            for table in (NeedRow, MemoryRow):
                tables[table] += [row | {"step": step, "episode_id": name} for row in rows[table]]
            for row in rows[TallyRow]:
                counts[row["name"]] += row["count"]
            written += count
        tables[TallyRow] = [
            {"run_id": run.id, "phase": "train", "step": step, "name": name, "count": count}
            for name, count in counts.items()
        ]
        metrics = [
            {"run_id": run.id, "name": name, "step": step, "value": rng.random()} for name in CURVES
        ]
        with engine.begin() as connection:
            for table, filled in (tables | {Metric: metrics}).items():
                connection.execute(insert(table), filled)
    database.update_run(engine, run.id, state="finished", step=step, started=0.0, ended=1.0)
    return run.id, step, written


def queries_of(run: str, steps: int) -> dict[str, Callable[[], Any]]:
    """Every read of the pages, at random places of the run."""
    from app.reads.causes import MOST_BARS, count_causes, count_failures, list_failures
    from app.reads.curves import read_curves
    from app.reads.episodes import EPISODE_SORTS, count_episodes, list_episodes, read_episode
    from app.reads.groups import find_group_and_cause, list_attempts, list_groups
    from app.reads.memories import (
        count_memories,
        count_needs,
        list_lost_facts,
        list_needs,
        list_unread_memories,
    )
    from app.reads.operations import count_operations
    from app.reads.runs import label_runs, list_runs
    from app.reads.steps import find_nearest_step, find_place, find_step_range, list_phases

    rng = random.Random(1)

    def step() -> int:
        return rng.randint(1, steps)

    def name() -> str:
        return f"e{step():07d}{rng.randrange(STEP):02d}"

    sort = list(EPISODE_SORTS)[1]
    span = max(1, steps // MOST_BARS)
    return {
        "runs": lambda: list_runs(12),
        "run_names": label_runs,
        "phases": lambda: list_phases(run),
        "step_range": lambda: find_step_range(run, "train"),
        "nearest_step": lambda: find_nearest_step(run, "train", step()),
        "count_episodes": lambda: count_episodes(run),
        "curves": lambda: read_curves(run, CURVES),
        "episodes": lambda: list_episodes(run, "train", step(), sort, 8),
        "place_of": lambda: find_place(run, name()),
        "episode": lambda: read_episode(run, name()),
        "groups": lambda: list_groups(run, "train", step(), 8),
        "attempts": lambda: list_attempts(
            run, "train", (s := step()), f"{s}-{rng.randrange(STEP // GROUP)}"
        ),
        "place_in_group": lambda: find_group_and_cause(run, name()),
        "causes": lambda: count_causes(run, "train"),
        "failures, a bar": lambda: list_failures(
            run, "train", "overwritten", ((s := step()), s + span), 8
        ),
        "failures, all steps, last page": lambda: list_failures(
            run, "train", "not_written", (1, steps), 8, 8000
        ),
        "count_failures": lambda: count_failures(run, "train", "overwritten", (1, steps)),
        "operations": lambda: count_operations(run),
        "needs": lambda: list_needs(run, "train"),
        "lost": lambda: list_lost_facts(run, "train", 8, rng.randrange(0, 5000, 8)),
        "count_needs": lambda: count_needs(run, "train", were_lost=True),
        "never_read": lambda: list_unread_memories(run, "train", 8),
        "count_memories": lambda: count_memories(run, "train"),
    }


def pages_of(run: str, steps: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Whole pages, run by Streamlit's own test runner."""
    from streamlit.testing.v1 import AppTest

    rng = random.Random(2)
    for name, place in (
        ("runs", {"tab": "Curves"}), ("runs", {"tab": "Causes"}), ("runs", {"tab": "Memories"}),
        ("groups", {}), ("episode", {}), ("episode", {"view": "steps"}), ("memory", {}),
    ):  # fmt: skip
        page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
        page.switch_page(f"../pages/{name}.py")
        for key, value in (place | {"run": run, "phase": "train"}).items():
            page.query_params[key] = value

        def visit(page: AppTest = page) -> None:
            page.query_params["step"] = str(rng.randint(1, steps))
            page.run()
            assert not page.exception and not page.error, page.exception

        yield f"page {name} {' '.join(place.values())}", visit


def measure(name: str, read: Callable[[], Any]) -> float:
    """Prints a line; gives back the p95."""
    taken = []
    read()  # the first visit of all imports what it needs
    for _ in range(REPEATS):
        began = time.perf_counter()
        read()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    p50, p95 = taken[len(taken) // 2], taken[int(len(taken) * 0.95)]
    note = "" if p95 <= GOAL else f"  over {GOAL}"
    print(f"{name:34} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms{note}", flush=True)
    return p95


def main() -> None:
    """Fills, reads, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMFACTORY_RUNS"] = folder
        os.environ.pop("MEMFACTORY_DB", None)
        from memfactory_core.runs import examples

        examples.ensure = lambda engine: []  # no example run here
        began = time.perf_counter()
        run, steps, written = fill(events)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.db*")) / 2**20
        print(
            f"{written:,} events, {steps * STEP:,} episodes, {steps:,} steps; {size:,.0f} MiB, "
            f"filled in {time.perf_counter() - began:.0f} s"
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        worst = max(measure(name, read) for name, read in queries_of(run, steps).items())
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"queries: worst p95 {worst:.0f} ms; memory grew by {(after - before) / 1024:.0f} MiB"
        )
        worst = max(measure(name, visit) for name, visit in pages_of(run, steps))
        last = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"pages: worst p95 {worst:.0f} ms; memory grew by {(last - after) / 1024:.0f} MiB, "
            f"peak {last / 1024:.0f} MiB"
        )


if __name__ == "__main__":
    main()

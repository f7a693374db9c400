"""`python -m app.learn.gather FORM_RUNS ANSWER_RUNS` writes the stored curves of the lesson on reward hacking from the
runs of this lab (ids, separated by commas); the commands that made those runs stand in the file itself."""

from __future__ import annotations

import json
import sys
from typing import Any

from app.learn.hacking import DATA
from app.reads.curves import read_curves
from app.reads.engine import database_engine
from memfactory_core.explain import story
from memfactory_core.rewards import weight_of
from memfactory_core.runs import database
from memfactory_core.runs.recording import recorded_episodes
from memfactory_core.runs.tables import Run

COMMAND = (
    "memfactory demo --recipe memagent-tiny --seeds 0,1,2 --set training.learning_rate=1e-3 "
    "--set evaluation.samples=0"
)
REWARDS = {
    "form": """ --set 'reward={"rejected": -1.0, "length": -0.05}'""",
    "answers": "",
}
CURVES = ("reward", "score/exact_match", "score/kept", "score/length", "score/rejected")
SCORES = ("reward", "exact_match", "kept", "stored", "rejected", "length")
EVERY = 2
"""Steps behind one stored point."""


def gather(runs: dict[str, list[Run]]) -> dict[str, Any]:
    """Everything that the lesson shows of the two rewards."""
    return {
        side: {
            "command": COMMAND + REWARDS[side],
            "reward": {n: weight_of(v) for n, v in found[0].settings["reward"].items()},
            "runs": [_gather_run(run) for run in found],
        }
        for side, found in runs.items()
    }


def _gather_run(run: Run) -> dict[str, Any]:
    steps = run.steps // EVERY
    curves = read_curves(run.id, CURVES, steps)
    after = list(recorded_episodes(database_engine(), run.id, "after/greedy"))[:3]
    return {
        "seed": run.settings["seed"],
        "seconds": round(run.elapsed(run.ended or 0.0)),
        "curves": {
            name.removeprefix("score/"): [[step, round(value, 3)] for step, value in curve]
            for name, curve in curves.items()
        },
        "scores": {
            when: {
                name: {k: round(v, 3) for k, v in summary[f"greedy/{name}"].items()}
                for name in SCORES
            }
            for when, summary in run.summary.items()
        },
        "written": [
            {
                "question": one.example.question, "answer": one.answer,
                "memory": " ".join(m.text for m in story.sections(one.example, one.events)[-1].after),
            }
            for one in after
        ],
    }  # fmt: skip


if __name__ == "__main__":
    engine = database_engine()
    found = {
        side: [database.get_run(engine, name) for name in names.split(",")]
        for side, names in zip(REWARDS, sys.argv[1:], strict=True)
    }
    DATA.write_text(json.dumps(gather(found), indent=1) + "\n", encoding="utf-8")

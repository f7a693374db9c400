"""Runs as folders that travel: everything the pages show of a run, without the machine it was made on.

A folder holds run.json (the row and the configuration), metrics.json, episodes.jsonl.gz (phase, step and the
whole episode a line) and policy/ (the trained weights)."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session, select

from memfactory_core.errors import RunError
from memfactory_core.runs import jobs, recording
from memfactory_core.runs.tables import EpisodeRow, Metric, Run
from memfactory_core.trace import Episode

_LOCAL = {"folder", "pid", "born", "token", "heartbeat"}


def export_run(
    engine: Engine, run: Run, folder: Path, every: int = 1, sampled: bool = True
) -> Path:
    """Writes a run into `folder`: of the training episodes those of every `every`-th step, of the evaluations
    the greedy attempts and, where `sampled`, those at temperature 1. RunError where the folder has files in it or
    cannot be written."""
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty; name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record = json.loads((Path(run.folder) / "run.json").read_text())
        record["run"] = run.model_dump(exclude=_LOCAL)
        (folder / "run.json").write_text(json.dumps(record, indent=1))
        with Session(engine) as session:
            metrics = session.exec(select(Metric).where(Metric.run_id == run.id)).all()
            lines = [[m.name, m.step, m.value] for m in metrics]
            (folder / "metrics.json").write_text(json.dumps(lines))
            rows = session.exec(select(EpisodeRow).where(EpisodeRow.run_id == run.id))
            with gzip.open(folder / "episodes.jsonl.gz", "wt") as file:
                for row in rows:
                    if row.phase == "train" and row.step % every and row.step != 1:
                        continue
                    if row.phase.endswith("/sampled") and not sampled:
                        continue
                    body = row.episode.model_dump(mode="json")
                    file.write(json.dumps([row.phase, row.step, body]) + "\n")
        policy = Path(run.folder) / "policy"
        if policy.exists():
            shutil.copytree(policy, folder / "policy")
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror}") from error
    return folder


def import_run(engine: Engine, folder: Path) -> Run:
    """Brings a folder that `export_run` wrote into the database; a run that is there already is returned as
    it is. RunError where the folder holds no run or a broken one."""
    try:
        record = json.loads((folder / "run.json").read_text())
        values = record["run"]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{folder} holds no exported run: {error}") from error
    with Session(engine, expire_on_commit=False) as session:
        known = session.get(Run, values["id"])
    if known:
        return known
    home = jobs.root() / values["id"]
    try:
        shutil.copytree(folder, home, dirs_exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {home}: {error.strerror or error}") from error
    curves: dict[int, dict[str, float]] = {}
    for name, step, value in json.loads((folder / "metrics.json").read_text()):
        curves.setdefault(step, {})[name] = value
    for step, points in curves.items():
        recording.save_metrics(engine, values["id"], step, points)
    batch: dict[tuple[str, int], list[Episode]] = {}
    with gzip.open(folder / "episodes.jsonl.gz", "rt") as file:
        for number, line in enumerate(file, 1):
            try:
                phase, step, body = json.loads(line)
                batch.setdefault((phase, step), []).append(Episode.model_validate(body))
            except ValueError as error:
                raise RunError(f"{folder}/episodes.jsonl.gz, line {number}: {error}") from error
    for (phase, step), episodes in batch.items():
        recording.save_episodes(engine, values["id"], phase, step, episodes)
    run = Run(**values, folder=str(home), token="imported")
    with Session(engine, expire_on_commit=False) as session:
        session.add(run)
        session.commit()
    return run

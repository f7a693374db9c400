"""Runs as folders that travel: everything the pages show of a run, without the machine it was made on.

A folder holds run.json (the row and the configuration), metrics.json, episodes.jsonl.gz (phase, step and the
whole episode a line) and policy/ (the trained weights)."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from memfactory_core.errors import RunError
from memfactory_core.runs import database, disk, jobs, recording
from memfactory_core.runs.bundle import RECORD, Bundle
from memfactory_core.runs.record import read
from memfactory_core.runs.tables import EpisodeRow, Metric, Run

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
        record = read(Path(run.folder))
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
    """Brings a folder that `export_run` wrote into the database, under an id that follows from its content: the same
    bundle again gives the run that is there. RunError, and nothing left behind, where anything in it is not as
    `export_run` writes it."""
    bundle = Bundle(folder)
    run_id = f"import-{bundle.digest()[:16]}"
    known = _find(engine, run_id)
    if known:
        return known
    bundle.check_weights()
    rows = _rows(bundle, run_id)
    home, staging = jobs.root() / run_id, jobs.root() / f".{run_id}.{os.getpid()}"
    kept = bundle.record.model_dump(mode="json", exclude={"run"}, exclude_none=True)
    values = bundle.record.run.values() | {
        "id": run_id, "folder": str(home), "token": "imported", "config": json.dumps(bundle.config.dump()),
        "results": json.dumps(bundle.results),
    }  # fmt: skip
    record = kept | {"id": run_id, "created": values["created"], "config": bundle.config.dump()}
    try:
        _stage(bundle, staging, record)

        def bring(connection: Connection) -> None:
            # the row first: of two that bring in the same bundle at once the second stops here
            connection.execute(insert(Run), values)
            recording.insert_rows(connection, rows)
            if home.exists():  # of an import that was killed before it was in the database
                shutil.rmtree(home)
            staging.rename(home)

        database.write(engine, bring)
    except IntegrityError as error:
        known = _find(engine, run_id)
        if known is None:
            raise RunError(f"{folder} holds the same thing twice: {error.orig}") from error
    except (OSError, shutil.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise RunError(f"cannot write {home}: {why}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return database.get_run(engine, run_id)


def _find(engine: Engine, run_id: str) -> Run | None:
    with Session(engine) as session:
        return session.get(Run, run_id)


def _rows(bundle: Bundle, run_id: str) -> recording.Rows:
    """Everything of a bundle that goes into tables beside the run's own row."""
    points = {(name, step): value for name, step, value in bundle.points()}
    metrics = [
        {"run_id": run_id, "name": name, "step": step, "value": value}
        for (name, step), value in points.items()
    ]
    rows: recording.Rows = {Metric: metrics}
    seen: set[str] = set()
    for phase, step, episode in bundle.episodes():
        if episode.id in seen:
            raise RunError(f"{bundle.folder}: two episodes are called {episode.id[:80]!r}")
        seen.add(episode.id)
        try:
            found = recording.episode_rows(run_id, phase, step, [episode])
        except Exception as error:  # of a trace that contradicts itself anything may be raised
            raise RunError(
                f"{bundle.folder}: the episode {episode.id[:80]!r} does not hold together "
                f"({type(error).__name__}: {error})"
            ) from error
        for table, values in found.items():
            rows.setdefault(table, []).extend(values)
    return rows


def _stage(bundle: Bundle, staging: Path, record: dict[str, Any]) -> None:
    """The files of the run's folder, in a place that no run is looked for."""
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    disk.write_json(staging / RECORD, record)
    for name, path in bundle.files.items():
        if name.startswith("policy/"):
            (staging / "policy").mkdir(exist_ok=True)
            shutil.copyfile(path, staging / name, follow_symlinks=False)
